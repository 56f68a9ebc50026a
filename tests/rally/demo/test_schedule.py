"""The events of the demo."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from rally.demo import cast, scenes, schedule
from trips.models import Event, Venue

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("demo_mode")]

_IN_SEASON = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
_LONG_AFTER = datetime(2027, 3, 10, 15, 0, tzinfo=UTC)


def _games() -> list[Event]:
    return list(Event.objects.exclude(home="").select_related("venue").order_by("starts_at"))


def test_in_season_the_games_are_as_published() -> None:
    people = cast.ensure()

    assert schedule.load(now=_IN_SEASON, people=people) == schedule.moved_weeks() == 0

    packers = Event.objects.get(home="Green Bay Packers", away="Buffalo Bills")
    assert packers.starts_at == datetime(2026, 12, 14, 1, 20, tzinfo=UTC)
    assert len(_games()) == 85
    assert {game.partner.slug for game in _games() if game.partner} == {"league"}
    assert people["pat"].partners.get(slug="league").events.count() == 85
    assert not schedule.is_over(_IN_SEASON)


def test_after_the_season_they_are_moved_on_by_whole_weeks_by_the_clock_on_the_wall() -> None:
    weeks = schedule.load(now=_LONG_AFTER, people=cast.ensure())

    assert weeks == schedule.moved_weeks() == 16
    packers = Event.objects.select_related("venue").get(home="Green Bay Packers", away="Buffalo Bills")
    there = packers.starts_at.astimezone(ZoneInfo(packers.venue.time_zone))
    assert f"{there:%F %H:%M}" == "2027-04-04 19:20"
    assert _LONG_AFTER + timedelta(days=7) <= _games()[0].starts_at < _LONG_AFTER + timedelta(days=14)


def test_games_that_have_been_keep_their_dates_when_the_schedule_is_moved_on() -> None:
    people = cast.ensure()
    schedule.load(now=_IN_SEASON, people=people)
    before = {game.code: game.starts_at for game in _games()}

    assert schedule.is_over(_LONG_AFTER)
    schedule.load(now=_LONG_AFTER, people=people)

    after = {game.code: game.starts_at for game in _games()}
    assert len(after) == 170
    assert {code: after[code] for code in before} == before
    assert not schedule.is_over(_LONG_AFTER)


def test_the_festivals_are_yesterday_today_and_tomorrow() -> None:
    schedule.load(now=_IN_SEASON, people=cast.ensure())

    for one in scenes.FESTIVALS:
        event = schedule.festival(one.key)
        assert event is not None
        assert abs(event.starts_at - _IN_SEASON - timedelta(hours=one.starts_in_hours)) < timedelta(hours=14)
    today = schedule.festival("choirs")
    assert today is not None
    assert timedelta(hours=1) <= today.starts_at - _IN_SEASON <= timedelta(hours=1, minutes=15)


def test_each_venue_of_the_schedule_has_a_road_to_it() -> None:
    schedule.load(now=_IN_SEASON, people=cast.ensure())

    assert {venue.name for venue in Venue.objects.all()} - set(scenes.ROUTES) == {"Paycor Stadium"}
