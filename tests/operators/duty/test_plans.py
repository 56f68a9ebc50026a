"""The plan of a run, as plain numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from operators.duty.plans import Duty, Shift, load, plan
from rally.geo import Point
from rally.rules import DEFAULTS

NOON = datetime(2026, 12, 13, 12, 0, tzinfo=UTC)
MILWAUKEE, RACINE = Point(43.0389, -87.90647), Point(42.72613, -87.78285)


def duty(hours: float, driving: int = 300, begins: datetime = NOON) -> Duty:
    return Duty(begins, begins + timedelta(hours=hours), 400, 20, driving)


def test_a_bus_from_the_stop_itself_drives_no_empty_leg() -> None:
    made = plan(
        depot=MILWAUKEE,
        first_stop=MILWAUKEE,
        departs_at=NOON,
        returns_at=NOON + timedelta(hours=11),
        distance_km=200,
        rules=DEFAULTS,
    )
    assert (made.leaves_depot_at, made.empty_km, made.km) == (NOON, 0, 400)
    assert (made.driving_minutes, made.duty_minutes) == (300, 660)


def test_empty_legs_come_before_and_after() -> None:
    made = plan(
        depot=RACINE,
        first_stop=MILWAUKEE,
        departs_at=NOON,
        returns_at=NOON + timedelta(hours=11),
        distance_km=200,
        rules=DEFAULTS,
    )
    # 36 km as the crow flies are 46 by road: 35 minutes at 80 km/h.
    assert made.empty_km == 46
    assert made.leaves_depot_at == NOON - timedelta(minutes=35)
    assert made.back_at == NOON + timedelta(hours=11, minutes=35)
    assert made.driving_minutes == 300 + 70
    assert made.km == 400 + 91


def test_runs_with_eight_hours_between_them_do_not_add_up() -> None:
    done = load(duty(8), [Shift(NOON - timedelta(hours=16), NOON - timedelta(hours=8), 300)])
    assert (done.driving_minutes, done.duty_minutes) == (300, 480)


def test_runs_with_less_between_them_add_up() -> None:
    done = load(duty(6), [Shift(NOON - timedelta(hours=10), NOON - timedelta(hours=7, minutes=59), 100)])
    assert (done.driving_minutes, done.duty_minutes) == (400, 16 * 60)


def test_a_chain_of_runs_counts_as_one_stretch() -> None:
    hour = timedelta(hours=1)
    chain = [
        Shift(NOON + 9 * hour, NOON + 12 * hour, 60),  # near the run
        Shift(NOON + 19 * hour, NOON + 20 * hour, 30),  # near the one before only
        Shift(NOON + 40 * hour, NOON + 41 * hour, 600),  # far from all
    ]
    done = load(duty(2), chain)
    assert (done.driving_minutes, done.duty_minutes) == (390, 20 * 60)
