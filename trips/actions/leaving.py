"""Leaving: give up the seats and get back what the policy kept with the pledge says."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from payments.actions import payments
from rally.models import User
from rally.money import Money
from trips import notices
from trips.actions.backing import move, payment_id_of, wake
from trips.errors import AmountChanged, NotChangeable
from trips.locks import locked_pledge, locked_ride
from trips.models import FreedSeat, Pledge, Trip
from trips.permissions import check_can_change
from trips.queries.handed import held
from trips.queries.leaving import Leaving, Part, leaving
from trips.states import PledgeState, TripState

__all__ = ["Leaving", "check_agreed", "end", "give_up", "leaving", "withdraw"]

_GONE = (TripState.UNDER_WAY, TripState.COMPLETED, TripState.CLOSED)


@transaction.atomic
def withdraw(
    *,
    pledge_id: Any,
    by: User | None,
    now: datetime,
    agreed: Money | None = None,
    agreed_kept: Money | None = None,
) -> Pledge:
    """Give up the seats, with all that was added to them: free of charge before the bus is certain, by the ladder
    kept with the pledge after it. From the waiting list: at once.

    What is kept goes back too once the seats are sold again (`resale`). `agreed` is the refund the rider was shown and
    `agreed_kept` what stays; if one has become worse (the bus may be certain by now), raises `AmountChanged` and nothing
    happens. Twice is once. Raises `NotYours`, `DisputeOpen`, and `NotChangeable` while the money is being taken or once
    the bus has left.
    """
    trip, pledge = locked_pledge(pledge_id)

    check_can_change(pledge, by)

    if pledge.state == PledgeState.WAITING:
        move(pledge, PledgeState.WITHDRAWN, now=now, by=by, trip=trip, why="left the waiting list")
        return pledge
    if not pledge.is_live:
        return pledge
    if trip.state in _GONE:
        raise NotChangeable(why=_("the bus has left"))
    parts = locked_ride(trip, pledge)
    for part in parts:
        if part.state == PledgeState.CAPTURING or (
            part.state == PledgeState.HELD and trip.state == TripState.CONFIRMED
        ):
            raise NotChangeable(why=_("your payment is going through at this moment; try again in a minute"))
    look = leaving(pledge, now)
    check_agreed(look=look, agreed=agreed, agreed_kept=agreed_kept)

    for going in look.parts:
        end(trip, going, now=now, by=by)
    pledge.refresh_from_db(fields=["state", "ended_at"])

    notices.withdrawn(pledge, look, now)
    notices.seats_gone(held(part.pledge for part in look.parts), now)
    trip.refresh_from_db(fields=["seats_pledged", "seats_taken", "seats_funded"])
    wake(trip, now)
    return pledge


def check_agreed(*, look: Leaving, agreed: Money | None, agreed_kept: Money | None) -> None:
    """Whether at least as much comes back and no more stays than the rider was shown. Raises `AmountChanged`."""
    less = agreed is not None and look.refund < agreed
    if less or (agreed_kept is not None and look.kept > agreed_kept):
        raise AmountChanged(amount=look.refund, kept=look.kept)


def end(trip: Trip, part: Part, *, now: datetime, by: User | None) -> None:
    """A locked pledge of a ride ends with all its seats."""
    pledge = part.pledge
    if pledge.state == PledgeState.PAID:
        move(pledge, PledgeState.WITHDRAWING, now=now, by=by, trip=trip, why=f"{part.percent} % back")
        give_up(part, reason="left", now=now, by=by)
        if not part.refund:
            move(pledge, PledgeState.REFUNDED, now=now, by=by, trip=trip, why="nothing comes back this late")
    elif pledge.payment_id is None:
        move(pledge, PledgeState.WITHDRAWN, now=now, by=by, trip=trip)
    else:
        move(pledge, PledgeState.WITHDRAWING, now=now, by=by, trip=trip)
        payments.release(payment_id=pledge.payment_id, keep_card=False, now=now, why="left")


def give_up(part: Part, *, reason: str, now: datetime, by: User | None) -> None:
    """Give back what comes back for paid seats of a locked pledge, to us what a promotion paid of that, and remember for
    each seat what is kept until it is sold again. Once per `reason`."""
    payment_id = payment_id_of(part.pledge)
    if part.refund:
        payments.refund(payment_id=payment_id, amount=part.refund, reason=reason, now=now, by=by)
    payments.take_back_promotion(
        payment_id=payment_id, amount=part.promotion - part.promotion_kept, reason=reason, now=now
    )
    if part.kept:
        known = part.pledge.freed_seats.aggregate(n=Max("n", default=0))["n"]
        each_seat = [1] * part.seats
        shares = zip(part.kept.split(each_seat), part.promotion_kept.split(each_seat), strict=True)
        FreedSeat.objects.bulk_create(
            FreedSeat(
                trip=part.pledge.trip,
                pledge=part.pledge,
                n=n,
                kept_minor=kept.minor,
                promotion_minor=promotion.minor,
                freed_at=now,
            )
            for n, (kept, promotion) in enumerate(shares, start=known + 1)
            if kept
        )
