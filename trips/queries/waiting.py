"""The waiting list as its riders see it: which place, until when seats can still be offered, which words to agree to."""

from __future__ import annotations

from datetime import datetime

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


def words_to_agree(pledge: Pledge, now: datetime) -> Terms | None:
    """The words of this moment for seats offered from the list, if they are not those agreed to so far."""
    if pledge.state != PledgeState.DRAFT or pledge.offered_at is None:
        return None
    told = terms.terms(pledge.trip, pledge.price, now)
    return None if told.text == pledge.consent_text else told
