"""Real threads over one wallet."""

from __future__ import annotations

import pytest

from payments import queries
from payments.actions import contributions, payments
from payments.models import Account, Checkout, Contribution, Payment, Wallet
from payments.queries import Saving
from payments.sandbox.core import Sandbox
from payments.states import PaymentState
from rally.models import User
from tests.factories.payments import at_page, payment, usd
from tests.payments.conftest import Time, heal
from tests.payments.test_credits import given
from tests.racing import at_once

pytestmark = pytest.mark.race
HOLD = Checkout.Mode.HOLD


def test_two_pledges_do_not_spend_one_credit_twice(sandbox: Sandbox, ana: User, time: Time) -> None:
    given(ana, 3000, time)
    now = time()
    at_once(*[lambda: payment(ana, now=now, use_credit=True)] * 4)
    assert Payment.objects.count() == 4
    assert [row.amount_minor for row in Contribution.objects.all()] == [3000]
    assert (queries.credit_of(ana), queries.balance(Account.CREDIT_SET_ASIDE)) == (usd(0), 3000)


def test_the_same_credit_given_by_several_at_once_is_given_once(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    answers = at_once(*[lambda: given(ana, 500, time, "captain:one")] * 4)
    assert sorted(answers) == [False, False, False, True]
    assert (queries.credit_of(ana), Wallet.objects.count()) == (usd(500), 1)


def test_what_comes_back_comes_back_once(sandbox: Sandbox, ana: User, time: Time) -> None:
    given(ana, 1200, time)
    paid = payment(ana, now=time(), use_credit=True, saving=Saving(percent=20))
    now = time()
    at_once(
        lambda: payments.release(payment_id=paid.id, keep_card=False, now=now, why="a"),
        lambda: payments.release(payment_id=paid.id, keep_card=False, now=now, why="b"),
        lambda: contributions.hand_back(payment_id=paid.id, now=now),
        lambda: contributions.hand_back_due(now=now),
    )
    assert (queries.credit_of(ana), queries.balance(Account.PROMOTION)) == (usd(1200), 0)


def test_taken_or_let_go_but_not_both(sandbox: Sandbox, ana: User, time: Time) -> None:
    given(ana, 1200, time)
    paid = at_page(payment(ana, now=time(), use_credit=True), HOLD, now=time())
    now = time()
    at_once(
        lambda: payments.capture(payment_id=paid.id, amount=usd(4200), now=now),
        lambda: payments.release(payment_id=paid.id, keep_card=False, now=now, why="race"),
    )
    heal(sandbox, time)
    paid.refresh_from_db()
    spent = paid.state == PaymentState.PAID
    assert queries.credit_of(ana) == usd(0 if spent else 1200)
    assert queries.worth(paid) == usd(4200 if spent else 0)


def test_two_refunds_give_credit_back_once(sandbox: Sandbox, ana: User, time: Time) -> None:
    given(ana, 1200, time)
    paid = at_page(payment(ana, now=time(), use_credit=True), Checkout.Mode.CHARGE, now=time())
    now = time()

    def back(amount: int, reason: str) -> object:
        return payments.refund(payment_id=paid.id, amount=usd(amount), reason=reason, now=now, by=None)

    at_once(*[lambda: back(4200, "cancelled")] * 3, lambda: back(500, "cancelled"))
    heal(sandbox, time)
    paid.refresh_from_db()
    assert paid.refunded_minor + queries.credit_of(ana).minor in (500, 4200)
    assert queries.worth(paid) == usd(4200 - paid.refunded_minor - queries.credit_of(ana).minor)


def test_more_seats_do_not_wait_for_a_wallet(sandbox: Sandbox, ana: User, time: Time) -> None:
    """Two payments of one rider grow at the same moment: neither waits, and what there is is taken once."""
    given(ana, 9000, time)
    one = payment(ana, now=time(), use_credit=True)
    two = payment(ana, now=time(), use_credit=True)
    now = time()
    at_once(
        *[
            lambda each=each: payments.change_amount(payment_id=each.id, amount=usd(8400), now=now)
            for each in (one, two)
        ]
    )
    aside = sum(row.amount_minor for row in Contribution.objects.all())
    assert aside + queries.credit_of(ana).minor == 9000
    assert queries.balance(Account.CREDIT_SET_ASIDE) == aside
