"""What somebody who joins has to be told and held to: the stop with its trip, in one small query.

Written out, because every claim on a hot on-sale begins here: having the ORM put the same four tables together costs ten
times as much as asking them. Columns that are not among these are read from the database by whoever touches them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, models

from rally import statements
from rally.models import User
from trips.models import Event, Stop, Trip, Venue
from trips.states import OCCUPYING, PledgeState


def _ordered(model: type[models.Model], *wanted: str) -> tuple[str, ...]:
    """These columns in the order in which `from_db` takes them."""
    return tuple(field.attname for field in model._meta.concrete_fields if field.attname in wanted)  # noqa: SLF001


_STOP = _ordered(Stop, "id", "trip_id", "position", "fare_minor")
_TRIP = _ordered(
    Trip,
    *("id", "code", "event_id", "state", "currency"),
    *("capacity", "seats_taken", "seats_funded", "threshold", "decides_at", "departs_at", "grace_ends_at"),
    *("ladder", "locked_percent", "fares_closed_at"),
)
_EVENT = _ordered(Event, "id", "venue_id")
_VENUE = _ordered(Venue, "id", "time_zone")
_PARTS: tuple[tuple[type[models.Model], str, tuple[str, ...]], ...] = (
    (Stop, "stop", _STOP),
    (Trip, "trip", _TRIP),
    (Event, "event", _EVENT),
    (Venue, "venue", _VENUE),
)
_SELECT = f"""
    SELECT {", ".join(f"{alias}.{column}" for _model, alias, columns in _PARTS for column in columns)},
        EXISTS (
            SELECT FROM trips_pledge pledge
            WHERE pledge.rider_id = %s AND pledge.trip_id = trip.id AND pledge.state = ANY(%s) AND pledge.enlarges_id IS NULL
        )
    FROM trips_stop stop
    JOIN trips_trip trip ON trip.id = stop.trip_id
    JOIN trips_event event ON event.id = trip.event_id
    JOIN trips_venue venue ON venue.id = event.venue_id
"""  # noqa: S608 - the columns are our own


#: What this process read within the last second, by code of the trip and stop.
_SECONDS, _MOST = 1.0, 1000
_lately: dict[tuple[str, int | UUID], tuple[float, Stop]] = {}


#: A rider who is in, or on the waiting list, does not join again.
_IN = [state.value for state in (*OCCUPYING, PledgeState.WAITING)]


@dataclass(frozen=True)
class Joining:
    """A stop (with its trip, event and venue) in the eyes of one rider."""

    stop: Stop
    #: The rider has a live pledge on this trip, or waits for one.
    rider_is_in: bool


def by_id(trip_id: Any, stop_id: Any, rider: User) -> Joining | None:
    """This stop of this trip, or None. Nothing is locked."""
    row = _read("trip.id = %s AND stop.id = %s", (trip_id, stop_id), rider)
    return Joining(stop=_stop(row), rider_is_in=row[-1]) if row else None


def by_code(code: str, stop: int | UUID, rider: User) -> Joining | None:
    """The stop of the trip with this code by its position or its id, or None. Nothing is locked.

    Raises `Trip.DoesNotExist`.
    """
    column = "position" if isinstance(stop, int) else "id"
    row = _read(f"trip.code = %s AND stop.{column} = %s", (code, stop), rider)
    if row is None:
        if not Trip.objects.filter(code=code).exists():
            raise Trip.DoesNotExist
        return None
    if len(_lately) >= _MOST:
        _lately.clear()
    _lately[code, stop] = (time.monotonic(), _stop(row))
    return Joining(stop=_stop(row), rider_is_in=row[-1])


def lately(code: str, stop: int | UUID) -> Stop | None:
    """The stop as `by_code` read it for anybody within the last second, or None.

    Good enough to claim on, because the claim looks again; never good enough to refuse on. One object for all threads:
    look at it, change nothing.
    """
    seen = _lately.get((code, stop))
    return seen[1] if seen and time.monotonic() - seen[0] <= _SECONDS else None


def _read(where: str, values: Sequence[Any], rider: User) -> Sequence[Any] | None:
    return statements.ask(f"{_SELECT} WHERE {where}", (rider.pk, _IN, *values))


def _stop(row: Sequence[Any]) -> Stop:
    values = iter(row)
    stop, trip, event, venue = (
        model.from_db(connection.alias, columns, [next(values) for _column in columns])
        for model, _alias, columns in _PARTS
    )
    event.venue, trip.event, stop.trip = venue, event, trip  # type: ignore[attr-defined]
    trip.ladder = json.loads(trip.ladder)  # type: ignore[attr-defined]  # as it came; `from_db` converts nothing
    assert isinstance(stop, Stop)  # noqa: S101 - for the type checker
    return stop
