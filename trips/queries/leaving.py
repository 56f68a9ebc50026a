"""What leaving means at this moment: how much comes back, how much stays, and what comes back if the seat is sold again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from django.db.models import Q, Sum

from payments.actions.payments import left_to_refund, refunded_for, way_back
from payments.models import Payment
from payments.queries import Back, paid_by_payer, paid_by_promotion
from rally.money import Money
from trips.models import FreedSeat, Pledge
from trips.queries import fares, terms
from trips.queries.terms import Ladder
from trips.states import OCCUPYING, PledgeState, TripState

_FULL = 100
#: How the reasons of refunds for seats begin that were sold again.
RESOLD = "resold:"
#: Nobody takes a seat any more: the bus has left, or does not run.
_LEFT = (TripState.UNDER_WAY, TripState.COMPLETED, TripState.CLOSED)
_OVER = (*_LEFT, TripState.LAPSED, TripState.CANCELLED)


@dataclass(frozen=True)
class Part:
    """Seats of one pledge that are given up, what was paid for them, and what of it comes back."""

    pledge: Pledge
    seats: int
    paid: Money
    percent: int
    refund: Money
    back: Back  #: where the refund goes
    promotion: Money  #: what a promotion paid for them besides

    @property
    def kept(self) -> Money:
        """What stays with the trip, until the seats are sold again."""
        return self.paid - self.refund

    @property
    def promotion_kept(self) -> Money:
        """What the promotion still pays of them then: the same share as the rider, and nothing where the rider pays none."""
        if not self.kept:
            return Money.zero(self.paid.currency)
        return self.promotion - terms.refund_of(self.promotion, self.percent)


@dataclass(frozen=True)
class Leaving:
    """What leaving now means: `percent` of `paid` comes back as `refund`, `kept` stays with the trip."""

    paid: Money
    percent: int
    refund: Money
    kept: Money
    parts: tuple[Part, ...] = ()
    #: Less than the dates alone would give: without these seats the bus would not be paid.
    others_short: bool = False
    #: The bank has given the money back already, after a dispute that we lost.
    by_the_bank: bool = False

    @property
    def back(self) -> Back:
        """Where the refund goes."""
        return sum((part.back for part in self.parts), Back.nothing(self.paid.currency))

    @property
    def if_resold(self) -> Money:
        """What comes back in all once somebody else has paid for the seats."""
        return self.refund + self.kept


@dataclass(frozen=True)
class Step:
    """One step of the ladder: `percent` comes back until then; None: from the last step on."""

    until: datetime | None
    percent: int


def steps(ladder: Ladder, departs_at: datetime) -> list[Step]:
    """The ladder with its dates, the best first."""
    return [
        Step(until=departs_at - timedelta(hours=hours) if share else None, percent=share)
        for hours, share in ladder
    ]


def percent_now(ladder: Ladder, departs_at: datetime, now: datetime, *, others_pay: bool) -> int:
    """The share that comes back now. All of it only while the others still pay the bus at the price in force
    (`others_pay`), else the next lower step: leaving is never a free option against those who stay, nor is making the
    price fall for everybody and leaving then."""
    share = terms.refund_percent(ladder, departs_at, now)
    if share < _FULL or others_pay:
        return share
    return next((lower for _hours, lower in ladder if lower < _FULL), 0)


def ride(pledge: Pledge) -> list[Pledge]:
    """The live pledges that are one ride: the first, then what was added to it. Of an addition: it alone."""
    if pledge.enlarges_id is not None:
        return [pledge]
    added = [each for each in pledge.enlargements.all() if each.state in OCCUPYING]
    for each in added:
        each.trip = pledge.trip
    return [pledge, *sorted(added, key=lambda each: each.created_at)]


def leaving(pledge: Pledge, now: datetime) -> Leaving:
    """What the rider gets back by leaving with the whole ride at this moment, exactly."""
    return _look([(each, each.seats) for each in ride(pledge)], pledge, now)


def giving_up(pledge: Pledge, seats: int, now: datetime) -> Leaving:
    """The same for so many paid seats of a ride; what was added last goes first."""
    going: list[tuple[Pledge, int]] = []
    for each in reversed([each for each in ride(pledge) if each.state == PledgeState.PAID]):
        gone = min(seats, each.seats)
        seats -= gone
        if gone:
            going.append((each, gone))
    return _look(going, pledge, now)


def fare_for_more(pledge: Pledge, seats: int) -> Money:
    """The price of a seat, as the words say that are agreed to, to whoever wants so many seats in all: of seats that are
    not paid yet the price that all of them have, added to a paid ride what a seat costs now."""
    if pledge.state != PledgeState.PAID:
        return pledge.price
    have = sum(part.seats for part in ride(pledge) if part.state == PledgeState.PAID)
    pledge.stop.trip = pledge.trip
    return fares.to_agree(pledge.stop, max(1, seats - have))


def _look(going: Sequence[tuple[Pledge, int]], pledge: Pledge, now: datetime) -> Leaving:
    trip = pledge.trip
    funded = sum(seats for each, seats in going if each.state == PledgeState.PAID)
    others_pay = trip.seats_funded - funded >= fares.seats_to_pay(trip)
    by_the_bank = False
    parts = []
    for each, seats in going:
        paid, lost = _paid_for(each, seats)
        by_the_bank = by_the_bank or lost
        percent = percent_now(each.policy, trip.departs_at, now, others_pay=others_pay) if funded else _FULL
        refund = terms.refund_of(paid, percent)
        back = way_back(each.payment, refund) if each.payment and refund else Back.nothing(each.currency)
        parts.append(
            Part(
                pledge=each,
                seats=seats,
                paid=paid,
                percent=percent,
                refund=refund,
                back=back,
                promotion=_by_promotion(each, seats),
            )
        )
    zero = Money.zero(pledge.currency)
    paid = sum((part.paid for part in parts), zero)
    refund = sum((part.refund for part in parts), zero)
    by_date = terms.refund_percent(pledge.policy, trip.departs_at, now)
    percent = parts[0].percent if parts else _FULL
    return Leaving(
        paid=paid,
        percent=percent,
        refund=refund,
        kept=paid - refund,
        parts=tuple(parts),
        others_short=bool(paid) and percent < by_date,
        by_the_bank=by_the_bank,
    )


def _paid_for(pledge: Pledge, seats: int) -> tuple[Money, bool]:
    """What the rider has paid for so many seats of this pledge and may be given back, and whether a bank took it all."""
    if pledge.state != PledgeState.PAID or pledge.payment is None:
        return Money.zero(pledge.currency), False
    whole = left_for_seats(pledge, pledge.payment)
    shares = whole.split([1] * pledge.seats)[:seats]  # the odd cent goes with the seat
    by_the_bank = bool(paid_by_payer(pledge.payment)) and not left_to_refund(pledge.payment)
    return Money.total(shares, pledge.currency), by_the_bank


def _by_promotion(pledge: Pledge, seats: int) -> Money:
    """What a promotion has paid for so many seats of this pledge: of a code each seat that is paid for has its part."""
    nothing = Money.zero(pledge.currency)
    if pledge.state != PledgeState.PAID or pledge.payment is None:
        return nothing
    gone = pledge.freed_seats.filter(resold_at=None).aggregate(sum=Sum("promotion_minor", default=0))
    whole = paid_by_promotion(pledge.payment) - Money(int(gone["sum"]), pledge.currency)
    return Money.total(max(nothing, whole).split([1] * pledge.seats)[:seats], pledge.currency)


def left_for_seats(pledge: Pledge, payment: Payment) -> Money:
    """What the rider has paid for the seats that a pledge still has, and was not given back: neither by us nor by a bank.

    What is kept for seats given up before belongs to those, also once they are sold again and it waits to go back.
    """
    nothing, left = Money.zero(pledge.currency), left_to_refund(payment)
    kept = Money(int(pledge.freed_seats.aggregate(sum=Sum("kept_minor", default=0))["sum"]), pledge.currency)
    gone = kept - refunded_for(payment, RESOLD) if kept else nothing
    return max(nothing, left - gone)


def paid_for_both(pledge: Pledge, payment: Payment) -> Money:
    """What the rider paid for both ways of the seats they still have, also if one was not driven and part of it is back."""
    return left_for_seats(pledge, payment) + refunded_for(payment, "leg:")


@dataclass(frozen=True)
class Freed:
    """What was kept of the paid seats of a ride that were given up, by what became of it."""

    came_back: Money  #: they were sold again, and it was promised back
    owed: Money  #: they were sold again, and a bank still has it
    for_sale: Money  #: comes back if they are sold again
    stays: Money  #: the bus has left, and nobody took them


def freed(pledge: Pledge) -> Freed:
    """What became of what was kept of the seats of a ride. Of a trip that was called off nothing waits for a buyer: all of it
    goes back. What a bank has given back is not promised once more."""
    came_back = owed = unsold = Money.zero(pledge.currency)
    rows = FreedSeat.objects.filter(Q(pledge=pledge.id) | Q(pledge__enlarges=pledge.id))
    rows = rows.select_related("pledge__payment").order_by("pledge_id", "n")
    for part, seats in groupby(rows, key=lambda seat: seat.pledge):
        back, waits, rest = _became(part, list(seats))
        came_back, owed, unsold = came_back + back, owed + waits, unsold + rest
    nothing, state = Money.zero(pledge.currency), pledge.trip.state
    return Freed(
        came_back=came_back,
        owed=owed,
        for_sale=nothing if state in _OVER else unsold,
        stays=unsold if state in _LEFT else nothing,
    )


def _became(pledge: Pledge, seats: Sequence[FreedSeat]) -> tuple[Money, Money, Money]:
    """Of what was kept of these seats of a pledge: what is promised back since they were sold, what will be, the rest."""
    assert pledge.payment is not None  # noqa: S101 - its seats were paid
    currency, left = pledge.currency, left_to_refund(pledge.payment)
    sold = Money(sum(seat.kept_minor for seat in seats if seat.resold_at), currency)
    unsold = Money(sum(seat.kept_minor for seat in seats if not seat.resold_at), currency)
    back = refunded_for(pledge.payment, RESOLD)
    waits = min(sold - back, left)
    return back, waits, min(unsold, left - waits)
