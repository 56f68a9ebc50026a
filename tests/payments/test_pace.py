"""How fast we ask: never above the limit, each call in a turn of its own."""

from __future__ import annotations

import threading
import time as real
from datetime import datetime, timedelta

import pytest
from django.db import connection

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
RATE = 50


@pytest.mark.race
def test_a_full_coach_is_asked_for_at_the_limit_and_side_by_side(
    transactional_db: None, ana: User, sam: User
) -> None:
    """56 authorizations at a provider that takes its time: each draws a turn of its own, and calls overlap.

    How long that takes is measured in `bench/settling.py`, where a slow machine fails nobody.
    """
    now = clock.now()
    rules.change("provider_calls_per_second", RATE, now=now, by=sam)
    first = at_page(payment(ana, now=now), Checkout.Mode.SAVE, now=now)
    riders = [first, *(payment(ana, now=now, group=first.group) for _ in range(COACH - 1))]
    Payment.objects.filter(group=first.group).update(
        state=PaymentState.CARD_SAVED, card=first.card, customer=first.customer
    )
    assert Customer.objects.count() == 1
    sandbox = runtime.current()
    sandbox.faults = Faults(delay=0.05)
    under_way, most = 0, 0
    counting = threading.Lock()
    real_handle = sandbox.handle

    def noted(method: str, path: str, headers: object, body: bytes | str = b"") -> object:
        nonlocal under_way, most
        with counting:
            under_way += 1
            most = max(most, under_way)
        try:
            return real_handle(method, path, headers, body)  # type: ignore[arg-type]
        finally:
            with counting:
                under_way -= 1

    sandbox.handle = noted  # type: ignore[method-assign,assignment]
    app.conf.task_always_eager = False  # the messages go to the broker and nobody reads them
    try:
        for each in riders:
            payments.authorize(payment_id=each.id, amount=usd(4200), now=now)
    finally:
        app.conf.task_always_eager = True
    assert Operation.objects.filter(state=OperationState.PENDING).count() == COACH

    began, began_here = _database_time(), real.monotonic()
    while operations.run_due(now=clock.now()):
        pass
    took = real.monotonic() - began_here

    assert Payment.objects.filter(state=PaymentState.HELD).count() == COACH
    # No two calls drew one turn, and nobody asked before theirs: a slow machine can only take longer.
    assert _next_turn() - began >= timedelta(seconds=COACH / RATE)
    assert took >= (COACH - 1) / RATE
    assert most > 1


def _database_time() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    return now


def _next_turn() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT next_at FROM payments_pace WHERE name = 'provider'")
        (at,) = cursor.fetchone()
    return at


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
