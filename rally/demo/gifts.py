"""What makes trying things out cheaper in the demo: some credit of Ana's, and a promotion code that works."""

from __future__ import annotations

from datetime import datetime, timedelta

from payments.actions import credits as credit
from payments.models import Account
from rally.models import User
from rally.money import Money
from trips.models import Promotion

CODE = "GAMEDAY"
_CREDIT = Money(1_200, "USD")


def ensure(*, ana: User, now: datetime) -> None:
    """Ana has $12 of credit, and GAMEDAY takes a fifth off for everybody, once each. Twice is once."""
    Promotion.objects.get_or_create(
        code=CODE,
        defaults={
            "name": "Game day",
            "percent": 20,
            "valid_from": now - timedelta(days=30),
            "valid_until": now + timedelta(days=400),
            "max_uses": 500,
        },
    )
    credit.give(
        user_id=ana.id,
        amount=_CREDIT,
        source=Account.GOODWILL,
        reference="goodwill:demo:ana",
        now=now,
        by=None,
    )
