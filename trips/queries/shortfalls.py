"""Trips that go although fewer seats are paid than they need: cards that were held could not be charged after all."""

from __future__ import annotations

from django.db.models import F

from payments.queries.shortfalls import Shortfall
from trips.models import Trip
from trips.states import TripState

_MOST = 100


def shortfalls() -> list[Shortfall]:
    """Confirmed trips and those under way whose paid or held seats are below their threshold, the next one first."""
    short = Trip.objects.filter(
        state__in=[TripState.CONFIRMED, TripState.UNDER_WAY], seats_funded__lt=F("threshold")
    )
    return [
        Shortfall(
            group=f"trip:{trip.id}",
            title=str(trip),
            url=trip.get_absolute_url(),
            funded=trip.seats_funded,
            needed=trip.threshold,
        )
        for trip in short.select_related("event").order_by("departs_at")[:_MOST]
    ]
