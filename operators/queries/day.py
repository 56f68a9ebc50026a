"""The driver's day: what comes next, who should be there, who is missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from operators.models import Run
from operators.queries.companies import with_trip
from operators.queries.manifests import Manifest, Passenger, StopList
from operators.states import UPCOMING, Leg, RunState
from rally.models import User
from trips.models import Stop

#: The steps of a run in the order in which they come; `leave` comes once for each stop on the way.
START, LEAVE, ARRIVE, RETURN, COMPLETE = "start", "leave", "arrive", "return", "complete"
STEPS = (START, LEAVE, ARRIVE, RETURN, COMPLETE)


@dataclass(frozen=True, slots=True)
class Next:
    """The one thing to do next: the step, the stop it is about, when it is planned, and who would be left behind."""

    step: str
    stop: Stop | None
    planned_at: datetime
    missing: list[Passenger]


@dataclass(frozen=True, slots=True)
class Day:
    """What the driver sees: the leg, the lists of the place where the bus is or goes next, the other stops, the next step.

    `here` is empty where nobody gets on: on the road to the venue, and on the way home.
    """

    leg: str
    here: list[StopList]
    others: list[StopList]
    next: Next | None
    boards: bool


def runs_ahead(user: User) -> QuerySet[Run]:
    """The runs this person drives, soonest first."""
    return with_trip(Run.objects.driven_by(user).filter(state__in=UPCOMING)).order_by("period", "id")


def runs_done(user: User) -> QuerySet[Run]:
    """The runs this person has driven, newest first."""
    return with_trip(Run.objects.driven_by(user).filter(state=RunState.COMPLETED)).order_by("-period", "-id")


def day(manifest: Manifest) -> Day:
    """The driver's page of a run, from its manifest. No query; the run comes `with_trip`."""
    run, lists = manifest.run, manifest.stops
    step = _next(manifest)
    boards = run.state in {RunState.CONFIRMED, RunState.BOARDING, RunState.OUTBOUND, RunState.AT_EVENT}
    if run.state == RunState.AT_EVENT:
        here = lists
    elif step and step.stop is not None:
        here = [entry for entry in lists if entry.stop.id == step.stop.id]
    else:
        here = []
    shown = {entry.stop.id for entry in here}
    return Day(
        leg=run.leg,
        here=here,
        others=[entry for entry in lists if entry.stop.id not in shown],
        next=step,
        boards=boards,
    )


def _next(manifest: Manifest) -> Next | None:
    run, trip = manifest.run, manifest.run.trip
    if run.state in {RunState.CONFIRMED, RunState.BOARDING}:
        first = manifest.stops[0].stop
        return Next(START, first, first.departs_at, manifest.missing(Leg.OUTBOUND, first))
    if run.state == RunState.OUTBOUND:
        stop = run.next_stop
        if stop is None:
            return Next(ARRIVE, None, trip.arrives_at, [])
        return Next(LEAVE, stop, stop.departs_at, manifest.missing(Leg.OUTBOUND, stop))
    if run.state == RunState.AT_EVENT:
        return Next(RETURN, None, trip.leaves_at, manifest.missing(Leg.RETURN))
    if run.state == RunState.RETURNING:
        stop = run.next_stop
        # The last stop on the way home is the first of the morning: once it is left, the bus is to be empty.
        return Next(LEAVE, stop, stop.returns_at, []) if stop else Next(COMPLETE, None, trip.returns_at, [])
    return None
