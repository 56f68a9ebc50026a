"""Pledging by program: shapes, refusals, repeats, numbers of queries."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from rally import rules
from rally.models import User
from tests.factories import pledges as make
from tests.factories.trips import proposed, stop
from tests.racing import together
from trips.models import Pledge, Trip

pytestmark = pytest.mark.django_db(transaction=True)


def program(user: User) -> APIClient:
    """A program with this person's token."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.get_or_create(user=user)[0].key}")
    return client


def join(client: APIClient, trip: Trip, *, key: str = "", **changes: Any) -> Any:
    """`POST trips/{code}/pledges`."""
    body = {"stop": 1, "passengers": [{"name": "Ana"}], "consent": True, **changes}
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(f"/api/v1/trips/{trip.code}/pledges", body, headers=headers)


def test_join(van: Trip, ana: User) -> None:
    answer = join(program(ana), van, passengers=[{"name": "Ana", "needs": ["wheelchair"]}, {"name": "Bo"}])

    pledge = Pledge.objects.get()
    assert answer.status_code == 201
    assert answer.data["code"] == pledge.code
    assert answer.data["state"] == "draft"
    assert answer.data["amount"] == {"minor": van.stops.get().fare_minor * 2, "currency": "USD"}
    assert answer.data["checkout_url"].startswith(f"http://127.0.0.1:8000/p/{pledge.code}/pay/?k=")
    assert answer.data["consent_text"] == pledge.consent_text


def test_the_words_are_there_before_one_agrees(
    at: Any, now: datetime, ana: User, django_assert_max_num_queries: Any
) -> None:
    trip = proposed(stops=[stop(), stop("West Bend", (43.4253, -88.1834))], now=now)
    rules.current()
    with django_assert_max_num_queries(2):
        told = APIClient().get(f"/api/v1/trips/{trip.code}").data["terms"]

    answer = join(program(ana), trip, stop=2)

    pledge = Pledge.objects.get()
    assert (told["version"], told["instrument"]) == (pledge.consent_version, pledge.instrument)
    assert [each["stop"] for each in told["stops"]] == [1, 2]
    assert told["stops"][1]["text"] == pledge.consent_text == answer.data["consent_text"]
    assert told["stops"][0]["text"] != told["stops"][1]["text"]

    Trip.objects.update(state="lapsed", decided_at=now)
    assert APIClient().get(f"/api/v1/trips/{trip.code}").data["terms"] is None


def test_join_by_the_id_of_the_stop(van: Trip, ana: User) -> None:
    assert join(program(ana), van, stop=str(van.stops.get().id)).status_code == 201


def test_join_costs_few_queries(van: Trip, ana: User, django_assert_max_num_queries: Any) -> None:
    client = program(ana)
    rules.current()
    with django_assert_max_num_queries(10):
        assert join(client, van).status_code == 201


def test_repeats_are_answered_alike(van: Trip, ana: User) -> None:
    client = program(ana)

    first, second = join(client, van, key="k1"), join(client, van, key="k1")
    other = join(client, van, key="k1", stop=2)

    assert (first.status_code, second.status_code, other.status_code) == (201, 201, 409)
    assert second.json() == first.json()
    assert Pledge.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"stop": 7}, "stop"),
        ({"stop": "nowhere"}, "stop"),
        ({"stop": True}, "stop"),
        ({"stop": None}, "stop"),
        ({"passengers": []}, "passengers"),
        ({"passengers": [{"name": ""}]}, "passengers"),
        ({"passengers": [{"name": "\u0007"}]}, "passengers"),
        ({"passengers": [{"name": "x" * 10_000}]}, "passengers"),
        ({"passengers": [{"name": "A", "needs": ["throne"]}]}, "passengers"),
        ({"passengers": "Ana"}, "passengers"),
        ({"consent": "maybe"}, "consent"),
    ],
)
def test_bad_shapes_name_the_field(van: Trip, ana: User, changes: dict[str, Any], field: str) -> None:
    answer = join(program(ana), van, **changes)

    assert answer.status_code == 400
    assert set(answer.json()["fields"]) == {field}
    assert not Pledge.objects.exists()


@pytest.mark.parametrize("name", ["Zoë 🚌", "שרה כהן", "  A  B "])
def test_names_of_all_kinds(van: Trip, ana: User, name: str) -> None:
    answer = join(program(ana), van, passengers=[{"name": name}])

    assert answer.status_code == 201
    assert Pledge.objects.get().passengers.get().name == " ".join(name.split())


def test_refusals(van: Trip, ana: User, ben: User, now: datetime, at: Any) -> None:
    assert join(program(ana), van, consent=False).json()["code"] == "consent_missing"
    many = join(program(ana), van, passengers=[{"name": f"P{n}"} for n in range(200)])
    assert (many.status_code, many.json()["code"]) == (409, "too_many_seats")
    join(program(ana), van, passengers=[{"name": f"P{n}"} for n in range(10)])
    assert join(program(ana), van).json()["code"] == "already_pledged"
    full = join(program(ben), van, passengers=[{"name": f"P{n}"} for n in range(5)])
    assert (full.status_code, full.json()["code"]) == (409, "trip_full")
    at.move_to(van.decides_at)
    closed = join(program(ben), van)
    assert (closed.status_code, closed.json()["code"]) == (409, "pledges_closed")


def test_who_may(van: Trip, ana: User) -> None:
    assert join(APIClient(), van).status_code == 401
    gone = program(ana).post(
        "/api/v1/trips/NOSUCH/pledges", {"stop": 1, "passengers": [{"name": "A"}], "consent": True}
    )
    assert gone.status_code == 404


def test_mine(van: Trip, ana: User, max_: User, now: datetime, django_assert_num_queries: Any) -> None:
    pledge = make.backed(van, ana, seats=2, now=now)
    client = program(ana)
    detail = client.get(f"/api/v1/pledges/{pledge.code}").json()
    with django_assert_num_queries(2):
        listed = client.get("/api/v1/pledges").json()
    for _ in range(2):
        make.draft(proposed(now=now), ana, now=now)
    with django_assert_num_queries(2):
        three = client.get("/api/v1/pledges").json()

    assert [row["code"] for row in listed["results"]] == [pledge.code]
    assert len(three["results"]) == 3
    assert [row["name"] for row in detail["passengers"]] == ["Passenger 1", "Passenger 2"]
    assert len({row["boarding_code"] for row in detail["passengers"]}) == 2
    assert detail["checkout_url"] is None
    assert program(max_).get("/api/v1/pledges").json()["results"] == []
    assert program(max_).get(f"/api/v1/pledges/{pledge.code}").status_code == 404
    assert program(max_).post(f"/api/v1/pledges/{pledge.code}/withdraw", {}).status_code == 404


def test_withdraw(van: Trip, ana: User, now: datetime) -> None:
    pledge = make.backed(van, ana, now=now)

    first = program(ana).post(f"/api/v1/pledges/{pledge.code}/withdraw", {"agreed": 0})
    second = program(ana).post(f"/api/v1/pledges/{pledge.code}/withdraw", {})

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json()["state"] == "withdrawn"


def test_nobody_is_refused_on_what_was_read_a_moment_ago(
    van: Trip, ana: User, ben: User, now: datetime
) -> None:
    """The first call leaves a reading behind; the second, within the same second, meets a trip that has changed."""
    stop = van.stops.get()
    assert join(program(ana), van, passengers=[{"name": f"P{n}"} for n in range(10)]).status_code == 201
    make.draft(van, seats=4, now=now)

    full = join(program(ben), van)
    assert (full.status_code, full.json()["code"]) == (409, "trip_full")
    Pledge.objects.exclude(rider=ana).update(state="expired")
    again = join(program(ben), van)
    assert (again.status_code, again.json()["state"]) == (201, "draft")
    assert join(program(ben), van).json()["code"] == "already_pledged"
    Trip.objects.filter(id=van.id).update(state="lapsed", decided_at=now)
    assert join(program(ben), van, stop=str(stop.id)).json()["code"] == "pledges_closed"


def test_the_words_are_those_of_the_trip_that_was_claimed(
    van: Trip, ana: User, ben: User, now: datetime
) -> None:
    first = join(program(ana), van).json()["consent_text"]
    Trip.objects.filter(id=van.id).update(state="confirmed", decided_at=now, seats_supplied=14)
    second = join(program(ben), van).json()["consent_text"]

    assert "charges nothing today" in first
    assert "my card is charged now" in second
    assert Pledge.objects.get(rider=ben).consent_text == second


def test_one_key_at_once_is_one_pledge(van: Trip, ana: User) -> None:
    clients = [program(ana) for _ in range(5)]
    answers = together(*[lambda client=client: join(client, van, key="k1") for client in clients])
    assert [answer.status_code for answer in answers] == [201] * 5
    assert all(answer.json() == answers[0].json() for answer in answers)
    assert Pledge.objects.count() == 1
