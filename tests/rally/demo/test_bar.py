"""The bar knows which trip a page is about, so that "to the decision" and the clock's zone are those of this trip."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from django.urls import resolve, reverse

from operators.models import Run
from rally.demo import bar, cast, clock
from rally.demo.clock import ZONE
from tests.factories.operators import confirmed_run, van_trip
from trips.models import Seat, Stop

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("demo_mode")]

NONE = ("", ZONE)


@pytest.fixture
def run() -> Run:
    """A run of a trip that starts in another zone than the demo; another trip is there as well."""
    van_trip()
    found = confirmed_run()
    Stop.objects.filter(trip=found.trip, position=1).update(time_zone="America/Detroit")
    return found


def bar_of(address: str) -> dict[str, Any]:
    """What the bar is given on the page at this address."""
    request = RequestFactory().get(address)
    request.user = AnonymousUser()
    request.resolver_match = resolve(address)
    return bar.context(request)


def trip_of(address: str) -> tuple[str, str]:
    told = bar_of(address)
    return told["trip"], told["zone"]


@pytest.mark.parametrize("page", sorted(bar._TRIP_PAGES))
def test_pages_of_a_trip(run: Run, page: str) -> None:
    assert trip_of(reverse(page, args=[run.trip.code])) == (run.trip.code, "America/Detroit")
    assert trip_of(reverse(page, args=["NOSUCH"])) == NONE


@pytest.mark.parametrize("page", sorted(bar._PLEDGE_PAGES))
def test_pages_of_a_pledge(run: Run, page: str) -> None:
    pledge = run.trip.pledges.first()
    assert pledge

    assert trip_of(reverse(page, args=[pledge.code])) == (run.trip.code, "America/Detroit")
    assert trip_of(reverse(page, args=[run.trip.code])) == NONE


@pytest.mark.parametrize("page", sorted(bar._RUN_PAGES))
def test_pages_of_a_run(run: Run, page: str) -> None:
    assert trip_of(reverse(page, args=[run.code])) == (run.trip.code, "America/Detroit")


def test_an_address_typed_by_hand(run: Run) -> None:
    typed = f"{run.trip.code[:3]}-{run.trip.code[3:]}".lower()

    assert trip_of(reverse("trips:trip", args=[typed])) == (run.trip.code, "America/Detroit")
    assert trip_of(reverse("driving:run", args=[run.code.lower()]))[0] == run.trip.code
    assert clock.when("departure", trip=typed) == run.trip.departs_at


def test_the_page_of_a_pass(run: Run) -> None:
    seat = Seat.objects.filter(pledge__trip=run.trip).first()
    assert seat

    assert trip_of(seat.get_absolute_url()) == (run.trip.code, "America/Detroit")


@pytest.mark.parametrize("page", ["trips:home", "trips:rides", "demo_tour"])
def test_other_pages_are_about_no_trip(run: Run, page: str) -> None:
    assert trip_of(reverse(page)) == NONE


def test_an_event_has_a_code_too_but_is_no_trip(run: Run) -> None:
    assert trip_of(reverse("trips:propose", args=[run.trip.code])) == NONE


def test_the_bar_of_a_page_that_is_not_there() -> None:
    told = bar.context(RequestFactory().get("/nowhere/"))  # no address, no session, nobody signed in

    assert (told["trip"], told["zone"], told["news"], told["persona"], told["home"]) == (*NONE, [], "", "")


@pytest.mark.parametrize("persona", cast.CAST, ids=lambda persona: persona.key)
def test_everybody_of_the_cast_has_a_page_to_begin_on(persona: cast.Persona) -> None:
    request = RequestFactory().get("/")
    request.user = cast.ensure()[persona.key]

    told = bar.context(request)

    assert told["persona"] == persona.key
    assert told["home"] == reverse(persona.home)
