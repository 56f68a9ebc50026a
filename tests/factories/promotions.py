"""Promotion codes and credit to test with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from payments.actions import credits as credit
from payments.models import Account
from rally.models import User
from rally.money import Money
from trips.models import Promotion

NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
_number = count(1)


def promotion(code: str = "GAMEDAY", **fields: Any) -> Promotion:
    """A code that takes 20 percent off and may be used a hundred times this season, once by each rider."""
    if "amount_minor" not in fields:
        fields.setdefault("percent", 20)
    defaults = {
        "name": "Game day",
        "valid_from": NOW - timedelta(days=1),
        "valid_until": NOW + timedelta(days=60),
        "max_uses": 100,
    }
    return Promotion.objects.create(code=code, **{**defaults, **fields})


def credited(user: User, minor: int, now: datetime = NOW) -> User:
    """The user with so much more credit."""
    credit.give(
        user_id=user.id,
        amount=Money(minor, "USD"),
        source=Account.GOODWILL,
        reference=f"goodwill:test{next(_number)}",
        now=now,
        by=None,
    )
    return user
