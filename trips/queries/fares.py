"""What a seat costs now, what it may still fall to, and who is owed what later riders saved them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q
from django.db.models.functions import Coalesce

from payments.queries import promotions_part, worth
from rally.money import Money
from trips.models import Pledge, Stop, Trip
from trips.models.pledges import PledgeQuerySet
from trips.pricing import ladders
from trips.states import PledgeState


@dataclass(frozen=True, slots=True)
class Step:
    """From so many seats on everybody pays this share of their fare; `missing` seats lead there."""

    seats: int
    percent: int
    missing: int


def seats_that_count(trip: Trip) -> int:
    """Seats with a card behind them; once the price is locked, those whose money is really there."""
    return trip.seats_pledged if trip.locked_percent is None else trip.seats_funded


def percent_now(trip: Trip) -> int:
    """The share of the fare that is in force; before the decision, what it would be with the seats there are now."""
    if trip.locked_percent is not None:
        return trip.locked_percent
    return ladders.percent_at(trip.ladder, trip.seats_pledged)


def seats_to_pay(trip: Trip) -> int:
    """With how many seats the price in force pays the bus: the threshold, and more once the price was locked lower."""
    if trip.locked_percent is None or not trip.ladder:
        return trip.threshold
    return ladders.seats_to_pay(trip.ladder, trip.locked_percent)


def percent_for(trip: Trip, seats: int) -> int:
    """The share that somebody agrees to who takes so many seats now: the whole fare until the price is locked.

    After that the one in force, where the own seats may reach the next step at once.
    """
    if trip.locked_percent is None:
        return 100
    if trip.fares_closed_at is not None:
        return trip.locked_percent
    return min(trip.locked_percent, ladders.percent_at(trip.ladder, trip.seats_funded + seats))


def lowest_percent(trip: Trip) -> int:
    """The share with every seat of the bus taken."""
    if trip.fares_closed_at is not None:
        return percent_now(trip)
    return min(percent_now(trip), ladders.percent_at(trip.ladder, trip.capacity))


def next_step(trip: Trip) -> Step | None:
    """The next step that riders can reach, or None: at the last one, without a ladder, or once the fares are closed."""
    if trip.fares_closed_at is not None:
        return None
    seats = seats_that_count(trip)
    found = ladders.next_step(trip.ladder, seats, below=percent_now(trip), most=trip.capacity)
    return Step(seats=found[0], percent=found[1], missing=found[0] - seats) if found else None


def of(fare: Money, percent: int) -> Money:
    """So much of a fare, rounded up to the cent."""
    return Money(ladders.price(fare.minor, percent), fare.currency)


def price(stop: Stop, percent: int) -> Money:
    """One seat from this stop (with its trip) at that share, rounded up to the cent."""
    return of(Money(stop.fare_minor, stop.trip.currency), percent)


def to_agree(stop: Stop, seats: int, *, shown: Money | None = None) -> Money:
    """One seat's price that somebody agrees to who takes so many seats from this stop (with its trip) now.

    Never more than they were `shown`: others may have left since, so that their seats no longer reach the next step.
    """
    now = price(stop, percent_for(stop.trip, seats))
    return now if shown is None else min(now, shown)


@dataclass(frozen=True, slots=True)
class Rung:
    """A step in money: from so many seats on a seat costs so much. It is in force, or behind us, or neither: ahead."""

    seats: int
    price: Money
    now: bool
    passed: bool


def steps(trip: Trip, stop: Stop) -> list[Rung]:
    """The steps that the bus has seats for, in money for one of the stops (with its trip); none where fares stand."""
    here = percent_now(trip)
    begun = trip.locked_percent is not None or seats_that_count(trip) >= trip.threshold
    return [
        Rung(seats=seats, price=price(stop, percent), now=begun and percent == here, passed=percent > here)
        for seats, percent in trip.ladder
        if seats <= trip.capacity
    ]


def accrued(pledge: Pledge) -> Money:
    """What comes back to a paid pledge (with stop and trip) when the fares close, if nobody else joins."""
    if pledge.state != PledgeState.PAID or pledge.trip.locked_percent is None:
        return Money.zero(pledge.currency)
    now = of(Money(pledge.stop.fare_minor, pledge.currency), pledge.trip.locked_percent)
    saved = max(pledge.price - now, Money.zero(pledge.currency)) * pledge.seats
    if not saved or pledge.payment is None:
        return saved
    return saved - promotions_part(pledge.payment, was=pledge.charge, becomes=pledge.charge - saved)


def owed() -> PledgeQuerySet:
    """Paid pledges that paid more than the price at which their trip's fares were closed."""
    locked = (F("stop__fare_minor") * F("trip__locked_percent") + 99) / 100
    return (
        Pledge.objects.filter(state=PledgeState.PAID, trip__fares_closed_at__isnull=False)
        .annotate(own=Coalesce("price_minor", "fare_minor"), locked=locked)
        .filter(own__gt=F("locked"))
    )


def overcharged(**which: Any) -> list[str]:
    """Riders who paid above the price they agreed to or above the locked one, in words; none is the wish (P8).

    Those who gave up a seat are left out: what they paid for it is a matter of the refund ladder. A fall before the fares
    are closed is owed, not overcharged.
    """
    wrong = [f"{pledge}: closed at less than {pledge.price}" for pledge in owed().filter(**which)]
    paid = Pledge.objects.filter(~Q(payment=None), state=PledgeState.PAID, freed_seats=None, **which)
    for pledge in paid.exclude(pk__in=_gave_up_seats()).select_related("payment"):
        assert pledge.payment is not None  # noqa: S101 - for the type checker
        kept = worth(pledge.payment)
        if kept > pledge.charge:
            wrong.append(f"{pledge}: paid {kept}, {pledge.seats} × {pledge.price} is {pledge.charge}")
    return wrong


def _gave_up_seats() -> Any:
    return Pledge.objects.filter(payment__attempts__refunds__reason__startswith="fewer").values("pk")
