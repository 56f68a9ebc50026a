"""Events, venues, places and partners to test with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from trips.models import Event, Partner, Place, Venue

_number = count(1)

#: The town every test knows, with its neighbours on the roads to Green Bay.
MILWAUKEE = (43.0389, -87.90647)
MADISON = (43.07305, -89.40123)
CHICAGO = (41.85003, -87.65005)
SHEBOYGAN = (43.75083, -87.71453)
GREEN_BAY = (44.51916, -88.01983)

#: Three weeks ahead of the tests' `now`: Sunday 13 December, 12:00 in Green Bay.
KICK_OFF = datetime(2026, 12, 13, 18, 0, tzinfo=UTC)


def place(name: str = "Milwaukee", **fields: Any) -> Place:
    """A town; Milwaukee unless told otherwise."""
    number = next(_number)
    defaults = {
        "id": 5_000_000 + number,
        "state": "WI",
        "slug": f"{name.lower().replace(' ', '-')}-wi",
        "latitude": MILWAUKEE[0],
        "longitude": MILWAUKEE[1],
        "population": 577_222,
        "time_zone": "America/Chicago",
    }
    return Place.objects.create(name=name, **{**defaults, **fields})


def venue(name: str = "Lambeau Field", **fields: Any) -> Venue:
    """A stadium; Green Bay's, found again if it is there."""
    defaults = {
        "city": "Green Bay",
        "state": "Wisconsin",
        "latitude": 44.501389,
        "longitude": -88.062222,
        "time_zone": "America/Chicago",
    }
    wanted = {**defaults, **fields}
    found, _new = Venue.objects.get_or_create(name=name, city=wanted.pop("city"), defaults=wanted)
    return found


def partner(slug: str = "packers-club", **fields: Any) -> Partner:
    """A fan club."""
    return Partner.objects.create(slug=slug, **{"name": "Packers Club", **fields})


def event(**fields: Any) -> Event:
    """A game at Lambeau Field three weeks ahead of the tests' `now`."""
    number = next(_number)
    starts_at = fields.pop("starts_at", KICK_OFF)
    where = fields.pop("venue", None) or venue()
    name = fields.pop("name", "Buffalo Bills at Green Bay Packers")
    defaults = {
        "slug": "buffalo-bills-at-green-bay-packers",
        "home": "Green Bay Packers",
        "away": "Buffalo Bills",
        "ends_at": starts_at + timedelta(minutes=195),
        "source": "test",
        "source_id": str(number),
        "search_text": f"{name} {where.name} {where.city} {where.state}".lower(),
    }
    return Event.objects.create(name=name, starts_at=starts_at, venue=where, **{**defaults, **fields})
