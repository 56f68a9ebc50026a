"""Confirmed trips whose bus was lost and that found no other yet: until when one is looked for, and what the desk shows."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import QuerySet

from payments.queries.shortfalls import Stranded
from rally import rules
from trips.models import Trip
from trips.states import TripState

_MOST = 100


def without_bus() -> QuerySet[Trip]:
    """Trips that are confirmed and have no bus: nothing is confirmed without one, so theirs was lost."""
    return Trip.objects.filter(state=TripState.CONFIRMED, seats_supplied=0)


def called_off_at(trip: Trip) -> datetime:
    """When such a trip is called off by itself unless another company has taken it over."""
    return trip.departs_at - _ahead()


def out_of_time(now: datetime) -> QuerySet[Trip]:
    """Those for which no other bus is looked for any more."""
    return without_bus().filter(departs_at__lte=now + _ahead())


def stranded() -> list[Stranded]:
    """All of them for the desk, the next one first."""
    return [
        Stranded(title=str(trip), url=trip.get_absolute_url(), until=called_off_at(trip))
        for trip in without_bus().select_related("event").order_by("departs_at")[:_MOST]
    ]


def _ahead() -> timedelta:
    return timedelta(hours=rules.current().another_bus_hours_before)
