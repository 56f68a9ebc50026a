"""Reads over money, and invariants that do notice when something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.db.utils import IntegrityError

from payments import queries
from payments.actions import audits, ledger, payments
from payments.gateway import books
from payments.gateway.words import Books
from payments.models import Account, Attempt, Checkout, LedgerTransfer, Payee, Payment, Transfer
from payments.sandbox import runtime
from payments.sandbox.core import Sandbox
from payments.states import PaymentState
from rally import clock
from rally.models import User
from tests.factories.payments import at_page, payment, usd
from tests.payments.conftest import Time

CHARGE = Checkout.Mode.CHARGE


def test_the_ledger_only_grows(sandbox: Sandbox, ana: User, time: Time) -> None:
    at_page(payment(ana, now=time()), CHARGE, now=time())
    for change in (
        lambda: LedgerTransfer.objects.update(amount_minor=1),
        LedgerTransfer.objects.all().delete,
    ):
        with pytest.raises(DatabaseError, match="Cannot update or delete"), transaction.atomic():
            change()


def test_an_event_is_posted_once(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), CHARGE, now=time())
    before = LedgerTransfer.objects.count()
    ledger.captured(paid.attempts.get(), fee=999, transaction="txn_other", now=time())
    assert LedgerTransfer.objects.count() == before


def test_a_payment_keeps_within_its_bounds(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), CHARGE, now=time())
    for wrong in (
        {"captured_minor": 4201},
        {"refunded_minor": 4201},
        {"captured_minor": 0},
        {"state": "odd"},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Payment.objects.filter(id=paid.id).update(**wrong)


def _extra_row(paid: Payment, debit: str, credit: str, amount: int = 5) -> None:
    LedgerTransfer.objects.create(
        event_key="wrong", debit=debit, credit=credit, amount_minor=amount, currency="USD", payment=paid,
        transaction="txn_wrong", occurred_at=paid.created_at,
    )  # fmt: skip


WRONGS: dict[str, Callable[[Payment], Any]] = {
    "L2": lambda paid: _extra_row(paid, Account.STRIPE_BALANCE, Account.GOODWILL),
    "L3": lambda paid: _extra_row(paid, Account.STRIPE_FEE, Account.STRIPE_BALANCE),
    "L4": lambda paid: Attempt.objects.create(
        payment=paid, n=9, state="captured", amount_minor=1, captured_minor=0, captures_at_once=True,
        created_at=paid.created_at,
    ),
    "L5": lambda paid: Payment.objects.filter(id=paid.id).update(state=PaymentState.REFUNDED),
    "L8": lambda paid: _extra_row(paid, Account.HOLD_RIDER, Account.HOLD_CONTRA),
    "L10": lambda paid: _extra_row(paid, Account.STRIPE_BALANCE, Account.RIDER_DEPOSIT),
}  # fmt: skip


@pytest.mark.parametrize("name", list(WRONGS))
def test_what_is_wrong_is_noticed(transactional_db: None, ana: User, name: str) -> None:
    runtime.current().faults = None
    paid = at_page(payment(ana, now=clock.now()), CHARGE, now=clock.now())
    truth: Books = books()
    assert queries.check_ledger(truth) == {}
    WRONGS[name](paid)
    assert name in queries.check_ledger(truth)
    assert name in audits.check(now=clock.now())


def test_released_and_sent_are_watched(transactional_db: None, ana: User) -> None:
    paid = at_page(payment(ana, now=clock.now()), CHARGE, now=clock.now())
    to = Payee.objects.create(name="x", email="x@test.example", provider="sandbox", created_at=clock.now())
    Transfer.objects.create(
        payee=to,
        payment=paid,
        amount_minor=4201,
        currency="USD",
        state="paid",
        due_at=clock.now(),
        created_at=clock.now(),
    )
    held = at_page(payment(ana, now=clock.now()), Checkout.Mode.HOLD, now=clock.now())
    Payment.objects.filter(id=held.id).update(state=PaymentState.RELEASED)
    assert set(queries.check_ledger()) == {"L6", "L7"}


def test_old_debts_are_noticed(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), CHARGE, now=time())
    with transaction.atomic():  # nothing is sent before the end of it
        payments.refund(payment_id=paid.id, amount=usd(4200), reason="x", now=time(), by=None)
        assert queries.check_ledger(now=time()) == {}
        assert set(queries.check_ledger(now=time() + timedelta(days=11))) == {"L9"}


def test_reads_for_the_apps_above(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), Checkout.Mode.HOLD, now=time())
    bare = payment(ana, now=time(), group=paid.group)
    assert queries.held_amounts([paid.id, bare.id]) == {paid.id: usd(4200)}
    assert not queries.outstanding(paid.group)
    assert queries.trip_money(paid.group).captured == usd(0)
    assert (str(paid), str(paid.attempts.get())) == (f"{paid.reference}: held", "attempt 1: held")
