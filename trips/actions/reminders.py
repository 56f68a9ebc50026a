"""What riders are told when its time has come."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from rally import rules
from trips import notices
from trips.locks import locked_pledges, locked_trip
from trips.states import OCCUPYING, PledgeState, TripState


@transaction.atomic
def still_needed(*, trip_id: Any, now: datetime) -> None:
    """Two weeks before departure: tell everybody in how many seats are missing. Twice is once.

    A trip proposed later than that, or with enough riders, tells nobody.
    """
    trip = locked_trip(trip_id)

    if trip.state != TripState.GATHERING or trip.told_tentative_at is not None:
        return
    trip.told_tentative_at = now
    trip.save(update_fields=["told_tentative_at"])

    proposed_before = trip.created_at <= trip.departs_at - timedelta(
        days=rules.current().tentative_notice_days_before
    )
    if trip.seats_to_go == 0 or not proposed_before:
        return
    for pledge in locked_pledges(trip, OCCUPYING):
        if pledge.state != PledgeState.DRAFT:
            notices.still_needed(pledge, now)


@transaction.atomic
def send_passes(*, trip_id: Any, now: datetime) -> None:
    """A day before departure: every rider gets the boarding passes. Twice is once.

    Not while there is no bus: with the next one, if one is found.
    """
    trip = locked_trip(trip_id)

    if trip.state != TripState.CONFIRMED or not trip.has_bus or trip.told_passes_at is not None:
        return
    trip.told_passes_at = now
    trip.save(update_fields=["told_passes_at"])

    for pledge in locked_pledges(trip, [PledgeState.PAID, PledgeState.CAPTURING]):
        notices.boarding_pass(pledge, now)
