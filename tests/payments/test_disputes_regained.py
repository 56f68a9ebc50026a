"""Disputes that were lost and are won after all: the books follow the bank by themselves, and so does who was blamed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from payments import gateway, queries
from payments.actions import disputes, earnings, payments, sightings
from payments.models import Account, Checkout, Dispute, LedgerTransfer, Payment, Transfer
from payments.queries import statements
from payments.sandbox.core import Sandbox
from payments.sandbox.errors import ApiError
from payments.states import DisputeState
from rally.models import User
from tests.factories.payments import at_page, payee, payment, usd
from tests.payments.conftest import Time, work


def lost(sandbox: Sandbox, ana: User, time: Time, *, share: int = 0) -> tuple[Payment, Dispute, Any]:
    """A payment that a bank took away; with a share, somebody is due it."""
    paid = at_page(payment(ana, now=time()), Checkout.Mode.CHARGE, now=time())
    whose = payee(now=time()) if share else None
    if whose is not None:
        due = earnings.Due(payee_id=whose.id, parts={paid.id: share})
        earnings.book(
            group=paid.group, payment_ids=[paid.id], operators=[due], due_at=time(), now=time(), by=None
        )
    dispute = sandbox.open_dispute(paid.attempts.get().charge)["id"]
    work(time)
    sandbox.decide_dispute(dispute, won=False)
    work(time)
    return paid, Dispute.objects.get(dispute=dispute), whose


def accounts(*names: Account) -> list[int]:
    """What these accounts hold."""
    return [queries.balance(name) for name in names]


def test_what_was_lost_and_comes_back_is_not_lost(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid, row, _nobody = lost(sandbox, ana, time)
    assert accounts(Account.DISPUTE_OPEN, Account.LOSS_DISPUTE) == [0, -4200]
    assert payments.left_to_refund(paid) == usd(0)
    Payment.objects.update(followed=True)

    sandbox.reconsider_dispute(row.dispute)
    for _twice in range(2):
        work(time)
        sightings.look("dispute", row.dispute, now=time())

    row.refresh_from_db()
    assert (row.state, row.ended_at) == (DisputeState.WON, time())
    assert accounts(Account.DISPUTE_OPEN, Account.LOSS_DISPUTE) == [0, 0]
    assert payments.left_to_refund(paid) == usd(4200)
    assert LedgerTransfer.objects.filter(event_key__startswith="dispute_regained:").count() == 1
    with pytest.raises(ApiError):
        sandbox.reconsider_dispute(row.dispute)


def test_it_is_regained_when_the_line_is_there_and_once(sandbox: Sandbox, ana: User, time: Time) -> None:
    """The decision is told first, the money comes later; an old sighting of the loss changes nothing any more."""
    _paid, row, _nobody = lost(sandbox, ana, time)
    as_lost = gateway.dispute(row.dispute)
    sandbox.reconsider_dispute(row.dispute)
    as_won = gateway.dispute(row.dispute)

    sightings.dispute(replace(as_won, bookings=as_lost.bookings), now=time())
    row.refresh_from_db()
    assert (row.state, accounts(Account.LOSS_DISPUTE)) == (DisputeState.WON, [-4200])
    for seen in (as_won, as_lost, replace(as_lost, bookings=()), as_won):
        sightings.dispute(seen, now=time())
        row.refresh_from_db()
        assert (row.state, accounts(Account.LOSS_DISPUTE)) == (DisputeState.WON, [0])


def test_a_part_that_comes_back_is_no_longer_lost(sandbox: Sandbox, ana: User, time: Time) -> None:
    _paid, row, _nobody = lost(sandbox, ana, time)
    as_lost = gateway.dispute(row.dispute)
    sandbox.reconsider_dispute(row.dispute)
    whole = gateway.dispute(row.dispute)
    back = next(line for line in whole.bookings if line.amount > 0)
    part = replace(as_lost, bookings=(*as_lost.bookings, replace(back, amount=1200)))

    for _twice in range(2):
        disputes._regain(Payment.objects.get(), row, -sum(b.amount for b in part.bookings), time())
    assert accounts(Account.LOSS_DISPUTE) == [-3000]
    sightings.dispute(whole, now=time())
    assert accounts(Account.DISPUTE_OPEN, Account.LOSS_DISPUTE) == [0, 0]


def test_who_was_blamed_owes_it_no_longer(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    paid, row, whose = lost(sandbox, ana, time, share=4000)
    disputes.blame(dispute_id=row.id, payee_id=whose.id, why="left early", now=time(), by=sam)
    assert -queries.balance(Account.OPERATOR_RECEIVABLE, payee=whose) == 4200

    sandbox.reconsider_dispute(row.dispute)
    for _twice in range(2):
        work(time)
        sightings.look("dispute", row.dispute, now=time())

    assert accounts(Account.OPERATOR_RECEIVABLE, Account.LOSS_DISPUTE, Account.DISPUTE_OPEN) == [0, 0, 0]
    assert Transfer.objects.get().payment == paid


def test_what_they_paid_of_it_already_is_sent_to_them(
    sandbox: Sandbox, ana: User, sam: User, time: Time
) -> None:
    _paid, row, whose = lost(sandbox, ana, time, share=4000)
    disputes.blame(dispute_id=row.id, payee_id=whose.id, why="left early", now=time(), by=sam)
    earnings.send_due(now=time())  # all of it is kept against what they owe
    assert queries.balance(Account.OPERATOR_PAYABLE) == 0
    assert -queries.balance(Account.OPERATOR_RECEIVABLE, payee=whose) == 200

    sandbox.reconsider_dispute(row.dispute)
    for _twice in range(2):
        work(time)
        sightings.look("dispute", row.dispute, now=time())

    assert accounts(Account.OPERATOR_RECEIVABLE, Account.LOSS_DISPUTE) == [0, 0]
    told = statements.extract_of(whose.id, since=time() - timedelta(days=1), until=time() + timedelta(days=1))
    assert (told.sums.pay, told.sums.charged, told.sums.given_up) == (4000, 4200, 4200)
    assert [each.kind for each in told.entries if each.booking] == ["earned"]
    owed = Transfer.objects.get(payment=None)
    assert (owed.amount, owed.payee, owed.reference) == (usd(4000), whose, f"cleared:{row.dispute}:0")
    assert queries.balance(Account.OPERATOR_PAYABLE) == 4000
    at_page(
        payment(ana, now=time()), Checkout.Mode.CHARGE, now=time()
    )  # other money, beside the fee of the dispute
    time.move(days=8)
    sandbox.see("tick")
    earnings.send_due(now=time())
    work(time)
    owed.refresh_from_db()
    assert (owed.state, queries.balance(Account.OPERATOR_PAYABLE)) == ("paid", 0)
