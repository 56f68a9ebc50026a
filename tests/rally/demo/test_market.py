"""The market, played once, and what a newcomer finds in it."""

from __future__ import annotations

import time as stopwatch
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from operators.models import Operator, Run
from payments.models import Payment, Transfer
from payments.queries import check_ledger
from rally import clock as time
from rally import rules
from rally.demo import cast, clock, market, play, schedule, tour
from rally.demo.scenes import End
from rally.models import Notice, User
from trips.models import Pledge, Trip

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("demo_mode")]


def test_the_market_is_believable_and_goes_on(
    client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As many seats in fewer parties: half the pay pages, and the same scenes.
    monkeypatch.setattr(play, "_PARTIES", (3, 6, 9, 10))
    said: list[str] = []
    market.load(say=said.append)

    # Nothing was left out, and every state is there to look at.
    assert [line for line in caplog.messages if "left_out" in line] == []
    states = Counter(Trip.objects.values_list("state", flat=True))
    assert set(states) == {
        "gathering", "settling", "confirmed", "under_way", "completed", "closed", "lapsed", "cancelled",
    }  # fmt: skip
    assert said[-1].startswith("25 trips: ")
    assert said[1:3] == ["The schedule.", "13 bus companies."]
    assert Operator.objects.count() == 13
    assert rules.current().provider_calls_per_second == rules.DEFAULTS.provider_calls_per_second

    # The money of it all is in order: who rode has paid, nobody else has.
    assert check_ledger() == {}
    assert not Payment.objects.filter(followed=False).exists()
    assert not Pledge.objects.filter(state="draft").exists()
    settled = Transfer.objects.filter(state="paid")
    assert {each.payment.group for each in settled} == {
        f"trip:{trip.id}" for trip in Trip.objects.filter(state="closed")
    }

    # Each of the cast has something to do.
    hero = tour.nearly_there()
    assert hero is not None
    assert (hero.captain.email, hero.seats_to_go, hero.has_bus) == ("cleo@demo.example", 1, False)
    assert tour.some_pass("ana")
    assert tour.next_run("dee") is not None
    assert not Trip.objects.filter(pledges__rider__email="max@demo.example").exists()
    client.force_login(User.objects.get(email="ana@demo.example"))
    for address in ("/", "/demo/", hero.get_absolute_url(), tour.some_pass("ana"), "/rides/", "/demo/mail/"):
        assert client.get(address).status_code == 200, address
    assert not Notice.objects.filter(state="sent", recipient__email__endswith=cast.FELLOW_DOMAIN).exists()

    # A second run finds everything there.
    before = (Trip.objects.count(), Pledge.objects.count(), time.now())
    began = stopwatch.monotonic()
    market.load(say=said.append)
    assert stopwatch.monotonic() - began < 1
    assert (Trip.objects.count(), Pledge.objects.count()) == before[:2]
    assert said[-1].startswith("25 trips: ")

    # Half a day later the choirs have sung and their bus is home; four days later it is paid.
    news = clock.forward(to=time.now() + timedelta(hours=12))
    assert any("Choirs" in line and "is back" in line for line in news), news
    news = clock.forward(to=time.now() + timedelta(days=4))
    assert any(line.startswith("Maumee Valley Coach was paid $") for line in news), news
    assert check_ledger() == {}


def test_dee_is_waited_for_and_then_helped_out(world_of_dee: Run) -> None:
    run = world_of_dee
    clock.forward(to=run.trip.returns_at + timedelta(hours=1))
    run.refresh_from_db()
    assert run.state == "confirmed"

    news = clock.forward(to=run.trip.returns_at + timedelta(hours=13))

    run.refresh_from_db()
    assert run.state == "completed"
    assert any("is back" in line for line in news)


def test_a_second_filling_that_was_interrupted_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        market, "SCENES", [scene for scene in market.SCENES if scene.end is End.GATHERING][:5]
    )
    market.load(say=lambda _line: None)
    before = set(Trip.objects.values_list("code", flat=True))
    time.move(timedelta(days=120))  # the season is over

    class Killed(BaseException):
        """No good-byes."""

    def says(line: str) -> None:
        if line.startswith("Riders join"):
            raise Killed

    with pytest.raises(Killed):
        market.load(say=says)
    rules.change(
        "provider_calls_per_second", market._AT_ONCE, now=time.now(), by=None
    )  # as after a real kill
    assert not schedule.is_played()
    market.load(say=lambda _line: None)

    assert schedule.is_played()
    assert rules.current().provider_calls_per_second == rules.DEFAULTS.provider_calls_per_second
    again = list(Trip.objects.exclude(code__in=before).values_list("event", flat=True))
    assert len(set(again)) == len(again) >= 4 < len(before)
    count = Pledge.objects.count()
    market.load(say=lambda _line: None)
    assert Pledge.objects.count() == count


@pytest.fixture
def world_of_dee(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Only the one trip that Dee drives in a few days."""
    monkeypatch.setattr(market, "SCENES", tuple(scene for scene in market.SCENES if scene.to == "cider"))
    market.load(say=lambda _line: None)
    return Run.objects.select_related("trip").get(person__email="dee@demo.example")
