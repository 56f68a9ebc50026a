"""What riders are told when its time has come, and what nobody is told twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from rally.models import Notice
from tests.factories import pledges as make
from tests.factories.trips import proposed
from trips import tasks
from trips.actions import pledges, reminders
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


def test_two_weeks_before(at: Any, now: datetime) -> None:
    trip = proposed(now=now)
    make.backed(trip, seats=2, now=now)
    tasks.remind()
    assert not Notice.objects.filter(kind="trips.still_needed").exists()

    at.move_to(trip.departs_at - timedelta(days=14))
    tasks.remind()
    tasks.remind()

    notice = Notice.objects.get(kind="trips.still_needed")
    assert notice.facts["missing"] == 23


def test_boarding_passes_a_day_before(van: Trip, at: Any, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    pledge = make.backed(van, seats=9, now=now)
    seat = pledge.passengers.first()
    pledges.hand_over(seat_id=seat.id, email="fred@test.example", name="Fred", by=pledge.rider, now=now)

    at.move_to(van.departs_at - timedelta(hours=24))
    tasks.remind()
    tasks.remind()
    late = make.backed(van, seats=1, now=van.departs_at - timedelta(hours=23))

    sent = Notice.objects.filter(kind="trips.boarding_pass")
    assert sorted(len(notice.facts["passes"]) for notice in sent) == [1, 1, 8]
    assert sent.filter(recipient=late.rider).count() == 1
