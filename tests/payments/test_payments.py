"""What can be wished for a payment, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from payments import queries, signals
from payments.actions import checkouts, inbox, payments
from payments.errors import DisputeOpen, NothingToRefund, PaymentClosed
from payments.models import Attempt, Checkout, LedgerTransfer, Operation, Payment, Refund
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Fault
from payments.states import AttemptState, OperationState, PaymentState, RefundState
from rally.models import StateChange, User
from rally.money import MixedCurrencies, Money
from tests.factories.payments import (
    ALWAYS_ASKS,
    ASKS_ONCE,
    POOR,
    REFUND_FAILS,
    REFUND_SLOW,
    SAVES_THEN_DECLINES,
    at_page,
    go,
    payment,
    type_card,
    usd,
)
from tests.payments.conftest import Time, heal, held, work

SAVE, HOLD, CHARGE = Checkout.Mode.SAVE, Checkout.Mode.HOLD, Checkout.Mode.CHARGE


def authorized(paid: Payment, time: Time, amount: int = 4200) -> Payment:
    payments.authorize(payment_id=paid.id, amount=usd(amount), now=time())
    paid.refresh_from_db()
    return paid


def captured(paid: Payment, time: Time, amount: int = 4200) -> Payment:
    payments.capture(payment_id=paid.id, amount=usd(amount), now=time())
    paid.refresh_from_db()
    return paid


def released(paid: Payment, time: Time, *, keep_card: bool = False) -> Payment:
    payments.release(payment_id=paid.id, keep_card=keep_card, now=time(), why="test")
    paid.refresh_from_db()
    return paid


def bought(ana: User, time: Time, number: str = "4242424242424242") -> Payment:
    return captured(held(ana, time, number), time)


# ---- opening and its amount


def test_opening_twice_is_once(sandbox: Sandbox, ana: User, time: Time) -> None:
    first = payment(ana, now=time())
    again = payments.open(
        payer=ana, reference=first.reference, group="x", description="", amount=usd(1), now=time()
    )
    assert (again.id, again.amount_minor, again.provider) == (first.id, 4200, "sandbox")
    assert StateChange.objects.filter(subject=first.id).count() == 1


def test_the_amount_changes_until_something_is_held(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = payment(ana, now=time())
    first = go(paid, HOLD, now=time())
    payments.change_amount(payment_id=paid.id, amount=usd(8400), now=time())
    payments.change_amount(payment_id=paid.id, amount=usd(8400), now=time())
    second = go(paid, HOLD, now=time())
    assert first != second
    type_card(second)
    checkouts.come_back(payment_id=paid.id, now=time())
    paid.refresh_from_db()
    assert (paid.state, queries.held_amounts([paid.id])) == (PaymentState.HELD, {paid.id: usd(8400)})

    with pytest.raises(PaymentClosed):
        payments.change_amount(payment_id=paid.id, amount=usd(9000), now=time())
    payments.change_amount(payment_id=paid.id, amount=usd(4200), now=time())
    assert captured(paid, time).captured_minor == 4200
    with pytest.raises(PaymentClosed):
        payments.change_amount(payment_id=paid.id, amount=usd(100), now=time())


def test_currencies_do_not_mix(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = payment(ana, now=time())
    with pytest.raises(MixedCurrencies):
        payments.change_amount(payment_id=paid.id, amount=Money(100, "EUR"), now=time())


# ---- holding


def test_a_saved_card_is_held_captured_and_given_back(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), SAVE, now=time())
    assert (paid.state, paid.card_brand, paid.card_last4) == (PaymentState.CARD_SAVED, "visa", "4242")
    assert authorized(paid, time).state == PaymentState.HELD
    assert paid.hold_expires_at is not None
    assert queries.balance("hold:rider") == -4200
    authorized(paid, time)  # again: nothing to do
    assert Attempt.objects.count() == 1

    captured(paid, time, 4000)
    captured(paid, time, 4000)
    assert (paid.state, paid.captured_minor) == (PaymentState.PAID, 4000)
    assert queries.balance("hold:rider") == 0
    assert queries.balance("rider:deposit") == 4000
    assert queries.balance("expense:stripe_fee") == -146
    money = queries.trip_money(paid.group)
    assert (money.captured, money.fee) == (usd(4000), usd(146))

    refund = payments.refund(payment_id=paid.id, amount=usd(4000), reason="cancelled", now=time(), by=None)
    again = payments.refund(payment_id=paid.id, amount=usd(4000), reason="cancelled", now=time(), by=None)
    paid.refresh_from_db()
    assert refund.id == again.id
    assert (paid.state, paid.refunded_minor) == (PaymentState.REFUNDED, 4000)
    assert queries.balance("rider:deposit") == queries.balance("rider:refund_due") == 0


def test_authorizing_needs_a_card_and_an_agreed_amount(sandbox: Sandbox, ana: User, time: Time) -> None:
    bare = payment(ana, now=time())
    with pytest.raises(PaymentClosed):
        authorized(bare, time)
    saved = at_page(bare, SAVE, now=time())
    with pytest.raises(PaymentClosed):
        authorized(saved, time, 4201)


def test_a_card_that_declines_later_is_not_asked_again(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), SAVE, now=time(), number=SAVES_THEN_DECLINES)
    assert authorized(paid, time).state == PaymentState.DECLINED
    assert (paid.decline_code, paid.automatic_tries) == ("generic_decline", 1)
    assert authorized(paid, time).state == PaymentState.DECLINED  # the one retry that the network advises
    assert paid.automatic_tries == 2
    assert authorized(paid, time).automatic_tries == 2
    assert released(paid, time, keep_card=True).state == PaymentState.CARD_SAVED
    assert authorized(paid, time).automatic_tries == 3
    assert released(paid, time, keep_card=True).state == PaymentState.CARD_SAVED
    assert authorized(paid, time).state == PaymentState.DECLINED
    assert (paid.decline_code, Attempt.objects.count()) == ("too_many_tries", 3)


def test_a_new_card_starts_afresh(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), SAVE, now=time(), number=SAVES_THEN_DECLINES)
    authorized(paid, time)
    assert at_page(paid, SAVE, now=time()).state == PaymentState.CARD_SAVED
    assert paid.automatic_tries == 0
    assert authorized(paid, time).state == PaymentState.HELD


def test_a_card_that_always_asks_needs_its_owner(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), SAVE, now=time(), number=ALWAYS_ASKS)
    assert paid.state == PaymentState.CARD_SAVED
    assert authorized(paid, time).state == PaymentState.DECLINED
    assert paid.decline_code == "authentication_required"
    assert not payments.may_retry(paid)
    assert at_page(paid, HOLD, now=time(), number=ALWAYS_ASKS).state == PaymentState.HELD
    assert captured(paid, time).state == PaymentState.PAID


def test_a_card_that_asks_once_is_held_without_its_owner(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), SAVE, now=time(), number=ASKS_ONCE)
    assert authorized(paid, time).state == PaymentState.HELD


def test_an_early_hold_that_lapses_leaves_the_saved_card(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = held(ana, time)
    assert paid.card
    time.move(days=8)
    work(time)
    paid.refresh_from_db()
    assert (paid.state, paid.hold_expires_at) == (PaymentState.CARD_SAVED, None)
    assert authorized(paid, time).state == PaymentState.HELD


# ---- taking


def test_capturing_needs_a_hold_that_is_large_enough(sandbox: Sandbox, ana: User, time: Time) -> None:
    with pytest.raises(PaymentClosed):
        captured(payment(ana, now=time()), time)
    paid = held(ana, time)
    with pytest.raises(PaymentClosed):
        captured(paid, time, 4201)


def test_a_lost_hold_is_replaced_by_one_charge(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = held(ana, time)
    time.move(days=8)
    assert captured(paid, time).state == PaymentState.PAID
    states = list(paid.attempts.order_by("n").values_list("state", "captures_at_once"))
    assert states == [(AttemptState.CANCELED, False), (AttemptState.CAPTURED, True)]


def test_a_lost_hold_and_a_refused_card_leave_the_payment_due(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = held(ana, time, number=ALWAYS_ASKS)
    time.move(days=8)
    assert captured(paid, time, 4000).state == PaymentState.DUE
    assert paid.decline_code == "authentication_required"
    with pytest.raises(PaymentClosed):
        go(paid, HOLD, now=time())
    assert at_page(paid, CHARGE, now=time(), number=ALWAYS_ASKS).state == PaymentState.PAID
    assert paid.captured_minor == 4000


def test_a_due_payment_can_be_let_go(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = held(ana, time, number=ALWAYS_ASKS)
    time.move(days=8)
    captured(paid, time)
    assert released(paid, time).state == PaymentState.RELEASED


def test_after_confirmation_the_money_is_taken_at_once(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), CHARGE, now=time())
    assert (paid.state, paid.captured_minor) == (PaymentState.PAID, 4200)


# ---- letting go


def test_releasing_a_hold_takes_nothing(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = held(ana, time)
    assert released(paid, time).state == PaymentState.RELEASED
    assert released(paid, time).state == PaymentState.RELEASED
    assert LedgerTransfer.objects.filter(debit="stripe:balance").count() == 0
    assert queries.balance("hold:rider") == 0


def test_releasing_may_keep_the_card(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = held(ana, time)
    assert released(paid, time, keep_card=True).state == PaymentState.CARD_SAVED
    assert released(paid, time, keep_card=True).state == PaymentState.CARD_SAVED
    assert released(paid, time).state == PaymentState.RELEASED


def test_a_new_payment_is_released_at_once_and_its_page_closed(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = payment(ana, now=time())
    go(paid, SAVE, now=time())
    assert released(paid, time).state == PaymentState.RELEASED
    assert [page.state for page in paid.checkouts.all()] == ["expired"]
    with pytest.raises(PaymentClosed):
        go(paid, SAVE, now=time())


def test_what_was_taken_is_refunded_not_released(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = bought(ana, time)
    with pytest.raises(PaymentClosed):
        released(paid, time)


# ---- giving back


def test_refunds_in_parts_never_exceed_what_was_taken(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = bought(ana, time)
    payments.refund(payment_id=paid.id, amount=usd(1000), reason="cheaper", now=time(), by=None)
    paid.refresh_from_db()
    assert (paid.state, paid.refundable) == (PaymentState.PAID, usd(3200))
    with pytest.raises(NothingToRefund):
        payments.refund(payment_id=paid.id, amount=usd(3201), reason="more", now=time(), by=None)
    payments.refund(payment_id=paid.id, amount=usd(3200), reason="rest", now=time(), by=None)
    paid.refresh_from_db()
    assert paid.state == PaymentState.REFUNDED
    with pytest.raises(NothingToRefund):
        payments.refund(payment_id=paid.id, amount=usd(1), reason="again", now=time(), by=None)


def test_a_slow_refund_ends_when_it_arrives(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = bought(ana, time, REFUND_SLOW)
    refund = payments.refund(payment_id=paid.id, amount=usd(4200), reason="cancelled", now=time(), by=None)
    paid.refresh_from_db()
    assert (paid.state, paid.refundable) == (PaymentState.PAID, usd(0))
    time.move(days=2)
    work(time)
    paid.refresh_from_db()
    refund.refresh_from_db()
    assert (paid.state, refund.state) == (PaymentState.REFUNDED, RefundState.SUCCEEDED)


def test_a_refund_that_fails_later_is_still_owed(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = bought(ana, time, REFUND_FAILS)
    refund = payments.refund(payment_id=paid.id, amount=usd(4200), reason="cancelled", now=time(), by=None)
    time.move(days=3)
    work(time)
    refund.refresh_from_db()
    assert refund.state == RefundState.FAILED
    assert queries.balance("rider:refund_due", payment=paid) == 4200
    assert [each.id for each in queries.still_owed()] == [refund.id]

    payments.refund_again(refund_id=refund.id, now=time(), by=None)
    refund.refresh_from_db()
    assert refund.state == RefundState.SUCCEEDED
    assert queries.balance("rider:refund_due", payment=paid) == 0
    assert payments.refund_again(refund_id=refund.id, now=time(), by=None).state == RefundState.SUCCEEDED


def test_a_refund_made_by_hand_is_imported(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = bought(ana, time)
    sandbox.refund_in_dashboard(paid.attempts.get().charge, 1200)
    work(time)
    paid.refresh_from_db()
    assert (paid.state, paid.refunded_minor) == (PaymentState.PAID, 1200)
    sandbox.refund_in_dashboard(paid.attempts.get().charge)
    work(time)
    paid.refresh_from_db()
    assert paid.state == PaymentState.REFUNDED


@pytest.mark.parametrize("quicker", [True, False])
def test_what_is_owed_and_given_back_by_hand_is_owed_no_more(
    sandbox: Sandbox, ana: User, time: Time, quicker: bool
) -> None:
    paid = bought(ana, time)
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "/v1/refunds", Fault.DROP_BEFORE)
    refund = payments.refund(payment_id=paid.id, amount=usd(4200), reason="left", now=time(), by=None)
    sandbox.refund_in_dashboard(paid.attempts.get().charge)
    time.move(minutes=1)
    if quicker:
        work(time)  # ours is refused first
    else:
        inbox.poll(now=time())
        inbox.read_due(now=time())
        work(time)
    time.move(minutes=1)
    work(time)
    refund.refresh_from_db()
    paid.refresh_from_db()
    assert (refund.state, paid.state, Refund.objects.count()) == ("succeeded", PaymentState.REFUNDED, 1)
    assert not queries.still_owed().exists()
    assert (queries.balance("rider:refund_due"), queries.balance("rider:deposit")) == (0, 0)


def test_a_part_given_back_by_hand_is_owed_no_more(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = bought(ana, time)
    sandbox.refund_in_dashboard(paid.attempts.get().charge, 1200)
    refund = payments.refund(payment_id=paid.id, amount=usd(4200), reason="left", now=time(), by=None)
    work(time)
    assert queries.balance("rider:refund_due") == 3000
    assert [(each.id, each.amount_minor) for each in queries.still_owed()] == [(refund.id, 3000)]

    payments.refund_again(refund_id=refund.id, now=time(), by=None)
    paid.refresh_from_db()
    assert (paid.state, queries.balance("rider:refund_due")) == (PaymentState.REFUNDED, 0)


def test_nothing_is_refunded_while_the_bank_is_asked(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = bought(ana, time)
    sandbox.open_dispute(paid.attempts.get().charge)
    work(time)
    with pytest.raises(DisputeOpen):
        payments.refund(payment_id=paid.id, amount=usd(4200), reason="cancelled", now=time(), by=None)
    assert queries.balance("dispute:open") == -4200
    assert queries.balance("expense:dispute_fee") == -1500


def test_a_dispute_that_overtakes_a_refund_leaves_it_to_staff(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = bought(ana, time)
    sandbox.open_dispute(paid.attempts.get().charge)
    refund = payments.refund(payment_id=paid.id, amount=usd(4200), reason="cancelled", now=time(), by=None)
    refund.refresh_from_db()
    assert refund.state == RefundState.FAILED


def test_what_the_bank_gave_back_is_not_given_back_again(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = bought(ana, time)
    sandbox.open_dispute(paid.attempts.get().charge)
    work(time)
    time.move(days=20)  # nobody answers: the dispute is lost
    work(time)
    paid.refresh_from_db()
    assert queries.balance("loss:dispute") == -4200
    assert (payments.left_to_refund(paid), paid.refundable) == (usd(0), usd(4200))
    with pytest.raises(NothingToRefund):
        payments.refund(payment_id=paid.id, amount=usd(4200), reason="cancelled", now=time(), by=None)


# ---- news


@pytest.fixture
def alone() -> Iterator[None]:
    """Nobody listens but this test."""
    others, signals.payment_changed.receivers = signals.payment_changed.receivers, []
    signals.payment_changed.sender_receivers_cache.clear()
    yield
    signals.payment_changed.receivers = others
    signals.payment_changed.sender_receivers_cache.clear()


def test_news_is_told_until_it_is_followed(alone: None, sandbox: Sandbox, ana: User, time: Time) -> None:
    heard: list[Any] = []

    def receiver(payment_id: Any, **_more: Any) -> None:
        heard.append(payment_id)

    signals.payment_changed.connect(receiver)
    try:
        paid = at_page(payment(ana, now=time()), SAVE, now=time())
        assert heard == [paid.id]
        assert payments.announce_again(now=time()) == 1
        assert heard == [paid.id, paid.id]
        payments.followed(payment_id=paid.id, state="held", now=time())
        assert payments.announce_again(now=time()) == 1
        payments.followed(payment_id=paid.id, state="card_saved", now=time())
        assert payments.announce_again(now=time()) == 0
    finally:
        signals.payment_changed.disconnect(receiver)


def test_a_receiver_that_fails_harms_nobody(alone: None, sandbox: Sandbox, ana: User, time: Time) -> None:
    def receiver(**_more: Any) -> None:
        raise RuntimeError("of another app")

    signals.payment_changed.connect(receiver)
    try:
        paid = at_page(payment(ana, now=time()), SAVE, now=time())
        assert (paid.state, paid.followed) == (PaymentState.CARD_SAVED, False)
    finally:
        signals.payment_changed.disconnect(receiver)


def test_a_poor_card_is_refused_on_the_page(sandbox: Sandbox, ana: User, time: Time) -> None:
    from payments.sandbox.errors import ApiError

    paid = payment(ana, now=time())
    url = go(paid, HOLD, now=time())
    with pytest.raises(ApiError):
        type_card(url, POOR)
    work(time)
    paid.refresh_from_db()
    assert paid.state == PaymentState.NEW
    type_card(url)  # another card on the same page
    checkouts.come_back(payment_id=paid.id, now=time())
    paid.refresh_from_db()
    assert paid.state == PaymentState.HELD


def test_nothing_is_left_to_do(sandbox: Sandbox, ana: User, time: Time) -> None:
    bought(ana, time)
    heal(sandbox, time)
    assert not Operation.objects.exclude(state=OperationState.DONE).exists()
    assert not queries.outstanding(Payment.objects.get().group)
    assert Refund.objects.count() == 0


def test_no_more_is_taken_than_is_held(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = authorized(at_page(payment(ana, now=time()), SAVE, now=time()), time, 4000)
    heal(sandbox, time)
    with pytest.raises(PaymentClosed):
        payments.capture(payment_id=paid.id, amount=usd(4200), now=time())
