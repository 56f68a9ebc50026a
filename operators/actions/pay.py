"""What a run earned: booked once the trip is done and the money is known, closed once it is paid out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from operators import notices
from operators.locks import locked_run
from operators.models import Run
from operators.queries.board import share_of
from operators.queries.due import SETTLED
from operators.states import RunState
from payments import queries as money
from payments.actions import earnings
from payments.models import Payment, Transfer
from payments.states import PaymentState
from rally import rules
from rally.money import Money
from trips.actions import trips
from trips.locks import locked_trip
from trips.states import TripState


def group_of(run: Run) -> str:
    """The name under which the payments of the run's trip stand together."""
    return f"trip:{run.trip_id}"


@transaction.atomic
def book(*, run_id: Any, now: datetime) -> Run:
    """Book the operator's share of what riders paid, to be sent on `payout_delay_hours` after the run was completed.

    The share is (captured less given back) × 100 / (100 + platform percent), rounded down. While the outcome of a payment
    is unknown, or a rider may still pay what is due, nothing is booked; the sweep tries again. Twice is once. A run that
    earned nothing closes its trip.
    """
    trip = locked_trip(Run.objects.values_list("trip_id", flat=True).get(id=run_id))
    run = locked_run(run_id)
    group = group_of(run)
    if run.state != RunState.COMPLETED or run.booked_at is not None or money.outstanding(group):
        return run
    if Payment.objects.filter(group=group, state=PaymentState.DUE).exists():
        return run  # a day at most; what came in after booking would be nobody's

    paid = list(Payment.objects.filter(group=group, state=PaymentState.PAID).order_by("id"))
    kept = Money.total((payment.refundable for payment in paid), trip.currency)
    share = share_of(kept, trip.platform_percent)
    run.pay_minor, run.currency, run.booked_at = share.minor, share.currency, now
    run.save(update_fields=["pay_minor", "currency", "booked_at"])

    if not share:
        trips.close(trip_id=trip.id, now=now, by=None)
        return run
    earnings.book(
        group=group,
        payee_id=run.operator.payee_id,
        payment_ids=[payment.id for payment in paid],
        share=share,
        due_at=(run.completed_at or now) + timedelta(hours=rules.current().payout_delay_hours),
        now=now,
        by=None,
    )
    return run


@transaction.atomic
def close(*, run_id: Any, now: datetime) -> bool:
    """Close the trip once every transfer of its pay has arrived, and tell the office. Answers whether it is closed.

    A transfer that was taken back, because its rider was refunded, holds nothing up. Harmless to repeat.
    """
    trip = locked_trip(Run.objects.values_list("trip_id", flat=True).get(id=run_id))
    run = locked_run(run_id)
    if trip.state == TripState.CLOSED:
        return True
    if run.booked_at is None or trip.state != TripState.COMPLETED:
        return False
    transfers = Transfer.objects.filter(payee=run.operator.payee_id, payment__group=group_of(run))
    if transfers.exclude(state__in=SETTLED).exists():
        return False

    trips.close(trip_id=trip.id, now=now, by=None)

    notices.paid_out(run, now)
    return True
