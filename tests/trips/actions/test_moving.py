"""Trips of an event that moves."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from rally import outbox
from rally.models import Notice, User
from tests.factories import pledges as make
from tests.factories.events import venue
from tests.factories.trips import proposed, stop
from trips.actions import events
from trips.models import Event, Stop, Trip
from trips.models.events import EventState
from trips.states import TripState, VehicleClass

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)
TIMES = ("departs_at", "arrives_at", "leaves_at", "returns_at")


@pytest.fixture
def van(at: Any, now: datetime) -> Trip:
    """A van for 14 from two towns, which goes at 9."""
    return proposed(
        vehicle_class=VehicleClass.VAN, stops=[stop(), stop("West Bend", (43.4253, -88.1834))], now=now
    )


def moves(trip: Trip, now: datetime, by: timedelta = timedelta(0), **changes: Any) -> None:
    """The event moves, as staff or a feed write it."""
    game = Event.objects.get(pk=trip.event_id)
    game.starts_at += by
    game.ends_at += changes.pop("longer", timedelta(0)) + by
    for name, value in changes.items():
        setattr(game, name, value)
    events.save(event=game, now=now)


def times(trip: Trip) -> list[datetime]:
    """All times of a trip."""
    trip = Trip.objects.get(pk=trip.pk)
    stops = Stop.objects.filter(trip=trip).order_by("position").values_list("departs_at", "returns_at")
    return [*(getattr(trip, name) for name in TIMES), *(moment for pair in stops for moment in pair)]


def told(kind: str) -> set[str]:
    """Who was told so."""
    return set(Notice.objects.filter(kind=f"trips.{kind}").values_list("recipient__email", flat=True))


@pytest.mark.parametrize("by", [3 * HOUR, -3 * HOUR, timedelta(minutes=5)])
def test_a_trip_that_gathers_moves_along(van: Trip, now: datetime, by: timedelta) -> None:
    before, rider = times(van), make.backed(van, now=now).rider
    make.draft(van, now=now)  # at the checkout: nobody to write to yet

    moves(van, now, by)

    assert times(van) == [moment + by for moment in before]
    assert Trip.objects.get().decides_at == van.decides_at
    assert (told("times_moved"), told("event_moved")) == ({rider.email, van.captain.email}, set())


def test_a_captain_with_a_seat_is_told_once_for_each_change(van: Trip, now: datetime) -> None:
    make.backed(van, van.captain, now=now)

    moves(van, now, HOUR)
    moves(van, now, timedelta(0))
    assert Notice.objects.filter(kind="trips.times_moved").count() == 1

    moves(van, now + HOUR, -HOUR)
    assert Notice.objects.filter(kind="trips.times_moved").count() == 2


@pytest.mark.parametrize(
    ("by", "changes"),
    [
        (3 * HOUR + timedelta(minutes=1), {}),
        (6 * HOUR + timedelta(minutes=30), {}),  # half past midnight there
        (24 * HOUR, {}),
        (HOUR, {"longer": HOUR}),
        (timedelta(0), {"longer": HOUR}),
    ],
)
def test_a_greater_change_moves_nothing_and_is_told(
    van: Trip, now: datetime, by: timedelta, changes: dict[str, Any]
) -> None:
    before, rider = times(van), make.backed(van, now=now).rider

    moves(van, now, by, **changes)

    assert times(van) == before
    assert (told("times_moved"), told("event_moved")) == (set(), {rider.email, van.captain.email})


def test_a_little_later_may_be_the_next_day(van: Trip, now: datetime) -> None:
    late = 11 * HOUR + timedelta(minutes=30)  # from noon to half past eleven in the evening
    Event.objects.update(starts_at=van.event.starts_at + late, ends_at=van.event.ends_at + late)
    before = times(van)

    moves(van, now, HOUR)

    assert times(van) == before
    assert told("event_moved") == {van.captain.email}


def test_another_place_moves_nothing_and_is_told(van: Trip, now: datetime) -> None:
    before = times(van)

    moves(van, now, venue=venue(name="Ford Field", city="Detroit"))

    assert times(van) == before
    assert told("event_moved") == {van.captain.email}


def test_where_money_is_held_or_a_bus_is_bound_nothing_moves(at: Any, van: Trip, now: datetime) -> None:
    bound, held, deciding = (
        proposed(to=van.event, vehicle_class=VehicleClass.VAN, now=now) for _ in range(3)
    )
    make.bound(bound, seats=14, now=now)
    Trip.objects.filter(pk=held.pk).update(seats_funded=1)
    Trip.objects.filter(pk=deciding.pk).update(decides_at=now)
    before = [times(trip) for trip in (bound, held, deciding)]

    moves(van, now, HOUR)

    assert [times(trip) for trip in (bound, held, deciding)] == before
    assert told("event_moved") == {trip.captain.email for trip in (bound, held, deciding)}
    assert told("times_moved") == {van.captain.email}


def test_the_decision_stays_before_the_departure(van: Trip, now: datetime) -> None:
    Trip.objects.update(decides_at=van.departs_at - HOUR)
    before = times(van)

    moves(van, now, -HOUR)

    assert times(van) == before
    assert told("event_moved") == {van.captain.email}


@pytest.mark.parametrize("state", [TripState.LAPSED, TripState.CANCELLED, TripState.COMPLETED])
def test_what_is_over_stays_as_it_was(van: Trip, now: datetime, state: TripState) -> None:
    Trip.objects.update(state=state, decided_at=now)

    moves(van, now, HOUR)

    assert not Notice.objects.exists()


def test_a_cancelled_event_is_called_off_elsewhere(van: Trip, now: datetime) -> None:
    moves(van, now, HOUR, state=EventState.CANCELLED)

    assert not Notice.objects.exists()


def test_another_name_moves_nothing(van: Trip, now: datetime) -> None:
    moves(van, now, name="Bills at Packers")

    assert not Notice.objects.exists()


def test_staff_find_the_trips_that_were_left_behind(
    van: Trip, now: datetime, client: Client, sam: User
) -> None:
    other = proposed(to=van.event, vehicle_class=VehicleClass.VAN, now=now)
    make.bound(other, seats=14, now=now)
    moves(van, now, HOUR)
    client.force_login(sam)
    page = reverse("admin:trips_trip_changelist")

    listed = client.get(page, {"moved": "yes"}).content.decode()

    assert other.code in listed
    assert van.code not in listed
    assert van.code in client.get(page).content.decode()


@pytest.mark.parametrize("by", [HOUR, 24 * HOUR])
def test_both_mails_can_be_read(van: Trip, now: datetime, by: timedelta) -> None:
    make.backed(van, now=now)
    Notice.objects.all().delete()
    moves(van, now, by)

    for notice in Notice.objects.all():
        written = outbox.message(notice)
        html = str(written.alternatives[0][0])
        for text in (written.subject, str(written.body), html):
            assert text.strip()
            assert "None" not in text
            assert "{" not in text.split("<body")[-1]
        assert "Milwaukee Intermodal Station" in str(written.body)
