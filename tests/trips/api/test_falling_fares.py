"""Fares that fall, for programs: proposed, looked at, joined."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from rally.models import User
from tests.factories import pledges as make
from tests.factories.events import MILWAUKEE, event, place
from tests.factories.trips import falling_van
from trips.actions import fares
from trips.models import Pledge, Trip

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("at")]


@pytest.fixture
def van(now: datetime) -> Trip:
    """A van for 14 that goes at 9 and grows cheaper at 11, 13 and 14; two stops."""
    return falling_van(now=now)


def seen(trip: Trip, user: User | None = None) -> dict[str, Any]:
    """What the API tells of it."""
    api = APIClient()
    if user:
        api.force_authenticate(user)
    answer: dict[str, Any] = api.get(f"/api/v1/trips/{trip.code}").json()
    return answer


def cents(percent: int, fare: int) -> dict[str, Any]:
    return {"minor": -(-fare * percent // 100), "currency": "USD"}


def asked(**more: Any) -> dict[str, Any]:
    place()
    stops = [{"name": "Station", "latitude": MILWAUKEE[0], "longitude": MILWAUKEE[1]}]
    return {"event": event().code, "vehicle_class": "coach", "stops": stops, **more}


def test_proposed_with_fares_that_fall(cleo: User) -> None:
    api = APIClient()
    api.force_authenticate(cleo)

    trip = api.post("/api/v1/trips", asked(falling_fares=True), format="json").json()

    assert trip["ladder"] == [
        {"seats": 25, "percent": 100},
        {"seats": 33, "percent": 76},
        {"seats": 41, "percent": 61},
    ]
    assert (trip["percent_now"], trip["price_locked"]) == (100, False)
    assert trip["next_step"] == {"seats": 33, "percent": 76, "missing": 33}
    fare = trip["stops"][0]["fare"]["minor"]
    assert trip["stops"][0]["price_now"] == cents(100, fare)
    assert trip["stops"][0]["price_next"] == cents(76, fare)


def test_fares_stand_unless_asked_otherwise(cleo: User) -> None:
    api = APIClient()
    api.force_authenticate(cleo)

    trip = api.post("/api/v1/trips", asked(), format="json").json()

    assert (trip["ladder"], trip["percent_now"], trip["next_step"]) == ([], 100, None)


def test_a_minimum_that_leaves_nothing_to_fall(cleo: User) -> None:
    api = APIClient()
    api.force_authenticate(cleo)

    answer = api.post("/api/v1/trips", asked(falling_fares=True, threshold=56), format="json")

    assert (answer.status_code, answer.json()["code"]) == (409, "fares_cannot_fall")
    assert not Trip.objects.exists()


def test_what_is_told_follows_the_seats(van: Trip, now: datetime) -> None:
    far, near = (each.fare_minor for each in van.stops.order_by("position"))
    make.backed(van, seats=11, now=now)
    trip = seen(van)
    assert (trip["percent_now"], trip["price_locked"]) == (82, False)
    assert [each["price_now"] for each in trip["stops"]] == [cents(82, far), cents(82, near)]
    assert "at most" in trip["terms"]["stops"][0]["text"]

    make.bound(van, seats=14, now=now)
    trip = seen(van)
    assert (trip["state"], trip["percent_now"], trip["price_locked"]) == ("confirmed", 82, True)
    assert trip["next_step"] == {"seats": 13, "percent": 70, "missing": 2}
    assert [each["price_next"] for each in trip["stops"]] == [cents(70, far), cents(70, near)]

    fares.close(trip_id=van.id, now=now)
    trip = seen(van)
    assert (trip["percent_now"], trip["next_step"]) == (82, None)


def test_who_joins_a_certain_trip_agrees_to_the_price_in_force(van: Trip, now: datetime, ana: User) -> None:
    make.backed(van, seats=11, now=now)
    make.bound(van, seats=14, now=now)
    api = APIClient()
    api.force_authenticate(ana)
    two = [{"name": "Ana"}, {"name": "Abe"}]

    answer = api.post(
        f"/api/v1/trips/{van.code}/pledges",
        {"stop": 2, "passengers": two, "consent": True},
        format="json",
    )

    assert answer.status_code == 201, answer.json()
    pledge = Pledge.objects.get(code=answer.json()["code"])
    near = van.stops.get(position=2).fare_minor
    # Two more seats reach the step at 13.
    assert pledge.fare_minor == pledge.price_minor == cents(70, near)["minor"]
    assert f"The amount is {pledge.fare} for each seat" in pledge.consent_text
    assert answer.json()["amount"]["minor"] == pledge.fare_minor * 2


def test_seats_added_to_a_draft_are_agreed_to_at_its_locked_price(van: Trip, now: datetime) -> None:
    mine = make.draft(van, names=["Ana"], now=now)
    make.backed(van, seats=11, now=now)
    make.bound(van, seats=14, now=now)
    api = APIClient()
    api.force_authenticate(mine.rider)
    two = [{"id": str(mine.passengers.get().id), "name": "Ana"}, {"name": "Abe"}]

    answer = api.post(
        f"/api/v1/pledges/{mine.code}/seats", {"passengers": two, "consent": True}, format="json"
    )

    after = Pledge.objects.get(id=mine.id)
    assert (answer.status_code, after.seats) == (200, 2)
    assert after.price_minor == cents(82, after.fare_minor)["minor"]
    assert f"The amount is {after.price} for each seat" in after.consent_text


def test_what_was_read_a_moment_ago_is_not_claimed_on_once_the_price_fell(
    van: Trip, now: datetime, ana: User, ben: User
) -> None:
    make.backed(van, seats=11, now=now)
    make.bound(van, seats=14, now=now)
    for number, rider in enumerate((ana, ben), start=1):
        api = APIClient()
        api.force_authenticate(rider)
        answer = api.post(
            f"/api/v1/trips/{van.code}/pledges",
            {"stop": 1, "passengers": [{"name": "One"}], "consent": True},
            format="json",
        )
        pledge = make.pay(Pledge.objects.get(code=answer.json()["code"]), now=now)
        far = van.stops.get(position=1).fare_minor
        assert pledge.fare_minor == cents(82 if number == 1 else 70, far)["minor"]
    assert Trip.objects.get(id=van.id).locked_percent == 70
