"""The day: leaving the first stop, the stops on the way, arriving, heading back, being home."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from operators import permissions, signals
from operators.actions.runs import note
from operators.errors import RunNotChangeable
from operators.locks import locked_trip_and_run
from operators.models import Run
from operators.states import RUN, RunState
from rally import journal, rules
from rally.later import later
from rally.models import User
from trips.actions import trips
from trips.models import Stop, Trip
from trips.states import TripState


def boarding_opens_at(trip: Trip) -> datetime:
    """From when on riders are let in, and the bus may leave."""
    return trip.departs_at - timedelta(minutes=rules.current().boarding_opens_minutes_before)


@transaction.atomic
def start(*, run_id: Any, now: datetime, by: User) -> Run:
    """The bus leaves its first stop; the trip is under way. Twice is once.

    Raises `NotAllowed`, `RunNotChangeable` before the trip is confirmed, before boarding opens, and after arriving.
    """
    trip, run = locked_trip_and_run(run_id)
    permissions.check_can_drive(by, run)

    if run.state == RunState.OUTBOUND:
        return run
    if run.state == RunState.COMMITTED and trip.state == TripState.CONFIRMED:
        # The news of the confirmation has not come through yet; the driver need not wait for it.
        journal.move(run, RUN, RunState.CONFIRMED, now=now, by=None, why="trip confirmed")
    _must_be(run, RunState.CONFIRMED, RunState.BOARDING)
    if now < boarding_opens_at(trip):
        raise RunNotChangeable(why=_("it is too early; boarding has not opened"))

    if run.state == RunState.CONFIRMED:
        journal.move(run, RUN, RunState.BOARDING, now=now, by=by)
    run.started_at = now
    run.next_stop = Stop.objects.filter(trip=trip, position__gt=1).order_by("position").first()
    journal.move(run, RUN, RunState.OUTBOUND, now=now, by=by, also=("started_at", "next_stop"))
    trips.set_off(trip_id=trip.id, now=now, by=by)
    return run


@transaction.atomic
def leave_stop(*, run_id: Any, stop_id: Any, now: datetime, by: User) -> Run:
    """The bus leaves this stop on its way: on the way there to the next one, on the way back to the one before.

    A stop that lies behind already is left alone, so twice is once. Raises `NotAllowed`, `RunNotChangeable` when the
    bus is not on the road or the stop is not the next.
    """
    _trip, run = locked_trip_and_run(run_id)
    permissions.check_can_drive(by, run)

    _must_be(run, RunState.OUTBOUND, RunState.RETURNING)
    stop = Stop.objects.filter(trip=run.trip_id, id=stop_id).first()
    if stop is None:
        raise RunNotChangeable(why=_("this bus does not call there"))
    there = run.state == RunState.OUTBOUND
    ahead = run.next_stop.position if run.next_stop else None
    if ahead is None or (stop.position < ahead if there else stop.position > ahead):
        return run
    if stop.position != ahead:
        raise RunNotChangeable(why=_("the next stop is %(stop)s") % {"stop": run.next_stop})

    others = Stop.objects.filter(trip=run.trip_id)
    run.next_stop = (
        others.filter(position__gt=ahead).order_by("position").first()
        if there
        else others.filter(position__lt=ahead).order_by("-position").first()
    )
    run.save(update_fields=["next_stop"])
    note(run, why=f"left {stop.name}", now=now, by=by)
    return run


@transaction.atomic
def arrive(*, run_id: Any, now: datetime, by: User) -> Run:
    """The bus is at the venue. Twice is once. Raises `NotAllowed`, `RunNotChangeable` out of order."""
    _trip, run = locked_trip_and_run(run_id)
    permissions.check_can_drive(by, run)

    if run.state == RunState.AT_EVENT:
        return run
    _must_be(run, RunState.OUTBOUND)

    run.arrived_at, run.next_stop = now, None
    journal.move(run, RUN, RunState.AT_EVENT, now=now, by=by, also=("arrived_at", "next_stop"))
    return run


@transaction.atomic
def head_back(*, run_id: Any, now: datetime, by: User) -> Run:
    """The bus leaves the venue for home. Twice is once. Raises `NotAllowed`, `RunNotChangeable` out of order."""
    _trip, run = locked_trip_and_run(run_id)
    permissions.check_can_drive(by, run)

    if run.state == RunState.RETURNING:
        return run
    _must_be(run, RunState.AT_EVENT)

    run.return_started_at = now
    run.next_stop = Stop.objects.filter(trip=run.trip_id).order_by("-position").first()
    journal.move(run, RUN, RunState.RETURNING, now=now, by=by, also=("return_started_at", "next_stop"))
    return run


@transaction.atomic
def complete(*, run_id: Any, now: datetime, by: User) -> Run:
    """Everybody is back and the bus is empty: the trip is completed and the operator's pay is booked. Twice is once.

    Raises `NotAllowed`, `RunNotChangeable` out of order.
    """
    trip, run = locked_trip_and_run(run_id)
    permissions.check_can_drive(by, run)

    if run.state == RunState.COMPLETED:
        return run
    _must_be(run, RunState.RETURNING)

    run.completed_at, run.next_stop = now, None
    journal.move(run, RUN, RunState.COMPLETED, now=now, by=by, also=("completed_at", "next_stop"))
    trips.complete(trip_id=trip.id, now=now, by=by)

    later("operators.book_pay", run_id=run.id)
    later("operators.thank", trip_id=trip.id)
    transaction.on_commit(lambda: signals.run_completed.send(sender=Run, run_id=run.id))
    return run


#: What a driver reads when a step comes out of its turn.
_WHERE_IT_STANDS = {
    RunState.COMMITTED: lazy("the trip is not confirmed yet"),
    RunState.CONFIRMED: lazy("the bus has not left its first stop yet"),
    RunState.BOARDING: lazy("the bus has not left its first stop yet"),
    RunState.OUTBOUND: lazy("the bus is on its way there"),
    RunState.AT_EVENT: lazy("the bus is at the event"),
    RunState.RETURNING: lazy("the bus is on its way back"),
    RunState.COMPLETED: lazy("the run is completed"),
}


def _must_be(run: Run, *states: RunState) -> None:
    if run.state not in states:
        raise RunNotChangeable(why=_WHERE_IT_STANDS.get(RunState(run.state), _("the run has ended")))
