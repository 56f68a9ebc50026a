"""(a) On-sale: 32 clients pledge on one hot trip through the API, beside a bare view that inserts one row."""

from __future__ import annotations

import json
from typing import Any

from bench import load, market
from rally import clock
from trips.models import Pledge, Seat, Trip

CLIENTS = 32
SEATS = 1500
RIDERS = 1800


def measure() -> dict[str, Any]:
    """Pledges a second up to the checkout address ÷ bare inserts a second; and that no seat was sold twice."""
    tokens = market.riders(RIDERS)
    load.run([load.Ask("POST", "/bare/insert")] * 200, clients=CLIENTS)  # warm both processes
    floors, ours, refused = [], [], 0
    for _ in range(3):
        floors.append(load.run([load.Ask("POST", "/bare/insert")] * RIDERS, clients=CLIENTS).per_second)
        trip = market.trip(clock.now(), capacity=SEATS)
        result = load.run([_pledge(trip, token) for token in tokens], clients=CLIENTS, keep_bodies=True)
        _sold_exactly(trip, result)
        refused += result.statuses[409]
        ours.append((result.per_second, result.percentile(0.5), result.percentile(0.95)))
    ratios = sorted(mine[0] / floor for mine, floor in zip(ours, floors, strict=True))
    return {
        "claim": "on-sale: pledges a second are at least 0.35 of bare inserts a second",
        "floor_per_second": [round(floor, 1) for floor in floors],
        "ours_per_second": [round(mine[0], 1) for mine in ours],
        "ours_ms_p50_p95": [[round(mine[1], 1), round(mine[2], 1)] for mine in ours],
        "full_answers_409": refused,
        "ratio": round(ratios[1], 3),
        "wanted": ">= 0.35",
        "holds": ratios[1] >= 0.35,
    }


def _pledge(trip: Trip, token: str) -> load.Ask:
    body = json.dumps({"stop": 1, "passengers": [{"name": "Bench Rider"}], "consent": True}).encode()
    headers = {
        "Authorization": f"Token {token}",
        "Content-Type": "application/json",
        "Idempotency-Key": f"bench-{trip.code}-{token[:12]}",
    }
    return load.Ask("POST", f"/api/v1/trips/{trip.code}/pledges", headers, body)


def _sold_exactly(trip: Trip, result: load.Result) -> None:
    """Every seat went once: SEATS pledges with a checkout address, the rest were told that the bus is full."""
    trip.refresh_from_db()
    assert dict(result.statuses) == {201: SEATS, 409: RIDERS - SEATS}, result.statuses
    assert trip.seats_taken == SEATS == Seat.objects.filter(pledge__trip=trip).count()
    assert Pledge.objects.filter(trip=trip).count() == SEATS
    answers = [json.loads(body) for body in result.bodies]
    assert sum(bool(answer.get("checkout_url")) for answer in answers) == SEATS
    assert {answer["code"] for answer in answers if "checkout_url" not in answer} == {"trip_full"}
