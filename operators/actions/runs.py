"""Runs: a vehicle and a driver bound to a trip, exchanged, given back, confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from operators import notices, permissions
from operators.actions.companies import one_line
from operators.errors import (
    DriverBusy,
    DriverNotYours,
    RunNotChangeable,
    TripTaken,
    VehicleBusy,
    VehicleNotYours,
)
from operators.locks import locked_driver, locked_run, locked_trip_and_run, locked_vehicle
from operators.models import Member, Operator, Run, Vehicle
from operators.queries import agreements
from operators.queries.commitments import duty_of, obstacles, period_of, situation, why_not_open
from operators.queries.companies import today_at
from operators.states import RUN, RunState
from rally import journal, rules
from rally.models import StateChange, User
from trips.actions import trips
from trips.locks import locked_trip
from trips.states import TripState


@transaction.atomic
def commit(
    *, trip_id: Any, operator_id: Any, vehicle_id: Any, driver_id: Any, now: datetime, by: User
) -> Run:
    """Bind a vehicle and a driver (a member's id) of the company to a trip that looks for a bus.

    They are bound from leaving the depot to being back there. With enough riders the trip settles at once. The same
    vehicle and driver again are the run that is there. Owners and dispatchers.

    Raises `NotAllowed`, `TripTaken`, `RunNotChangeable` (this company has it with another vehicle or driver),
    `TripNotOpen`, and whatever stands against it (`queries.commitments.obstacles`): `OperatorSuspended`,
    `VehicleNotYours`, `DriverNotYours`, `VehicleTooSmall`, `TooFewWheelchairSpaces`, `PaperMissing`, `VehicleBusy`,
    `DriverBusy`, `HoursExceeded`.
    """
    trip = locked_trip(trip_id)
    operator = Operator.objects.get(id=operator_id)
    permissions.check_can_dispatch(by, operator)

    there = Run.objects.live().filter(trip=trip).first()
    if there is not None:
        return _same_again(there, operator, vehicle_id, driver_id)
    vehicle, driver = _locked_pair(operator, vehicle_id, driver_id)
    refusal = why_not_open(trip, now)
    if refusal is not None:
        raise refusal
    law = rules.current()
    duty = duty_of(trip, operator, law)
    case = situation(trip=trip, operator=operator, duty=duty, rules=law)
    for obstacle in obstacles(case, vehicle, driver):
        raise obstacle

    run = Run(
        trip=trip,
        operator=operator,
        vehicle=vehicle,
        driver=driver,
        person=driver.user,
        period=period_of(duty),
        drive_minutes=duty.driving_minutes,
        seats=vehicle.seats,
        terms=agreements.snapshot(operator, today_at(operator, now)),
        currency=trip.currency,
        committed_at=now,
    )
    with _nobody_twice(run):
        run.save(force_insert=True)
    journal.begin(run, RUN, now=now, by=by, why="committed")
    trips.bind_bus(trip_id=trip.id, seats=vehicle.seats, operator_name=operator.name, now=now, by=by)

    notices.run_committed(run, now)
    if trip.state == TripState.CONFIRMED:
        _confirm(run, now)
    else:
        notices.driver_assigned(run, now)
    return run


@transaction.atomic
def withdraw(*, run_id: Any, why: str = "", now: datetime, by: User) -> Run:
    """Give the trip back before it is confirmed: it looks for a bus again. Owners and dispatchers. Twice is once.

    Raises `NotAllowed`, `RunNotChangeable` once the trip is confirmed: riders have paid and count on the bus,
    `BadInput` for a reason of more than 200 characters.
    """
    trip, run = locked_trip_and_run(run_id)
    permissions.check_can_dispatch(by, run.operator)

    if run.state == RunState.WITHDRAWN:
        return run
    if run.state != RunState.COMMITTED or trip.state not in {TripState.GATHERING, TripState.SETTLING}:
        raise RunNotChangeable(
            why=_("the trip is confirmed and riders count on you. Exchange vehicle or driver, or call us")
        )

    reason = one_line(why, most=200, what="why", least=0) or "withdrawn by the operator"
    journal.move(run, RUN, RunState.WITHDRAWN, now=now, by=by, why=reason)
    trips.unbind_bus(trip_id=trip.id, now=now, by=by)

    notices.run_withdrawn(run, now)
    return run


@transaction.atomic
def change(*, run_id: Any, vehicle_id: Any, driver_id: Any, now: datetime, by: User) -> Run:
    """Exchange vehicle or driver before the bus leaves, with every check of `commit`. Owners and dispatchers.

    Riders of a confirmed trip are told that another bus comes, and both drivers that the wheel changes hands. The same pair again changes nothing. Raises `NotAllowed`,
    `RunNotChangeable` after departure, and whatever stands against the new pair.
    """
    trip, run = locked_trip_and_run(run_id)
    permissions.check_can_dispatch(by, run.operator)

    if str(run.vehicle_id) == str(vehicle_id) and str(run.driver_id) == str(driver_id):
        return run
    if not run.may_change or trip.state not in {TripState.GATHERING, TripState.SETTLING, TripState.CONFIRMED}:
        raise RunNotChangeable(why=_("the bus has left or the run has ended"))
    vehicle, driver = _locked_pair(run.operator, vehicle_id, driver_id)
    law = rules.current()
    duty = duty_of(trip, run.operator, law)
    case = situation(trip=trip, operator=run.operator, duty=duty, rules=law, except_run=run.id)
    for obstacle in obstacles(case, vehicle, driver):
        raise obstacle

    before = f"{run.vehicle}, {run.driver}"
    another_bus = run.vehicle_id != vehicle.id
    relieved = run.driver if run.driver_id != driver.id else None
    run.vehicle, run.driver, run.person, run.seats = vehicle, driver, driver.user, vehicle.seats
    run.period, run.drive_minutes = period_of(duty), duty.driving_minutes
    with _nobody_twice(run):
        run.save(update_fields=["vehicle", "driver", "person", "seats", "period", "drive_minutes"])
    note(run, why=f"{before} → {vehicle}, {driver}", now=now, by=by)
    trips.bind_bus(trip_id=trip.id, seats=vehicle.seats, operator_name=run.operator.name, now=now, by=by)

    if relieved is not None:
        notices.driver_relieved(run, relieved.user, now)
        notices.driver_assigned(run, now)
    if trip.state == TripState.CONFIRMED and another_bus:
        trips.run_changed(trip=trip, now=now)
    return run


@transaction.atomic
def confirm(*, trip_id: Any, now: datetime) -> Run | None:
    """The trip is confirmed: so is its run. Harmless to repeat; None if there is nothing to confirm."""
    trip = locked_trip(trip_id)
    if trip.state not in {TripState.CONFIRMED, TripState.UNDER_WAY}:
        return None
    run = Run.objects.filter(trip=trip, state=RunState.COMMITTED).first()
    if run is None:
        return None
    run = locked_run(run.id)

    _confirm(run, now)
    return run


@transaction.atomic
def give_back(*, trip_id: Any, now: datetime) -> Run | None:
    """The trip lapsed or was called off: vehicle and driver are free again, and told so.

    Harmless to repeat; None if nothing was bound.
    """
    trip = locked_trip(trip_id)
    if trip.state not in {TripState.LAPSED, TripState.CANCELLED}:
        return None
    run = Run.objects.filter(
        trip=trip, state__in=[RunState.COMMITTED, RunState.CONFIRMED, RunState.BOARDING]
    ).first()
    if run is None:
        return None
    run = locked_run(run.id)

    to = RunState.FAILED if run.state == RunState.BOARDING else RunState.WITHDRAWN
    journal.move(run, RUN, to, now=now, by=None, why=f"trip {trip.state}")

    notices.bus_free(run, trip, now)
    return run


def note(run: Run, *, why: str, now: datetime, by: User) -> None:
    """Write a line into the journal of a locked run for something that is no move. Twice is two lines."""
    StateChange.objects.create(
        noun=RUN.noun, subject=run.id, old=run.state, new=run.state, at=now, by=by, why=why[:200]
    )


def _confirm(run: Run, now: datetime) -> None:
    journal.move(run, RUN, RunState.CONFIRMED, now=now, by=None, why="trip confirmed")
    notices.run_confirmed(run, now)


def _same_again(there: Run, operator: Operator, vehicle_id: Any, driver_id: Any) -> Run:
    """The run that is there, if this is the same commitment once more."""
    if there.operator_id != operator.id:
        raise TripTaken
    if str(there.vehicle_id) != str(vehicle_id) or str(there.driver_id) != str(driver_id):
        raise RunNotChangeable(
            why=_("you have committed %(vehicle)s already; exchange it on the run’s page")
            % {"vehicle": there.vehicle}
        )
    return there


def _locked_pair(operator: Operator, vehicle_id: Any, driver_id: Any) -> tuple[Vehicle, Member]:
    """Vehicle and driver of this company, each for this transaction alone."""
    if not Vehicle.objects.filter(id=vehicle_id, operator=operator).exists():
        raise VehicleNotYours
    if not Member.objects.filter(id=driver_id, operator=operator).exists():
        raise DriverNotYours
    return locked_vehicle(vehicle_id), locked_driver(driver_id)


@contextmanager
def _nobody_twice(run: Run) -> Iterator[None]:
    """The database has the last word on overlaps: of two commitments at the same moment one is told no."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        words = str(error)
        if "run_vehicle_not_twice" in words:
            raise VehicleBusy(vehicle=run.vehicle.name) from None
        if "run_driver_not_twice" in words:
            raise DriverBusy(driver=str(run.person)) from None
        if "run_one_live_per_trip" in words:
            raise TripTaken from None
        raise
