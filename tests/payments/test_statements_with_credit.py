"""What statements say of trips that credit and codes paid a part of: what goes back to credit was given back, too."""

from __future__ import annotations

from datetime import timedelta

from payments import queries
from payments.actions import earnings, payments
from payments.models import Checkout, Payment
from payments.queries import Saving
from payments.queries.statements import extract_of, group_money
from payments.sandbox.core import Sandbox
from rally.models import User
from tests.factories.payments import at_page, payee, payment, usd
from tests.payments.conftest import Time
from tests.payments.test_credits import given


def adds_up(group: str, time: Time) -> tuple[int, int]:
    """What came in and what went back; all of it went somewhere."""
    where = group_money([group], before=time() + timedelta(days=1))[group]
    assert where.gross - where.refunds + where.added == where.earned + where.partner + where.tax + where.fee
    return where.gross, where.refunds


def test_credit_that_goes_back_is_given_back(sandbox: Sandbox, ana: User, time: Time) -> None:
    given(ana, 3000, time)
    opened = payment(ana, now=time(), saving=Saving(percent=20), use_credit=True)
    paid = at_page(opened, Checkout.Mode.CHARGE, now=time())
    assert (paid.state, paid.captured_minor) == ("paid", 4200 - 840 - 3000)
    whose = payee(now=time())
    payments.refund(payment_id=paid.id, amount=usd(1000), reason="leg:return", now=time(), by=None)
    share = earnings.Due(payee_id=whose.id, parts={paid.id: 2800})
    earnings.book(
        group=paid.group, payment_ids=[paid.id], operators=[share], due_at=time(), now=time(), by=None
    )
    assert adds_up(paid.group, time) == (4200, 1000)

    left = payments.left_to_refund(Payment.objects.get(id=paid.id))
    payments.refund(payment_id=paid.id, amount=left, reason="goodwill", now=time(), by=None)

    moves = extract_of(whose.id, since=time() - timedelta(days=1), until=time() + timedelta(days=1)).sums
    assert (moves.earned, moves.given_back, moves.kept) == (2800, 2800, 0)
    assert adds_up(paid.group, time) == (4200, 4200)
    assert queries.credit_of(ana) == usd(3000)
