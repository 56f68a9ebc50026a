"""The tasks by their names, as the timetable calls them."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from celery.exceptions import MaxRetriesExceededError, Retry
from celery.signals import task_retry
from django.conf import settings
from django.test import Client

from payments import gateway, tasks
from payments.actions import operations, payments, reconciling
from payments.models import Checkout, InboxEvent, Operation, Payment, Reconciliation
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Fault
from payments.states import PaymentState
from rally.celery import app
from rally.later import load_tasks
from rally.models import User
from tests.factories.payments import at_page, go, payment, type_card, usd
from tests.payments.conftest import Time

SAVE, HOLD = Checkout.Mode.SAVE, Checkout.Mode.HOLD


def test_the_timetable_names_tasks_that_exist() -> None:
    load_tasks()
    ours = {name for name in settings.CELERY_BEAT_SCHEDULE if name.startswith("payments.")}
    assert ours <= set(app.tasks)
    assert "payments.pump_sandbox" in app.tasks


def test_the_nightly_comparison_asks_again_until_a_dead_one_blocks_no_more(
    sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.conf, "task_eager_propagates", False)  # else nothing is tried again in place
    Reconciliation.objects.create(kind="light", started_at=time())  # the worker was killed
    given_up = tasks.reconcile_full.apply().result  # where no time passes it does not ask for ever
    assert isinstance(given_up, MaxRetriesExceededError)
    pauses: list[float] = []

    def wait(reason: Retry, **_more: Any) -> None:
        pauses.append(reason.when)
        time.move(seconds=reason.when)

    task_retry.connect(wait, sender=tasks.reconcile_full)
    try:
        tasks.reconcile_full.apply()
    finally:
        task_retry.disconnect(wait, sender=tasks.reconcile_full)
    assert Reconciliation.objects.get(kind="full").ended_at is not None
    assert pauses == [300] * 12


def test_a_nightly_comparison_has_time_and_is_over_before_it_counts_as_dead() -> None:
    task = tasks.reconcile_full
    dead_after = reconciling.DEAD_AFTER.total_seconds()
    assert settings.CELERY_TASK_TIME_LIMIT < task.soft_time_limit < task.time_limit < dead_after


def test_what_nobody_was_told_of_is_done_by_the_sweeps(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = payment(ana, now=time())
    type_card(go(paid, SAVE, now=time()))
    tasks.poll_events()
    tasks.poll_events()
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "payment_intents$", Fault.DROP_BEFORE)
    payments.authorize(payment_id=paid.id, amount=usd(4200), now=time())
    time.move(minutes=1)
    tasks.run_operations()
    tasks.read_inbox()
    tasks.check_holds()
    tasks.send_transfers()
    tasks.announce()
    paid.refresh_from_db()
    assert paid.state == PaymentState.HELD


def test_one_operation_that_fails_by_our_fault_stops_no_other(
    sandbox: Sandbox, ana: User, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = at_page(payment(ana, now=time()), SAVE, now=time())
    second = at_page(payment(ana, now=time()), SAVE, now=time())
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "payment_intents$", Fault.DROP_BEFORE, Fault.DROP_BEFORE)
    for each in (first, second):
        payments.authorize(payment_id=each.id, amount=usd(4200), now=time())
    real = gateway.create_intent

    def breaks(params: dict[str, Any], **more: Any) -> Any:
        if more["tags"]["payment"] == str(first.id):
            raise RuntimeError("a mistake of ours")
        return real(params, **more)

    with monkeypatch.context() as patched:
        patched.setattr(gateway, "create_intent", breaks)
        operations.run_due(now=time.move(minutes=1))
    assert Payment.objects.get(id=second.id).state == PaymentState.HELD
    assert Operation.objects.get(payment=first, kind="authorize").state == "pending"
    operations.run_due(now=time.move(minutes=3))  # the lease has run out
    assert Payment.objects.get(id=first.id).state == PaymentState.HELD


@pytest.fixture
def endpoint(client: Client, settings: Any) -> Any:
    """Our own webhook behind a real socket."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, body, self.headers["Stripe-Signature"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            pass

    received: list[tuple[str, bytes, str]] = []
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    settings.SITE_URL = f"http://127.0.0.1:{server.server_port}"
    yield received
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_sandbox_s_webhooks_arrive_signed(
    endpoint: list[tuple[str, bytes, str]], sandbox: Sandbox, ana: User, client: Client, time: Time
) -> None:
    type_card(go(payment(ana, now=time()), HOLD, now=time()))
    tasks.pump_sandbox()
    assert {path for path, _, _ in endpoint} == {"/payments/webhook/"}
    for path, body, signed in endpoint:
        answer = client.post(
            path, data=body, content_type="application/json", headers={"Stripe-Signature": signed}
        )
        assert answer.status_code == 200
    assert InboxEvent.objects.count() == len(endpoint)
    assert Payment.objects.get().state == PaymentState.HELD


def test_nobody_listening_is_no_trouble(sandbox: Sandbox, ana: User, time: Time, settings: Any) -> None:
    settings.SITE_URL = "http://127.0.0.1:9"
    type_card(go(payment(ana, now=time()), HOLD, now=time()))
    tasks.pump_sandbox()
    tasks.poll_events()
    assert Payment.objects.get().state == PaymentState.HELD


def test_with_a_key_there_is_nothing_to_pump(sandbox: Sandbox, time: Time, settings: Any) -> None:
    settings.SANDBOX = False
    tasks.pump_sandbox()
    assert gateway.provider() == "test"
    settings.STRIPE_SECRET_KEY = "sk_live_of_nobody"
    assert gateway.provider() == "live"
    settings.SANDBOX, settings.STRIPE_SECRET_KEY = True, ""
