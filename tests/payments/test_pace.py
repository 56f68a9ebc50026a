"""How fast we ask: never above the limit, and a full coach within twice what the limit allows."""

from __future__ import annotations

import time as real
from datetime import timedelta

import pytest

from payments import gateway
from payments.actions import operations, payments
from payments.gateway import pace
from payments.models import Checkout, Customer, Operation, Payment
from payments.sandbox import runtime
from payments.sandbox.faults import Faults
from payments.states import OperationState, PaymentState
from rally import clock, rules
from rally.celery import app
from rally.models import User
from tests.factories.payments import at_page, payment, usd

COACH = 56


@pytest.mark.race
def test_a_full_coach_is_held_within_twice_what_the_limit_allows(transactional_db: None, ana: User) -> None:
    """56 authorizations at a provider that takes 150 ms, at 10 calls a second: 5.6 s allowed, 11.2 s promised."""
    now = clock.now()
    first = at_page(payment(ana, now=now), Checkout.Mode.SAVE, now=now)
    riders = [first, *(payment(ana, now=now, group=first.group) for _ in range(COACH - 1))]
    Payment.objects.filter(group=first.group).update(
        state=PaymentState.CARD_SAVED, card=first.card, customer=first.customer
    )
    assert Customer.objects.count() == 1
    sandbox = runtime.current()
    times: list[float] = []
    real_handle = sandbox.handle

    def noted(method: str, path: str, headers: object, body: bytes | str = b"") -> object:
        times.append(real.monotonic())
        return real_handle(method, path, headers, body)  # type: ignore[arg-type]

    sandbox.handle = noted  # type: ignore[method-assign,assignment]
    sandbox.faults = Faults(delay=0.15)
    app.conf.task_always_eager = False  # the messages go to the broker and nobody reads them
    try:
        for each in riders:
            payments.authorize(payment_id=each.id, amount=usd(4200), now=now)
    finally:
        app.conf.task_always_eager = True
    assert Operation.objects.filter(state=OperationState.PENDING).count() == COACH

    began = real.monotonic()
    while operations.run_due(now=clock.now()):
        pass
    took = real.monotonic() - began

    assert Payment.objects.filter(state=PaymentState.HELD).count() == COACH
    busiest = max(sum(start <= each < start + 1 for each in times) for start in times)
    print(f"\n{COACH} authorizations at 150 ms: {took:.1f} s, at most {busiest} calls in a second")
    assert took < 2 * COACH / 10
    assert busiest <= 12  # ten, and what the threads' scheduling moves across a second's edge


def test_workers_wait_for_their_turn_and_people_do_not(transactional_db: None, sam: User) -> None:
    rules.change("provider_calls_per_second", 20, now=clock.now(), by=sam)
    assert pace.take_turn() == 0
    assert pace.take_turn() == 0  # people go at once
    with gateway.patient():
        waited = pace.take_turn()
    assert 0 < waited <= 0.1  # and the worker waits for both


def test_an_operation_that_is_not_due_is_left_alone(transactional_db: None, ana: User) -> None:
    now = clock.now()
    first = at_page(payment(ana, now=now), Checkout.Mode.SAVE, now=now)
    runtime.current().faults = Faults()
    payments.authorize(payment_id=first.id, amount=usd(4200), now=now)
    assert operations.due(now=now + timedelta(days=1)) == []
    assert operations.run_due(now=now + timedelta(days=1)) == 0
