"""When a bus leaves, arrives and is back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rally.geo import Point, distance_km
from rally.rules import DEFAULTS
from trips.pricing import times

MILWAUKEE = Point(43.0389, -87.90647)
SHEBOYGAN = Point(43.75083, -87.71453)
LAMBEAU = Point(44.501389, -88.062222)
KICK_OFF = datetime(2026, 12, 13, 18, 0, tzinfo=UTC)
WHISTLE = KICK_OFF + timedelta(minutes=195)


def schedule(*points: Point) -> times.Schedule:
    return times.schedule(points, LAMBEAU, starts_at=KICK_OFF, ends_at=WHISTLE, rules=DEFAULTS)


def test_a_trip_with_one_stop() -> None:
    """163.1 km × 1.25 = 203.9 km at 80 km/h are 152.9 minutes, plus 10 for the stop: 165 in steps of five."""
    there = schedule(MILWAUKEE)
    assert distance_km(MILWAUKEE, LAMBEAU) == pytest.approx(163.1, abs=0.1)
    assert there.drive_minutes == 165
    assert there.arrives_at == datetime(2026, 12, 13, 16, 30, tzinfo=UTC)
    assert there.departs_at == datetime(2026, 12, 13, 13, 45, tzinfo=UTC)
    assert there.leaves_at == datetime(2026, 12, 13, 22, 0, tzinfo=UTC)
    assert there.returns_at == datetime(2026, 12, 14, 0, 45, tzinfo=UTC)
    assert there.distance_km == 204
    assert there.stops == (times.StopTimes(there.departs_at, there.returns_at, 204),)


def test_what_it_asks_of_the_driver() -> None:
    """At the wheel 155 + 20 minutes each way (25 km from and to the depot); on duty from depot to depot."""
    there = schedule(MILWAUKEE)
    assert there.driving_minutes == 2 * (155 + 20)
    assert there.duty_minutes == 11 * 60 + 2 * 20


def test_stops_on_the_way_come_later_and_are_reached_earlier_on_the_way_home() -> None:
    first, second = schedule(MILWAUKEE, SHEBOYGAN).stops
    assert second.departs_at > first.departs_at + timedelta(minutes=10)
    assert second.returns_at < first.returns_at - timedelta(minutes=10)
    assert second.km_to_venue < first.km_to_venue


def test_the_wait_at_the_venue_is_the_same_for_all() -> None:
    for stop in schedule(MILWAUKEE, SHEBOYGAN).stops:
        assert stop.returns_at - WHISTLE - timedelta(minutes=45) == (
            KICK_OFF - timedelta(minutes=90) - stop.departs_at
        )


def test_a_trip_needs_a_stop() -> None:
    with pytest.raises(ValueError, match="needs a stop"):
        schedule()


def test_a_whole_number_of_steps_is_not_rounded_up() -> None:
    assert times.travel_minutes(80.0, 1, DEFAULTS) == 70
    assert times.travel_minutes(80.0000000001, 1, DEFAULTS) == 70
    assert times.travel_minutes(80.1, 1, DEFAULTS) == 75


@given(st.floats(0, 2000), st.integers(1, 8))
def test_travel_is_never_shorter_than_the_way_and_less_than_a_step_longer(km: float, stops: int) -> None:
    minutes = times.travel_minutes(km, stops, DEFAULTS)
    exact = km * 60 / 80 + stops * 10
    assert minutes % 5 == 0
    assert exact - 0.001 <= minutes < exact + 5.001


@pytest.mark.parametrize(
    ("lead", "before"),
    [
        (timedelta(days=30), timedelta(days=7)),
        (timedelta(days=9), timedelta(days=7)),
        (timedelta(days=9, seconds=-1), timedelta(hours=48)),
        (timedelta(hours=60), timedelta(hours=48)),
    ],
)
def test_the_decision_is_a_week_ahead_or_two_days_for_late_trips(lead: timedelta, before: timedelta) -> None:
    now = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
    assert times.decision(now + lead, now=now, rules=DEFAULTS) == now + lead - before


def test_the_rules_are_what_counts() -> None:
    slow = replace(DEFAULTS, speed_km_per_hour=40, arrive_minutes_before=30)
    there = times.schedule([MILWAUKEE], LAMBEAU, starts_at=KICK_OFF, ends_at=WHISTLE, rules=slow)
    assert there.arrives_at == KICK_OFF - timedelta(minutes=30)
    assert there.drive_minutes == 320
