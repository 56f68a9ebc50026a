"""The run, its manifest, check-ins and steps, for programs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from operators.models import Boarding, Run
from rally.models import User
from tests.factories.operators import Company, ready, riders, van_trip
from trips.models import Seat
from trips.states import Need, PledgeState

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture
def at_the_door(run: Run) -> Any:
    with time_machine.travel(run.trip.departs_at, tick=False) as moment:
        yield moment


def client(user: User) -> APIClient:
    found = APIClient()
    found.force_authenticate(user)
    return found


def scan(user: User, run: Run, seat: Seat | str, /, **more: Any) -> Any:
    body = {"seat": getattr(seat, "code", seat), "leg": "outbound", **more}
    return client(user).post(f"/api/v1/runs/{run.code}/boardings", body)


def test_the_manifest_by_stop(run: Run, dee: User) -> None:
    Seat.objects.filter(name="Ben Ito").update(needs=[Need.WHEELCHAIR])
    sheet = client(dee).get(f"/api/v1/runs/{run.code}/manifest").json()
    assert (sheet["run"], sheet["trip"], sheet["seats"]) == (run.code, run.trip.code, 6)
    assert [[p["name"] for p in stop["passengers"]] for stop in sheet["stops"]] == [
        ["Ana Lund", "Ben Ito", "Cy Roe", "Di Fox"],
        ["Ed Kaya", "Flo Diaz"],
    ]
    ben = sheet["stops"][0]["passengers"][1]
    assert ben == {
        "seat": Seat.objects.get(name="Ben Ito").code,
        "name": "Ben Ito",
        "needs": ["wheelchair"],
        "outbound": None,
        "return": None,
    }


def test_before_confirmation_names_and_codes_are_withheld(crew: Company, dee: User) -> None:
    trip = van_trip()
    run = crew.commits(trip)
    riders(trip, "Ana Lund", state=PledgeState.BACKED)
    sheet = client(dee).get(f"/api/v1/runs/{run.code}/manifest")
    assert "Ana" not in sheet.content.decode()
    [passenger] = sheet.json()["stops"][0]["passengers"]
    assert (passenger["seat"], passenger["name"]) == (None, None)


def test_people_who_left_or_never_paid_are_not_on_it(run: Run, dee: User) -> None:
    riders(run.trip, "Gone", state=PledgeState.WITHDRAWN)
    riders(run.trip, "Never", state=PledgeState.DRAFT)
    assert client(dee).get(f"/api/v1/runs/{run.code}/manifest").json()["seats"] == 6


def test_queries_of_the_manifest_do_not_grow(
    crew: Company, dee: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    trip = van_trip()
    run = crew.commits(trip)
    riders(trip, "Ana")
    ask, path = client(dee), f"/api/v1/runs/{run.code}/manifest"
    ask.get(path)
    with django_assert_num_queries(4):
        ask.get(path)
    riders(trip, "Ben", "Cy", at=2)
    with django_assert_num_queries(4):
        ask.get(path)


@pytest.mark.usefixtures("at_the_door")
def test_checking_in(run: Run, dee: User) -> None:
    seat = Seat.objects.get(name="Ana Lund")
    at = run.trip.departs_at - MINUTE
    answer = scan(dee, run, seat, at=at.isoformat(), device="phone 1")
    assert (answer.status_code, answer.json()) == (
        201,
        {
            "seat": seat.code,
            "name": "Ana Lund",
            "stop": seat.pledge.stop.name,
            "needs": [],
            "leg": "outbound",
            "at": at.isoformat().replace("+00:00", "Z"),
            "by": "Dee",
            "device": "phone 1",
            "undone": False,
        },
    )
    again = scan(dee, run, seat, at=at.isoformat(), device="phone 1")
    assert (again.status_code, again.json()) == (201, answer.json())
    twice = scan(dee, run, seat, at=(at + MINUTE).isoformat(), device="phone 1")
    assert (twice.status_code, twice.json()["code"]) == (409, "already_boarded")
    assert "Ana Lund" in twice.json()["message"]
    assert Boarding.objects.count() == 1


@pytest.mark.usefixtures("at_the_door")
def test_a_code_of_another_trip(run: Run, dee: User) -> None:
    stranger = riders(van_trip(), "Zoe")[0]
    for code in (stranger, "NONSENSE"):
        answer = scan(dee, run, code)
        assert (answer.status_code, answer.json()["code"]) == (409, "unknown_boarding_code")


@pytest.mark.usefixtures("at_the_door")
@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"leg": "sideways"}, "leg"),
        ({"seat": ""}, "seat"),
        ({"seat": "x" * 301}, "seat"),
        ({"seat": "\x00"}, "seat"),
        ({"at": "yesterday"}, "at"),
        ({"at": "2026-12-13T10:00:00"}, "at"),
        ({"at": 5}, "at"),
        ({"at": "2030-01-01T00:00:00Z"}, "at"),
        ({"device": "x" * 61}, "device"),
    ],
)
def test_bad_input_names_its_field(run: Run, dee: User, wrong: dict[str, Any], field: str) -> None:
    answer = scan(dee, run, Seat.objects.get(name="Ana Lund"), **wrong)
    assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])


def test_the_day_step_by_step(run: Run, dee: User, at_the_door: Any) -> None:
    ask = client(dee)

    def step(name: str) -> Any:
        return ask.post(f"/api/v1/runs/{run.code}/{name}")

    assert step("arrive").json()["code"] == "run_not_changeable"
    for name, state in (
        ("start", "outbound"),
        ("arrive", "at_event"),
        ("return", "returning"),
        ("complete", "completed"),
    ):
        for _twice in range(2):
            answer = step(name)
            assert (answer.status_code, answer.json()["state"]) == (200, state)
        at_the_door.shift(3600)
    assert (step("start").status_code, step("start").json()["code"]) == (409, "run_not_changeable")


def test_strangers_find_nothing(crew: Company, run: Run, max_: User) -> None:
    seat = Seat.objects.get(name="Ana Lund")
    for who in (max_, ready().owner, ready().driver.user, seat.pledge.rider):
        ask = client(who)
        assert ask.get(f"/api/v1/runs/{run.code}").status_code == 404
        assert ask.get(f"/api/v1/runs/{run.code}/manifest").status_code == 404
        assert scan(who, run, seat).status_code == 404
        for name in ("start", "arrive", "return", "complete"):
            assert ask.post(f"/api/v1/runs/{run.code}/{name}").status_code == 404
    assert APIClient().get(f"/api/v1/runs/{run.code}/manifest").status_code == 401


def test_a_former_driver_finds_nothing(crew: Company, run: Run, dee: User) -> None:
    assert client(dee).get(f"/api/v1/runs/{run.code}").status_code == 200
    type(crew.driver).objects.filter(id=crew.driver.id).update(active=False)
    assert client(dee).get(f"/api/v1/runs/{run.code}").status_code == 404


def test_times_are_utc(run: Run, dee: User) -> None:
    shown = client(dee).get(f"/api/v1/runs/{run.code}").json()
    assert datetime.fromisoformat(shown["leaves_depot_at"]) == run.period.lower
    assert shown["started_at"] is None
