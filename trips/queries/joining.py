"""What somebody who joins has to be told and held to: the stop with its trip, in one small query.

Written out, because every claim on a hot on-sale begins here: having the ORM put the same four tables together costs ten
times as much as asking them. Columns that are not among these are read from the database by whoever touches them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, models

from rally.models import User
from trips.models import Event, Stop, Trip, Venue
from trips.states import OCCUPYING


def _ordered(model: type[models.Model], *wanted: str) -> tuple[str, ...]:
    """These columns in the order in which `from_db` takes them."""
    return tuple(field.attname for field in model._meta.concrete_fields if field.attname in wanted)  # noqa: SLF001


_STOP = _ordered(Stop, "id", "trip_id", "position", "fare_minor")
_TRIP = _ordered(
    Trip,
    *("id", "code", "event_id", "state", "currency"),
    *("capacity", "seats_taken", "threshold", "decides_at", "departs_at", "grace_ends_at"),
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
            WHERE pledge.rider_id = %s AND pledge.trip_id = trip.id AND pledge.state = ANY(%s)
        )
    FROM trips_stop stop
    JOIN trips_trip trip ON trip.id = stop.trip_id
    JOIN trips_event event ON event.id = trip.event_id
    JOIN trips_venue venue ON venue.id = event.venue_id
"""  # noqa: S608 - the columns are our own


@dataclass(frozen=True)
class Joining:
    """A stop (with its trip, event and venue) in the eyes of one rider."""

    stop: Stop
    #: The rider has a live pledge on this trip.
    rider_is_in: bool


def by_id(trip_id: Any, stop_id: Any, rider: User) -> Joining | None:
    """This stop of this trip, or None. Nothing is locked."""
    return _read("trip.id = %s AND stop.id = %s", (trip_id, stop_id), rider)


def by_code(code: str, stop: int | UUID, rider: User) -> Joining | None:
    """The stop of the trip with this code by its position or its id, or None. Nothing is locked.

    Raises `Trip.DoesNotExist`.
    """
    column = "position" if isinstance(stop, int) else "id"
    found = _read(f"trip.code = %s AND stop.{column} = %s", (code, stop), rider)
    if found is None and not Trip.objects.filter(code=code).exists():
        raise Trip.DoesNotExist
    return found


def _read(where: str, values: Sequence[Any], rider: User) -> Joining | None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"{_SELECT} WHERE {where}",
            (rider.pk, [state.value for state in OCCUPYING], *values),
        )
        row = cursor.fetchone()
    if row is None:
        return None
    rows = iter(row)
    stop, trip, event, venue = (
        model.from_db(connection.alias, columns, [next(rows) for _column in columns])
        for model, _alias, columns in _PARTS
    )
    event.venue, trip.event, stop.trip = venue, event, trip  # type: ignore[attr-defined]
    assert isinstance(stop, Stop)  # noqa: S101 - for the type checker
    return Joining(stop=stop, rider_is_in=next(rows))
