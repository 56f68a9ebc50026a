"""What riders get when a ride fails on our side: the share for a way that was not driven, and a word of regret in credit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from payments.actions import credits as wallets
from payments.models import Account
from rally import rules
from rally.errors import BadInput
from rally.models import User
from rally.money import Money
from trips import notices
from trips.actions import legs
from trips.actions.backing import payment_id_of
from trips.errors import NotChangeable, TooMuchAlone
from trips.locks import locked_pledges, locked_trip
from trips.models import Pledge, Trip
from trips.permissions import check_is_staff
from trips.queries import terms
from trips.queries.leaving import paid_for_both
from trips.states import LEGS, PLEDGED, PledgeState, TripState

_DRIVEN = (TripState.CONFIRMED, TripState.UNDER_WAY, TripState.COMPLETED, TripState.CLOSED)


@transaction.atomic
def refund_leg(
    *, trip_id: Any, leg: str, percent: int | None = None, now: datetime, by: User | None
) -> Money:
    """One way was not driven: every rider gets `percent` of what they paid back (`one_leg_percent` unless told), and is told.
    Answers what goes back in all now; who has not paid yet, or whose money a bank has, gets it later (`legs.settle_up`).

    Once per rider and way; a higher percentage later gives the difference. Staff and the system. Raises `BadInput` for a
    way or share that is none, `NotTheStaff`, `NotChangeable` for a trip that was never certain, and `TooMuchAlone` when
    one person would give a trip more than `by_hand_most` beyond the usual share.
    """
    trip = locked_trip(trip_id)

    check_is_staff(by)
    usual = rules.current().one_leg_percent
    share = usual if percent is None else percent
    if leg not in LEGS:
        raise BadInput(_("A trip has two ways: outbound and return."), field="leg")
    if not 0 < share <= 100:
        raise BadInput(_("The share is between 1 and 100 percent."), field="percent")
    if trip.state not in _DRIVEN:
        raise NotChangeable(why=_("nobody has paid for this trip"))

    legs.note(trip=trip, leg=leg, percent=share, now=now)
    aboard = locked_pledges(trip, PLEDGED)
    if by is not None and share > usual:
        _check_not_alone(aboard, usual, trip.currency)

    paid = [pledge for pledge in aboard if pledge.state == PledgeState.PAID]
    back = Money.total(
        [
            legs.settle_up(trip=trip, pledge=pledge, now=now, by=by)
            for pledge in sorted(paid, key=payment_id_of)
        ],
        trip.currency,
    )
    notices.leg_failed_holders(aboard, leg, now)
    return back


def _check_not_alone(pledges: list[Pledge], usual: int, currency: str) -> None:
    """Money by hand takes two persons: what one gives beyond the usual share has a limit, in steps and both ways together."""
    most = Money(rules.current().by_hand_most, currency)
    if Money.total([_beyond(pledge, usual) for pledge in pledges], currency) > most:
        raise TooMuchAlone(field="percent", most=most)


def _beyond(pledge: Pledge, usual: int) -> Money:
    """What a rider is owed beyond the usual share of each way, also if their money is not in yet."""
    paid = pledge.charge
    if pledge.state == PledgeState.PAID and pledge.payment is not None:
        paid = paid_for_both(pledge, pledge.payment)
    nothing, due = Money.zero(paid.currency), terms.refund_of(paid, usual)
    owed = legs.shares(pledge.trip, paid).values()
    return Money.total([max(nothing, share - due) for share in owed], paid.currency)


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
