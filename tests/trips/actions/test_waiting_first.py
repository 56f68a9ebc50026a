"""Seats that became free belong to those who wait for them, also in the moment before they are told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine

from payments.queries import check_ledger
from rally import rules
from rally.models import User
from tests.factories import pledges as make
from tests.factories.people import person
from tests.factories.trips import proposed
from tests.racing import at_once
from trips.actions import claims, joining, pledges, waiting
from trips.actions.pledges import Passenger
from trips.errors import SeatsThere, TripFull
from trips.models import Pledge, Stop, Trip
from trips.queries import fares
from trips.queries.waiting import offer_ends_by, seats_owed
from trips.states import VehicleClass

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def full(now: datetime) -> Any:
    """A van of 14 that two riders fill: ten and four."""
    with time_machine.travel(now, tick=False):
        trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
        yield trip, make.backed(trip, seats=10, now=now), make.backed(trip, seats=4, now=now)
    assert check_ledger() == {}


Full = tuple[Trip, Pledge, Pledge]


def queue(trip: Trip, *, seats: int, now: datetime, rider: User | None = None) -> Pledge:
    """Somebody waits."""
    return waiting.wait(
        trip_id=trip.id,
        rider=rider or person(f"patient{User.objects.count()}"),
        stop=trip.stops.get(position=1),
        passengers=[Passenger(f"Patient {n}") for n in range(1, seats + 1)],
        consented=True,
        now=now,
    )


def freed(pledge: Pledge) -> None:
    """Its seats are free, and the message that offers them is not read yet."""
    Pledge.objects.filter(id=pledge.id).update(state="released")


def fresh(row: Any) -> Any:
    """The row as it now is."""
    return type(row).objects.get(pk=row.pk)


@pytest.mark.race
def test_no_newcomer_is_quicker_than_who_waits(full: Full, now: datetime) -> None:
    trip, _ten, four = full
    first, second = (
        queue(trip, seats=3, now=now),
        queue(trip, seats=1, now=now + timedelta(minutes=1)),
    )
    stop, code = trip.stops.get(position=1).id, trip.code
    riders = [person(f"quick{n}") for n in range(8)]

    def join(rider: User) -> Pledge:
        return joining.join(
            code=code,
            stop=stop,
            rider=rider,
            passengers=[Passenger("Quick")],
            consented=True,
            answer=lambda _pledge: None,
            now=now,
        )

    def leave() -> None:
        pledges.withdraw(pledge_id=four.id, by=four.rider, now=now)

    answers = at_once(
        *[lambda rider=rider: join(rider) for rider in riders[:4]],
        leave,
        *[lambda rider=rider: make.draft(trip, rider, now=now) for rider in riders[4:]],
    )

    assert [each for each in answers if isinstance(each, Pledge)] == []
    assert sum(isinstance(each, TripFull) for each in answers) == 8
    assert [fresh(each).state for each in (first, second)] == ["draft", "draft"]
    assert fresh(trip).seats_taken == 14


@pytest.mark.race
def test_while_nobody_has_told_them_their_seats_are_kept(full: Full, now: datetime) -> None:
    trip, _ten, four = full
    first = queue(trip, seats=3, now=now)
    freed(four)
    riders = [person(f"quick{n}") for n in range(6)]

    answers = at_once(*[lambda rider=rider: make.draft(trip, rider, now=now) for rider in riders])

    # Of the four seats three are owed to who waits; the fourth goes to one newcomer.
    assert sum(isinstance(each, Pledge) for each in answers) == 1
    assert {each.facts["left"] for each in answers if isinstance(each, TripFull)} <= {0, 1}
    assert sum(isinstance(each, TripFull) for each in answers) == 5
    assert waiting.offer(trip_id=trip.id, now=now) == [first]
    assert fresh(trip).seats_taken == 14


def test_the_claim_itself_says_no(full: Full, now: datetime, ana: User) -> None:
    trip, _ten, four = full
    queue(trip, seats=3, now=now)
    freed(four)
    stop = Stop.objects.select_related("trip").get(trip=trip, position=1)
    facts: dict[str, Any] = {"stop": stop, "fare": fares.to_agree(stop, 1), "seats": 1, "now": now}
    pledge = joining.draft(words=("I agree.", "test"), rider=ana, **facts)

    assert not claims.claim(trip=stop.trip, pledge=pledge, seats=[])
    assert claims.claim(trip=stop.trip, pledge=pledge, seats=[], list_was_looked_at=True)


def test_nobody_is_kept_out_for_who_needs_more_than_there_is(full: Full, now: datetime) -> None:
    trip, _ten, four = full
    five = queue(trip, seats=5, now=now)
    freed(four)

    assert seats_owed(fresh(trip), now) == 0
    assert make.draft(trip, seats=4, now=now).state == "draft"
    assert fresh(five).state == "waiting"


def test_nobody_is_kept_out_once_nothing_can_be_offered(full: Full, now: datetime) -> None:
    """A quarter of an hour is no offer; whoever is at the page may still take the seat."""
    trip, _ten, four = full
    make.bound(trip, seats=14, now=now)
    assert fresh(trip).state == "confirmed"
    queue(trip, seats=4, now=now)
    freed(four)
    ends = offer_ends_by(fresh(trip))
    assert ends is not None
    late = ends - timedelta(minutes=15)

    assert seats_owed(fresh(trip), late - timedelta(hours=2)) == 4
    assert seats_owed(fresh(trip), late) == 0
    assert make.draft(trip, now=late).state == "draft"
    Pledge.objects.filter(id=four.id).update(state="paid", seats=3)  # as the money has it


def test_whoever_has_seats_or_waits_comes_after_the_list_too(full: Full, now: datetime, ben: User) -> None:
    rules.change("max_seats_per_pledge", 14, now=now, by=None)
    trip, ten, four = full
    queue(trip, seats=3, now=now)
    freed(four)
    everybody = [Passenger(seat.name, (), seat.id) for seat in ten.passengers.all()]

    with pytest.raises(TripFull) as refused:
        pledges.change_seats(
            pledge_id=ten.id,
            passengers=[*everybody, Passenger("A"), Passenger("B")],
            by=ten.rider,
            consented=True,
            consent_text="I agree.",
            now=now,
        )
    assert refused.value.facts["left"] == 1
    with pytest.raises(SeatsThere) as there:
        queue(trip, seats=1, now=now, rider=ben)
    assert there.value.facts["left"] == 1
    assert queue(trip, seats=2, now=now, rider=ben).state == "waiting"
