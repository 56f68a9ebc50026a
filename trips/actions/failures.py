"""What riders get when a ride fails on our side: the share for a way that was not driven, and a word of regret in credit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from payments.actions import credits as wallets
from payments.actions import payments
from payments.locks import locked_payment
from payments.models import Account, Payment
from payments.queries import paid_by_payer
from rally import rules
from rally.errors import BadInput
from rally.models import User
from rally.money import Money
from trips import notices
from trips.actions.backing import payment_id_of
from trips.errors import NotChangeable, TooMuchAlone
from trips.locks import locked_pledges, locked_trip
from trips.models import Pledge, Trip
from trips.permissions import check_is_staff
from trips.queries import terms
from trips.queries.leaving import for_seats_held
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

    paid = sorted(locked_pledges(trip, [PledgeState.PAID]), key=payment_id_of)
    parts = [_part_of(pledge, leg, share) for pledge in paid]
    if by is not None and share > usual:
        _check_not_alone(parts, usual, trip.currency)

    back = Money.total([_give(part, share, now=now, by=by) for part in parts], trip.currency)
    notices.leg_failed_holders(paid, leg, now)
    return back


@dataclass(frozen=True)
class _Part:
    """What one rider is given back for a way now."""

    pledge: Pledge
    payment: Payment
    leg: str
    paid: Money  #: what they paid for both ways of the seats they still have
    known: Money  #: what they were given for this way before
    amount: Money


def _part_of(pledge: Pledge, leg: str, share: int) -> _Part:
    """The part of one rider, whose payment is locked from now on."""
    payment = locked_payment(payment_id_of(pledge))
    left = for_seats_held(pledge, min(paid_by_payer(payment), payments.left_to_refund(payment)))
    known = payments.refunded_for(payment, f"leg:{leg}")
    whole = left + payments.refunded_for(payment, "leg:")
    amount = max(Money.zero(payment.currency), min(terms.refund_of(whole, share) - known, left))
    return _Part(pledge, payment, leg, whole, known, amount)


def _check_not_alone(parts: list[_Part], usual: int, currency: str) -> None:
    """Money by hand takes two persons: what one gives beyond the usual share has a limit, in steps and both ways together."""
    most = Money(rules.current().by_hand_most, currency)
    if Money.total([_beyond(part, usual) for part in parts], currency) > most:
        raise TooMuchAlone(field="percent", most=most)


def _beyond(part: _Part, usual: int) -> Money:
    """What the rider has beyond the usual share of each way, once this part is given."""
    due = terms.refund_of(part.paid, usual)
    nothing = Money.zero(due.currency)
    given = {leg: payments.refunded_for(part.payment, f"leg:{leg}") for leg in LEGS}
    given[part.leg] += part.amount
    return Money.total([max(nothing, each - due) for each in given.values()], due.currency)


def _give(part: _Part, share: int, *, now: datetime, by: User | None) -> Money:
    if not part.amount:
        return part.amount
    reason = f"leg:{part.leg}:{share}" if part.known else f"leg:{part.leg}"
    back = payments.refund_unless_disputed(
        payment_id=part.payment.id, amount=part.amount, reason=reason, now=now, by=by
    )
    if back:
        notices.leg_failed(part.pledge, part.leg, back, now)
    return back.whole


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
