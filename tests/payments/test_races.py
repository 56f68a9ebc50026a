"""Real threads over the same rows."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.db import transaction

from payments import gateway
from payments.actions import checkouts, operations, payments
from payments.models import Attempt, Checkout, Customer, Operation, Payment
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Fault
from payments.states import PaymentState
from rally.models import User
from tests.factories.payments import at_page, go, payment, usd
from tests.payments.conftest import Time, heal, saved
from tests.racing import at_once

pytestmark = pytest.mark.race
SAVE, HOLD = Checkout.Mode.SAVE, Checkout.Mode.HOLD


def asked_in_vain(sandbox: Sandbox, payer: User, time: Time) -> tuple[Payment, Operation, datetime]:
    """An operation that must be sent again a minute later: the first time it never arrived."""
    assert sandbox.faults is not None
    paid = saved(payer, time)
    sandbox.faults.script("POST", "payment_intents$", Fault.DROP_BEFORE)
    payments.authorize(payment_id=paid.id, amount=usd(4200), now=time())
    return paid, Operation.objects.get(kind="authorize"), time.move(minutes=1)


def test_two_workers_on_one_operation_have_one_effect(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid, operation, now = asked_in_vain(sandbox, ana, time)
    sandbox.faults.delay = 0.05
    at_once(*[lambda: operations.run(operation.id, now=now)] * 4)
    sandbox.faults.delay = 0
    paid.refresh_from_db()
    operation.refresh_from_db()
    assert (paid.state, operation.tries) == (PaymentState.HELD, 2)
    assert gateway.books().capturable == 4200


def test_a_worker_whose_lease_ran_out_meets_the_next_one(sandbox: Sandbox, ana: User, time: Time) -> None:
    """Both send, under one key, and both record: still one hold."""
    paid, operation, now = asked_in_vain(sandbox, ana, time)
    sandbox.faults.delay = 0.1
    at_once(
        lambda: operations.run(operation.id, now=now),
        lambda: operations.run(operation.id, now=now + operations.LEASE * 2),
    )
    sandbox.faults.delay = 0
    heal(sandbox, time)
    paid.refresh_from_db()
    assert paid.state == PaymentState.HELD
    assert gateway.books().capturable == 4200


def test_two_captures_take_once(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), HOLD, now=time())
    now = time()
    at_once(*[lambda: payments.capture(payment_id=paid.id, amount=usd(4200), now=now)] * 3)
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, paid.captured_minor) == (PaymentState.PAID, 4200)
    assert Operation.objects.filter(kind="capture").count() == 1


def test_capture_and_release_cannot_both_win(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), HOLD, now=time())
    now = time()
    at_once(
        lambda: payments.capture(payment_id=paid.id, amount=usd(4200), now=now),
        lambda: payments.release(payment_id=paid.id, keep_card=False, now=now, why="race"),
    )
    heal(sandbox, time)
    paid.refresh_from_db()
    assert paid.state in (PaymentState.PAID, PaymentState.RELEASED)
    assert paid.captured_minor == (4200 if paid.state == PaymentState.PAID else 0)


def test_two_tabs_get_one_page(sandbox: Sandbox, ana: User, time: Time) -> None:
    assert sandbox.faults is not None
    paid = payment(ana, now=time())
    now = time()
    sandbox.faults.delay = 0.02
    answers = at_once(*[lambda: go(paid, HOLD, now=now)] * 4)
    sandbox.faults.delay = 0
    urls = {each for each in answers if isinstance(each, str)}
    assert urls <= {Checkout.objects.get().url}
    assert go(paid, HOLD, now=now) == Checkout.objects.get().url
    assert (Checkout.objects.count(), Customer.objects.count()) == (1, 1)


def test_many_come_back_at_once(sandbox: Sandbox, ana: User, time: Time) -> None:
    from tests.factories.payments import type_card

    paid = payment(ana, now=time())
    type_card(go(paid, HOLD, now=time()))
    now = time()
    answers = at_once(*[lambda: checkouts.come_back(payment_id=paid.id, now=now)] * 4)
    assert answers == [None] * 4
    paid.refresh_from_db()
    assert (paid.state, Attempt.objects.count()) == (PaymentState.HELD, 1)


def test_two_refunds_for_one_reason_are_one(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), Checkout.Mode.CHARGE, now=time())
    now = time()
    answers = at_once(
        *[lambda: payments.refund(payment_id=paid.id, amount=usd(4200), reason="x", now=now, by=None)] * 3
    )
    heal(sandbox, time)
    assert len({each.id for each in answers}) == 1
    assert gateway.books().balance == -152


def test_a_settlement_waits_for_nobody_s_transaction(sandbox: Sandbox, ana: User, time: Time) -> None:
    """An operation whose row somebody looks at is left alone, not waited for."""
    _paid, operation, now = asked_in_vain(sandbox, ana, time)
    with transaction.atomic():
        Operation.objects.select_for_update().get(id=operation.id)
        assert at_once(lambda: operations.run(operation.id, now=now)) == ["pending"]
