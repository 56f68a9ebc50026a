"""When an event is at another time or place than its trips were planned for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction

from trips import notices
from trips.actions.settlement import announce
from trips.locks import locked_pledges, locked_trip
from trips.models import Event, Stop, Trip
from trips.models.events import EventState
from trips.signals import trip_changed
from trips.states import ALIVE, OCCUPYING, TripState

#: A trip that nobody's money is behind moves along with its event so far, within one day there.
_MOST = timedelta(hours=3)
_TIMES = ("departs_at", "arrives_at", "leaves_at", "returns_at")
_TIMES_OF_A_STOP = ("departs_at", "returns_at")


@dataclass(frozen=True, slots=True)
class Was:
    """When and where an event was before it changed."""

    starts_at: datetime
    ends_at: datetime
    venue_id: Any

    @classmethod
    def of(cls, event: Event) -> Was:
        """As it is now, to be kept until it has changed."""
        return cls(event.starts_at, event.ends_at, event.venue_id)


def follow(*, event: Event, was: Was, now: datetime) -> list[str]:
    """Move the living trips to a changed event along where that is safe, and tell everybody in; answers the codes of the moved.

    Safe is: riders gather, no money is held and no bus is bound, and the event as a whole starts at most three hours from
    where it was, on the same day there. The decision stays when riders agreed to it. All other trips keep their times, which
    their riders and drivers count on: their people are told, and staff find them in the list. A cancelled event moves nothing;
    its trips are called off. Call it once for each change.
    """
    if was == Was.of(event) or event.state == EventState.CANCELLED:
        return []
    by = _shift(event, was)
    living = Trip.objects.filter(event=event, state__in=ALIVE).exclude(state=TripState.UNDER_WAY)
    moved = [_follow(trip_id, by, now) for trip_id in living.order_by("id").values_list("id", flat=True)]
    return [code for code in moved if code]


@transaction.atomic
def _follow(trip_id: Any, by: timedelta | None, now: datetime) -> str:
    """The trip's code if its times were moved, else nothing."""
    trip = locked_trip(trip_id)

    moves = by is not None and _may_move(trip, by, now)
    if by is not None and moves:
        _move(trip, _TIMES, by)
        trip.save(update_fields=_TIMES)
        stops = list(trip.stops.all())
        for stop in stops:
            _move(stop, _TIMES_OF_A_STOP, by)
        Stop.objects.bulk_update(stops, _TIMES_OF_A_STOP)

    tell = notices.times_moved if moves else notices.event_moved
    tell(locked_pledges(trip, OCCUPYING), now)
    notices.event_moved_captain(trip, now, moved=moves)
    announce(trip_changed, trip)
    return trip.code if moves else ""


def _shift(event: Event, was: Was) -> timedelta | None:
    """By how much a trip may follow: the whole event moved by so much, at the same place, a little, on the same day there."""
    by = event.starts_at - was.starts_at
    zone = ZoneInfo(event.venue.time_zone)
    same_day = event.starts_at.astimezone(zone).date() == was.starts_at.astimezone(zone).date()
    whole = event.ends_at - was.ends_at == by and event.venue_id == was.venue_id
    return by if whole and same_day and abs(by) <= _MOST else None


def _may_move(trip: Trip, by: timedelta, now: datetime) -> bool:
    gathers = trip.state == TripState.GATHERING and now < trip.decides_at
    return gathers and not trip.seats_funded and not trip.has_bus and trip.decides_at < trip.departs_at + by


def _move(row: Trip | Stop, names: Sequence[str], by: timedelta) -> None:
    for name in names:
        setattr(row, name, getattr(row, name) + by)
