"""Transfers that somebody reversed at the provider: the operator bears what riders have back, whatever is heard of first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from payments import gateway, queries
from payments.actions import earnings, holding, payments, sightings
from payments.models import Account, Payee, Payment, Transfer
from payments.sandbox.core import Sandbox
from payments.states import TransferState
from rally.models import User
from tests.factories.payments import payee, usd
from tests.payments.conftest import Time, taken, work

AT_ONCE = "4000000000000077"  # can be sent on at once


def booked(ana: User, time: Time) -> tuple[Payment, Payee]:
    """A payment of 100.00 of which an operator is due 89.00."""
    paid, to = taken(ana, time, AT_ONCE, amount=10000), payee(now=time())
    due = earnings.Due(to.id, {paid.id: 8900})
    earnings.book(
        group=paid.group, payment_ids=[paid.id], operators=[due], due_at=time(), now=time(), by=None
    )
    return paid, to


def sent(ana: User, time: Time) -> tuple[Payment, Transfer]:
    """The same, and it was sent."""
    paid, _to = booked(ana, time)
    earnings.send_due(now=time())
    return paid, Transfer.objects.get()


def reverse(transfer: Transfer, amount: int) -> None:
    gateway.reverse_transfer(transfer.transfer, amount=amount, tags={}, key=f"by hand {amount}")


def waits() -> int:
    """What a person may send again."""
    return sum(Transfer.objects.filter(state=TransferState.FAILED).values_list("amount_minor", flat=True))


@pytest.mark.parametrize("refund_first", [False, True])
@pytest.mark.parametrize("refunded", [10000, 4000])
def test_a_refund_beside_a_reversal_is_borne_by_the_operator(
    sandbox: Sandbox, ana: User, time: Time, refunded: int, *, refund_first: bool
) -> None:
    paid, transfer = sent(ana, time)
    reverse(transfer, 8900)
    refund = sandbox.refund_in_dashboard(paid.attempts.get().charge, refunded)
    news: list[Callable[[], None]] = [
        lambda: sightings.look("transfer", transfer.transfer, now=time()),
        lambda: sightings.look("refund", refund["id"], now=time()),
    ]
    for hear in reversed(news) if refund_first else news:
        hear()
    work(time)
    left = max(0, 8900 - refunded)
    assert queries.balance(Account.PLATFORM_FEE) == min(1100, 10000 - refunded)
    assert [queries.balance(each) for each in (Account.OPERATOR_PAYABLE, Account.OPERATOR_RECEIVABLE)] == [
        left,
        0,
    ]
    assert waits() == left


def test_a_later_refund_is_borne_by_the_operator_who_was_sent_it_again(
    sandbox: Sandbox, ana: User, sam: User, time: Time
) -> None:
    paid, transfer = sent(ana, time)
    reverse(transfer, 8900)
    work(time)
    again = Transfer.objects.get(state=TransferState.FAILED)
    earnings.send_again(transfer_id=again.id, now=time(), by=sam)
    payments.refund(payment_id=paid.id, amount=usd(10000), reason="no bus", now=time(), by=None)
    work(time)
    assert queries.balance(Account.PLATFORM_FEE) == queries.balance(Account.OPERATOR_RECEIVABLE) == 0
    assert set(Transfer.objects.values_list("state", flat=True)) == {TransferState.REVERSED}


def test_what_was_held_back_still_waits_for_a_bank_after_a_reversal(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    """What is due again is no smaller share of the payment: the rest of it is set apart as before."""
    paid, to = booked(ana, time)
    holding.hold(group=paid.group, payee_id=to.id, amount=usd(2000), reference="late", now=time())
    earnings.send_due(now=time())
    reverse(Transfer.objects.get(payment=paid), 6900)
    work(time)
    dispute = sandbox.open_dispute(paid.attempts.get().charge)["id"]
    work(time)
    holding.lift(group=paid.group, payee_id=to.id, kept=usd(0), reference="late", now=time())
    assert earnings.send_due(now=time()) == 0
    sandbox.decide_dispute(dispute, won=False)


def test_two_reversals_whose_lines_come_one_by_one_are_due_again_each(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    _paid, transfer = sent(ana, time)
    for part in (1000, 500):
        reverse(transfer, part)
    seen = gateway.transfer(transfer.transfer)
    late = replace(seen.reversals[1], booking=None)
    half = replace(seen, reversals=(seen.reversals[0], late))
    for each in (half, half, seen, seen):
        sightings.transfer(each, now=time())
    assert (queries.balance(Account.OPERATOR_PAYABLE), waits()) == (1500, 1500)
    assert Transfer.objects.filter(state=TransferState.FAILED).count() == 2
