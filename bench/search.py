"""(b) Search near a place: among 5,000 and 500,000 trips, beside the bare SQL."""

from __future__ import annotations

import random
import time
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

#: What anybody would write by hand: the twenty nearest open stops, by the same index.
_BARE = """
    SELECT s.trip_id FROM trips_stop s JOIN trips_trip t ON t.id = s.trip_id
    WHERE s.findable AND earth_box(ll_to_earth(%s, %s), 80000) @> ll_to_earth(s.latitude, s.longitude)
      AND t.departs_at > %s
    ORDER BY ll_to_earth(s.latitude, s.longitude) <-> ll_to_earth(%s, %s) LIMIT 20
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
    times_floor = max(row["search_ms_p95"] / row["bare_sql_ms_p95"] for row in rows.values())
    growth = large["search_ms_p95"] / small["search_ms_p95"]
    return {
        "claim": "search near a place: p95 at most 3 x the bare SQL, and at most 1.5 x from 5,000 to 500,000 trips",
        "rows": {str(size): row for size, row in rows.items()},
        "ratio": round(times_floor, 2),
        "growth": round(growth, 2),
        "wanted": "ratio <= 3, growth <= 1.5",
        "holds": times_floor <= 3 and growth <= 1.5,
    }


def _measure(size: int) -> dict[str, Any]:
    rng = random.Random(7)
    places = list(Place.objects.order_by("-population")[:3000])
    chosen = [rng.choice(places) for _ in range(SEARCHES)]
    for place in chosen[:30]:
        _search(place)
        _bare(place)
    ours, bare, api = [], [], []
    for place in chosen:  # in turn, so that a slow moment of the machine hits both
        ours.append(_timed(lambda place=place: _search(place)))
        bare.append(_timed(lambda place=place: _bare(place)))
    client = Client(HTTP_HOST="127.0.0.1")
    for place in chosen[:60]:
        api.append(
            _timed(lambda place=place: client.get(f"/api/v1/trips?near={place.latitude},{place.longitude}"))
        )
    return {
        "trips": size,
        "search_ms_p50": _percentile(ours, 0.5),
        "search_ms_p95": _percentile(ours, 0.95),
        "bare_sql_ms_p50": _percentile(bare, 0.5),
        "bare_sql_ms_p95": _percentile(bare, 0.95),
        "whole_api_call_ms_p95": _percentile(api, 0.95),
    }


def _search(place: Place) -> None:
    list(finding.trips_near(Point(place.latitude, place.longitude), now=clock.now(), limit=20))


def _bare(place: Place) -> None:
    with connection.cursor() as cursor:
        where = (place.latitude, place.longitude)
        cursor.execute(_BARE, (*where, clock.now(), *where))
        cursor.fetchall()


def _timed(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _percentile(times: list[float], share: float) -> float:
    return round(sorted(times)[min(len(times) - 1, int(len(times) * share))] * 1000, 2)
