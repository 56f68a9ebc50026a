"""What riders have to their credit: given once, spent once."""

from __future__ import annotations

import pytest

from payments import queries
from payments.actions import credits as credit
from payments.models import Account, LedgerTransfer, Wallet
from payments.sandbox.core import Sandbox
from rally.ids import uuid7
from rally.models import User
from rally.money import Money
from tests.factories.payments import usd
from tests.payments.conftest import Time


def given(user: User, amount: int, time: Time, reference: str = "") -> bool:
    """Say sorry with an amount."""
    return credit.give(
        user_id=user.id,
        amount=usd(amount),
        source=Account.GOODWILL,
        reference=reference or f"goodwill:{uuid7()}",
        now=time(),
        by=None,
    )


# ---- giving


def test_credit_is_given_once_for_each_reason(sandbox: Sandbox, ana: User, ben: User, time: Time) -> None:
    assert queries.credit_of(ana) == usd(0)
    assert given(ana, 1000, time, "goodwill:1")
    assert not given(ana, 1000, time, "goodwill:1")
    assert given(ana, 500, time, "goodwill:2")
    assert (queries.credit_of(ana), queries.credit_of(ben)) == (usd(1500), usd(0))
    assert queries.balance(Account.RIDER_CREDIT, user=ana) == 1500
    assert queries.balance(Account.GOODWILL) == -1500


@pytest.mark.parametrize(
    ("amount", "source"),
    [
        (0, Account.GOODWILL),
        (-5, Account.REWARD),
        (100, Account.RIDER_DEPOSIT),
        (100, Account.STRIPE_BALANCE),
    ],
)
def test_credit_is_not_made_of_nothing(
    sandbox: Sandbox, ana: User, time: Time, amount: int, source: Account
) -> None:
    with pytest.raises(ValueError, match="cannot be given"):
        credit.give(
            user_id=ana.id, amount=Money(amount, "USD"), source=source, reference="x", now=time(), by=None
        )
    assert not Wallet.objects.exists()
    assert not LedgerTransfer.objects.exists()
