"""After a trip: credit for its captain, and for who brought a friend who paid for a seat and rode on it."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from operators.models import Boarding
from payments.actions import rounds
from payments.errors import DisputeOpen
from trips.actions import invitations, rewards
from trips.models import Seat, Trip
from trips.states import PledgeState


def thank(*, trip_id: Any, now: datetime) -> None:
    """Give what is due for a completed trip, each in a transaction of its own. Twice is once.

    Outside any transaction: nobody holds two wallets. While somebody may still pay for a seat, or a bank has the captain's
    money, a sweep comes again.
    """
    # Asked before who rode: whoever pays in between is met by the next sweep.
    all_paid = rewards.all_paid(trip_id)
    for rider_id in sorted(who_rode_on_own_seats(trip_id)):
        invitations.has_ridden(rider_id=rider_id, now=now)
    with suppress(DisputeOpen):
        rewards.reward_captain(trip_id=trip_id, rode=who_rode(trip_id), now=now)
        if all_paid:
            rewards.thanked(trip_id=trip_id, now=now)


def to_thank(*, now: datetime, limit: int = 100) -> list[UUID]:
    """The next of the trips that have run and are not thanked for yet, going round: those that wait hold up no others."""
    ran = Trip.objects.filter(state__in=rewards.RAN, thanked_at=None)
    return [trip.id for trip in rounds.following("thanks", ran, limit=limit, now=now)]


def who_rode(trip_id: Any) -> set[UUID]:
    """The people who were on the bus: whoever held a seat that was ridden."""
    return {seat.holder_id or seat.pledge.rider_id for seat in _seats_ridden(trip_id)}


def who_rode_on_own_seats(trip_id: Any) -> set[UUID]:
    """Those of them who have paid for the seat themselves. One handed over was paid by somebody else, perhaps by whoever
    would get credit for the friend who sits on it."""
    return {seat.pledge.rider_id for seat in _seats_ridden(trip_id) if seat.holder_id is None}


def _seats_ridden(trip_id: Any) -> list[Seat]:
    """The paid seats that were checked in, each with its pledge; all paid seats where the driver checked in nobody."""
    paid = Seat.objects.filter(pledge__trip_id=trip_id, pledge__state=PledgeState.PAID).select_related(
        "pledge"
    )
    aboard = set(
        Boarding.objects.filter(run__trip_id=trip_id, undone_at=None).values_list("seat_id", flat=True)
    )
    return [seat for seat in paid if not aboard or seat.id in aboard]
