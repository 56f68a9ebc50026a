"""The made-up drivers drive by themselves; the cast's driver is waited for, and helped out when the clock jumped past."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db.models import Q

from operators.actions import boardings, driving
from operators.models import Run
from operators.states import Leg, RunState
from rally.demo import cast
from rally.errors import Refusal
from trips.models import Seat
from trips.states import PledgeState

logger = logging.getLogger(__name__)

#: So long after a run of the cast should have been over, nobody is going to drive it by hand any more.
_WAITED = timedelta(hours=12)
_DRIVEN = (RunState.CONFIRMED, RunState.BOARDING, RunState.OUTBOUND, RunState.AT_EVENT, RunState.RETURNING)


def drive(now: datetime) -> None:
    """Let every made-up driver do what the plan of their run says for this moment. Runs of other people are theirs."""
    ours = Q(person__email__endswith="@" + cast.FELLOW_DOMAIN)
    forgotten = Q(person__email__endswith="@" + cast.DOMAIN, trip__returns_at__lte=now - _WAITED)
    due = Run.objects.filter(ours | forgotten, state__in=_DRIVEN, trip__departs_at__lte=now)
    for run in due.select_related("trip", "person").order_by("trip__departs_at"):
        try:
            _catch_up(run, now)
        except Refusal as refusal:
            logger.warning("demo.not_driven run=%s why=%s", run.code, refusal)


def board(run: Run, leg: Leg, *, now: datetime) -> None:
    """Everybody who is expected gets on, but for one who overslept."""
    expected = Seat.objects.filter(pledge__trip=run.trip_id, pledge__state=PledgeState.PAID)
    missing = expected.exclude(boardings__leg=leg, boardings__undone_at=None).order_by("id")
    for seat in list(missing)[1:]:
        boardings.board_seat(run_id=run.id, seat_id=seat.id, leg=leg, at=now, now=now, by=run.person)


def step(run: Run, verb: str, *, now: datetime) -> Run:
    """`start`, `arrive`, `head_back` or `complete`; the stops on the way are left behind first."""
    while verb in {"arrive", "complete"} and run.next_stop_id:
        run = driving.leave_stop(run_id=run.id, stop_id=run.next_stop_id, now=now, by=run.person)
    done: Run = getattr(driving, verb)(run_id=run.id, now=now, by=run.person)
    return done


def _catch_up(run: Run, now: datetime) -> None:
    trip = run.trip
    if run.state in {RunState.CONFIRMED, RunState.BOARDING}:
        board(run, Leg.OUTBOUND, now=now)
        run = step(run, "start", now=now)
    if run.state == RunState.OUTBOUND and now >= trip.arrives_at:
        run = step(run, "arrive", now=now)
    if run.state == RunState.AT_EVENT and now >= trip.leaves_at:
        board(run, Leg.RETURN, now=now)
        run = step(run, "head_back", now=now)
    if run.state == RunState.RETURNING and now >= trip.returns_at:
        step(run, "complete", now=now)
