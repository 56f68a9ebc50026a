"""Sweeps that stay bounded and still reach everybody, whatever stays at the head of the line."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
import time_machine

from payments.models import Refund
from rally import rules
from tests.factories import pledges as make
from tests.factories.people import person
from tests.factories.trips import proposed
from trips import tasks
from trips.actions import fares, waiting
from trips.actions.pledges import Passenger
from trips.models import Pledge, Trip
from trips.states import VehicleClass
from trips.views import stream

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock(now: datetime) -> Any:
    """The wall clock stands still until it is moved."""
    with time_machine.travel(now, tick=False) as traveller:
        yield traveller


def test_those_that_cannot_be_given_back_keep_nobody_waiting(
    clock: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules.change("max_seats_per_pledge", 14, now=now, by=None)
    trip = proposed(vehicle_class=VehicleClass.VAN, falling_fares=True, now=now)
    early = [make.backed(trip, seats=n, now=now) for n in (5, 3, 3)]
    make.bound(trip, seats=14, now=now)
    make.backed(trip, seats=3, now=now)
    Trip.objects.filter(id=trip.id).update(fares_closed_at=now)  # as if all three had been disputed then
    monkeypatch.setattr(tasks, "BATCH", 2)
    broken = {pledge.id for pledge in sorted(early, key=lambda each: each.id)[:2]}
    real, tried = fares.give_back, []

    def give_back(*, pledge_id: Any, now: datetime) -> None:
        tried.append(pledge_id)
        if pledge_id in broken:
            raise RuntimeError("broken")
        real(pledge_id=pledge_id, now=now)

    monkeypatch.setattr(fares, "give_back", give_back)
    for _sweep in range(2):
        tasks.close_fares()

    assert set(tried) == {pledge.id for pledge in early}
    assert Refund.objects.filter(reason="fare_fell").count() == 1


def test_trips_whose_fares_cannot_be_closed_keep_no_others_open(
    clock: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules.change("max_seats_per_pledge", 14, now=now, by=None)
    going = []
    for _trip in range(3):
        trip = proposed(vehicle_class=VehicleClass.VAN, falling_fares=True, now=now)
        make.backed(trip, seats=11, now=now)
        make.bound(trip, seats=14, now=now)
        going.append(trip.id)
    clock.move_to(trip.departs_at - timedelta(hours=20))
    monkeypatch.setattr(tasks, "BATCH", 1)
    real, first = fares.close, min(going)

    def close(*, trip_id: Any, now: datetime) -> None:
        if trip_id == first:
            raise RuntimeError("broken")
        real(trip_id=trip_id, now=now)

    monkeypatch.setattr(fares, "close", close)
    for _sweep in range(3):
        tasks.close_fares()

    assert list(Trip.objects.filter(fares_closed_at=None).values_list("id", flat=True)) == [first]


def test_full_buses_with_long_lists_keep_no_free_seat_waiting(
    clock: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message that offers the seats was lost."""
    trips: list[tuple[Any, Pledge, Pledge]] = []
    for _trip in range(3):
        trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
        make.backed(trip, seats=10, now=now)
        four = make.backed(trip, seats=4, now=now)
        waits = waiting.wait(
            trip_id=trip.id, rider=person(f"patient{len(trips)}"), stop=trip.stops.get(), consented=True,
            passengers=[Passenger("Patient")], now=now,
        )  # fmt: skip
        trips.append((trip.id, four, waits))
    _id, four, waits = max(trips, key=lambda each: each[0])
    Pledge.objects.filter(id=four.id).update(state="released")
    monkeypatch.setattr(tasks, "BATCH", 1)

    for _sweep in range(3):
        tasks.settle_due()

    waits.refresh_from_db()
    assert waits.state == "draft"


def test_a_refused_card_wakes_whoever_looks_at_the_trip(clock: Any, now: datetime) -> None:
    """It is no seat less, but the page says how many seats wait for another card."""
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    pledge = make.backed(trip, seats=2, now=now)
    Pledge.objects.filter(id=pledge.id).update(state="authorizing")

    with psycopg.connect(**stream._connection_facts(), autocommit=True) as listening:
        listening.execute(f"LISTEN {stream.CHANNEL}")

        def told(**change: Any) -> list[str]:
            Pledge.objects.filter(id=pledge.id).update(**change)
            return [news.payload for news in listening.notifies(timeout=0.5)]

        due = {"card_asked_at": now, "card_due_at": now}
        assert told(state="needs_card", **due) == [f"trip:{trip.code}"]
        assert told(card_due_at=now + timedelta(hours=1)) == []
        assert told(state="authorizing") == [f"trip:{trip.code}"]
        assert told(state="backed") == []
