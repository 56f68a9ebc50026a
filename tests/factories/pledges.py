"""Pledges to test with, brought into their state by the real actions and the sandbox.

Needs real commits (`transactional_db`): the money side works after commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import count

from payments.actions import checkouts
from payments.sandbox import runtime
from payments.sandbox.checkout import Typed
from rally.models import User
from tests.factories.payments import SAVES_THEN_DECLINES, VISA, type_card
from tests.factories.people import person
from trips.actions import backing, pledges, trips
from trips.actions.pledges import Passenger
from trips.models import Pledge, Trip
from trips.queries import links

__all__ = [
    "SAVES_THEN_DECLINES",
    "VISA",
    "Typed",
    "at_checkout",
    "backed",
    "bound",
    "draft",
    "pay",
    "runtime",
]

_number = count(1)


def draft(
    trip: Trip,
    rider: User | None = None,
    *,
    seats: int = 1,
    names: Sequence[str] = (),
    stop: int = 1,
    now: datetime,
) -> Pledge:
    """Seats reserved; nobody has paid. A new rider unless told otherwise."""
    people = [Passenger(name) for name in names] or [Passenger(f"Passenger {n}") for n in range(1, seats + 1)]
    return pledges.make(
        trip_id=trip.id,
        rider=rider or person(f"rider{next(_number)}"),
        stop_id=trip.stops.get(position=stop).id,
        passengers=people,
        consent_text="I agree.",
        consent_version="test",
        consented=True,
        now=now,
    )


def at_checkout(pledge: Pledge, *, now: datetime) -> str:
    """Go to the hosted page as the rider does; its address."""
    to_pay = pledges.open_payment(pledge_id=pledge.id, now=now)
    return checkouts.go(
        payment_id=to_pay.payment_id,
        mode=to_pay.mode,
        success_url=links.paid_link(pledge),
        cancel_url=links.paid_link(pledge),
        now=now,
    )


def pay(pledge: Pledge, *, card: str = VISA, now: datetime) -> Pledge:
    """Go to the hosted page as the rider does, give the card, come back."""
    type_card(at_checkout(pledge, now=now), card)
    found = Pledge.objects.get(id=pledge.id)
    checkouts.come_back(payment_id=found.payment_id, now=now)
    backing.follow(payment_id=found.payment_id, now=now)
    return Pledge.objects.get(id=pledge.id)


def backed(
    trip: Trip, rider: User | None = None, *, seats: int = 1, card: str = VISA, now: datetime, stop: int = 1
) -> Pledge:
    """A pledge whose rider has been at the checkout: card saved, money held, or paid, as the trip stands."""
    return pay(draft(trip, rider, seats=seats, now=now, stop=stop), card=card, now=now)


def bound(trip: Trip, *, seats: int = 56, now: datetime) -> Trip:
    """An operator's bus is bound to the trip."""
    return trips.bind_bus(trip_id=trip.id, seats=seats, operator_name="Lakeshore Lines", now=now, by=None)
