"""(c) Trip page and API detail beside a bare view: requests a second, queries, bytes. (e) Memory after load."""

from __future__ import annotations

from typing import Any

import brotli
from django.db import connection
from django.test.client import Client
from django.test.utils import CaptureQueriesContext

from bench import load, market
from rally import clock

CLIENTS = 16
REQUESTS = 600


def measure() -> dict[str, Any]:
    """Requests a second of each, its queries, and the bytes of a page with and without compression."""
    market.riders(10)
    trip = market.trip(clock.now(), capacity=56)
    market.event(clock.now())
    rows = {}
    for name, path in (
        ("bare", "/bare/page"),
        ("trip page", f"/t/{trip.code}/"),
        ("API detail", f"/api/v1/trips/{trip.code}"),
    ):
        load.run([load.Ask("GET", path)] * 50, clients=CLIENTS)
        result = load.run([load.Ask("GET", path)] * REQUESTS, clients=CLIENTS, keep_bodies=True)
        assert dict(result.statuses) == {200: REQUESTS}, (path, result.statuses)
        with CaptureQueriesContext(connection) as queries:
            Client(HTTP_HOST="127.0.0.1").get(path)
        rows[name] = {
            "per_second": round(result.per_second, 1),
            "ms_p95": round(result.percentile(0.95), 1),
            "queries": len(queries),
            "bytes": len(result.bodies[0]),
            "bytes_brotli": len(brotli.compress(result.bodies[0], quality=5)),
        }
    for row in rows.values():
        row["of_bare"] = round(row["per_second"] / rows["bare"]["per_second"], 3)
    page = rows["trip page"]
    return {
        "claim": "the trip page needs at most 12 queries",
        "rows": rows,
        "ratio": page["of_bare"],
        "wanted": "queries <= 12; requests a second are reported beside the bare view",
        "holds": page["queries"] <= 12,
    }
