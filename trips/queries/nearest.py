"""The nearest trips at the speed of plain SQL.

This is the search that everybody makes, so its statements are written once, when the module loads, instead of being built by the ORM for
every visitor; what comes back are ordinary model instances. Three statements: which stops, whose trips, all their stops.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection, models

from rally.geo import Point
from rally.models import User
from trips.models import Event, Stop, Trip, Venue
from trips.queries.earth import gap_of

#: What lists show of an event, its venue and the captain; the rest is loaded when asked for.
_EVENT = ("id", "code", "slug", "name", "home", "away", "starts_at", "ends_at", "venue_id", "state")
_VENUE = ("id", "name", "city", "state", "latitude", "longitude", "time_zone", "coach_stop")
_CAPTAIN = ("id", "name")


def _all(model: type[models.Model]) -> tuple[str, ...]:
    return tuple(field.attname for field in model._meta.concrete_fields)  # noqa: SLF001 - Django's own name for its public face


_TRIP, _STOP = _all(Trip), _all(Stop)
#: Columns that the database hands over in another shape than the model's.
_CONVERTED = {
    _TRIP.index(field.attname): field.from_db_value
    for field in Trip._meta.concrete_fields  # noqa: SLF001
    if hasattr(field, "from_db_value")
}


def _columns(table: str, names: Sequence[str]) -> str:
    return ", ".join(f'{table}."{name}"' for name in names)


#: Outward from the place along the index of findable stops. A trip counts at its nearest stop; of two equally near ones
#: at the first. Nothing else is in the order: a second key would make the database read a whole town before the first row.
_WHICH = """
    SELECT s.id, s.trip_id FROM trips_stop s JOIN trips_trip t ON t.id = s.trip_id
    WHERE s.findable AND t.departs_at > %(now)s {more}
      AND NOT EXISTS (
        SELECT FROM trips_stop o WHERE o.trip_id = s.trip_id AND o.id <> s.id AND
          (ll_to_earth(o.latitude, o.longitude) <-> ll_to_earth(%(latitude)s, %(longitude)s), o.position) <
          (ll_to_earth(s.latitude, s.longitude) <-> ll_to_earth(%(latitude)s, %(longitude)s), s.position))
    ORDER BY ll_to_earth(s.latitude, s.longitude) <-> ll_to_earth(%(latitude)s, %(longitude)s)
    LIMIT %(limit)s OFFSET %(offset)s
"""
#: The box is what the index knows; the ball inside it is what was asked for.
_WITHIN = """
    AND cube_enlarge(ll_to_earth(%(latitude)s, %(longitude)s), %(gap)s, 3) @> ll_to_earth(s.latitude, s.longitude)
    AND ll_to_earth(s.latitude, s.longitude) <-> ll_to_earth(%(latitude)s, %(longitude)s) <= %(gap)s
"""
_IN_STATE = "AND t.state = ANY(%(states)s)"
_TRIPS = f"""
    SELECT {_columns("t", _TRIP)}, {_columns("e", _EVENT)}, {_columns("v", _VENUE)}, {_columns("u", _CAPTAIN)}
    FROM trips_trip t JOIN trips_event e ON e.id = t.event_id JOIN trips_venue v ON v.id = e.venue_id
      JOIN rally_user u ON u.id = t.captain_id
    WHERE t.id = ANY(%s)
"""  # noqa: S608 - the words are the columns of our own tables
_STOPS = f"SELECT {_columns('s', _STOP)} FROM trips_stop s WHERE s.trip_id = ANY(%s) ORDER BY s.position"  # noqa: S608


def nearest(
    near: Point, *, now: datetime, km: float | None, states: Sequence[str] | None, offset: int, limit: int
) -> list[tuple[Trip, Stop]]:
    """Trips that take riders with the stop that is nearest to `near`, nearest first, each trip once.

    Trips carry event, venue, captain and all their stops. `states` narrows to some of those in which riders can join.
    """
    more = (_WITHIN if km is not None else "") + (_IN_STATE if states is not None else "")
    with connection.cursor() as cursor:
        cursor.execute(
            _WHICH.format(more=more),
            {
                "now": now,
                "latitude": near.latitude,
                "longitude": near.longitude,
                "gap": gap_of(km or 0),
                "states": list(states or ()),
                "limit": limit,
                "offset": offset,
            },
        )
        which = cursor.fetchall()
        ids = [trip_id for _stop_id, trip_id in which]
        cursor.execute(_TRIPS, [ids])
        trips = _trips(cursor.fetchall())
        cursor.execute(_STOPS, [ids])
        stops = [Stop.from_db(connection.alias, _STOP, row) for row in cursor.fetchall()]
    by_trip: dict[Any, list[Stop]] = {trip_id: [] for trip_id in trips}
    for stop in stops:
        stop.trip = trips[stop.trip_id]
        by_trip[stop.trip_id].append(stop)
    for trip_id, trip in trips.items():
        # As prefetch_related would leave it.
        known = trip.stops.all()
        known._result_cache = by_trip[trip_id]  # noqa: SLF001
        trip._prefetched_objects_cache = {"stops": known}  # type: ignore[attr-defined]  # noqa: SLF001
    nearest_of = {stop.pk: stop for stop in stops}
    return [(trips[trip_id], nearest_of[stop_id]) for stop_id, trip_id in which]


def _trips(rows: Sequence[Sequence[Any]]) -> dict[Any, Trip]:
    """Model instances of `_TRIPS`; an event, venue or captain that several trips share is one instance."""
    database = connection.alias
    first, second, third = len(_TRIP), len(_TRIP) + len(_EVENT), len(_TRIP) + len(_EVENT) + len(_VENUE)
    events: dict[Any, Event] = {}
    venues: dict[Any, Venue] = {}
    captains: dict[Any, User] = {}
    trips = {}
    for row in rows:
        values = list(row[:first])
        for place, convert in _CONVERTED.items():
            values[place] = convert(values[place], None, connection)
        trip = Trip.from_db(database, _TRIP, values)
        event = events.get(row[first])
        if event is None:
            event = events[row[first]] = Event.from_db(database, _EVENT, row[first:second])
            venue = venues.get(row[second])
            if venue is None:
                venue = venues[row[second]] = Venue.from_db(database, _VENUE, row[second:third])
            event.venue = venue
        captain = captains.get(row[third])
        if captain is None:
            captain = captains[row[third]] = User.from_db(database, _CAPTAIN, row[third:])
        trip.event, trip.captain = event, captain
        trips[trip.pk] = trip
    return trips
