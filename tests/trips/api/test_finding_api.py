"""Events and trips for programs."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from rally.models import User
from tests.factories.events import MADISON, MILWAUKEE, event, partner, place
from tests.factories.trips import NOW, proposed, stop
from trips.models import Trip

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at")]


@pytest.fixture
def api() -> APIClient:
    return APIClient()


def codes(api: APIClient, address: str) -> list[str]:
    answer = api.get(f"/api/v1/{address}")
    assert answer.status_code == 200, answer.data
    return [row["code"] for row in answer.data["results"]]


def test_events_are_searched(api: APIClient) -> None:
    club = partner()
    one = event(partner=club)
    other = event(search_text="lions bears", starts_at=NOW.replace(month=12, day=1))
    assert codes(api, "events") == [other.code, one.code]
    assert codes(api, "events?q=packrs") == [one.code]
    assert codes(api, "events?partner=packers-club") == [one.code]
    assert codes(api, "events?after=2026-12-05") == [one.code]
    assert codes(api, "events?before=2026-12-05T00:00:00-06:00") == [other.code]
    assert codes(api, "events?before=2026-12-05T00:00:00+00:00") == [other.code]
    assert codes(api, "events?near=44.5,-88&radius_km=50&q=") == [other.code, one.code]
    assert codes(api, "events?near=40,-100&radius_km=50") == []


def test_an_event(api: APIClient) -> None:
    game = event(partner=partner())
    proposed(to=game)
    answer = api.get(f"/api/v1/events/{game.code.lower()}")
    assert answer.json() == {
        "code": game.code,
        "name": game.name,
        "category": "sport",
        "home": "Green Bay Packers",
        "away": "Buffalo Bills",
        "starts_at": "2026-12-13T18:00:00Z",
        "ends_at": "2026-12-13T21:15:00Z",
        "state": "scheduled",
        "venue": {
            "name": "Lambeau Field",
            "city": "Green Bay",
            "state": "Wisconsin",
            "latitude": 44.501389,
            "longitude": -88.062222,
            "time_zone": "America/Chicago",
            "coach_stop": "",
        },
        "partner": "packers-club",
        "trips_forming": 1,
        "distance_km": None,
        "url": f"http://127.0.0.1:8000{game.get_absolute_url()}",
    }
    assert api.get("/api/v1/events/ZZZZZZ").status_code == 404


def test_a_trip(api: APIClient, cleo: User) -> None:
    place()
    game = event()
    trip = proposed(to=game, captain=cleo)
    found = api.get(f"/api/v1/trips/{trip.code}").json()
    only = trip.stops.get()
    assert found["stops"] == [
        {
            "id": str(only.pk),
            "position": 1,
            "name": "Milwaukee Intermodal Station",
            "address": "",
            "latitude": 43.0389,
            "longitude": -87.90647,
            "time_zone": "America/Chicago",
            "departs_at": "2026-12-13T13:45:00Z",
            "returns_at": "2026-12-14T00:45:00Z",
            "km_to_venue": 204,
            "fare": {"minor": 7200, "currency": "USD"},
            "price_now": {"minor": 7200, "currency": "USD"},
            "price_next": None,
        }
    ]
    wanted = {
        "code": trip.code, "state": "gathering", "threshold": 25, "capacity": 56, "seats_pledged": 0, "seats_held": 0, "seats_left": 56,
        "captain": "Cleo", "operator": None, "origin": "Milwaukee", "decides_at": "2026-12-06T13:45:00Z",
        "departs_at": "2026-12-13T13:45:00Z", "returns_at": "2026-12-14T00:45:00Z", "visibility": "public", "vehicle_class": "coach",
    }  # fmt: skip
    assert {name: found[name] for name in wanted} == wanted
    assert found["cost"]["duty"] == {"minor": 75_834, "currency": "USD"}
    assert found["event"]["code"] == game.code
    assert cleo.email not in str(found)
    assert api.get("/api/v1/trips/ZZZZZZ").status_code == 404


def test_trips_are_searched(api: APIClient) -> None:
    game = event()
    one, other = proposed(to=game), proposed(stops=[stop("Madison", MADISON)])
    hidden = proposed(visibility="link")
    assert set(codes(api, "trips")) == {one.code, other.code}
    assert codes(api, f"trips?near={MILWAUKEE[0]},{MILWAUKEE[1]}") == [one.code, other.code]
    assert codes(api, f"trips?near={MADISON[0]},{MADISON[1]}&radius_km=50") == [other.code]
    assert codes(api, f"trips?event={game.code}") == [one.code]
    assert codes(api, "trips?state=lapsed") == []
    assert api.get(f"/api/v1/trips/{hidden.code}").status_code == 200
    nearest = api.get(f"/api/v1/trips?near={MILWAUKEE[0]},{MILWAUKEE[1]}").data["results"]
    assert [(row["distance_km"], row["nearest_stop"]) for row in nearest] == [(0.0, 1), (121.5, 1)]


def test_lists_come_in_pages(api: APIClient) -> None:
    for _ in range(3):
        proposed()
    first = api.get("/api/v1/trips?limit=2").data
    assert (len(first["results"]), first["previous"]) == (2, None)
    second = api.get(first["next"]).data
    assert (len(second["results"]), second["next"]) == (1, None)
    assert set(first) == {"next", "previous", "results"}


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("events?near=91,0", "near"),
        ("events?near=0,181", "near"),
        ("events?near=nan,0", "near"),
        ("events?near=inf,0", "near"),
        ("events?near=1", "near"),
        ("events?near=1,2,3", "near"),
        ("events?near=a,b", "near"),
        ("events?near=%00", "near"),
        ("events?near=" + "1" * 5000, "near"),
        ("events?near=1,1&radius_km=-1", "radius_km"),
        ("events?near=1,1&radius_km=nan", "radius_km"),
        ("events?near=1,1&radius_km=1e999", "radius_km"),
        ("events?near=1,1&radius_km=x", "radius_km"),
        ("events?radius_km=5", "radius_km"),
        ("events?after=yesterday", "after"),
        ("events?after=2026-12-13T00:00:00", "after"),
        ("events?before=2026-02-31", "before"),
        ("events?before=9999-12-31T23:59:59-12:00", "before"),
        ("events?partner=nobody", "partner"),
        ("events?q=%00", "q"),
        ("events?q=" + "x" * 201, "q"),
        ("events?limit=0", "limit"),
        ("events?limit=x", "limit"),
        ("events?offset=-1", "offset"),
        ("events?offset=99999999999999999999", "offset"),
        ("trips?offset=10001", "offset"),
        ("trips?event=ZZZZZZ", "event"),
        ("trips?event=%00", "event"),
        ("trips?state=flying", "state"),
        ("trips?near=1,1000", "near"),
    ],
)
def test_a_bad_question_is_named(api: APIClient, address: str, field: str) -> None:
    answer = api.get(f"/api/v1/{address}")
    assert answer.status_code == 400
    assert list(answer.data["fields"]) == [field]


def body(game: Any, **fields: Any) -> dict[str, Any]:
    stops = [{"name": "Milwaukee", "latitude": MILWAUKEE[0], "longitude": MILWAUKEE[1]}]
    return {"event": game.code, "vehicle_class": "coach", "stops": stops, **fields}


def test_proposing(api: APIClient, cleo: User) -> None:
    game = event()
    assert api.post("/api/v1/trips", body(game)).status_code == 401
    api.force_authenticate(cleo)
    answer = api.post("/api/v1/trips", body(game, threshold=30, visibility="link"))
    trip = Trip.objects.get()
    assert answer.status_code == 201
    assert answer["Location"] == f"/api/v1/trips/{trip.code}"
    assert (answer.data["code"], answer.data["threshold"], answer.data["visibility"]) == (
        trip.code,
        30,
        "link",
    )
    assert trip.captain == cleo


def test_the_same_key_makes_one_trip(api: APIClient, cleo: User) -> None:
    api.force_authenticate(cleo)
    game = event()
    first = api.post("/api/v1/trips", body(game), headers={"Idempotency-Key": "a"})
    again = api.post("/api/v1/trips", body(game), headers={"Idempotency-Key": "a"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.data["code"] == again.data["code"]
    assert (
        api.post("/api/v1/trips", body(game, threshold=30), headers={"Idempotency-Key": "a"}).status_code
        == 409
    )
    assert Trip.objects.count() == 1


HERE = {"name": "Here", "latitude": 43, "longitude": -88}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"event": "ZZZZZZ"}, "event"),
        ({"event": None}, "event"),
        ({"vehicle_class": "zeppelin"}, "vehicle_class"),
        ({"stops": []}, "stops"),
        ({"stops": "here"}, "stops"),
        ({"stops": [{**HERE, "latitude": i / 10 + 43} for i in range(9)]}, "stops"),
        ({"stops": [HERE] * 101}, "stops"),
        ({"stops": [{**HERE, "latitude": 95}]}, "stops"),
        ({"stops": [{**HERE, "latitude": True}]}, "stops"),
        ({"stops": [{**HERE, "latitude": "north"}]}, "stops"),
        ({"stops": [{**HERE, "name": ""}]}, "stops"),
        ({"stops": [{**HERE, "name": "a\x00b"}]}, "stops"),
        ({"stops": [{**HERE, "name": "x" * 10_000}]}, "stops"),
        ({"stops": [{**HERE, "name": "x" * 10_001}]}, "stops"),
        ({"threshold": "many"}, "threshold"),
        ({"threshold": 2.5}, "threshold"),
        ({"visibility": "secret"}, "visibility"),
    ],
)
def test_a_bad_proposal_is_named(api: APIClient, cleo: User, fields: dict[str, Any], field: str) -> None:
    api.force_authenticate(cleo)
    answer = api.post("/api/v1/trips", body(event(), **fields))
    assert answer.status_code == 400
    assert list(answer.data["fields"]) == [field]
    assert not Trip.objects.exists()


@pytest.mark.parametrize("raw", [b"{", b"[]", b'"x"', b'{"stops": [NaN]}', b'{"event": 1e999}', b"\xff"])
def test_what_is_no_proposal_at_all(api: APIClient, cleo: User, raw: bytes) -> None:
    api.force_authenticate(cleo)
    assert api.post("/api/v1/trips", raw, content_type="application/json").status_code == 400


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"threshold": 10**30}, "threshold_out_of_range"),
        ({"stops": [{"name": "Seattle", "latitude": 47.6, "longitude": -122.3}]}, "too_far"),
        ({"stops": [{"name": "Lot 1", "latitude": 44.5, "longitude": -88.06}]}, "stop_at_venue"),
    ],
)
def test_refusals_have_a_code(api: APIClient, cleo: User, fields: dict[str, Any], code: str) -> None:
    api.force_authenticate(cleo)
    answer = api.post("/api/v1/trips", body(event(), **fields))
    assert (answer.status_code, answer.data["code"]) == (409, code)


def test_an_event_that_has_begun(api: APIClient, cleo: User) -> None:
    api.force_authenticate(cleo)
    answer = api.post("/api/v1/trips", body(event(starts_at=NOW)))
    assert (answer.status_code, answer.data["code"]) == (409, "event_begun")


@pytest.mark.parametrize(
    "address", ["events", "events?near=43,-88", "trips", "trips?near=43,-88", "trips?state=lapsed"]
)
def test_as_many_queries_for_three_as_for_one(api: APIClient, address: str) -> None:
    state = "lapsed" if "lapsed" in address else "gathering"

    def another() -> None:
        trip = proposed()
        Trip.objects.filter(pk=trip.pk).update(state=state)

    another()
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as seen:
            assert api.get(f"/api/v1/{address}").data["results"]
        counts.append(len(seen))
        another()
        another()
    assert counts[0] == counts[1]
