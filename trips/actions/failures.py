"""What riders get when a ride fails on our side: the share for a way that was not driven, and a word of regret in credit."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from payments.actions import credits as wallets
from payments.actions import payments
from payments.errors import DisputeOpen
from payments.locks import locked_payment
from payments.models import Account, Payment, Refund
from payments.queries import paid_by_payer
from rally import rules
from rally.errors import BadInput
from rally.models import User
from rally.money import Money
from trips import notices
from trips.actions.backing import payment_id_of
from trips.errors import NotChangeable
from trips.locks import locked_pledges, locked_trip
from trips.models import Pledge, Trip
from trips.permissions import check_is_staff
from trips.queries import terms
from trips.states import PledgeState, TripState

#: The two ways of a trip, as refunds name them.
LEGS = ("outbound", "return")
_DRIVEN = (TripState.CONFIRMED, TripState.UNDER_WAY, TripState.COMPLETED, TripState.CLOSED)


@transaction.atomic
def refund_leg(
    *, trip_id: Any, leg: str, percent: int | None = None, now: datetime, by: User | None
) -> Money:
    """One way was not driven: give every rider who paid `percent` of it back (`one_leg_percent` unless told), and tell
    them. Answers what goes back in all.

    Once per rider and way; a higher percentage later gives the difference. Staff and the system. Raises `BadInput` for a
    way or share that is none, `NotTheStaff`, and `NotChangeable` for a trip that was never certain.
    """
    trip = locked_trip(trip_id)

    check_is_staff(by)
    share = rules.current().one_leg_percent if percent is None else percent
    if leg not in LEGS:
        raise BadInput(_("A trip has two ways: outbound and return."), field="leg")
    if not 0 < share <= 100:
        raise BadInput(_("The share is between 1 and 100 percent."), field="percent")
    if trip.state not in _DRIVEN:
        raise NotChangeable(why=_("nobody has paid for this trip"))

    back = Money.zero(trip.currency)
    pledges = sorted(locked_pledges(trip, [PledgeState.PAID]), key=payment_id_of)
    for pledge in pledges:
        back += _refund_part(pledge, leg, share, now=now, by=by)
    notices.leg_failed_holders(pledges, leg, now)
    return back


def _refund_part(pledge: Pledge, leg: str, share: int, *, now: datetime, by: User | None) -> Money:
    payment = locked_payment(payment_id_of(pledge))
    nothing = Money.zero(payment.currency)
    known = _given_for(payment, f"leg:{leg}")
    whole = paid_by_payer(payment) + _given_for(payment, "leg:")
    amount = terms.refund_of(whole, share) - known
    amount = max(nothing, min(amount, payments.left_to_refund(payment)))
    if not amount:
        return nothing
    reason = f"leg:{leg}:{share}" if known else f"leg:{leg}"
    # One rider's dispute must not keep the others waiting: what it holds is with the bank.
    with suppress(DisputeOpen):
        back = payments.way_back(payment, amount)
        payments.refund(payment_id=payment.id, amount=amount, reason=reason, now=now, by=by)
        notices.leg_failed(pledge, leg, back, now)
        return amount
    return nothing


def _given_for(payment: Payment, reason: str) -> Money:
    rows = Refund.objects.filter(attempt__payment=payment, reason__startswith=reason)
    return Money(sum(rows.values_list("amount_minor", flat=True)), payment.currency)


def say_sorry(*, trip: Trip, pledges: list[Pledge], now: datetime, by: User | None) -> None:
    """Credit for riders whom an operator left standing (`goodwill` for each seat). Once per pledge; nothing if the rule
    says nothing. In the order in which wallets are locked."""
    each = rules.current().goodwill
    if not each:
        return
    for pledge in sorted(pledges, key=lambda pledge: pledge.rider_id):
        amount = Money(each, trip.currency) * pledge.seats
        given = wallets.give(
            user_id=pledge.rider_id,
            amount=amount,
            source=Account.GOODWILL,
            reference=f"goodwill:{pledge.id}",
            now=now,
            by=by,
        )
        if given:
            notices.goodwill(pledge, amount, now)
