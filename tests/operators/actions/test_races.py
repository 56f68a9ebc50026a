"""Real threads on PostgreSQL contend for the same bus, the same trip, the same seat."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from operators.actions import boardings, driving, people
from operators.errors import AlreadyBoarded, DriverBusy, HoursExceeded, LastOwner, TripTaken, VehicleBusy
from operators.models import Boarding, Member, Run
from operators.states import Role, RunState
from tests.factories.events import KICK_OFF, event
from tests.factories.operators import bus, confirmed_run, member, ready, van_trip
from tests.racing import at_once
from trips.models import Seat, Trip

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def kinds(results: list[Any]) -> list[str]:
    return sorted(type(result).__name__ for result in results)


@pytest.mark.parametrize("turn", range(3))
def test_one_vehicle_two_trips(turn: int) -> None:
    crew, first, second = ready(), van_trip(), van_trip()
    relief = member(crew.operator)
    done = at_once(lambda: crew.commits(first), lambda: crew.commits(second, driver_id=relief.id))
    assert kinds(done) == ["Run", VehicleBusy.__name__]
    assert Run.objects.count() == 1
    assert sorted(Trip.objects.values_list("seats_supplied", flat=True)) == [0, 56]


@pytest.mark.parametrize("turn", range(3))
def test_one_driver_two_trips(turn: int) -> None:
    crew, first, second = ready(), van_trip(), van_trip()
    spare = bus(crew.operator)
    done = at_once(lambda: crew.commits(first), lambda: crew.commits(second, vehicle_id=spare.id))
    assert kinds(done) == [DriverBusy.__name__, "Run"]


def test_one_driver_two_runs_that_are_too_long_together() -> None:
    crew = ready()
    spare = bus(crew.operator)
    early, late = KICK_OFF - timedelta(hours=4), KICK_OFF + timedelta(hours=7)
    morning = van_trip(to=event(starts_at=early, ends_at=early + timedelta(hours=2)))
    evening = van_trip(to=event(starts_at=late, ends_at=late + timedelta(hours=2)))
    done = at_once(lambda: crew.commits(morning), lambda: crew.commits(evening, vehicle_id=spare.id))
    assert kinds(done) == [HoursExceeded.__name__, "Run"]


@pytest.mark.parametrize("turn", range(3))
def test_two_operators_one_trip(turn: int) -> None:
    crew, other, trip = ready(), ready(), van_trip()
    done = at_once(lambda: crew.commits(trip), lambda: other.commits(trip))
    assert kinds(done) == ["Run", TripTaken.__name__]
    trip.refresh_from_db()
    run = Run.objects.get()
    assert trip.operator_name == run.operator.name


def test_the_same_commitment_pressed_five_times() -> None:
    crew, trip = ready(), van_trip()
    done = at_once(*[lambda: crew.commits(trip)] * 5)
    assert {run.id for run in done} == {Run.objects.get().id}


@pytest.mark.parametrize("turn", range(3))
def test_one_code_at_two_doors(turn: int) -> None:
    crew = ready()
    run = confirmed_run(crew)
    leaving, seat = run.trip.departs_at, Seat.objects.get(name="Ana Lund")

    def scan(device: str) -> Boarding:
        return boardings.board(
            run_id=run.id,
            code=seat.code,
            leg="outbound",
            at=leaving,
            device=device,
            now=leaving,
            by=crew.driver.user,
        )

    done = at_once(lambda: scan("front"), lambda: scan("back"))
    assert kinds(done) == [AlreadyBoarded.__name__, "Boarding"]
    assert Boarding.objects.count() == 1


def test_one_scan_delivered_five_times() -> None:
    crew = ready()
    run = confirmed_run(crew)
    leaving, seat = run.trip.departs_at, Seat.objects.get(name="Ana Lund")
    told = {"leg": "outbound", "at": leaving, "device": "front", "now": leaving, "by": crew.driver.user}
    done = at_once(*[lambda: boardings.board(run_id=run.id, code=seat.code, **told)] * 5)
    assert {boarding.id for boarding in done} == {Boarding.objects.get().id}


def test_a_step_pressed_five_times_is_taken_once() -> None:
    crew = ready()
    run = confirmed_run(crew)
    told = {"run_id": run.id, "now": run.trip.departs_at, "by": crew.driver.user}
    done = at_once(*[lambda: driving.start(**told)] * 5)
    assert {one.state for one in done} == {RunState.OUTBOUND}


@pytest.mark.parametrize("turn", range(3))
def test_a_driver_is_let_go_while_being_given_a_run(turn: int) -> None:
    crew, trip = ready(), van_trip()
    done = at_once(
        lambda: crew.commits(trip), lambda: people.deactivate(member_id=crew.driver.id, by=crew.owner)
    )
    assert kinds(done) in (["MemberHasRuns", "Run"], ["DriverNotYours", "Member"])


def test_two_owners_do_not_leave_at_the_same_moment() -> None:
    crew = ready()
    second = member(crew.operator, role=Role.OWNER)
    first = crew.operator.members.get(user=crew.owner)
    done = at_once(
        lambda: people.deactivate(member_id=first.id, by=crew.owner),
        lambda: people.deactivate(member_id=second.id, by=second.user),
    )
    assert kinds(done) == [LastOwner.__name__, "Member"]
    assert Member.objects.filter(role=Role.OWNER, active=True).count() == 1
