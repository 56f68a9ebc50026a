"""Credit and promotions beside the card: set aside, spent, made to fit, given back. Every test ends with agreeing books."""

from __future__ import annotations

import pytest

from payments import queries
from payments.actions import checkouts, contributions, credit_ledger, earnings, ledger, payments
from payments.errors import NothingToRefund, PaymentClosed
from payments.models import Account, Attempt, Checkout, Contribution, LedgerTransfer, Payment, Refund, Wallet
from payments.queries import Saving
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Fault
from payments.states import ContributionState, PaymentState
from rally import rules
from rally.models import User
from tests.factories.payments import SAVES_THEN_DECLINES, at_page, go, payee, payment, type_card, usd
from tests.payments.conftest import Time, heal, work
from tests.payments.test_credits import given

SAVE, HOLD, CHARGE = Checkout.Mode.SAVE, Checkout.Mode.HOLD, Checkout.Mode.CHARGE
TEN_OFF, FIFTH = Saving(amount=usd(1000)), Saving(percent=20)


def opened(
    ana: User, time: Time, *, credit: int = 0, saving: Saving | None = None, amount: int = 4200
) -> Payment:
    """A payment of $42 with this much of her credit, and this off it."""
    if credit:
        given(ana, credit, time)
    return payment(ana, now=time(), amount=amount, saving=saving, use_credit=True)


def part(paid: Payment, source: Account) -> Contribution:
    """One part of it, as it is now."""
    return Contribution.objects.get(payment=paid, source=source)


def accounts(*names: Account) -> list[int]:
    """What these accounts hold."""
    return [queries.balance(name) for name in names]


def taken(paid: Payment, time: Time, amount: int = 4200) -> Payment:
    """The money is really there."""
    payments.capture(payment_id=paid.id, amount=usd(amount), now=time())
    paid.refresh_from_db()
    return paid


def refunded(paid: Payment, time: Time, amount: int, reason: str = "test") -> Refund | None:
    """So much goes back."""
    found = payments.refund(payment_id=paid.id, amount=usd(amount), reason=reason, now=time(), by=None)
    paid.refresh_from_db()
    return found


# ---- how an amount is paid


@pytest.mark.parametrize(
    ("whole", "saving", "credit", "parts"),
    [
        (4200, None, 0, (0, 0, 4200)),
        (4200, None, 1200, (0, 1200, 3000)),
        (4200, TEN_OFF, 1200, (1000, 1200, 2000)),
        (4200, FIFTH, 1200, (840, 1200, 2160)),
        (4299, FIFTH, 0, (859, 0, 3440)),  # rounded down to a cent
        (4200, None, 4200, (0, 4100, 100)),  # a card always pays a dollar
        (4200, Saving(percent=100), 4200, (4100, 0, 100)),
        (4200, Saving(amount=usd(9900)), 50, (4100, 0, 100)),
        (80, TEN_OFF, 500, (0, 0, 80)),
        (4200, Saving(), 0, (0, 0, 4200)),
    ],
)
def test_an_amount_has_parts_that_add_up(
    whole: int, saving: Saving | None, credit: int, parts: tuple[int, int, int]
) -> None:
    found = queries.parts_of(usd(whole), saving=saving, credit=usd(credit), least_by_card=usd(100))
    assert (found.by_code.minor, found.from_credit.minor, found.by_card.minor) == parts
    assert found.whole == usd(whole)


# ---- the way of a payment


def test_credit_and_a_code_pay_beside_the_card(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = opened(ana, time, credit=1200, saving=TEN_OFF)
    assert queries.credit_of(ana) == usd(0)  # gone at once: it cannot be spent twice
    assert (paid.amount_minor, paid.covered_minor, paid.owed_by_card) == (4200, 2200, 2000)
    assert accounts(Account.CREDIT_SET_ASIDE, Account.RIDER_CREDIT, Account.PROMOTION) == [2200, 0, -1000]
    assert (queries.worth(paid), queries.paid_by_payer(paid)) == (usd(0), usd(0))

    at_page(paid, SAVE, now=time())
    payments.authorize(payment_id=paid.id, amount=usd(4200), now=time())
    payments.authorize(payment_id=paid.id, amount=usd(4200), now=time())
    assert Attempt.objects.get().amount_minor == 2000
    paid.refresh_from_db()
    assert taken(paid, time).state == PaymentState.PAID
    assert (paid.captured_minor, paid.covered_minor) == (2000, 2200)
    assert accounts(Account.CREDIT_SET_ASIDE, Account.RIDER_DEPOSIT) == [0, 4200]
    assert (queries.worth(paid), queries.paid_by_payer(paid)) == (usd(4200), usd(3200))
    assert queries.worths([paid]) == {paid.id: usd(4200)}
    assert part(paid, Account.RIDER_CREDIT).state == ContributionState.SPENT


@pytest.mark.parametrize("mode", [HOLD, CHARGE])
def test_a_page_asks_for_the_part_of_the_card(
    sandbox: Sandbox, ana: User, time: Time, mode: Checkout.Mode
) -> None:
    paid = at_page(opened(ana, time, credit=1200, saving=FIFTH), mode, now=time())
    assert (Checkout.objects.get().amount_minor, Attempt.objects.get().amount_minor) == (2160, 2160)
    if mode == HOLD:
        assert part(paid, Account.PROMOTION).state == ContributionState.SET_ASIDE
        taken(paid, time)
    assert (paid.state, paid.captured_minor, queries.worth(paid)) == (PaymentState.PAID, 2160, usd(4200))


def test_without_credit_or_code_nothing_is_different(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time(), use_credit=True), HOLD, now=time())
    assert not Contribution.objects.exists()
    assert taken(paid, time).captured_minor == 4200
    refunded(paid, time, 4200)
    assert paid.state == PaymentState.REFUNDED
    payments.open(  # opened before: what is wanted now changes nothing
        payer=ana,
        reference=paid.reference,
        group="",
        description="",
        amount=usd(1),
        saving=TEN_OFF,
        use_credit=True,
        now=time(),
    )
    assert not Contribution.objects.exists()


def test_a_card_always_pays_something(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = opened(ana, time, credit=9000)
    assert (paid.owed_by_card, queries.credit_of(ana)) == (100, usd(4900))
    taken(at_page(paid, HOLD, now=time()), time)
    assert (paid.captured_minor, queries.worth(paid)) == (100, usd(4200))


# ---- nothing comes of it


@pytest.mark.parametrize("mode", [None, SAVE, HOLD])
def test_what_was_set_aside_comes_back(
    sandbox: Sandbox, ana: User, time: Time, mode: Checkout.Mode | None
) -> None:
    paid = opened(ana, time, credit=1200, saving=TEN_OFF)
    if mode:
        at_page(paid, mode, now=time())
    for _ in range(2):
        payments.release(payment_id=paid.id, keep_card=False, now=time(), why="lapsed")
        heal(sandbox, time)
        contributions.hand_back(payment_id=paid.id, now=time())
    paid.refresh_from_db()
    assert (paid.state, paid.covered_minor, queries.credit_of(ana)) == (PaymentState.RELEASED, 0, usd(1200))
    assert accounts(Account.CREDIT_SET_ASIDE, Account.RIDER_CREDIT, Account.PROMOTION) == [0, 1200, 0]
    assert {row.state for row in Contribution.objects.all()} == {ContributionState.RETURNED}


def test_a_card_that_is_kept_keeps_its_credit(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(opened(ana, time, credit=1200), SAVE, now=time())
    payments.authorize(payment_id=paid.id, amount=usd(4200), now=time())
    payments.release(payment_id=paid.id, keep_card=True, now=time(), why="gathering again")
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, paid.owed_by_card, queries.credit_of(ana)) == (PaymentState.CARD_SAVED, 3000, usd(0))


def test_a_page_paid_too_late_does_not_spend_credit_again(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = opened(ana, time, credit=1200)
    url = go(paid, CHARGE, now=time())
    type_card(url)  # and nobody tells us
    payments.release(payment_id=paid.id, keep_card=False, now=time(), why="expired")
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, paid.captured_minor, queries.credit_of(ana)) == (PaymentState.RELEASED, 0, usd(1200))
    assert queries.balance(Account.RIDER_DEPOSIT) == 0


def test_whoever_dies_before_giving_back_is_followed_by_a_sweep(
    sandbox: Sandbox, ana: User, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid = opened(ana, time, credit=1200, saving=TEN_OFF)
    with monkeypatch.context() as lost:
        lost.setattr(contributions, "later", lambda *_args, **_more: None)  # the message is lost
        payments.release(payment_id=paid.id, keep_card=False, now=time(), why="lapsed")
        assert queries.credit_of(ana) == usd(0)
        assert queries.balance(Account.CREDIT_SET_ASIDE) == 2200
    assert contributions.hand_back_due(now=time()) == 1
    assert contributions.hand_back_due(now=time()) == 0
    assert queries.credit_of(ana) == usd(1200)


def test_what_is_not_given_back_for_days_is_seen(
    sandbox: Sandbox, ana: User, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid = opened(ana, time, credit=1200)
    time.move(days=12)
    assert queries.l9_nothing_waits_for_long(now=time()) == []  # it is needed
    with monkeypatch.context() as lost:
        lost.setattr(contributions, "later", lambda *_args, **_more: None)
        payments.release(payment_id=paid.id, keep_card=False, now=time(), why="lapsed")
    assert queries.l9_nothing_waits_for_long(now=time()) == [
        f"payment {paid.id}: 1200 set aside since 2026-11-21"
    ]
    contributions.hand_back_due(now=time())
    assert queries.l9_nothing_waits_for_long(now=time()) == []


# ---- another amount


def test_a_smaller_amount_needs_less(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(opened(ana, time, credit=3000, saving=FIFTH, amount=8400), SAVE, now=time())
    assert paid.owed_by_card == 8400 - 1680 - 3000
    payments.change_amount(payment_id=paid.id, amount=usd(2100), now=time())
    paid.refresh_from_db()
    # A fifth of 21.00 is 4.20; credit pays all but a dollar of the rest, and 14.20 come back.
    assert (part(paid, Account.PROMOTION).amount_minor, part(paid, Account.RIDER_CREDIT).amount_minor) == (
        420,
        1580,
    )
    assert (paid.owed_by_card, queries.credit_of(ana)) == (100, usd(1420))
    assert accounts(Account.CREDIT_SET_ASIDE, Account.PROMOTION) == [2000, -420]


def test_more_seats_take_what_was_wanted_and_is_there(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = opened(ana, time, credit=6000, saving=FIFTH)
    assert (part(paid, Account.RIDER_CREDIT).amount_minor, queries.credit_of(ana)) == (3260, usd(2740))
    given(ana, 500, time)  # given since: not what she meant then
    payments.change_amount(payment_id=paid.id, amount=usd(12600), now=time())
    paid.refresh_from_db()
    assert (part(paid, Account.PROMOTION).amount_minor, part(paid, Account.RIDER_CREDIT).amount_minor) == (
        2520,
        6000,
    )
    assert (paid.owed_by_card, queries.credit_of(ana)) == (4080, usd(500))
    payments.change_amount(payment_id=paid.id, amount=usd(4200), now=time())
    paid.refresh_from_db()
    assert (paid.owed_by_card, queries.credit_of(ana)) == (100, usd(3240))


def test_a_falling_price_takes_less_of_everything(sandbox: Sandbox, ana: User, time: Time) -> None:
    """The hold was for the most; less is captured, and credit that is not needed comes back."""
    paid = at_page(opened(ana, time, credit=4000, saving=Saving(percent=10)), HOLD, now=time())
    assert paid.owed_by_card == 100
    taken(paid, time, 3000)
    assert (paid.captured_minor, queries.worth(paid), queries.credit_of(ana)) == (100, usd(3000), usd(1400))
    assert accounts(Account.PROMOTION, Account.RIDER_DEPOSIT) == [-300, 3000]


def test_asking_for_less_than_agreed_is_exact_and_again_the_same(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = at_page(opened(ana, time, credit=1200, saving=FIFTH), SAVE, now=time(), number=SAVES_THEN_DECLINES)
    payments.authorize(payment_id=paid.id, amount=usd(3600), now=time())
    paid.refresh_from_db()
    assert (paid.state, paid.covered_minor) == (PaymentState.DECLINED, 720 + 1200)
    at_page(paid, HOLD, now=time())  # in person, for what was agreed at most
    assert Attempt.objects.get(n=2).amount_minor == 4200 - 1920
    assert taken(paid, time, 3600).captured_minor == 3600 - 1920
    assert queries.worth(paid) == usd(3600)


def test_a_higher_least_does_not_ask_more_of_a_hold(
    sandbox: Sandbox, ana: User, sam: User, time: Time
) -> None:
    paid = at_page(opened(ana, time, credit=9000), HOLD, now=time())
    rules.change("least_by_card", 500, now=time(), by=sam)
    assert taken(paid, time, 4000).captured_minor == 100
    assert queries.worth(paid) == usd(4000)


def test_paying_an_old_page_takes_what_is_owed_now(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = opened(ana, time, saving=FIFTH, amount=8400)
    type_card(go(paid, CHARGE, now=time()))
    payments.change_amount(payment_id=paid.id, amount=usd(4200), now=time())
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, paid.captured_minor, queries.worth(paid)) == (PaymentState.PAID, 3360, usd(4200))
    assert Refund.objects.get().amount_minor == 8400 - 1680 - 3360


def test_a_page_that_asks_for_less_is_given_back(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = opened(ana, time, credit=1200)
    type_card(go(paid, CHARGE, now=time()))
    payments.change_amount(payment_id=paid.id, amount=usd(8400), now=time())
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, paid.captured_minor, paid.owed_by_card) == (PaymentState.NEW, 0, 7200)
    assert part(paid, Account.RIDER_CREDIT).state == ContributionState.SET_ASIDE
    payments.release(payment_id=paid.id, keep_card=False, now=time(), why="test")


def test_what_no_hold_covers_is_not_taken(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(opened(ana, time, credit=1200), HOLD, now=time())
    Attempt.objects.update(amount_minor=100)
    with pytest.raises(PaymentClosed):
        taken(paid, time)
    Attempt.objects.update(amount_minor=3000)
    assert taken(paid, time).captured_minor == 3000


def test_a_lost_hold_is_replaced_by_the_part_of_the_card(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(opened(ana, time, credit=1200), HOLD, now=time())
    time.move(days=8)
    payments.capture(payment_id=paid.id, amount=usd(4200), now=time())
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, paid.captured_minor, queries.worth(paid)) == (PaymentState.PAID, 3000, usd(4200))


# ---- giving back


def test_a_refund_fills_the_card_first_then_the_credit(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = taken(at_page(opened(ana, time, credit=1200, saving=TEN_OFF), HOLD, now=time()), time)
    assert payments.left_to_refund(paid) == usd(3200)
    first = refunded(paid, time, 1500, "fewer")
    assert first is not None
    assert (first.amount_minor, queries.credit_of(ana)) == (1500, usd(0))
    second = refunded(paid, time, 900, "left")
    again = refunded(paid, time, 900, "left")
    assert second is not None
    assert (second.amount_minor, again, queries.credit_of(ana)) == (500, second, usd(400))
    assert (queries.worth(paid), queries.paid_by_payer(paid)) == (usd(1800), usd(800))
    assert paid.state == PaymentState.PAID  # 8.00 of her credit stay with the trip
    work(time)
    paid.refresh_from_db()
    assert (paid.state, queries.balance(Account.RIDER_DEPOSIT)) == (PaymentState.PAID, 1800)


def test_when_all_is_back_the_promotion_is_ours_again(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = taken(at_page(opened(ana, time, credit=1200, saving=TEN_OFF), HOLD, now=time()), time)
    refunded(paid, time, 2000, "card")
    assert paid.state == PaymentState.PAID
    with pytest.raises(NothingToRefund):
        refunded(paid, time, 1201)
    assert refunded(paid, time, 1200, "credit") is None
    assert refunded(paid, time, 1200, "credit") is None  # once
    assert (paid.state, queries.credit_of(ana)) == (PaymentState.REFUNDED, usd(1200))
    assert accounts(Account.PROMOTION, Account.RIDER_DEPOSIT, Account.CREDIT_SET_ASIDE) == [0, 0, 0]
    assert (queries.worth(paid), payments.left_to_refund(paid)) == (usd(0), usd(0))


def test_all_at_once_gives_everything_back(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = taken(at_page(opened(ana, time, credit=1200, saving=FIFTH), HOLD, now=time()), time)
    refunded(paid, time, 4200 - 840, "cancelled")
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, queries.credit_of(ana)) == (PaymentState.REFUNDED, usd(1200))
    assert {row.returned_minor for row in Contribution.objects.all()} == {840, 1200}
    assert Wallet.objects.get().balance_minor == 1200


def test_a_refund_by_hand_at_the_provider_leaves_credit_to_give_back(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = taken(at_page(opened(ana, time, credit=1200, saving=TEN_OFF), HOLD, now=time()), time)
    sandbox_refund(sandbox, Attempt.objects.get().intent)
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, payments.left_to_refund(paid), queries.worth(paid)) == (
        PaymentState.PAID,
        usd(1200),
        usd(2200),
    )
    refunded(paid, time, 1200, "the rest")
    assert paid.state == PaymentState.REFUNDED


def sandbox_refund(sandbox: Sandbox, intent: str) -> None:
    """Somebody refunds all of it in the provider's own pages."""
    from payments import gateway

    gateway.create_refund(intent_id=intent, amount=2000, tags={}, key="by-hand")


def test_coming_back_from_the_page_finds_credit_spent(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = opened(ana, time, credit=1200)
    type_card(go(paid, CHARGE, now=time()))
    checkouts.come_back(payment_id=paid.id, now=time())
    checkouts.come_back(payment_id=paid.id, now=time())
    assert part(paid, Account.RIDER_CREDIT).state == ContributionState.SPENT
    assert queries.balance(Account.RIDER_DEPOSIT) == 4200


# ---- trouble in between


@pytest.mark.parametrize("fault", [Fault.DROP_BEFORE, Fault.DROP_AFTER])
def test_an_answer_that_is_lost_spends_credit_once(
    sandbox: Sandbox, ana: User, time: Time, fault: Fault
) -> None:
    paid = at_page(opened(ana, time, credit=1200, saving=TEN_OFF), HOLD, now=time())
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "capture$", fault)
    payments.capture(payment_id=paid.id, amount=usd(4200), now=time())
    assert part(paid, Account.RIDER_CREDIT).state == ContributionState.SET_ASIDE  # unknown is not "paid"
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, queries.worth(paid)) == (PaymentState.PAID, usd(4200))
    assert accounts(Account.CREDIT_SET_ASIDE, Account.RIDER_DEPOSIT) == [0, 4200]


def test_a_crash_while_giving_back_changes_nothing(
    sandbox: Sandbox, ana: User, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wallet is written, the ledger is not: neither stays, and the next one finishes."""
    paid = opened(ana, time, credit=1200)
    with monkeypatch.context() as dying:
        dying.setattr(contributions, "later", lambda *_args, **_more: None)
        payments.release(payment_id=paid.id, keep_card=False, now=time(), why="lapsed")
        dying.setattr(credit_ledger, "back", lambda *_args, **_more: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            contributions.hand_back(payment_id=paid.id, now=time())
    assert (queries.credit_of(ana), queries.check_ledger()) == (usd(0), {})
    contributions.hand_back_due(now=time())
    assert queries.credit_of(ana) == usd(1200)


def test_a_leg_of_nothing_is_not_written(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = payment(ana, now=time())
    sources = [ledger.Source("rider:deposit", 0)]
    credit_ledger.refunded(payment=paid, sources=sources, key="nothing", now=time())
    assert not LedgerTransfer.objects.filter(event_key="nothing").exists()


def test_a_code_of_which_a_part_came_back_does_not_take_what_falls(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    """20.00 off two seats of 15.00, of which one is given up: the code pays 10.00 of the other, also when that costs 12.00."""
    paid = at_page(payment(ana, now=time(), amount=3000, saving=Saving(amount=usd(2000))), CHARGE, now=time())
    payments.refund(payment_id=paid.id, amount=usd(500), reason="fewer:1", now=time(), by=None)
    payments.take_back_promotion(payment_id=paid.id, amount=usd(1000), reason="fewer:1", now=time())
    for _twice in range(2):
        payments.take_back_promotion(payment_id=paid.id, amount=usd(1000), reason="fewer:1", now=time())
    back = payments.lower(
        payment_id=paid.id, was=usd(1500), becomes=usd(1200), reason="fare_fell", now=time()
    )
    paid.refresh_from_db()
    assert (back.whole, queries.worth(paid), queries.paid_by_promotion(paid)) == (
        usd(300),
        usd(1200),
        usd(1000),
    )


@pytest.mark.parametrize("code_first", [False, True])
def test_the_tax_goes_back_with_what_the_payer_paid(
    sandbox: Sandbox, ana: User, time: Time, *, code_first: bool
) -> None:
    """Of 20.00 by card and 20.00 by a code 1.04 are tax (5.5 % of what the card paid). Half of the card's comes back."""
    paid = at_page(payment(ana, now=time(), amount=4000, saving=Saving(amount=usd(2000))), CHARGE, now=time())
    due = earnings.Due(payee(now=time()).id, {paid.id: 3000})
    earnings.book(
        group=paid.group,
        payment_ids=[paid.id],
        operators=[due],
        taxes={paid.id: 104},
        due_at=time(),
        now=time(),
        by=None,
    )
    steps = [
        lambda: payments.refund(payment_id=paid.id, amount=usd(1000), reason="leg", now=time(), by=None),
        lambda: payments.take_back_promotion(payment_id=paid.id, amount=usd(500), reason="x", now=time()),
    ]
    for step in reversed(steps) if code_first else steps:
        step()
    assert queries.balance("tax:payable") == 52
    payments.refund(payment_id=paid.id, amount=usd(1000), reason="rest", now=time(), by=None)
    assert queries.balance("tax:payable") == 0
