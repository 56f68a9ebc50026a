"""A way that was not driven: kept with the trip, and each rider's share of it given once their money is with us."""

from __future__ import annotations

from datetime import datetime

from payments.actions import payments
from payments.locks import locked_payment
from payments.models import Payment
from rally.models import User
from rally.money import Money
from trips import notices
from trips.actions import rewards
from trips.models import FailedLeg, Pledge, Trip
from trips.queries import terms
from trips.queries.leaving import left_for_seats, paid_for_both
from trips.states import PledgeState


def note(*, trip: Trip, leg: str, percent: int, now: datetime) -> None:
    """A way of the locked trip was not driven: its riders are owed `percent` of what they paid for both. Twice is once, and
    a lower share than they are owed already changes nothing."""
    row, _fresh = FailedLeg.objects.get_or_create(
        trip=trip, leg=leg, defaults={"percent": percent, "told_at": now}
    )
    if row.percent < percent:
        row.percent = percent
        row.save(update_fields=["percent"])


def shares(trip: Trip, paid: Money) -> dict[str, Money]:
    """What is owed for each way of a trip that was not driven, of so much paid for both ways; all of it at most."""
    left, owed = paid, {}
    for each in trip.failed_legs.order_by("leg"):
        owed[each.leg] = min(terms.refund_of(paid, each.percent), left)
        left -= owed[each.leg]
    return owed


def settle_up(*, trip: Trip, pledge: Pledge, now: datetime, by: User | None = None) -> Money:
    """Give a locked, paid pledge of a locked trip what it is owed for ways that were not driven and has not had yet, and
    tell its rider. Answers what goes back.

    Never more than is left of what was paid; of a captain's, what the reward gave is not left. Twice is once. While a bank has
    the money nothing happens: `backing.follow` comes again once that is decided, and once money that is not in yet comes in.
    """
    back = Money.zero(trip.currency)
    if pledge.state != PledgeState.PAID or not trip.failed_legs.exists():
        return back
    assert pledge.payment_id is not None  # noqa: S101 - a constraint says so
    payment = locked_payment(pledge.payment_id)
    left = left_for_seats(pledge, payment) - rewards.rewarded(trip, pledge)
    for leg, share in shares(trip, paid_for_both(pledge, payment)).items():
        known = payments.refunded_for(payment, f"leg:{leg}")
        amount = min(share - known, left - back)
        if amount.minor > 0:
            reason = f"leg:{leg}:{(known + amount).minor}" if known else f"leg:{leg}"
            back += _give(pledge, payment, amount, reason=reason, leg=leg, now=now, by=by)
    return back


def _give(
    pledge: Pledge, payment: Payment, amount: Money, *, reason: str, leg: str, now: datetime, by: User | None
) -> Money:
    back = payments.refund_unless_disputed(
        payment_id=payment.id, amount=amount, reason=reason, now=now, by=by
    )
    if back:
        notices.leg_failed(pledge, leg, back, now, about=reason)
    return back.whole
