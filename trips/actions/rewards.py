"""The captain's reward: the own fare back as credit, once the trip has run."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import transaction

from payments.actions import credits as credit
from payments.errors import DisputeOpen
from payments.models import Account
from payments.queries import refund_pays_twice
from rally.money import Money
from trips import notices
from trips.locks import locked_pledges, locked_trip
from trips.models import Pledge, Trip
from trips.queries.leaving import left_for_seats, paid_for_both
from trips.states import OCCUPYING, PledgeState, TripState

#: The bus is back.
RAN = (TripState.COMPLETED, TripState.CLOSED)


@transaction.atomic
def reward_captain(*, trip_id: Any, rode: Collection[Any], now: datetime) -> bool:
    """Give the captain of a trip that has run the price of one seat as credit, and say so. Once per trip.

    Nothing for a captain who is not among those who `rode` (ids of users), or has not paid; never more than the captain
    paid for that one seat and was not given back, by us or by a bank: a promotion is not given twice. Answers whether it
    was given now. Raises `DisputeOpen` while a bank has the captain's money.
    """
    # A refund of the captain's seat at the same moment would be given back a second time as credit.
    trip = locked_trip(trip_id)

    if trip.state not in RAN or trip.captain_id not in rode:
        return False
    pledge = next(
        (each for each in locked_pledges(trip, [PledgeState.PAID]) if _is_captains(trip, each)), None
    )
    if pledge is None or pledge.payment is None:
        return False

    if refund_pays_twice(pledge.payment.id):
        raise DisputeOpen

    # A share for a way that was not driven does not make the seat cheaper: both are given, as far as anything is left.
    own = paid_for_both(pledge, pledge.payment).split([1] * pledge.seats)[0]
    amount = min(pledge.price, own, left_for_seats(pledge, pledge.payment))
    given = bool(amount) and credit.give(
        user_id=trip.captain_id,
        amount=amount,
        source=Account.REWARD,
        reference=_reference(trip),
        now=now,
        by=None,
    )
    if given:
        notices.captain_rewarded(pledge, amount, now)
    return given


def rewarded(trip: Trip, pledge: Pledge) -> Money:
    """What was given as a reward for the seat of this pledge of a locked trip; zero for all but the captain's."""
    if not _is_captains(trip, pledge):
        return Money.zero(pledge.currency)
    return credit.given(_reference(trip), currency=pledge.currency)


def _reference(trip: Trip) -> str:
    return f"captain:{trip.id}"


def _is_captains(trip: Trip, pledge: Pledge) -> bool:
    return pledge.rider_id == trip.captain_id and pledge.enlarges_id is None


def all_paid(trip_id: Any) -> bool:
    """Whether the money for every seat of the trip is in: nobody will count among those who paid that does not by now.

    Asked of the pledges, not of their payments: one that was paid this moment counts once its pledge has heard of it.
    """
    undecided = set(OCCUPYING) - {PledgeState.PAID}
    return not Pledge.objects.filter(trip_id=trip_id, state__in=undecided).exists()


@transaction.atomic
def thanked(*, trip_id: Any, now: datetime) -> None:
    """Everybody who had something to get for this trip has it; nobody looks again. Twice is once."""
    Trip.objects.filter(id=trip_id, thanked_at=None).update(thanked_at=now)


def thank_again(trip: Trip) -> None:
    """Of a locked trip that has run somebody more is known to have ridden: it is looked at once more."""
    Trip.objects.filter(id=trip.id).update(thanked_at=None)
