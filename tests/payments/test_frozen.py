"""What a bank may take away is not passed on, in whatever transfer it waits; the rest is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from payments import gateway, queries
from payments.actions import disputes, earnings, holding, operations
from payments.actions.earnings import Due
from payments.errors import DisputeOpen
from payments.models import Operation, Payee, Payment, Transfer
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Fault
from payments.states import OperationState, TransferState
from rally.models import User
from tests.factories.payments import payee, usd
from tests.payments.conftest import Time, heal, run_all, work
from tests.payments.test_disputes import complained, with_evidence
from tests.payments.test_earnings import paid_by
from tests.payments.test_settling import group, share

__all__ = ["group"]

#: What is paid with it can be sent on at once.
AT_ONCE = "4000000000000077"


def sent(**which: Any) -> int:
    return sum(Transfer.objects.filter(state="paid", **which).values_list("amount_minor", flat=True))


def send(time: Time) -> None:
    earnings.send_due(now=time())
    run_all(time)


def won(sandbox: Sandbox, paid: Payment, time: Time) -> None:
    row = paid.disputes.get()
    disputes.submit(dispute_id=with_evidence(row, time).id, now=time(), by=None)
    run_all(time)
    sandbox.decide_dispute(row.dispute, won=True)
    work(time)
    time.move(days=8)  # what comes back from a bank is not there at once
    sandbox.see("tick")


def test_what_was_held_back_of_it_waits_too(
    sandbox: Sandbox, ana: User, ben: User, group: str, time: Time
) -> None:
    paid_by(ana, "trip:another", time, number=AT_ONCE)
    good, bad = paid_by(ana, group, time, number=AT_ONCE), paid_by(ben, group, time, number=AT_ONCE)
    to = payee(now=time())
    share(group, time, operators=[Due(to.id, {good.id: 3750, bad.id: 3750})])
    holding.hold(group=group, payee_id=to.id, amount=usd(6000), reference="x", now=time())
    complained(sandbox, bad, time)
    holding.lift(group=group, payee_id=to.id, kept=usd(0), reference="x", now=time())
    for _twice in range(2):
        send(time)
    assert (sent(), queries.balance("operator:payable")) == (3750, 3750)
    assert Transfer.objects.get(out_of=bad).state == TransferState.PENDING

    won(sandbox, bad, time)
    send(time)
    assert (sent(), queries.balance("operator:payable")) == (7500, 0)


def test_a_partner_s_part_of_it_waits_and_the_rest_goes(
    sandbox: Sandbox, ana: User, ben: User, group: str, time: Time
) -> None:
    paid_by(ana, "trip:another", time, number=AT_ONCE)
    good, bad = paid_by(ana, group, time, number=AT_ONCE), paid_by(ben, group, time, number=AT_ONCE)
    to, club = payee(now=time()), payee(now=time())
    share(
        group,
        time,
        operators=[Due(to.id, {good.id: 3000, bad.id: 3000})],
        partner=Due(club.id, {good.id: 400, bad.id: 100}),
    )
    complained(sandbox, bad, time)
    for _twice in range(2):
        send(time)
    assert (sent(payee=club), queries.balance("partner:payable")) == (400, 100)
    won(sandbox, bad, time)
    send(time)
    assert (sent(payee=club), queries.balance("partner:payable")) == (500, 0)


def test_a_share_that_is_all_out_of_it_waits_as_it_is(
    sandbox: Sandbox, ana: User, ben: User, group: str, time: Time
) -> None:
    good, bad = paid_by(ana, group, time, number=AT_ONCE), paid_by(ben, group, time, number=AT_ONCE)
    to, club = payee(now=time()), payee(now=time())
    owed = [Due(to.id, {good.id: 3000})]
    share(group, time, operators=owed, partner=Due(club.id, {bad.id: 100}))
    complained(sandbox, bad, time)
    assert earnings.send_due(now=time()) == 1  # sets the other one apart
    assert earnings.send_due(now=time(), limit=1) == 0
    waiting = Transfer.objects.get(payee=club)
    assert (waiting.state, waiting.out_of) == (TransferState.PENDING, bad)


def test_pay_that_hangs_on_no_payment_goes(
    sandbox: Sandbox, ana: User, ben: User, group: str, time: Time
) -> None:
    paid_by(ben, "trip:another", time, number=AT_ONCE)
    paid, to = paid_by(ana, group, time, number=AT_ONCE), payee(now=time())
    share(group, time, operators=[Due(to.id, firm=5000)])
    complained(sandbox, paid, time)
    assert Transfer.objects.filter(payment=paid).exists()  # what the card has room for is tied to it
    send(time)
    assert sent() == 5000 - 4200


def refused(ana: User, group: str, time: Time) -> tuple[Payment, Payee]:
    """A payment, and a payee whose transfer out of it the provider refused."""
    paid, to = paid_by(ana, group, time, number=AT_ONCE), payee(now=time(), ready=False)
    share(group, time, operators=[Due(to.id, {paid.id: 3750})])
    Payee.objects.filter(id=to.id).update(can_be_paid=True)
    send(time)
    return paid, to


def test_what_waits_for_a_bank_keeps_nothing_else_from_going(
    sandbox: Sandbox, ana: User, ben: User, group: str, time: Time
) -> None:
    bad, to = paid_by(ana, group, time, number=AT_ONCE), payee(now=time())
    share(group, time, operators=[Due(to.id, {bad.id: 1000})])
    complained(sandbox, bad, time)
    time.move(minutes=1)
    good = paid_by(ben, "trip:another", time, number=AT_ONCE)
    share("trip:another", time, operators=[Due(to.id, {good.id: 1000})])
    assert earnings.send_due(now=time(), limit=1) == 1


@pytest.mark.parametrize("fault", list(Fault))
def test_what_was_asked_for_before_the_dispute_is_looked_for_and_not_sent(
    sandbox: Sandbox, ana: User, group: str, time: Time, fault: Fault
) -> None:
    paid, to = paid_by(ana, group, time, number=AT_ONCE), payee(now=time())
    share(group, time, operators=[Due(to.id, {paid.id: 1000})])
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "/v1/transfers$", fault)
    earnings.send_due(now=time())
    run_all(time)
    complained(sandbox, paid, time)

    heal(sandbox, time)
    there = sum(each.amount for each in gateway.transfers_since(time() - timedelta(hours=1)))
    arrived = fault in (Fault.DROP_AFTER, Fault.STORED_WITH_EFFECT)
    assert (there, sent()) == ((1000, 1000) if arrived else (0, 0))
    assert Transfer.objects.get().state == (TransferState.PAID if arrived else TransferState.PENDING)

    won(sandbox, paid, time)
    send(time)
    assert (sent(), queries.balance("operator:payable")) == (1000, 0)


def test_nobody_sends_it_again_by_hand(
    sandbox: Sandbox, ana: User, sam: User, group: str, time: Time
) -> None:
    paid, to = refused(ana, group, time)
    failed = Transfer.objects.get()
    complained(sandbox, paid, time)
    sandbox.finish_onboarding(to.account)
    with pytest.raises(DisputeOpen):
        earnings.send_again(transfer_id=failed.id, now=time(), by=sam)

    Operation.objects.filter(subject=failed.id).update(state=OperationState.STUCK, ended_at=None)
    stuck = Operation.objects.get(subject=failed.id)
    with pytest.raises(DisputeOpen):
        operations.run_again(stuck.id, now=time(), by=sam)
    assert operations.run_all_again(now=time(), by=sam) == 0
    run_all(time)
    failed.refresh_from_db()
    assert failed.state == TransferState.FAILED


def test_what_is_owed_by_now_is_kept_from_what_is_sent_again(
    sandbox: Sandbox, ana: User, sam: User, group: str, time: Time
) -> None:
    _paid, to = refused(ana, group, time)
    holding.penalise(payee_id=to.id, amount=usd(2000), reference="late", now=time())
    Payee.objects.filter(id=to.id).update(can_be_paid=False)  # as it really is
    earnings.send_again(transfer_id=Transfer.objects.get().id, now=time(), by=sam)
    assert Transfer.objects.get().state == TransferState.PENDING  # waits for the payee
    sandbox.finish_onboarding(to.account)
    work(time)
    send(time)
    row = Transfer.objects.get()
    assert (row.state, row.netted_minor, row.to_send_minor) == (TransferState.PAID, 2000, 1750)
    assert queries.balance("operator:receivable") == 0


def test_what_was_kept_before_it_waited_is_not_all_that_is_kept(
    sandbox: Sandbox, ana: User, group: str, time: Time
) -> None:
    """A transfer that was never sent, less 10.00, waits for a bank; meanwhile 5.00 more are owed."""
    paid, to = paid_by(ana, group, time, number=AT_ONCE), payee(now=time())
    share(group, time, operators=[Due(to.id, {paid.id: 3000})])
    holding.penalise(payee_id=to.id, amount=usd(1000), reference="late", now=time())
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "/v1/transfers$", Fault.DROP_BEFORE)
    earnings.send_due(now=time())
    complained(sandbox, paid, time)
    heal(sandbox, time)
    holding.penalise(payee_id=to.id, amount=usd(500), reference="dirty", now=time())

    won(sandbox, paid, time)
    for _twice in range(2):
        send(time)

    row = Transfer.objects.get()
    assert (row.state, row.netted_minor, row.to_send_minor) == (TransferState.PAID, 1500, 1500)
    assert queries.balance("operator:receivable") == queries.balance("operator:payable") == 0
