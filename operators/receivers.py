"""News from demand and from money that concerns runs. Each is safe to repeat; `operators.sweep_runs` repairs the rest."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from operators.actions import evidence, pay, runs
from operators.models import Run
from operators.queries.hold_backs import hold_backs
from payments.models import Transfer
from payments.queries.hold_backs import HeldBack
from payments.signals import dispute_opened, hold_backs_asked, transfer_changed
from rally import clock
from trips.signals import trip_confirmed, trip_lapsed


@receiver(trip_confirmed)
def confirm_run(sender: Any, trip_id: Any, **_kwargs: Any) -> None:
    """The trip goes: so does its run."""
    runs.confirm(trip_id=trip_id, now=clock.now())


@receiver(trip_lapsed)
def free_the_bus(sender: Any, trip_id: Any, **_kwargs: Any) -> None:
    """The trip does not go: vehicle and driver are free again."""
    runs.give_back(trip_id=trip_id, now=clock.now())


@receiver(transfer_changed)
def close_paid_trip(sender: Any, transfer_id: Any, **_kwargs: Any) -> None:
    """A transfer was paid: when it was the last of its trip, the trip is closed."""
    group = Transfer.objects.values_list("group", flat=True).filter(id=transfer_id).first() or ""
    if not group.startswith("trip:"):
        return
    run = Run.objects.filter(trip_id=group.removeprefix("trip:"), booked_at__isnull=False).first()
    if run is not None:
        pay.close(run_id=run.id, now=clock.now())


@receiver(dispute_opened)
def put_evidence_together(sender: Any, dispute_id: Any, **_kwargs: Any) -> None:
    """A payer complained at the bank: what we know of the ride. `payments.send_evidence` repeats what got lost."""
    evidence.put_together(dispute_id=dispute_id, now=clock.now())


@receiver(hold_backs_asked)
def tell_of_hold_backs(sender: Any, **_kwargs: Any) -> list[HeldBack]:
    """Pay that is held back, for the desk."""
    return hold_backs()
