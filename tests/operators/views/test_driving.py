"""The driver's phone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from operators.models import Boarding, Run
from operators.states import RunState
from rally.models import User
from tests.factories.operators import Company, ready, riders, van_trip
from trips.models import Seat
from trips.states import PledgeState

pytestmark = pytest.mark.django_db

As = Callable[..., Client]
HX = {"HX-Request": "true"}


def at(name: str, run: Run, *more: str) -> str:
    return reverse(f"driving:{name}", args=[run.code, *more])


def test_every_page_opens_for_driver_and_office(
    crew: Company, run: Run, dee: User, otto: User, as_: As
) -> None:
    for address in (at("run", run), at("scan", run)):
        assert as_(dee).get(address).status_code == 200
        assert as_(otto).get(address).status_code == 200
    assert str(run.trip) in as_(dee).get(reverse("driving:today")).content.decode()
    assert "No runs ahead" in as_(otto).get(reverse("driving:today")).content.decode()


def test_strangers_find_nothing(run: Run, max_: User, as_: As) -> None:
    seat = Seat.objects.get(name="Ana Lund")
    assert as_(max_).get(reverse("driving:today")).status_code == 404
    for who in (max_, ready().driver.user, seat.pledge.rider):
        for address in (at("run", run), at("scan", run)):
            assert as_(who).get(address).status_code == 404
        for address in (at("board", run), at("unboard", run), at("step", run, "start")):
            assert as_(who).post(address, {"seat": seat.id}).status_code == 404
    assert Client().get(at("run", run)).status_code == 302


def test_a_run_that_is_not_certain_names_nobody(crew: Company, dee: User, as_: As) -> None:
    trip = van_trip()
    run = crew.commits(trip)
    riders(trip, "Ana Lund", state=PledgeState.BACKED)
    page = as_(dee).get(at("run", run)).content.decode()
    assert "Ana" not in page
    assert "If it runs, you drive it" in page


def test_only_the_scan_page_may_run_the_reader(run: Run, dee: User, as_: As) -> None:
    assert "wasm-unsafe-eval" in as_(dee).get(at("scan", run))["Content-Security-Policy"]
    assert "wasm-unsafe-eval" not in as_(dee).get(at("run", run))["Content-Security-Policy"]


def test_a_tap_checks_in_and_undo_takes_it_back(run: Run, dee: User, as_: As, clock_at: Any) -> None:
    clock_at.move_to(run.trip.departs_at, tick=False)
    seat, browser = Seat.objects.get(name="Ana Lund"), as_(dee)
    given = {"seat": seat.id, "leg": "outbound"}
    assert browser.post(at("board", run), given).headers["Location"] == at("run", run)
    clock_at.shift(1)
    fragment = browser.post(at("board", run), given, headers=HX)
    assert fragment["Vary"].count("HX-Request") == 1
    page = fragment.content.decode()
    assert page.lstrip().startswith('<div id="day">')
    assert "already on board" in page
    assert Boarding.objects.filter(undone_at=None).count() == 1
    assert "Taken back." in browser.post(at("unboard", run), given, headers=HX).content.decode()
    assert browser.post(at("unboard", run), given).status_code == 302
    assert Boarding.objects.filter(undone_at=None).count() == 0


def test_nonsense_in_a_tap(run: Run, dee: User, as_: As, clock_at: Any) -> None:
    clock_at.move_to(run.trip.departs_at, tick=False)
    browser = as_(dee)
    assert browser.post(at("board", run), {"seat": "x"}).status_code == 404
    assert browser.post(at("unboard", run), {"seat": "x"}).status_code == 404
    assert browser.post(at("step", run, "fly")).status_code == 404
    seat = Seat.objects.get(name="Ana Lund")
    odd = browser.post(at("board", run), {"seat": seat.id, "leg": "up"}, headers=HX)
    assert "outbound or return" in odd.content.decode()
    odd = browser.post(at("unboard", run), {"seat": seat.id, "leg": "\x00"}, headers=HX)
    assert "outbound or return" in odd.content.decode()


def test_a_code_scanned_or_typed(run: Run, dee: User, as_: As, clock_at: Any) -> None:
    clock_at.move_to(run.trip.departs_at, tick=False)
    seat, browser = Seat.objects.get(name="Ana Lund"), as_(dee)

    def scan(code: str) -> str:
        return browser.post(at("board", run), {"code": code, "leg": "outbound"}, headers=HX).content.decode()

    first = scan(f"https://rally.example/pass/{seat.code}/")
    assert "Ana Lund is on board." in first
    assert "<html" not in first
    clock_at.shift(1)
    assert "already on board" in scan(seat.code)
    assert "This code is not for this bus." in scan("NOPE")
    plain = browser.post(at("board", run), {"code": "NOPE", "leg": "outbound"}, follow=True)
    assert "This code is not for this bus." in plain.content.decode()
    undone = browser.post(
        at("unboard", run), {"seat": seat.id, "leg": "outbound", "from": "scan"}, follow=True
    )
    assert undone.redirect_chain[0][0] == at("scan", run)


def test_who_is_missing_is_named_before_the_bus_leaves(run: Run, dee: User, as_: As, clock_at: Any) -> None:
    clock_at.move_to(run.trip.departs_at, tick=False)
    browser = as_(dee)
    for name in ("Ana Lund", "Ben Ito", "Cy Roe"):
        seat = Seat.objects.get(name=name)
        browser.post(at("board", run), {"seat": seat.id, "leg": "outbound"})
    browser.get(at("run", run))  # reads the messages
    asked = browser.post(at("step", run, "start")).content.decode()
    assert "One is not on board" in asked
    assert "Di Fox" in asked
    assert "Ana Lund" not in asked
    run.refresh_from_db()
    assert run.state == RunState.BOARDING
    assert browser.post(at("step", run, "start"), {"sure": "1"}).headers["Location"] == at("run", run)
    run.refresh_from_db()
    assert run.state == RunState.OUTBOUND


def test_a_whole_day_by_pressing_the_one_button(run: Run, dee: User, as_: As, clock_at: Any) -> None:
    clock_at.move_to(run.trip.departs_at, tick=False)
    browser = as_(dee)
    first, second = run.trip.stops.order_by("position")
    seats = list(Seat.objects.filter(pledge__trip=run.trip))

    def state() -> str:
        run.refresh_from_db()
        return run.state

    def aboard(leg: str) -> None:
        for seat in seats:
            browser.post(at("board", run), {"seat": seat.id, "leg": leg})

    def press(step: str, **more: str) -> None:
        assert browser.post(at("step", run, step), more).status_code == 302

    assert browser.get(at("step", run, "start")).status_code == 302
    aboard("outbound")
    press("start")
    assert escape(second.name) in browser.get(at("run", run)).content.decode()
    press("leave", stop=str(second.id))
    press("arrive")
    press("arrive")
    assert state() == RunState.AT_EVENT
    clock_at.move_to(run.trip.leaves_at, tick=False)
    assert "Way back" in browser.get(at("run", run)).content.decode()
    asked = browser.post(at("step", run, "return")).content.decode()
    assert "6 are not on board" in asked
    aboard("return")
    press("return")
    press("leave", stop=str(second.id))
    press("leave", stop=str(first.id))
    question = browser.post(at("step", run, "complete"))
    assert "Is the bus empty?" in question.content.decode()
    assert state() == RunState.RETURNING
    press("complete", sure="1")
    assert state() == RunState.COMPLETED
    assert "Done. Thank you." in browser.get(at("run", run)).content.decode()
    assert str(run.trip) in browser.get(reverse("driving:today")).content.decode()


def test_out_of_order_is_said_and_nothing_happens(run: Run, dee: User, as_: As) -> None:
    page = as_(dee).post(at("step", run, "return"), follow=True)
    assert "has not left its first stop yet" in page.content.decode()
    early = as_(dee).post(at("step", run, "start"), {"sure": "1"}, follow=True)
    assert "too early" in early.content.decode()


def test_the_list_asks_the_database_no_more_for_more_riders(
    crew: Company, run: Run, dee: User, as_: As, clock_at: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    clock_at.move_to(run.trip.departs_at - timedelta(minutes=5), tick=False)
    browser = as_(dee)
    browser.get(at("run", run))
    with CaptureQueriesContext(connection) as before:
        browser.get(at("run", run))
    riders(run.trip, "Gus", "Hal", "Ivy")
    with CaptureQueriesContext(connection) as after:
        browser.get(at("run", run))
    assert len(before) == len(after) <= 10
