"""The nearest trips at the speed of plain SQL.

This is the search that everybody makes, so its statements are written once instead of being built by the ORM for every visitor, and its rows
become model instances by the short way. Four statements that the database plans in no time: which trips, their events with venues, their
captains, all their stops. What lists do not show is left out and loaded if somebody asks for it.
"""

# ruff: noqa: SLF001 - `_meta` and `_state` are Django's own names for what a model is and where an instance comes from

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.db import connection, models
from django.db.models.base import ModelState

from rally import statements
from rally.geo import Point
from rally.models import User
from trips.models import Event, Stop, Trip, Venue
from trips.queries.earth import gap_of

M = TypeVar("M", bound=models.Model)

_LEFT_OUT = {"cost_parts", "settling_since", "grace_ends_at", "decided_at", "why_ended", "created_at"}
_TRIP = tuple(field.attname for field in Trip._meta.concrete_fields if field.attname not in _LEFT_OUT)
_STOP = tuple(field.attname for field in Stop._meta.concrete_fields)
_EVENT = ("id", "code", "slug", "name", "home", "away", "starts_at", "ends_at", "venue_id", "state")
_VENUE = ("id", "name", "city", "state", "latitude", "longitude", "time_zone", "coach_stop")
_CAPTAIN = ("id", "name")


def _columns(table: str, names: Sequence[str]) -> str:
    return ", ".join(f'{table}."{name}"' for name in names)


#: Outward from the place along the index of findable stops. A trip counts at its nearest stop; of two equally near ones
#: at the first. Nothing else is in the order: a second key would make the database read a whole town before the first row.
_WHICH = f"""
    SELECT s.id, {_columns("t", _TRIP)} FROM trips_stop s JOIN trips_trip t ON t.id = s.trip_id
    WHERE s.findable AND t.departs_at > %(now)s {{more}}
      AND NOT EXISTS (
        SELECT FROM trips_stop o WHERE o.trip_id = s.trip_id AND o.id <> s.id AND
          (ll_to_earth(o.latitude, o.longitude) <-> ll_to_earth(%(latitude)s, %(longitude)s), o.position) <
          (ll_to_earth(s.latitude, s.longitude) <-> ll_to_earth(%(latitude)s, %(longitude)s), s.position))
    ORDER BY ll_to_earth(s.latitude, s.longitude) <-> ll_to_earth(%(latitude)s, %(longitude)s)
    LIMIT %(limit)s OFFSET %(offset)s
"""  # noqa: S608 - the words are the columns of our own tables
#: The box is what the index knows; the ball inside it is what was asked for.
_WITHIN = """
    AND cube_enlarge(ll_to_earth(%(latitude)s, %(longitude)s), %(gap)s, 3) @> ll_to_earth(s.latitude, s.longitude)
    AND ll_to_earth(s.latitude, s.longitude) <-> ll_to_earth(%(latitude)s, %(longitude)s) <= %(gap)s
"""
_IN_STATE = "AND t.state = ANY(%(states)s)"
_EVENTS = f"""
    SELECT {_columns("e", _EVENT)}, {_columns("v", _VENUE)}
    FROM trips_event e JOIN trips_venue v ON v.id = e.venue_id WHERE e.id = ANY(%s)
"""  # noqa: S608
_CAPTAINS = f"SELECT {_columns('u', _CAPTAIN)} FROM rally_user u WHERE u.id = ANY(%s)"  # noqa: S608
_STOPS = f"SELECT {_columns('s', _STOP)} FROM trips_stop s WHERE s.trip_id = ANY(%s) ORDER BY s.position"  # noqa: S608


def nearest(
    near: Point, *, now: datetime, km: float | None, states: Sequence[str] | None, offset: int, limit: int
) -> list[tuple[Trip, Stop]]:
    """Trips that take riders with the stop that is nearest to `near`, nearest first, each trip once.

    Trips carry event, venue, captain and all their stops. `states` narrows to some of those in which riders can join.
    """
    more = (_WITHIN if km is not None else "") + (_IN_STATE if states is not None else "")
    asked: dict[str, Any] = {
        "now": now,
        "latitude": near.latitude,
        "longitude": near.longitude,
        "gap": gap_of(km or 0),
        "states": list(states or ()),
        "limit": limit,
        "offset": offset,
    }
    with connection.cursor() as cursor:  # planned for each place: one plan for all would leave the index
        cursor.execute(_WHICH.format(more=more), asked)
        found = [(row[0], _instance(Trip, _TRIP, row[1:])) for row in cursor.fetchall()]
    trips = {trip.pk: trip for _stop_id, trip in found}
    if not trips:
        return []
    events = _events(statements.ask_all(_EVENTS, [list({trip.event_id for trip in trips.values()})]))
    people = statements.ask_all(_CAPTAINS, [list({trip.captain_id for trip in trips.values()})])
    captains = {row[0]: _instance(User, _CAPTAIN, row) for row in people}
    stops = [_instance(Stop, _STOP, row) for row in statements.ask_all(_STOPS, [list(trips)])]
    for trip in trips.values():
        trip.ladder = json.loads(str(trip.ladder))  # as the driver gave it
        trip._state.fields_cache |= {"event": events[trip.event_id], "captain": captains[trip.captain_id]}
    _hand_out(stops, trips)
    by_key = {stop.pk: stop for stop in stops}
    return [(trip, by_key[stop_id]) for stop_id, trip in found]


def _instance(model: type[M], names: Sequence[str], values: Sequence[Any]) -> M:
    """A row as an instance, without the signals and checks of `Model.__init__`; columns left out stay deferred."""
    made = model.__new__(model)
    made._state = ModelState()
    made._state.adding, made._state.db, made._state.fields_cache = False, connection.alias, {}
    made.__dict__.update(zip(names, values, strict=True))
    return made


def _events(rows: Iterable[Sequence[Any]]) -> dict[Any, Event]:
    """Events with their venues; one instance for a venue of several."""
    events: dict[Any, Event] = {}
    venues: dict[Any, Venue] = {}
    for row in rows:
        event = events[row[0]] = _instance(Event, _EVENT, row[: len(_EVENT)])
        if event.venue_id not in venues:
            venues[event.venue_id] = _instance(Venue, _VENUE, row[len(_EVENT) :])
        event._state.fields_cache["venue"] = venues[event.venue_id]
    return events


def _hand_out(stops: Iterable[Stop], trips: dict[Any, Trip]) -> None:
    """Give each trip its stops, as `prefetch_related` would leave them."""
    by_trip: dict[Any, list[Stop]] = {key: [] for key in trips}
    for stop in stops:
        stop._state.fields_cache["trip"] = trips[stop.trip_id]
        by_trip[stop.trip_id].append(stop)
    for key, trip in trips.items():
        known = Stop.objects.all()
        known._result_cache = by_trip[key]
        trip._prefetched_objects_cache = {"stops": known}  # type: ignore[attr-defined]
