"""(b) Search near a place: among 5,000 and 500,000 trips, beside the bare SQL."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test.client import Client

from bench import market
from rally import clock
from rally.geo import Point
from trips.models import Place
from trips.queries import finding

SIZES = (5_000, 500_000)
SEARCHES = 300

#: The twenty nearest open stops by the same index: less than a list of trips needs, and as fast as the index can be.
_IDS = """
    SELECT s.id, s.trip_id FROM trips_stop s JOIN trips_trip t ON t.id = s.trip_id
    WHERE s.findable AND earth_box(ll_to_earth(%(latitude)s, %(longitude)s), 80000) @> ll_to_earth(s.latitude, s.longitude)
      AND t.departs_at > %(now)s
    ORDER BY ll_to_earth(s.latitude, s.longitude) <-> ll_to_earth(%(latitude)s, %(longitude)s) LIMIT 20
"""
#: The floor: what anybody would write by hand for the facts that the list shows. One statement, read as plain rows; it does
#: not see to it that a trip with two near stops comes once.
_BARE = f"""
    SELECT near.id, t.*, e.code, e.slug, e.name, e.home, e.away, e.starts_at, e.ends_at, e.state, v.name, v.city, v.state,
      v.latitude, v.longitude, v.time_zone, v.coach_stop, u.name,
      (SELECT json_agg(o ORDER BY o.position) FROM trips_stop o WHERE o.trip_id = t.id)
    FROM ({_IDS}) near JOIN trips_trip t ON t.id = near.trip_id JOIN trips_event e ON e.id = t.event_id
      JOIN trips_venue v ON v.id = e.venue_id JOIN rally_user u ON u.id = t.captain_id
"""


def measure() -> dict[str, Any]:
    """p95 of the search (query objects built and read) and of the bare SQL, at both sizes."""
    market.places()
    market.riders(10)
    rows = {}
    for size in SIZES:
        market.country(size)
        rows[size] = _measure(size)
    small, large = (rows[size] for size in SIZES)
    ratio = max(row["search_ms_p95"] / row["bare_sql_ms_p95"] for row in rows.values())
    growth = large["search_ms_p95"] / small["search_ms_p95"]
    return {
        "claim": "search near a place: p95 at most 3 x the bare SQL, and at most 1.5 x from 5,000 to 500,000 trips",
        "rows": {str(size): row for size, row in rows.items()},
        "ratio": round(ratio, 2),
        "ratio_to_ids_only": round(
            max(row["search_ms_p95"] / row["ids_only_ms_p95"] for row in rows.values()), 2
        ),
        "growth": round(growth, 2),
        "wanted": "ratio <= 3, growth <= 1.5",
        "holds": ratio <= 3 and growth <= 1.5,
    }


def _measure(size: int) -> dict[str, Any]:
    rng = random.Random(7)
    places = list(Place.objects.order_by("-population")[:3000])
    chosen = [rng.choice(places) for _ in range(SEARCHES)]
    ways: list[tuple[str, Callable[[Place], None]]] = [
        ("search", _search),
        ("bare_sql", lambda place: _ask(_BARE, place)),
        ("ids_only", lambda place: _ask(_IDS, place)),
    ]
    times: dict[str, list[float]] = {name: [] for name, _way in ways}
    for _name, way in ways:
        for place in chosen[:30]:
            way(place)
    for place in (
        chosen
    ):  # in turn, so that a slow moment of the machine hits all; each goes first as often as the others
        for name, way in rng.sample(ways, len(ways)):
            times[name].append(_timed(lambda way=way, place=place: way(place)))
    api = []
    client = Client(HTTP_HOST="127.0.0.1")
    for place in chosen[:60]:
        api.append(
            _timed(lambda place=place: client.get(f"/api/v1/trips?near={place.latitude},{place.longitude}"))
        )
    spread = {
        f"{name}_ms_p{share}": _percentile(taken, share / 100)
        for name, taken in times.items()
        for share in (50, 95)
    }
    return {"trips": size, **spread, "whole_api_call_ms_p95": _percentile(api, 0.95)}


def _search(place: Place) -> None:
    list(finding.trips_near(Point(place.latitude, place.longitude), now=clock.now(), limit=20))


def _ask(sql: str, place: Place) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"latitude": place.latitude, "longitude": place.longitude, "now": clock.now()})
        cursor.fetchall()


def _timed(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _percentile(times: list[float], share: float) -> float:
    return round(sorted(times)[min(len(times) - 1, int(len(times) * share))] * 1000, 2)
