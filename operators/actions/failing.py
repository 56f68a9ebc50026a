"""When a run cannot be driven: given up before it leaves, or one way that was not driven."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from operators import notices, permissions
from operators.actions import holding, pay
from operators.actions.companies import one_line
from operators.actions.runs import note
from operators.errors import RunNotChangeable
from operators.locks import locked_trip_and_run
from operators.models import Run
from operators.queries.agreements import cost_of_giving_up
from operators.states import RUN, Leg, RunState
from rally import audit, journal
from rally.models import StateChange, User
from rally.money import Money
from trips.actions import failures, trips
from trips.states import TripState

#: One of two ways is half of the run.
_ONE_WAY = 50
_DRIVEN = (
    RunState.OUTBOUND,
    RunState.AT_EVENT,
    RunState.RETURNING,
    RunState.COMPLETED,
    RunState.FAILED,
    RunState.REPLACED,
)


@transaction.atomic
def give_up(*, run_id: Any, why: str, now: datetime, by: User) -> Run:
    """The company cannot drive a trip that is certain, and the bus has not left: another one is looked for.

    The riders stay, keep their price, and are told. If nobody takes it over, the trip is called off in time
    (`trips.actions.trips.give_up_without_bus`). Late, the company owes what its terms say. Owners, dispatchers and staff.
    Twice is once. Raises `NotAllowed`,
    `RunNotChangeable` before the trip is certain (then `runs.withdraw`) and once the bus has left, `BadInput` without a
    reason.
    """
    trip, run = locked_trip_and_run(run_id)
    _check(by, run)

    if run.state == RunState.REPLACED:
        return run
    waits = run.state in {RunState.CONFIRMED, RunState.BOARDING}
    if not waits or trip.state != TripState.CONFIRMED:
        raise RunNotChangeable(why=_("only a run that is certain and has not left can be given up"))
    reason = one_line(why, most=200, what="why", least=3)

    run.legs_percent = 0
    journal.move(run, RUN, RunState.REPLACED, now=now, by=by, why=reason, also=("legs_percent",))
    trips.lose_bus(trip_id=trip.id, now=now, by=by)
    cost = cost_of_giving_up(run.terms, trip, now)
    if cost:
        reference = f"given_up:{run.code}"
        holding.penalise(
            operator_id=run.operator_id,
            amount=cost,
            why="given up late",
            reference=reference,
            now=now,
            by=None,
        )

    notices.driver_relieved(run, run.person, now)
    if by.is_staff:
        audit.note(by=by, what="run.give_up", subject=f"run:{run.id}", now=now, why=reason)
    return run


@transaction.atomic
def leg_failed(
    *, run_id: Any, leg: str, percent: int | None = None, why: str = "", now: datetime, by: User
) -> Money:
    """One way of this run was not driven: its pay shrinks by that way and every rider gets a share back, at once. Pay that
    was booked already is corrected.

    Answers what goes back to the riders in all. Owners, dispatchers and staff may say so; only staff may set another
    share than the usual one. The same way twice lowers the pay once; a higher share gives riders the difference. Raises
    `NotAllowed`, `RunNotChangeable` for a run that never left, `BadInput` for a way or share that is none, `TooMuchAlone`
    for more than one person gives beyond the usual share.
    """
    trip, run = locked_trip_and_run(run_id)
    _check(by, run)
    if percent is not None:
        permissions.check_is_staff(by)

    if run.state not in _DRIVEN or run.started_at is None:
        raise RunNotChangeable(why=_("this bus never left"))
    staff = by if by.is_staff else None  # the office tells us of it, and the rules give the money back
    back = failures.refund_leg(trip_id=trip.id, leg=leg, percent=percent, now=now, by=staff)
    word = f"not driven: {Leg(leg).value}"
    known = StateChange.objects.filter(noun=RUN.noun, subject=run.id, why__startswith=word).exists()
    if not known:
        before = run.legs_percent
        run.legs_percent = max(0, before - _ONE_WAY)
        run.save(update_fields=["legs_percent"])
        pay.lower(trip=trip, run=run, was_percent=before, leg=leg, now=now)
    reason = one_line(why, most=120, what="why", least=0)
    note(run, why=f"{word}; {back} back to riders{'; ' if reason else ''}{reason}", now=now, by=by)
    if staff is not None:
        audit.note(
            by=staff,
            what="run.leg_failed",
            subject=f"run:{run.id}",
            now=now,
            why=reason,
            leg=leg,
            percent=percent,
            back=back.minor,
            currency=back.currency,
        )
    return back


def _check(by: User, run: Run) -> None:
    if not by.is_staff:
        permissions.check_can_dispatch(by, run.operator)
