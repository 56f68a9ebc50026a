"""The price that falls: locked by the decision, lowered by those who come later, given back once when the fares close."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db import transaction

from payments.actions import payments
from payments.errors import DisputeOpen
from payments.locks import locked_payment
from payments.states import PaymentState
from rally.money import Money
from trips import notices
from trips.locks import locked_pledge, locked_pledges, locked_trip
from trips.models import Pledge, Trip
from trips.pricing import ladders
from trips.states import PledgeState, TripState

#: Of the one refund for what later riders saved an earlier one.
FARE_FELL = "fare_fell"
_RUNS = (TripState.CONFIRMED, TripState.UNDER_WAY, TripState.COMPLETED)


def lock(*, trip: Trip, pledges: Iterable[Pledge], held: int) -> None:
    """Write the share of the fare that `held` seats make, and what each live pledge of the locked trip costs by it.

    Told inside the decision, which saves the trip. Nothing for a trip whose fare does not fall.
    """
    if not trip.ladder:
        return
    trip.locked_percent = ladders.percent_at(trip.ladder, held)
    live = list(pledges)
    for pledge in live:
        pledge.price_minor = ladders.price(pledge.fare_minor, trip.locked_percent)
    Pledge.objects.bulk_update(live, ["price_minor"])


def fall(*, trip: Trip) -> None:
    """Let the price in force follow the seats whose money is there, of a locked trip with fresh counts. Only down.

    Nobody gets money back here: riders come one after the other, and each gets the whole difference once, by `close`.
    """
    if trip.locked_percent is None or trip.fares_closed_at is not None or trip.state not in _RUNS:
        return
    percent = ladders.percent_at(trip.ladder, trip.seats_funded)
    if percent < trip.locked_percent:
        trip.locked_percent = percent
        trip.save(update_fields=["locked_percent"])


@transaction.atomic
def close(*, trip_id: Any, now: datetime) -> None:
    """No price of this trip falls any further: everybody who paid more gets the difference. Twice is once."""
    close_of(trip=locked_trip(trip_id), now=now)


def close_of(*, trip: Trip, now: datetime) -> None:
    """`close` of a trip that is locked already. Nothing for one whose price was not locked, or that does not run.

    Who has not paid yet gets it when the money is in (`settle_up`).
    """
    if trip.locked_percent is None or trip.fares_closed_at is not None or trip.state not in _RUNS:
        return
    trip.fares_closed_at = now
    trip.save(update_fields=["fares_closed_at"])
    for pledge in locked_pledges(trip, [PledgeState.PAID]):
        settle_up(trip=trip, pledge=pledge, now=now)


@transaction.atomic
def give_back(*, pledge_id: Any, now: datetime) -> None:
    """`settle_up` for one pledge by its key: a dispute may have stood in the way when the fares were closed."""
    trip, pledge = locked_pledge(pledge_id)
    settle_up(trip=trip, pledge=pledge, now=now)


def settle_up(*, trip: Trip, pledge: Pledge, now: datetime) -> None:
    """Give a locked, paid pledge back what later riders saved it, once the fares are closed, and tell the rider.

    For each seat that it still has the difference between its price and the last one, never more than is left of what was
    paid; of what a code took off, as much as it would have taken off the lower price stays. Twice is once: the price is the
    last one from then on. While a dispute is open nothing happens; a sweep comes again.
    """
    if trip.fares_closed_at is None or trip.locked_percent is None or pledge.state != PledgeState.PAID:
        return
    old = pledge.price
    new = Money(ladders.price(pledge.stop.fare_minor, trip.locked_percent), pledge.currency)
    if new >= old:
        return
    assert pledge.payment_id is not None  # noqa: S101 - a constraint says so
    payment = locked_payment(pledge.payment_id)
    if payment.state != PaymentState.PAID:
        return  # everything of it is on its way back already
    with suppress(DisputeOpen):
        back = payments.lower(
            payment_id=payment.id,
            was=old * pledge.seats,
            becomes=new * pledge.seats,
            reason=FARE_FELL,
            now=now,
        )
        pledge.price_minor = new.minor
        pledge.save(update_fields=["price_minor"])
        if back:
            notices.fare_fell(pledge, was=old, back=back, now=now)
