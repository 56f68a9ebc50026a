"""The waiting list as its riders see it: which place, until when seats can still be offered, which words to agree to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Q

from rally import rules
from trips.models import Pledge, Trip
from trips.queries import terms
from trips.queries.terms import Terms
from trips.states import PledgeState, TripState


def place(pledge: Pledge) -> int:
    """Which place on the list: 1 is the next. 0 for a pledge that is not on it. One query."""
    if pledge.state != PledgeState.WAITING:
        return 0
    before = Q(created_at__lt=pledge.created_at) | Q(created_at=pledge.created_at, id__lt=pledge.id)
    return Pledge.objects.filter(before, trip_id=pledge.trip_id, state=PledgeState.WAITING).count() + 1


def offer_ends_by(trip: Trip) -> datetime | None:
    """No offer outlives this: the end of the grace while the trip is not decided, departure after it."""
    if trip.state == TripState.CONFIRMED:
        return trip.departs_at
    if trip.state == TripState.SETTLING:
        return trip.grace_ends_at
    return trip.decides_at + terms.grace(trip.decides_at, trip.departs_at, rules.current())


#: States in which seats are still given out.
_OPEN = (TripState.GATHERING, TripState.SETTLING, TripState.CONFIRMED)


def is_over(trip: Trip, now: datetime) -> bool:
    """Nobody on the list can be offered anything any more."""
    ends_at = offer_ends_by(trip) if trip.state in _OPEN else None
    return ends_at is None or now >= ends_at


def offer_until(trip: Trip, now: datetime) -> datetime | None:
    """Until when seats offered now are kept; None while none can be offered."""
    ends_at = None if is_over(trip, now) else offer_ends_by(trip)
    if ends_at is None:
        return None
    if trip.state == TripState.CONFIRMED and not trip.has_bus:
        return None  # another bus is being found; nobody is sold a seat on none
    numbers = rules.current()
    until = min(now + timedelta(hours=numbers.waiting_offer_hours), ends_at)
    # Nobody can give a card in so short a time.
    return until if until >= now + timedelta(minutes=numbers.reserve_minutes) else None


def next_in_line(trip: Trip, line: Sequence[Pledge], *, freed: int = 0) -> list[Pledge]:
    """Those of the list, in its order, for whom the free seats, and so many `freed` besides, are enough."""
    left, found = trip.seats_left + freed, []
    for pledge in line:
        if pledge.seats <= left:
            left -= pledge.seats
            found.append(pledge)
    return found


def seats_owed(trip: Trip, now: datetime) -> int:
    """Free seats of a trip that belong to those who wait for them, although they were not told yet. Exact behind its lock."""
    if trip.seats_left <= 0 or offer_until(trip, now) is None:
        return 0
    line = Pledge.objects.filter(trip_id=trip.id, state=PledgeState.WAITING).order_by("created_at", "id")
    return sum(pledge.seats for pledge in next_in_line(trip, list(line)))


def fills_gap(trip: Trip, line: Sequence[Pledge], *, freed: int) -> bool:
    """Whether a trip that settles with too few held seats can still be filled by the list, if so many are freed for it."""
    if trip.seats_funded >= trip.threshold:
        return False
    offered = sum(pledge.seats for pledge in next_in_line(trip, line, freed=freed))
    return offered > 0 and trip.seats_taken - freed + offered >= trip.threshold


def words_to_agree(pledge: Pledge, now: datetime) -> Terms | None:
    """The words of this moment for seats offered from the list, if they are not those agreed to so far."""
    told = _words_of_offer(pledge, now)
    return None if told is None or told.text == pledge.consent_text else told


def words_to_show(pledge: Pledge, now: datetime) -> Terms | None:
    """The words of this moment that whoever takes offered seats reads before paying: until they are agreed to and it is
    said by what beside the card the seats are paid, which is when the payment is opened."""
    return words_to_agree(pledge, now) if pledge.payment_id is not None else _words_of_offer(pledge, now)


def _words_of_offer(pledge: Pledge, now: datetime) -> Terms | None:
    if pledge.state != PledgeState.DRAFT or pledge.offered_at is None:
        return None
    return terms.terms(pledge.trip, pledge.price, now)
