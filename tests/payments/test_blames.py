"""What payees are blamed for of lost disputes: no more than is lost, however the bank and our promises change it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from django.urls import reverse

from payments import queries
from payments.actions import disputes, earnings, payments, sightings
from payments.errors import NothingToBlame
from payments.models import Account, Dispute, Payee, Payment, Refund
from payments.sandbox import money
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Fault
from rally.models import User
from tests.factories.payments import payee, usd
from tests.payments.conftest import Time, run_all, taken, work
from tests.seeing import signed_in


def shared_out(ana: User, time: Time) -> tuple[Payment, Payee]:
    """A payment of 100.00 of which somebody is due 60.00."""
    paid, whose = taken(ana, time, amount=10000), payee(now=time())
    due = [earnings.Due(whose.id, {paid.id: 6000})]
    earnings.book(group=paid.group, payment_ids=[paid.id], operators=due, due_at=time(), now=time(), by=None)
    return paid, whose


def lost(sandbox: Sandbox, paid: Payment, time: Time, amount: int) -> Dispute:
    """So much of a payment is disputed and lost; several times, as banks may."""
    charge = paid.attempts.get().charge
    with sandbox.acting() as call:
        call.put({**call.find("charge", charge), "disputed": False})
    dispute = sandbox.open_dispute(charge, amount=amount)["id"]
    work(time)
    sandbox.decide_dispute(dispute, won=False)
    work(time)
    return Dispute.objects.get(dispute=dispute)


def give_back(sandbox: Sandbox, row: Dispute, time: Time, amount: int) -> None:
    """The bank returns so much of a dispute that stays lost."""
    with sandbox.acting() as call:
        dispute = call.find("dispute", row.dispute)
        line = money.book(
            call, "adjustment", row.dispute, amount, "usd", available_on=call.now, category="dispute_reversal"
        )
        dispute["balance_transactions"].append(line)
        call.put(dispute)
        call.emit("charge.dispute.funds_reinstated", dispute)
    for _twice in range(2):
        work(time)
        sightings.look("dispute", row.dispute, now=time())


def promised(sandbox: Sandbox, paid: Payment, time: Time, amount: int) -> None:
    """A refund that is asked for and of whose answer nothing is known yet."""
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "refunds", Fault.DROP_BEFORE)
    payments.refund(payment_id=paid.id, amount=usd(amount), reason="left", now=time(), by=None)


def answered(time: Time) -> None:
    """The provider has refused it, because banks have the money."""
    time.move(minutes=5)
    for _twice in range(2):
        run_all(time)
        work(time)
    assert Refund.objects.get().by_bank


def blame(row: Dispute, whose: Payee, sam: User, time: Time) -> None:
    for _twice in range(2):
        disputes.blame(dispute_id=row.id, payee_id=whose.id, why="left early", now=time(), by=sam)


def at_desk(row: Dispute, sam: User) -> str:
    return signed_in(sam).get(reverse("desk:dispute", args=[row.id])).content.decode()


def books(whose: Payee) -> list[int]:
    """What a payee owes, and what is our loss."""
    owes = -queries.balance(Account.OPERATOR_RECEIVABLE, payee=whose)
    return [owes, -queries.balance(Account.LOSS_DISPUTE)]


def test_what_the_bank_returned_is_nobody_s_fault(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    paid, whose = shared_out(ana, time)
    row = lost(sandbox, paid, time, 10000)
    give_back(sandbox, row, time, 4000)
    assert books(whose) == [0, 6000]
    blame(row, whose, sam, time)
    assert books(whose) == [6000, 0]
    for returned, owes in pairwise((6000, 5000, 0)):
        give_back(sandbox, row, time, returned - owes)
        assert books(whose) == [owes, 0]


def test_blames_of_one_charge_are_no_more_than_it_lost(
    sandbox: Sandbox, ana: User, sam: User, time: Time
) -> None:
    """Of 40.00 and 60.00 that banks took 50.00 had been promised back anyway."""
    paid, whose = shared_out(ana, time)
    promised(sandbox, paid, time, 5000)
    first, second = (lost(sandbox, paid, time, part) for part in (4000, 6000))
    answered(time)
    assert books(whose) == [0, 5000]
    blame(first, whose, sam, time)
    assert books(whose) == [4000, 1000]
    assert "Nothing of it is left to charge" in at_desk(first, sam)
    assert "Then they owe us $10," in at_desk(second, sam)
    blame(second, whose, sam, time)
    assert books(whose) == [5000, 0]
    give_back(sandbox, first, time, 4000)
    assert books(whose) == [1000, 4000]


def test_what_is_lost_no_more_is_refused(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    paid, whose = shared_out(ana, time)
    row = lost(sandbox, paid, time, 10000)
    give_back(sandbox, row, time, 10000)
    with pytest.raises(NothingToBlame):
        disputes.blame(dispute_id=row.id, payee_id=whose.id, why="left early", now=time(), by=sam)


def test_what_the_bank_keeps_later_is_nobody_s_fault_either(
    sandbox: Sandbox, ana: User, sam: User, time: Time
) -> None:
    """The promise was on its way when they were blamed, and is refused now."""
    paid, whose = shared_out(ana, time)
    promised(sandbox, paid, time, 5000)
    row = lost(sandbox, paid, time, 10000)
    assert books(whose) == [0, 10000]
    blame(row, whose, sam, time)
    assert books(whose) == [10000, 0]
    answered(time)
    assert books(whose) == [5000, 0]
