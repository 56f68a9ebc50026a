"""A vehicle and a driver bound to a trip, exchanged, given back, confirmed."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from django.db import IntegrityError

from operators.actions import companies, fleet, people, runs
from operators.errors import (
    DriverBusy,
    DriverNotYours,
    HoursExceeded,
    OperatorSuspended,
    PaperMissing,
    RunNotChangeable,
    TooFewWheelchairSpaces,
    TripNotOpen,
    TripTaken,
    VehicleBusy,
    VehicleNotYours,
    VehicleTooSmall,
)
from operators.models import Paper, Run
from operators.states import PaperKind, Role, RunState
from rally.errors import NotAllowed, Refusal
from rally.models import Notice, StateChange, User
from rally.rules import DEFAULTS
from tests.factories.events import CHICAGO, KICK_OFF, event, place
from tests.factories.operators import (
    bus,
    confirmed_run,
    decided,
    member,
    paper,
    ready,
    riders,
    van_trip,
)
from tests.factories.trips import proposed, stop
from trips.pricing.times import travel_minutes
from trips.states import Need, PledgeState, TripState

pytestmark = pytest.mark.django_db

RACINE = (42.72613, -87.78285)


def journal_of(run: Run) -> list[tuple[str, str]]:
    return list(StateChange.objects.filter(subject=run.id).order_by("id").values_list("old", "new"))


def test_vehicle_and_driver_are_bound_from_depot_to_depot(now: datetime) -> None:
    crew, trip = ready(), van_trip()
    run = crew.commits(trip)
    trip.refresh_from_db()
    assert (run.state, run.seats, run.person) == (RunState.COMMITTED, 56, crew.driver.user)
    # The depot and the first stop are both in Milwaukee: no empty leg.
    assert (run.period.lower, run.period.upper) == (trip.departs_at, trip.returns_at)
    assert (trip.seats_supplied, trip.operator_name) == (56, crew.operator.name)
    assert journal_of(run) == [("", "committed")]
    assert sorted(Notice.objects.values_list("kind", "recipient__email")) == sorted(
        [
            ("operators.invited", crew.driver.user.email),
            ("operators.run_committed", crew.owner.email),
            ("operators.driver_assigned", crew.driver.user.email),
        ]
    )


def test_a_depot_farther_off_adds_empty_legs() -> None:
    place("Racine", slug="racine-wi", latitude=RACINE[0], longitude=RACINE[1])
    crew, trip = ready(base_name="Racine, WI"), van_trip()
    run = crew.commits(trip)
    # 36 km as the crow flies are 46 by road: 35 minutes at 80 km/h.
    assert trip.departs_at - run.period.lower == timedelta(minutes=35)
    assert run.period.upper - trip.returns_at == timedelta(minutes=35)
    assert run.drive_minutes == 2 * 35 + 2 * travel_minutes(trip.distance_km, 0, DEFAULTS)


def test_the_same_commitment_again_is_the_run_that_is_there() -> None:
    crew, trip = ready(), van_trip()
    assert crew.commits(trip) == crew.commits(trip)
    assert Run.objects.count() == 1


def test_another_vehicle_for_ones_own_run_is_an_exchange_not_a_second_run() -> None:
    crew, trip = ready(), van_trip()
    crew.commits(trip)
    with pytest.raises(RunNotChangeable):
        crew.commits(trip, vehicle_id=bus(crew.operator).id)


def test_the_first_operator_has_the_trip() -> None:
    crew, other, trip = ready(), ready(), van_trip()
    crew.commits(trip)
    with pytest.raises(TripTaken):
        other.commits(trip)


def test_a_trip_given_back_can_be_taken_again(now: datetime) -> None:
    crew, other, trip = ready(), ready(), van_trip()
    run = crew.commits(trip)
    runs.withdraw(run_id=run.id, now=now, by=crew.owner)
    assert other.commits(trip).state == RunState.COMMITTED


def test_strangers_and_drivers_commit_nothing(max_: User) -> None:
    crew, trip = ready(), van_trip()
    for who in (max_, crew.driver.user):
        with pytest.raises(NotAllowed):
            crew.commits(trip, by=who)
    assert Run.objects.count() == 0


def test_a_dispatcher_commits(otto: User) -> None:
    crew, trip = ready(), van_trip()
    member(crew.operator, otto, role=Role.DISPATCHER)
    assert crew.commits(trip, by=otto).state == RunState.COMMITTED


def test_a_suspended_company_takes_no_trips(sam: User, now: datetime) -> None:
    crew, trip = ready(), van_trip()
    companies.suspend(operator_id=crew.operator.id, why="accident", now=now, by=sam)
    with pytest.raises(OperatorSuspended):
        crew.commits(trip)


@pytest.mark.parametrize("state", [TripState.LAPSED, TripState.SETTLING, TripState.CONFIRMED])
def test_a_trip_that_looks_for_no_bus_is_refused(state: str, now: datetime) -> None:
    crew, trip = ready(), van_trip()
    if state == TripState.CONFIRMED:
        ready().commits(trip)
        Run.objects.all().delete()  # as if the run were of another kind: the trip has its bus
    if state == TripState.SETTLING:
        decided(trip, TripState.CONFIRMED)
        type(trip).objects.filter(id=trip.id).update(state=TripState.SETTLING)
    else:
        decided(trip, state)
    with pytest.raises(TripNotOpen):
        crew.commits(trip)


def test_past_its_decision_or_departure_a_trip_is_not_open() -> None:
    crew, trip = ready(), van_trip()
    with pytest.raises(TripNotOpen):
        crew.commits(trip, now=trip.decides_at)
    decided(trip)
    with pytest.raises(TripNotOpen):
        crew.commits(trip, now=trip.departs_at)


def test_a_confirmed_trip_that_lost_its_bus_gets_a_confirmed_run(now: datetime) -> None:
    crew, trip = ready(), van_trip()
    riders(trip, "Ana", "Ben", "Cy", "Di", "Ed", "Flo")
    decided(trip)
    run = crew.commits(trip)
    assert run.state == RunState.CONFIRMED
    assert set(Notice.objects.filter(subject__startswith="run:").values_list("kind", flat=True)) == {
        "operators.run_committed",
        "operators.run_confirmed",
        "operators.you_drive",
    }


def test_somebody_elses_vehicle_and_driver_are_refused() -> None:
    crew, other, trip = ready(), ready(), van_trip()
    with pytest.raises(VehicleNotYours):
        crew.commits(trip, vehicle_id=other.vehicle.id)
    with pytest.raises(DriverNotYours):
        crew.commits(trip, driver_id=other.driver.id)


def test_a_retired_vehicle_and_a_former_driver_are_refused() -> None:
    crew, trip = ready(), van_trip()
    old, gone = bus(crew.operator), member(crew.operator)
    fleet.retire(vehicle_id=old.id, by=crew.owner)
    people.deactivate(member_id=gone.id, by=crew.owner)
    with pytest.raises(VehicleNotYours):
        crew.commits(trip, vehicle_id=old.id)
    with pytest.raises(DriverNotYours):
        crew.commits(trip, driver_id=gone.id)


def test_an_owner_drives_once_the_licence_is_on_file() -> None:
    crew, trip = ready(), van_trip()
    owner = crew.operator.members.get(user=crew.owner)
    with pytest.raises(DriverNotYours):
        crew.commits(trip, driver_id=owner.id)
    paper(crew.operator, PaperKind.DRIVING, member_id=owner.id)
    assert crew.commits(trip, driver_id=owner.id).person == crew.owner


def test_the_vehicle_holds_the_threshold_and_everybody_who_pledged() -> None:
    crew, trip = ready(), van_trip()
    small = bus(crew.operator, seats=5, wheelchair_spaces=0)
    with pytest.raises(VehicleTooSmall) as refused:
        crew.commits(trip, vehicle_id=small.id)
    assert refused.value.facts == {"vehicle": small.name, "seats": 5, "needed": 6}

    seven = bus(crew.operator, seats=7)
    riders(trip, *"ABCD")
    riders(trip, *"EFGH", state=PledgeState.BACKED)
    with pytest.raises(VehicleTooSmall):
        crew.commits(trip, vehicle_id=seven.id)
    assert crew.commits(trip, vehicle_id=bus(crew.operator, seats=8).id).seats == 8


def test_a_smaller_vehicle_lowers_what_can_be_sold() -> None:
    crew, trip = ready(), van_trip()
    crew.commits(trip, vehicle_id=bus(crew.operator, seats=9).id)
    trip.refresh_from_db()
    assert trip.capacity == 9


def test_wheelchairs_need_their_spaces() -> None:
    crew, trip = ready(), van_trip()
    riders(trip, "Ana", needs=(Need.WHEELCHAIR,))
    riders(trip, "Ben", needs=(Need.WHEELCHAIR, Need.GUIDE_DOG))
    riders(trip, "Cy", needs=(Need.CHILD_SEAT,))
    one = bus(crew.operator, wheelchair_spaces=1)
    with pytest.raises(TooFewWheelchairSpaces) as refused:
        crew.commits(trip, vehicle_id=one.id)
    assert refused.value.facts["needed"] == 2
    assert crew.commits(trip).state == RunState.COMMITTED


@pytest.mark.parametrize("kind", PaperKind.values)
def test_each_paper_has_to_hold_on_the_day(kind: str) -> None:
    crew, trip = ready(), van_trip()
    Paper.objects.filter(kind=kind).update(expires_on=date(2026, 12, 12))
    with pytest.raises(PaperMissing) as refused:
        crew.commits(trip)
    assert refused.value.facts["day"] == "13 December 2026"
    Paper.objects.filter(kind=kind).update(expires_on=date(2026, 12, 13))
    assert crew.commits(trip).state == RunState.COMMITTED


@pytest.mark.parametrize("kind", PaperKind.values)
def test_a_refused_paper_does_not_count(kind: str) -> None:
    crew, trip = ready(), van_trip()
    Paper.objects.filter(kind=kind).update(refused=True, refused_why="forged")
    with pytest.raises(PaperMissing):
        crew.commits(trip)


def test_days_are_those_of_the_depot_and_papers_may_take_over_overnight() -> None:
    # Kick-off at 19:20 in Green Bay: the bus is home after midnight, on the 14th in Milwaukee.
    crew, trip = ready(), van_trip(to=event(starts_at=KICK_OFF + timedelta(hours=7, minutes=20)))
    Paper.objects.filter(kind=PaperKind.LICENCE).update(expires_on=date(2026, 12, 13))
    with pytest.raises(PaperMissing) as refused:
        crew.commits(trip)
    assert refused.value.facts["day"] == "14 December 2026"
    Paper.objects.create(
        operator=crew.operator,
        kind=PaperKind.LICENCE,
        number="next",
        valid_from=date(2026, 12, 14),
        expires_on=date(2027, 12, 13),
        created_at=trip.created_at,
    )
    assert crew.commits(trip).state == RunState.COMMITTED


def test_a_driver_may_not_drive_too_long() -> None:
    place("Chicago", state="IL", slug="chicago-il", latitude=CHICAGO[0], longitude=CHICAGO[1])
    # From Chicago to Green Bay and back are seven and a half hours; a depot in Indianapolis adds over seven more.
    place("Indianapolis", state="IN", slug="indianapolis-in", latitude=39.76838, longitude=-86.15804)
    crew = ready(base_name="Indianapolis, IN")
    trip = proposed(to=event(ends_at=KICK_OFF + timedelta(hours=1)), stops=[stop("Union Station", CHICAGO)])
    with pytest.raises(HoursExceeded) as refused:
        crew.commits(trip)
    assert refused.value.facts["most"] == "10 h"


def test_a_driver_may_not_be_on_duty_too_long() -> None:
    # A festival that lasts: little driving, but more than 15 hours from depot to depot.
    place("Chicago", state="IL", slug="chicago-il", latitude=CHICAGO[0], longitude=CHICAGO[1])
    crew = ready(base_name="Chicago, IL")
    trip = van_trip(to=event(ends_at=KICK_OFF + timedelta(hours=5)))
    with pytest.raises(HoursExceeded) as refused:
        crew.commits(trip)
    assert refused.value.facts["most"] == "15 h"


def test_two_short_runs_without_a_rest_add_up() -> None:
    crew = ready()
    morning = van_trip(
        to=event(starts_at=KICK_OFF - timedelta(hours=4), ends_at=KICK_OFF - timedelta(hours=2))
    )
    evening = van_trip(
        to=event(starts_at=KICK_OFF + timedelta(hours=7), ends_at=KICK_OFF + timedelta(hours=9))
    )
    assert evening.departs_at > morning.returns_at
    crew.commits(morning)
    with pytest.raises(HoursExceeded):
        crew.commits(evening, vehicle_id=bus(crew.operator).id)
    assert crew.commits(evening, driver_id=member(crew.operator).id).state == RunState.COMMITTED


def test_a_vehicle_and_a_driver_are_in_one_place_at_a_time() -> None:
    crew, first, second = ready(), van_trip(), van_trip()
    crew.commits(first)
    with pytest.raises(VehicleBusy):
        crew.commits(second, driver_id=member(crew.operator).id)
    with pytest.raises(DriverBusy):
        crew.commits(second, vehicle_id=bus(crew.operator).id)


def test_a_person_who_drives_for_two_companies_is_one_person(dee: User) -> None:
    crew, other = ready(driver=dee), ready(driver=dee)
    crew.commits(van_trip())
    with pytest.raises(DriverBusy):
        other.commits(van_trip())


def test_the_database_has_the_last_word_on_overlaps(monkeypatch: pytest.MonkeyPatch) -> None:
    crew, first, second = ready(), van_trip(), van_trip()
    crew.commits(first)
    # Two commitments at the same moment both saw nothing.
    monkeypatch.setattr(runs, "obstacles", lambda *_args: [])
    refusals: list[tuple[type[Refusal], dict[str, object]]] = [
        (VehicleBusy, {"driver_id": member(crew.operator).id}),
        (DriverBusy, {"vehicle_id": bus(crew.operator).id}),
    ]
    for refusal, instead in refusals:
        with pytest.raises(refusal):
            crew.commits(second, **instead)
    assert Run.objects.count() == 1


def test_what_the_database_says_is_put_into_words_or_let_through() -> None:
    run = ready().commits(van_trip())
    with pytest.raises(TripTaken), runs._nobody_twice(run):
        raise IntegrityError("run_one_live_per_trip")
    with pytest.raises(IntegrityError), runs._nobody_twice(run):
        raise IntegrityError("something else")


# Giving back


def test_a_run_is_given_back_before_confirmation(now: datetime) -> None:
    crew, trip = ready(), van_trip()
    run = crew.commits(trip)
    for _twice in range(2):
        run = runs.withdraw(run_id=run.id, why="engine", now=now, by=crew.owner)
    trip.refresh_from_db()
    assert (run.state, trip.seats_supplied, trip.operator_name, trip.capacity) == (
        RunState.WITHDRAWN,
        0,
        "",
        14,
    )
    assert journal_of(run) == [("", "committed"), ("committed", "withdrawn")]
    assert crew.commits(van_trip()).state == RunState.COMMITTED
    assert Notice.objects.filter(kind__in=["operators.bus_free", "operators.driver_free"]).count() == 2


def test_a_confirmed_run_stays(now: datetime) -> None:
    crew = ready()
    run = confirmed_run(crew)
    with pytest.raises(RunNotChangeable):
        runs.withdraw(run_id=run.id, now=now, by=crew.owner)


def test_a_run_whose_confirmation_has_not_come_through_stays_too(now: datetime) -> None:
    crew, trip = ready(), van_trip()
    run = crew.commits(trip)
    decided(trip)
    with pytest.raises(RunNotChangeable):
        runs.withdraw(run_id=run.id, now=now, by=crew.owner)


def test_only_the_office_gives_back(now: datetime, max_: User) -> None:
    crew = ready()
    run = crew.commits(van_trip())
    for who in (max_, crew.driver.user):
        with pytest.raises(NotAllowed):
            runs.withdraw(run_id=run.id, now=now, by=who)


# Exchanging


def test_another_driver_and_vehicle_before_departure(now: datetime) -> None:
    crew = ready()
    run = confirmed_run(crew)
    spare, relief = bus(crew.operator, seats=40), member(crew.operator)
    changed = runs.change(run_id=run.id, vehicle_id=spare.id, driver_id=relief.id, now=now, by=crew.owner)
    assert (changed.vehicle, changed.person, changed.seats) == (spare, relief.user, 40)
    run.trip.refresh_from_db()
    assert run.trip.seats_supplied == 40
    told = Notice.objects.filter(created_at=now).values_list("kind", "recipient")
    assert ("operators.driver_relieved", crew.driver.user.id) in told
    assert ("operators.driver_assigned", relief.user.id) in told
    assert Notice.objects.filter(kind="trips.run_changed").count() == 2
    assert "→" in StateChange.objects.filter(subject=run.id).latest("id").why


def test_before_confirmation_no_rider_is_told_of_another_bus(now: datetime) -> None:
    crew, trip = ready(), van_trip()
    run = crew.commits(trip)
    riders(trip, "Ana", state=PledgeState.BACKED)
    spare = bus(crew.operator)
    runs.change(run_id=run.id, vehicle_id=spare.id, driver_id=crew.driver.id, now=now, by=crew.owner)
    assert not Notice.objects.filter(kind="trips.run_changed").exists()


def test_a_driver_alone_changes_without_telling_riders(now: datetime) -> None:
    crew = ready()
    run = confirmed_run(crew)
    relief = member(crew.operator)
    runs.change(run_id=run.id, vehicle_id=crew.vehicle.id, driver_id=relief.id, now=now, by=crew.owner)
    assert not Notice.objects.filter(kind="trips.run_changed").exists()


def test_the_same_pair_again_changes_nothing(now: datetime) -> None:
    crew = ready()
    run = confirmed_run(crew)
    lines = StateChange.objects.count()
    runs.change(run_id=run.id, vehicle_id=crew.vehicle.id, driver_id=crew.driver.id, now=now, by=crew.owner)
    assert StateChange.objects.count() == lines


def test_an_exchange_is_judged_like_a_commitment(now: datetime, max_: User) -> None:
    crew = ready()
    run = confirmed_run(crew)
    small = bus(crew.operator, seats=5)
    told = {"run_id": run.id, "now": now}
    with pytest.raises(VehicleTooSmall):
        runs.change(**told, vehicle_id=small.id, driver_id=crew.driver.id, by=crew.owner)
    with pytest.raises(DriverNotYours):
        runs.change(**told, vehicle_id=crew.vehicle.id, driver_id=ready().driver.id, by=crew.owner)
    with pytest.raises(NotAllowed):
        runs.change(**told, vehicle_id=small.id, driver_id=crew.driver.id, by=max_)
    spare = bus(crew.operator)
    crew.commits(van_trip(), vehicle_id=spare.id, driver_id=member(crew.operator).id)
    with pytest.raises(VehicleBusy):
        runs.change(**told, vehicle_id=spare.id, driver_id=crew.driver.id, by=crew.owner)


def test_after_departure_nothing_is_exchanged(now: datetime) -> None:
    crew = ready()
    run = confirmed_run(crew)
    Run.objects.filter(id=run.id).update(state=RunState.OUTBOUND, started_at=now)
    with pytest.raises(RunNotChangeable):
        runs.change(
            run_id=run.id, vehicle_id=bus(crew.operator).id, driver_id=crew.driver.id, now=now, by=crew.owner
        )


# The trip's own fate


def test_the_run_follows_its_trip_once(now: datetime) -> None:
    crew, trip = ready(), van_trip()
    run = crew.commits(trip)
    assert runs.confirm(trip_id=trip.id, now=now) is None
    decided(trip)
    assert runs.confirm(trip_id=trip.id, now=now) == run
    assert runs.confirm(trip_id=trip.id, now=now) is None
    assert journal_of(run) == [("", "committed"), ("committed", "confirmed")]


@pytest.mark.parametrize("state", [TripState.LAPSED, TripState.CANCELLED])
def test_a_trip_that_ends_frees_its_bus(state: str, now: datetime) -> None:
    crew, trip = ready(), van_trip()
    run = crew.commits(trip)
    assert runs.give_back(trip_id=trip.id, now=now) is None
    decided(trip, state)
    assert runs.give_back(trip_id=trip.id, now=now) == run
    assert runs.give_back(trip_id=trip.id, now=now) is None
    run.refresh_from_db()
    assert run.state == RunState.WITHDRAWN
    assert Notice.objects.get(kind="operators.bus_free").facts["ended"] == state


def test_a_trip_called_off_while_boarding_fails_its_run(now: datetime) -> None:
    run = confirmed_run()
    Run.objects.filter(id=run.id).update(state=RunState.BOARDING)
    decided(run.trip, TripState.CANCELLED)
    runs.give_back(trip_id=run.trip_id, now=now)
    run.refresh_from_db()
    assert run.state == RunState.FAILED
