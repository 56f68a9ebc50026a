"""Trips that go although fewer seats are paid than they need: cards that were held could not be charged after all."""

from __future__ import annotations

from itertools import islice

from django.db.models import F, Q

from payments.queries.shortfalls import Shortfall
from trips.models import Trip
from trips.queries.fares import seats_to_pay
from trips.states import TripState

_MOST = 100


def shortfalls() -> list[Shortfall]:
    """Confirmed trips and those under way with fewer paid or held seats than pay the bus at the price in force, the next
    one first."""
    running = Trip.objects.filter(state__in=[TripState.CONFIRMED, TripState.UNDER_WAY])
    # What a price that has fallen takes is no column; those trips are looked at one by one.
    perhaps = running.filter(Q(seats_funded__lt=F("threshold")) | Q(locked_percent__isnull=False))
    rows = perhaps.select_related("event").order_by("departs_at").iterator()
    short = (trip for trip in rows if trip.seats_funded < seats_to_pay(trip))
    return [
        Shortfall(
            group=f"trip:{trip.id}",
            title=str(trip),
            url=trip.get_absolute_url(),
            funded=trip.seats_funded,
            needed=seats_to_pay(trip),
        )
        for trip in islice(short, _MOST)
    ]
