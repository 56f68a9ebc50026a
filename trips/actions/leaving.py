"""Leaving: give up the seats and get back what the policy kept with the pledge says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from payments.actions import payments
from rally.models import User
from rally.money import Money
from trips import notices
from trips.actions.backing import move, payment_id_of, wake
from trips.errors import AmountChanged, NotChangeable
from trips.locks import locked_pledge
from trips.models import Pledge
from trips.permissions import check_can_change
from trips.queries import terms
from trips.states import PledgeState, TripState


@dataclass(frozen=True)
class Leaving:
    """What leaving now means: `percent` of `paid` comes back as `refund`, `kept` stays with the trip."""

    paid: Money
    percent: int
    refund: Money
    kept: Money


def leaving(pledge: Pledge, now: datetime) -> Leaving:
    """What the rider gets back by leaving at this moment, exactly. Nothing was paid: nothing is kept."""
    if pledge.state != PledgeState.PAID:
        nothing = Money.zero(pledge.currency)
        return Leaving(paid=nothing, percent=100, refund=nothing, kept=nothing)
    percent = terms.refund_percent(pledge.policy, pledge.trip.departs_at, now)
    refund = terms.refund_of(pledge.amount, percent)
    return Leaving(paid=pledge.amount, percent=percent, refund=refund, kept=pledge.amount - refund)


@transaction.atomic
def withdraw(*, pledge_id: Any, by: User, now: datetime, agreed: Money | None = None) -> Pledge:
    """Give up the seats: free of charge before the bus is certain, by the ladder kept with the pledge after it.

    `agreed` is the refund the rider was shown; if it has become less, raises `AmountChanged` and nothing happens.
    Twice is once. Raises `NotYours`, and `NotChangeable` while the money is being taken or once the bus has left.
    """
    trip, pledge = locked_pledge(pledge_id)

    check_can_change(pledge, by)

    if not pledge.is_live:
        return pledge
    if trip.state in {TripState.UNDER_WAY, TripState.COMPLETED, TripState.CLOSED}:
        raise NotChangeable(why=_("the bus has left"))
    if pledge.state == PledgeState.CAPTURING or (
        pledge.state == PledgeState.HELD and trip.state == TripState.CONFIRMED
    ):
        raise NotChangeable(why=_("your payment is going through at this moment; try again in a minute"))
    terms_now = leaving(pledge, now)
    if agreed is not None and terms_now.refund < agreed:
        raise AmountChanged(amount=terms_now.refund)

    if pledge.state == PledgeState.PAID:
        move(pledge, PledgeState.WITHDRAWING, now=now, by=by, trip=trip, why=f"{terms_now.percent} % back")
        if terms_now.refund:
            payments.refund(
                payment_id=payment_id_of(pledge), amount=terms_now.refund, reason="left", now=now, by=by
            )
        else:
            move(pledge, PledgeState.REFUNDED, now=now, by=by, trip=trip, why="nothing comes back this late")
    elif pledge.payment_id is None:
        move(pledge, PledgeState.WITHDRAWN, now=now, by=by, trip=trip)
    else:
        move(pledge, PledgeState.WITHDRAWING, now=now, by=by, trip=trip)
        payments.release(payment_id=pledge.payment_id, keep_card=False, now=now, why="left")

    notices.withdrawn(pledge, terms_now.refund, terms_now.kept, now)
    trip.refresh_from_db(fields=["seats_pledged", "seats_taken", "seats_funded"])
    wake(trip, now)
    return pledge
