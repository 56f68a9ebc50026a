"""What the sweep finds: runs that lag behind their trip or their money."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import CharField, Exists, OuterRef, Q, Value
from django.db.models.functions import Cast, Concat

from operators.models import Run
from operators.states import RunState
from payments.models import Transfer
from payments.states import TransferState
from rally.models import Notice
from trips.states import TripState

_AT_MOST = 200
#: So late a bus that nobody has started, or brought home, is asked about.
_LEAVES_WITHIN = timedelta(minutes=30)
_BACK_WITHIN = timedelta(hours=12)
#: Nothing more happens to these transfers: the money arrived, or went back with a refund.
SETTLED = (TransferState.PAID, TransferState.REVERSED)


def trips_confirmed_without_their_run() -> list[UUID]:
    """Trips that go while their run does not know yet."""
    lagging = Run.objects.filter(
        state=RunState.COMMITTED, trip__state__in=[TripState.CONFIRMED, TripState.UNDER_WAY]
    )
    return list(lagging.values_list("trip_id", flat=True)[:_AT_MOST])


def trips_over_with_a_run() -> list[UUID]:
    """Trips that lapsed or were called off while a bus is still bound to them."""
    lagging = Run.objects.filter(
        state__in=[RunState.COMMITTED, RunState.CONFIRMED, RunState.BOARDING],
        trip__state__in=[TripState.LAPSED, TripState.CANCELLED],
    )
    return list(lagging.values_list("trip_id", flat=True)[:_AT_MOST])


def runs_to_book() -> list[UUID]:
    """Runs that drove at least one way of a completed trip and whose pay is not booked."""
    drove = Q(state=RunState.COMPLETED) | Q(
        state__in=[RunState.FAILED, RunState.REPLACED], arrived_at__isnull=False
    )
    unbooked = Run.objects.filter(drove, booked_at=None, trip__state=TripState.COMPLETED)
    unbooked = unbooked.order_by("completed_at", "id")
    return list(unbooked.values_list("id", flat=True)[:_AT_MOST])


def runs_to_close() -> list[UUID]:
    """Booked runs whose transfers have all arrived while the trip is still open."""
    transfers = Transfer.objects.filter(
        group=Concat(Value("trip:"), Cast(OuterRef("trip_id"), CharField()))
    ).exclude(purpose=Transfer.Purpose.PARTNER)
    booked = Run.objects.filter(
        Exists(transfers),
        ~Exists(transfers.exclude(state__in=SETTLED)),
        booked_at__isnull=False,
        trip__state=TripState.COMPLETED,
    )
    return list(booked.order_by("completed_at").values_list("id", flat=True)[:_AT_MOST])


def not_started(now: datetime) -> Q:
    """Runs of confirmed trips whose driver should have pressed "start" half an hour ago."""
    waiting = Q(state__in=[RunState.CONFIRMED, RunState.BOARDING])
    return waiting & Q(trip__state=TripState.CONFIRMED, trip__departs_at__lte=now - _LEAVES_WITHIN)


def not_completed(now: datetime) -> Q:
    """Runs that were started and should have been back half a day ago."""
    on_the_road = Q(state__in=[RunState.OUTBOUND, RunState.AT_EVENT, RunState.RETURNING])
    return on_the_road & Q(trip__returns_at__lte=now - _BACK_WITHIN)


def runs_overdue(now: datetime) -> list[UUID]:
    """Runs that nobody starts or ends and whose office was not asked about it yet."""
    about = Concat(Value("run:"), Cast(OuterRef("pk"), CharField()))
    asked = {
        kind: Exists(Notice.objects.filter(kind=f"operators.{kind}", subject=about))
        for kind in ("run_not_started", "run_not_completed")
    }
    late = not_started(now) & ~Q(asked["run_not_started"]) | not_completed(now) & ~Q(
        asked["run_not_completed"]
    )
    return list(Run.objects.filter(late).order_by("period").values_list("id", flat=True)[:_AT_MOST])
