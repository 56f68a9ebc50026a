"""The captain's reward: the own fare back as credit, once the trip has run."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import transaction

from payments.actions import credits as credit
from payments.models import Account
from payments.queries import paid_by_payer
from rally.money import Money
from trips import notices
from trips.locks import locked_pledges, locked_trip
from trips.models import Pledge, Trip
from trips.states import PledgeState, TripState

#: The bus is back.
RAN = (TripState.COMPLETED, TripState.CLOSED)


@transaction.atomic
def reward_captain(*, trip_id: Any, rode: Collection[Any], now: datetime) -> bool:
    """Give the captain of a trip that has run the price of one seat as credit, and say so. Once per trip.

    Nothing for a captain who is not among those who `rode` (ids of users), or has not paid; never more than the captain
    paid and was not given back: a promotion is not given twice. Answers whether it was given now.
    """
    # A refund of the captain's seat at the same moment would be given back a second time as credit.
    trip = locked_trip(trip_id)

    if trip.state not in RAN or trip.captain_id not in rode:
        return False
    pledge = next(
        (each for each in locked_pledges(trip, [PledgeState.PAID]) if _is_captains(trip, each)), None
    )
    if pledge is None or pledge.payment is None:
        return False

    amount = min(pledge.price, paid_by_payer(pledge.payment))
    given = bool(amount) and credit.give(
        user_id=trip.captain_id,
        amount=Money(amount.minor, pledge.currency),
        source=Account.REWARD,
        reference=f"captain:{trip.id}",
        now=now,
        by=None,
    )
    if given:
        notices.captain_rewarded(pledge, amount, now)
    return given


def _is_captains(trip: Trip, pledge: Pledge) -> bool:
    return pledge.rider_id == trip.captain_id and pledge.enlarges_id is None


@transaction.atomic
def thanked(*, trip_id: Any, now: datetime) -> None:
    """Everybody who had something to get for this trip has it; nobody looks again. Twice is once."""
    Trip.objects.filter(id=trip_id, thanked_at=None).update(thanked_at=now)
