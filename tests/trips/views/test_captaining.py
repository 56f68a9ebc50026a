"""The captain's page: who may call a trip off and what they hear if not, and the words to send to friends."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import time_machine
from django.test import Client

from rally.models import User
from tests.factories.operators import decided
from tests.factories.trips import proposed
from tests.seeing import signed_in
from trips.models import Trip
from trips.states import TripState

pytestmark = pytest.mark.django_db


@pytest.fixture
def trip(now: datetime) -> Any:
    """A trip that gathers riders."""
    with time_machine.travel(now, tick=False):
        yield proposed(now=now)


def page(trip: Trip) -> str:
    return f"/t/{trip.code}/captain/"


def state(trip: Trip) -> str:
    return Trip.objects.get(id=trip.id).state


def test_calling_off_takes_a_tick(trip: Trip) -> None:
    answer = signed_in(trip.captain).post(page(trip), {"sure": ""})

    assert answer.status_code == 409
    assert "Please tick the box: this cannot be undone." in answer.content.decode()
    assert state(trip) == TripState.GATHERING


def test_a_captain_who_comes_too_late_is_told_so(trip: Trip) -> None:
    captain = signed_in(trip.captain)
    assert "Call it off" in captain.get(page(trip)).content.decode()
    decided(trip)  # while the captain looks at the page

    answer = captain.post(page(trip), {"sure": "on"})

    assert answer.status_code == 409
    assert "only until the cards are being checked" in answer.content.decode()
    assert state(trip) == TripState.CONFIRMED
    assert "Call it off" not in captain.get(page(trip)).content.decode()


def test_staff_call_a_certain_trip_off(trip: Trip, sam: User) -> None:
    decided(trip)
    staff = signed_in(sam)
    assert "Call it off" in staff.get(page(trip)).content.decode()

    answer = staff.post(page(trip), {"sure": "on"})

    assert (answer.status_code, answer["Location"]) == (303, trip.get_absolute_url())
    assert state(trip) == TripState.CANCELLED
    assert "Call it off" not in staff.get(page(trip)).content.decode()


def test_nobody_else_sees_it_or_calls_it_off(trip: Trip, max_: User) -> None:
    assert signed_in(max_).get(page(trip)).status_code == 404
    assert signed_in(max_).post(page(trip), {"sure": "on"}).status_code == 404
    assert Client().post(page(trip), {"sure": "on"}).status_code == 302
    assert state(trip) == TripState.GATHERING


def test_the_words_to_send_are_true_as_the_trip_stands(trip: Trip, settings: Any) -> None:
    captain = signed_in(trip.captain)
    link = f"{settings.SITE_URL}{trip.get_absolute_url()}"

    open_yet = captain.get(page(trip)).context["share_words"]
    decided(trip)
    certain = captain.get(page(trip)).context["share_words"]

    assert "We need 25 seats by Sunday 6 December" in open_yet
    assert "nobody pays unless it goes" in open_yet
    assert "the bus is certain" in certain
    assert "nobody pays" not in certain
    assert open_yet.endswith(link)
    assert certain.endswith(link)
