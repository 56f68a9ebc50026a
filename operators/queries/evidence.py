"""What we know about a ride that its payer disputes: agreed, paid, mailed, driven, boarded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from operators.models import Boarding, Run
from operators.states import RunState
from payments.actions.payments import left_to_refund
from payments.models import Dispute, Payment, Refund
from payments.states import RefundState
from rally.models import Notice, StateChange
from rally.models.notices import NoticeState
from trips.models import Pledge, Seat, Stop
from trips.states import PledgeState, TripState

#: Runs that were driven or were to be; the others bound nobody.
_STOOD = (
    RunState.CONFIRMED, RunState.BOARDING, RunState.OUTBOUND, RunState.AT_EVENT, RunState.RETURNING,
    RunState.COMPLETED, RunState.FAILED,
)  # fmt: skip


@dataclass(frozen=True)
class Ride:
    """A disputed pledge with everything on record about it. `first` is where the bus starts, `boardings` hold those that were undone, too."""

    payment: Payment
    pledge: Pledge
    first: Stop
    seats: list[Seat]
    runs: list[Run]
    boardings: list[Boarding]
    mails: list[Notice]
    moves: list[StateChange]
    refunds: list[Refund]

    @property
    def standing(self) -> list[Boarding]:
        """Check-ins that nobody took back."""
        return [each for each in self.boardings if each.undone_at is None]


def ride_of(dispute: Dispute) -> Ride | None:
    """What is on record about the ride of a disputed payment; None when the payment is for no ride. Ten queries."""
    payment = dispute.payment
    pledge = (
        Pledge.objects.filter(payment=payment).select_related("trip__event__venue", "stop", "rider").first()
    )
    if pledge is None:
        return None
    seats = list(pledge.passengers.all())
    about = Q(subject__startswith=f"pledge:{pledge.id}")
    for seat in seats:
        about |= Q(subject=f"seat:{seat.code}")
    return Ride(
        payment=payment,
        pledge=pledge,
        first=pledge.trip.stops.get(position=1),
        seats=seats,
        runs=list(
            Run.objects.filter(trip=pledge.trip, state__in=_STOOD)
            .select_related("operator", "vehicle")
            .order_by("committed_at")
        ),
        boardings=list(
            Boarding.objects.filter(seat__pledge=pledge).select_related("seat", "run").order_by("at")
        ),
        mails=list(Notice.objects.filter(about, state=NoticeState.SENT).order_by("sent_at")),
        moves=list(StateChange.objects.filter(noun="pledge", subject=pledge.id).order_by("at", "id")),
        refunds=list(Refund.objects.filter(attempt__payment=payment).order_by("created_at")),
    )


def why_owed(ride: Ride, now: datetime) -> str:
    """Why the payer is right by our own books; empty when nothing here says so."""
    trip = ride.pledge.trip
    left = left_to_refund(ride.payment)
    if any(each.state != RefundState.SUCCEEDED for each in ride.refunds):
        return "A refund was promised for this payment and has not arrived."
    if not left:
        return ""
    if trip.state in (TripState.LAPSED, TripState.CANCELLED):
        return f"The trip did not run ({trip.why_ended or trip.state}); the payer was to get {left} back."
    if ride.pledge.state in (PledgeState.WITHDRAWING, PledgeState.RELEASED, PledgeState.EXPIRED):
        return f"The seats were given up while {left} stayed with us."
    if trip.returns_at < now and not any(each.started_at for each in ride.runs):
        return "No bus is on record as driven for this trip."
    short = any(each.state == RunState.FAILED or each.legs_percent < 100 for each in ride.runs)
    if short and not ride.refunds:
        return "The bus is on record as driven only in part, and nothing was given back for it."
    return ""


def times_of(run: Run) -> list[tuple[str, Any]]:
    """What is on record about a run, in order, with when; None for what did not happen."""
    return [
        ("left the first stop", run.started_at),
        ("arrived at the venue", run.arrived_at),
        ("left the venue", run.return_started_at),
        ("was back", run.completed_at),
    ]
