"""What riders are told when its time has come, and what nobody is told twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from rally.models import Notice
from tests.factories import pledges as make
from tests.factories.trips import proposed
from trips.actions import reminders
from trips.models import Trip
from trips.states import TripState, VehicleClass

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def van(at: Any, now: datetime) -> Trip:
    """A van for 14 that goes at 9, proposed in good time."""
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    Trip.objects.filter(id=trip.id).update(created_at=trip.departs_at - timedelta(days=20))
    return trip


def told(kind: str) -> list[str]:
    return sorted(Notice.objects.filter(kind=kind).values_list("recipient__email", flat=True))


def test_those_who_are_in_hear_once_what_is_missing(van: Trip, now: datetime) -> None:
    riders = [make.backed(van, seats=3, now=now).rider.email for _ in range(2)]
    make.draft(van, now=now)  # is at the checkout; nothing is certain about it

    for later in range(2):
        reminders.still_needed(trip_id=van.id, now=now + timedelta(hours=later))

    assert told("trips.still_needed") == sorted(riders)
    assert Trip.objects.get(id=van.id).told_tentative_at == now


def test_nobody_is_asked_for_more_riders_when_there_are_enough(van: Trip, now: datetime) -> None:
    make.backed(van, seats=9, now=now)

    reminders.still_needed(trip_id=van.id, now=now)

    assert told("trips.still_needed") == []


def test_passes_go_once_to_those_who_have_paid(van: Trip, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    make.backed(van, seats=2, card=make.SAVES_THEN_DECLINES, now=now)
    paid = make.backed(van, seats=9, now=now)
    make.draft(van, now=now)
    assert Trip.objects.get(id=van.id).state == TripState.CONFIRMED

    for later in range(2):
        reminders.send_passes(trip_id=van.id, now=now + timedelta(hours=later))

    assert told("trips.boarding_pass") == [paid.rider.email]
