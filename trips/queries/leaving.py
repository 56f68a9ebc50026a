"""What leaving means at this moment: how much comes back, how much stays, and what comes back if the seat is sold again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Sum

from payments.actions.payments import left_to_refund, refunded_for, way_back
from payments.models import Payment
from payments.queries import Back, paid_by_payer
from rally.money import Money
from trips.models import FreedSeat, Pledge
from trips.queries import fares, terms
from trips.queries.terms import Ladder
from trips.states import OCCUPYING, PledgeState

_FULL = 100
#: How the reasons of refunds for seats begin that were sold again.
RESOLD = "resold:"


@dataclass(frozen=True)
class Part:
    """Seats of one pledge that are given up, what was paid for them, and what of it comes back."""

    pledge: Pledge
    seats: int
    paid: Money
    percent: int
    refund: Money
    back: Back  #: where the refund goes

    @property
    def kept(self) -> Money:
        """What stays with the trip, until the seats are sold again."""
        return self.paid - self.refund


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
    """The price of a seat to whoever wants so many seats in all: added to a paid ride they cost what a seat costs now."""
    if pledge.state != PledgeState.PAID:
        return pledge.fare
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
        parts.append(Part(pledge=each, seats=seats, paid=paid, percent=percent, refund=refund, back=back))
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


def left_for_seats(pledge: Pledge, payment: Payment) -> Money:
    """What the rider has paid for the seats that a pledge still has, and was not given back: neither by us nor by a bank.

    What is kept for seats given up before belongs to those, also once they are sold again and it waits to go back.
    """
    nothing, left = Money.zero(pledge.currency), left_to_refund(payment)
    kept = Money(int(pledge.freed_seats.aggregate(sum=Sum("kept_minor", default=0))["sum"]), pledge.currency)
    gone = kept - refunded_for(payment, RESOLD) if kept else nothing
    return max(nothing, left - gone)


def freed(pledge: Pledge) -> list[FreedSeat]:
    """The paid seats of a ride that were given up for less than their price, as they went."""
    rows = FreedSeat.objects.filter(pledge__in=[pledge.id, *pledge.enlargements.values_list("id", flat=True)])
    return list(rows.order_by("freed_at", "n"))
