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
SLICE = 300
ROUNDS = 5


def measure() -> dict[str, Any]:
    """Pledges a second up to the checkout address ÷ bare inserts a second; and that no seat was sold twice.

    Each round takes turns between the two in slices of `SLICE`, so that a slow moment of the machine hits both alike.
    """
    tokens = market.riders(RIDERS)
    load.run([load.Ask("POST", "/bare/insert")] * 200, clients=CLIENTS)  # warm both processes
    warm = market.trip(clock.now(), capacity=200)
    load.run([_pledge(warm, token) for token in tokens[:200]], clients=CLIENTS)
    rows = [_round(tokens) for _ in range(ROUNDS)]
    rows.sort(key=lambda row: row["ratio"])
    middle = rows[len(rows) // 2]
    return {
        "claim": "on-sale: pledges a second are at least 0.35 of bare inserts a second",
        "rounds": rows,
        "ratio": middle["ratio"],
        "wanted": ">= 0.35",
        "holds": middle["ratio"] >= 0.35,
    }


def _round(tokens: list[str]) -> dict[str, Any]:
    trip = market.trip(clock.now(), capacity=SEATS)
    floor, ours = load.Result(), load.Result()
    for begin in range(0, RIDERS, SLICE):
        floor.add(load.run([load.Ask("POST", "/bare/insert")] * SLICE, clients=CLIENTS))
        asks = [_pledge(trip, token) for token in tokens[begin : begin + SLICE]]
        ours.add(load.run(asks, clients=CLIENTS, keep_bodies=True))
    _sold_exactly(trip, ours)
    return {
        "floor_per_second": round(floor.per_second, 1),
        "ours_per_second": round(ours.per_second, 1),
        "ratio": round(ours.per_second / floor.per_second, 3),
        "floor_ms_p50_p95": [round(floor.percentile(share), 1) for share in (0.5, 0.95)],
        "ours_ms_p50_p95": [round(ours.percentile(share), 1) for share in (0.5, 0.95)],
        "full_answers_409": ours.statuses[409],
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
