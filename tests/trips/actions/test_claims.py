"""The one statement that takes seats: what makes it say no, and what it leaves then."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from rally.models import GivenAnswer, User
from tests.factories import pledges as make
from tests.factories.people import person
from tests.factories.trips import proposed
from tests.racing import together
from trips.actions import claims, joining
from trips.models import Pledge, Seat, Stop, Trip
from trips.queries import fares
from trips.states import TripState, VehicleClass


def planned(trip: Trip, rider: User, now: datetime, seats: int = 1) -> tuple[Pledge, list[Seat]]:
    """A pledge and its seats as they would be written."""
    stop = Stop.objects.select_related("trip").get(trip=trip, position=1)
    fare = fares.to_agree(stop, seats)
    pledge = joining.draft(
        stop=stop, words=("I agree.", "test"), fare=fare, rider=rider, seats=seats, now=now
    )
    return pledge, [
        Seat(pledge=pledge, position=n, name=f"P{n}", needs=["wheelchair"]) for n in range(1, seats + 1)
    ]


def test_writes_every_column(van: Trip, ana: User, now: datetime) -> None:
    pledge, seats = planned(van, ana, now, seats=2)
    answer = GivenAnswer(
        user=ana, key="k", fingerprint="f", status=201, body={"a": ["ü", None]}, created_at=now
    )

    assert claims.claim(trip=van, pledge=pledge, seats=seats, answer=answer)

    for row in (pledge, *seats, answer):
        kept = type(row).objects.get(pk=row.pk)
        assert {field.attname: getattr(kept, field.attname) for field in row._meta.concrete_fields} == {
            field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields
        }
    assert Trip.objects.get(id=van.id).seats_taken == 2


@pytest.mark.parametrize(
    "change",
    [
        {"state": TripState.SETTLING, "settling_since": "now", "grace_ends_at": "now"},
        {"threshold": 10},
        {"decides_at": "hour less"},
        {"capacity": 9},
        {"fare_minor": 1},
        {},
    ],
)
def test_says_no_to_what_has_changed(van: Trip, ana: User, now: datetime, change: dict[str, Any]) -> None:
    """Each is something the rider was told, or room; the last change is none."""
    pledge, seats = planned(van, ana, now, seats=10)
    known = {"now": now, "hour less": van.decides_at - timedelta(hours=1)}
    values = {name: known.get(value, value) for name, value in change.items()}
    (Stop if "fare_minor" in values else Trip).objects.update(**values) if values else None

    assert claims.claim(trip=van, pledge=pledge, seats=seats) == (not change)

    assert Pledge.objects.count() == (0 if change else 1)
    assert Seat.objects.count() == (0 if change else 10)


@pytest.mark.parametrize(
    ("told", "now_in_force", "fare", "claimed"),
    [
        (82, 82, 82, True),
        (82, 82, 70, True),  # the rider's own seats reach the next step
        (82, 82, 83, False),
        (82, 70, 70, False),  # it has fallen since: read again
        (None, 82, 100, False),  # it was locked since
        (None, None, 82, False),  # nothing is locked: the fare is the fare
    ],
)
def test_says_no_to_another_price(
    van: Trip, ana: User, now: datetime, told: int | None, now_in_force: int | None, fare: int, claimed: bool
) -> None:
    Stop.objects.update(fare_minor=10_001)
    Trip.objects.update(locked_percent=now_in_force, decided_at=now)
    van.refresh_from_db()
    pledge, seats = planned(van, ana, now)
    van.locked_percent = told
    pledge.fare_minor = pledge.price_minor = -(-10_001 * fare // 100)

    assert claims.claim(trip=van, pledge=pledge, seats=seats) == claimed


def test_says_no_to_a_certain_trip_that_lost_its_bus(van: Trip, ana: User, now: datetime) -> None:
    Trip.objects.update(state="confirmed", decided_at=now, seats_supplied=0)
    van.refresh_from_db()
    pledge, seats = planned(van, ana, now)

    assert not claims.claim(trip=van, pledge=pledge, seats=seats)
    Trip.objects.update(seats_supplied=14)
    assert claims.claim(trip=van, pledge=pledge, seats=seats)


def test_says_no_to_who_is_in(van: Trip, ana: User, now: datetime) -> None:
    make.draft(van, ana, now=now)

    pledge, seats = planned(van, ana, now)

    assert not claims.claim(trip=van, pledge=pledge, seats=seats)


def test_a_code_drawn_twice_is_drawn_again(
    van: Trip, ana: User, ben: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = make.draft(van, ana, now=now).code
    drawn = iter([taken, "FRESHCODE2"])
    monkeypatch.setattr(Pledge._meta.get_field("code"), "_get_default", lambda: next(drawn))

    assert make.draft(van, ben, now=now).code == "FRESHCODE2"


def test_an_answer_that_is_there_already_undoes_the_claim(van: Trip, ana: User, now: datetime) -> None:
    facts = {"user": ana, "key": "k", "fingerprint": "f", "status": 201, "body": {}, "created_at": now}
    GivenAnswer.objects.create(**facts)
    pledge, seats = planned(van, ana, now)

    with pytest.raises(IntegrityError, match="answer_once"), transaction.atomic():
        claims.claim(trip=van, pledge=pledge, seats=seats, answer=GivenAnswer(**facts))
    assert not Pledge.objects.exists()


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_riders_and_a_decision_at_the_same_moment(now: datetime) -> None:
    """Whoever was told of a trip that gathers is not written into one that settles, and no seat goes twice."""
    van = proposed(vehicle_class=VehicleClass.VAN, now=now)
    riders = [person(f"hopeful{n}") for n in range(12)]

    def take(rider: User) -> bool:
        pledge, seats = planned(van, rider, now, seats=2)
        return claims.claim(trip=van, pledge=pledge, seats=seats)

    def settle() -> int:
        with transaction.atomic():
            Trip.objects.select_for_update(no_key=True).get(id=van.id)
            seen = Pledge.objects.filter(trip=van).count()
            Trip.objects.filter(id=van.id).update(
                state=TripState.SETTLING, settling_since=now, grace_ends_at=now
            )
        return seen

    *claimed, seen = together(*[lambda rider=rider: take(rider) for rider in riders], settle)
    assert sum(claimed) == Pledge.objects.count() == seen <= 7
    assert Trip.objects.get(id=van.id).seats_taken == Seat.objects.count() == 2 * seen
