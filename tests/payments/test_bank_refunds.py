"""What a bank gave the payer keeps what we had promised: it is never sent again, and owed again if the bank gives it back."""

from __future__ import annotations

import pytest

from payments import queries
from payments.actions import checkouts, disputes, earnings, payments, sightings, standings
from payments.models import Account, Checkout, Dispute, Payment, Refund
from payments.queries import ageing
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Fault
from payments.states import PaymentState, RefundState
from rally.models import User
from tests.factories.payments import REFUND_FAILS, at_page, go, payee, payment, type_card, usd
from tests.payments.conftest import Time, run_all, taken, work


def overtaken(sandbox: Sandbox, ana: User, time: Time, amount: int, *, disputed: int = 4200) -> Payment:
    """A payment of 42.00 whose dispute was quicker than a refund of `amount`, and is lost."""
    paid = taken(ana, time)
    if disputed < 4200:
        payments.refund(payment_id=paid.id, amount=usd(4200 - disputed), reason="a", now=time(), by=None)
    sandbox.open_dispute(paid.attempts.get().charge)
    payments.refund(payment_id=paid.id, amount=usd(amount), reason="left", now=time(), by=None)
    run_all(time)
    assert Refund.objects.get(reason="left").state == RefundState.FAILED
    work(time)
    time.move(days=20)  # nobody answers
    work(time)
    assert Dispute.objects.get().state == "lost"
    return Payment.objects.get()


def books() -> list[int]:
    return [queries.balance(each) for each in (Account.RIDER_REFUND_DUE, Account.LOSS_DISPUTE)]


def test_a_promise_is_kept_by_the_bank_and_never_sent(
    sandbox: Sandbox, ana: User, sam: User, time: Time
) -> None:
    paid = overtaken(sandbox, ana, time, 1000)
    refund = Refund.objects.get()
    assert (refund.state, refund.by_bank, books()) == (RefundState.SUCCEEDED, True, [0, -3200])
    assert (payments.left_to_refund(paid), ageing.all_waiting(now=time())) == (usd(0), [])
    payments.refund_again(refund_id=refund.id, now=time(), by=sam)
    run_all(time)
    assert books() == [0, -3200]


def test_an_old_sighting_of_a_refund_that_failed_changes_nothing(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    """It had come back before the dispute began, and the bank has given the money since."""
    paid = at_page(payment(ana, now=time()), Checkout.Mode.CHARGE, now=time(), number=REFUND_FAILS)
    refund = payments.refund(payment_id=paid.id, amount=usd(1000), reason="left", now=time(), by=None)
    run_all(time)
    time.move(days=3)
    work(time)
    sandbox.open_dispute(paid.attempts.get().charge)
    work(time)
    time.move(days=20)
    work(time)
    refund.refresh_from_db()
    assert (refund.state, refund.by_bank) == (RefundState.SUCCEEDED, True)
    for _twice in range(2):
        sightings.look("refund", refund.refund, now=time())
    refund.refresh_from_db()
    assert (refund.state, refund.by_bank, books()[0]) == (RefundState.SUCCEEDED, True, 0)


def test_a_promise_that_is_refused_after_the_bank_decided_is_kept_by_it(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = taken(ana, time)
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "refunds", Fault.DROP_BEFORE)
    payments.refund(payment_id=paid.id, amount=usd(1000), reason="left", now=time(), by=None)
    dispute = sandbox.open_dispute(paid.attempts.get().charge)["id"]
    sandbox.decide_dispute(dispute, won=False)
    sightings.look("dispute", dispute, now=time())
    assert (Refund.objects.get().state, books()) == (RefundState.PENDING, [1000, -4200])
    time.move(minutes=5)
    run_all(time)
    assert (Refund.objects.get().by_bank, books()) == (True, [0, -3200])


def test_who_has_everything_from_the_bank_has_everything(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = overtaken(sandbox, ana, time, 4200)
    assert (paid.state, books()) == (PaymentState.REFUNDED, [0, 0])


def test_what_comes_back_from_the_bank_is_owed_once_more(
    sandbox: Sandbox, ana: User, sam: User, time: Time
) -> None:
    overtaken(sandbox, ana, time, 1000)
    sandbox.reconsider_dispute(Dispute.objects.get().dispute)
    for _twice in range(2):
        work(time)
    refund = Refund.objects.get()
    assert (refund.state, refund.by_bank, books()) == (RefundState.FAILED, False, [1000, 0])
    payments.refund_again(refund_id=refund.id, now=time(), by=sam)
    run_all(time)
    work(time)
    assert (Refund.objects.get().state, books()) == (RefundState.SUCCEEDED, [0, 0])


@pytest.mark.parametrize(("taken_by_bank", "kept"), [(3700, 500), (3400, 200), (3250, 50)])
def test_the_bank_keeps_no_more_than_the_charge_has_no_room_for(
    sandbox: Sandbox, ana: User, time: Time, taken_by_bank: int, kept: int
) -> None:
    paid = taken(ana, time)
    sandbox.open_dispute(paid.attempts.get().charge, amount=taken_by_bank)
    for number in (1, 2):
        payments.refund(payment_id=paid.id, amount=usd(500), reason=f"{number}", now=time(), by=None)
    run_all(time)
    work(time)
    time.move(days=20)
    work(time)
    assert sum(Refund.objects.filter(by_bank=True).values_list("amount_minor", flat=True)) == kept
    assert books() == [1000 - kept, kept - taken_by_bank]
    assert [payments.refunded_for(paid, reason) for reason in ("1", "2")] == [usd(500)] * 2


def test_nobody_is_blamed_for_what_was_promised_anyway(
    sandbox: Sandbox, ana: User, sam: User, time: Time
) -> None:
    paid = taken(ana, time)
    whose = payee(now=time())
    due = [earnings.Due(whose.id, {paid.id: 3000})]
    earnings.book(group=paid.group, payment_ids=[paid.id], operators=due, due_at=time(), now=time(), by=None)
    sandbox.open_dispute(paid.attempts.get().charge)
    payments.refund(payment_id=paid.id, amount=usd(1000), reason="left", now=time(), by=None)
    run_all(time)
    work(time)
    time.move(days=20)
    work(time)
    row = Dispute.objects.get()
    disputes.blame(dispute_id=row.id, payee_id=whose.id, why="left early", now=time(), by=sam)
    assert books() == [0, 0]
    assert queries.balance(Account.OPERATOR_RECEIVABLE, payee=whose) == -3200


def test_what_was_charged_too_much_makes_room_for_a_promise(sandbox: Sandbox, ana: User, time: Time) -> None:
    """A page took 42.00 for what cost 40.00 by then: the 2.00 that went back are no part of what the payment is for."""
    paid = payment(ana, now=time())
    session = go(paid, Checkout.Mode.CHARGE, now=time())
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "expire", Fault.DROP_BEFORE)
    payments.change_amount(payment_id=paid.id, amount=usd(4000), now=time())
    type_card(session)
    checkouts.come_back(payment_id=paid.id, now=time())
    assert Refund.objects.get().reason == standings.OVER
    dispute = sandbox.open_dispute(paid.attempts.get().charge, amount=3000)["id"]
    payments.refund(payment_id=paid.id, amount=usd(1000), reason="left", now=time(), by=None)
    run_all(time)
    sandbox.decide_dispute(dispute, won=False)
    work(time)
    left = Refund.objects.get(reason="left")
    assert (left.state, left.by_bank, books()) == (RefundState.FAILED, False, [1000, -3000])


def test_what_a_bank_took_of_an_unwanted_charge_is_no_part_of_the_wanted_one(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    """A page took 40.00 for what cost 80.00 by then; that did not go back, the bank gave it, and 80.00 were paid besides."""
    paid = payment(ana, now=time(), amount=4000)
    session = go(paid, Checkout.Mode.CHARGE, now=time())
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "expire", Fault.DROP_BEFORE)
    payments.change_amount(payment_id=paid.id, amount=usd(8000), now=time())
    type_card(session, REFUND_FAILS)
    checkouts.come_back(payment_id=paid.id, now=time())
    time.move(minutes=5)
    work(time)
    paid = at_page(paid, Checkout.Mode.CHARGE, now=time())
    time.move(days=3)
    work(time)
    unwanted = Refund.objects.get()
    assert (unwanted.reason, unwanted.state) == (standings.UNWANTED, RefundState.FAILED)

    dispute = sandbox.open_dispute(unwanted.attempt.charge)["id"]
    work(time)
    sandbox.decide_dispute(dispute, won=False)
    for _twice in range(2):
        work(time)
        sightings.look("dispute", dispute, now=time())
    unwanted.refresh_from_db()
    assert (unwanted.state, unwanted.by_bank, books()) == (RefundState.SUCCEEDED, True, [0, 0])
    assert payments.left_to_refund(paid) == usd(8000)
    payments.refund(payment_id=paid.id, amount=usd(8000), reason="called off", now=time(), by=None)
    run_all(time)
    work(time)
    paid.refresh_from_db()
    assert (paid.state, books()) == (PaymentState.REFUNDED, [0, 0])

    sandbox.reconsider_dispute(dispute)
    work(time)
    unwanted.refresh_from_db()
    assert (unwanted.state, unwanted.by_bank, books()) == (RefundState.FAILED, False, [4000, 0])
