"""Personal links, and what came of them."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, Q
from django.urls import reverse

from rally.models import User
from trips.models import Friend

#: The parameter that a personal link carries, and where it waits in the session until somebody signs up.
PARAMETER = "friend"


def link(code: str) -> str:
    """The absolute address that a rider sends to friends."""
    return f"{settings.SITE_URL}{reverse('trips:home')}?{PARAMETER}={code}"


@dataclass(frozen=True)
class Brought:
    """How many friends signed up through a rider's link, how many have ridden, and for how many there was credit."""

    came: int
    rode: int
    rewarded: int


def brought_by(user: User) -> Brought:
    """What came of the user's link; numbers, nobody's name."""
    sums = Friend.objects.filter(inviter=user).aggregate(
        came=Count("id"),
        rode=Count("id", filter=Q(ridden_at__isnull=False)),
        rewarded=Count("id", filter=Q(outcome=Friend.Outcome.REWARDED)),
    )
    return Brought(**sums)
