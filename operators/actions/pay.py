"""What the runs of a trip earned: booked once the trip is done and the money is known, closed once it is paid out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from operators import notices
from operators.locks import locked_run, locked_trip_and_run
from operators.models import HoldBack, Run
from operators.queries.agreements import runs_to_settle, terms_of
from operators.queries.due import SETTLED
from operators.queries.settling import facts_of
from operators.settling.splits import Driven, Split, promised, split
from payments import queries as money
from payments.actions import corrections, earnings, holding
from payments.actions.earnings import Due
from payments.locks import locked_payments
from payments.models import Payment, Transfer
from payments.states import PaymentState
from rally import rules
from rally.money import Money
from trips.actions import partners, trips
from trips.models import Trip
from trips.states import TripState


def group_of(run: Run) -> str:
    """The name under which the payments of the run's trip stand together."""
    return f"trip:{run.trip_id}"


@transaction.atomic
def book(*, run_id: Any, now: datetime) -> Run:
    """Book what the runs of this run's trip earned, to be sent on `payout_delay_hours` after the trip was completed.

    What is kept of the payments is shared out by the terms that each run was committed on (`settling.splits`): operators,
    the event's partner, tax, and the rest for us. While the outcome of a payment is unknown, or a rider may still pay what
    is due, nothing is booked; the sweep tries again. Twice is once. A trip that earned operators nothing is closed.
    """
    trip, run = locked_trip_and_run(run_id)
    group = group_of(run)
    if run.booked_at is not None or trip.state != TripState.COMPLETED or money.outstanding(group):
        return run
    # Due for a day at most; what came in after booking would be nobody's.
    due = Payment.objects.filter(group=group, state=PaymentState.DUE).exists()
    runs = [locked_run(each.id) for each in runs_to_settle(trip)]
    if due or run not in runs:
        return run

    ids = Payment.objects.filter(group=group, state=PaymentState.PAID).values_list("id", flat=True)
    paid = locked_payments(ids)
    found = split(facts_of(trip, runs, paid))
    for each, pay in zip(runs, found.operators, strict=True):
        each.pay_minor, each.currency, each.booked_at = pay.total, trip.currency, now
        each.save(update_fields=["pay_minor", "currency", "booked_at"])
    _book(trip, runs, paid, found, now)
    if not any(pay.total for pay in found.operators):
        trips.close(trip_id=trip.id, now=now, by=None)
    run.refresh_from_db()
    return run


def _book(trip: Trip, runs: Sequence[Run], paid: Sequence[Payment], found: Split, now: datetime) -> None:
    """Hand the split to the books, and let wait what is held back."""
    ids = [payment.id for payment in paid]
    group = f"trip:{trip.id}"
    ended = max((run.completed_at for run in runs if run.completed_at), default=now)
    to_partner = None
    if any(found.partner):
        payee = partners.payee_of(partner_id=trip.partner_id, now=now)
        to_partner = Due(payee.id, dict(zip(ids, found.partner, strict=True)))
    earnings.book(
        group=group,
        payment_ids=ids,
        operators=_by_company(runs, ids, found),
        partner=to_partner,
        taxes=dict(zip(ids, found.tax, strict=True)),
        currency=trip.currency,
        due_at=ended + timedelta(hours=rules.current().payout_delay_hours),
        now=now,
        by=None,
    )
    for back in HoldBack.objects.filter(run__in=runs, lifted_at=None).select_related("run__operator"):
        holding.hold(
            group=group,
            payee_id=back.run.operator.payee_id,
            amount=back.amount or None,
            reference=str(back.id),
            now=now,
        )


def _by_company(runs: Sequence[Run], ids: Sequence[Any], found: Split) -> list[Due]:
    """What each company is due: one that drove twice is paid once, for both."""
    parts: dict[Any, dict[Any, int]] = {}
    firm: dict[Any, int] = {}
    for run, pay in zip(runs, found.operators, strict=True):
        payee_id = run.operator.payee_id
        so_far = parts.setdefault(payee_id, dict.fromkeys(ids, 0))
        parts[payee_id] = {each: so_far[each] + part for each, part in zip(ids, pay.parts, strict=True)}
        firm[payee_id] = firm.get(payee_id, 0) + pay.firm
    return [Due(payee_id, parts[payee_id], firm[payee_id]) for payee_id in sorted(parts)]


def lower(*, trip: Trip, run: Run, was_percent: int, leg: str, now: datetime) -> Money:
    """A way of a locked run was not driven, which is known only after its pay was booked: what it was promised for that
    way is not earned. Answers how much less; what riders got back was borne when they got it. Once per way."""
    terms = terms_of(run.terms)
    before = promised(Driven(terms, was_percent), trip.cost_minor)
    less = Money(before - promised(Driven(terms, run.legs_percent), trip.cost_minor), run.currency)
    if run.booked_at is None or not less:
        return Money.zero(run.currency)
    lowered = corrections.lower_firm(
        group=group_of(run),
        payee_id=run.operator.payee_id,
        amount=less,
        reference=f"{run.code}:{leg}",
        now=now,
    )
    run.pay_minor -= lowered.minor
    run.save(update_fields=["pay_minor"])
    return lowered


@transaction.atomic
def close(*, run_id: Any, now: datetime) -> bool:
    """Close the trip once every transfer of its pay has arrived, and tell the offices. Answers whether it is closed.

    A transfer that was taken back, because its rider was refunded, holds nothing up; what a partner gets neither.
    Harmless to repeat.
    """
    trip, run = locked_trip_and_run(run_id)
    if trip.state == TripState.CLOSED:
        return True
    if run.booked_at is None or trip.state != TripState.COMPLETED:
        return False
    transfers = Transfer.objects.filter(group=group_of(run)).exclude(purpose=Transfer.Purpose.PARTNER)
    if transfers.exclude(state__in=SETTLED).exists():
        return False

    trips.close(trip_id=trip.id, now=now, by=None)

    for each in runs_to_settle(trip):
        notices.paid_out(each, now)
    return True


def pay_left(run: Run) -> Money:
    """What of a run's pay was not sent yet and is held back."""
    return money.waits(group_of(run), run.operator.payee_id, run.currency)
