"""What a bus costs and what a seat costs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rally.geo import Point
from rally.money import Money
from rally.rules import DEFAULTS, Rules
from trips.pricing import quotes
from trips.pricing.quotes import Quote

MILWAUKEE = Point(43.0389, -87.90647)
CHICAGO = Point(41.85003, -87.65005)
DES_PLAINES = Point(41.95, -87.9)
SEATTLE = Point(47.60621, -122.33207)
LAMBEAU = Point(44.501389, -88.062222)
KICK_OFF = datetime(2026, 12, 13, 18, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
SEATS = {"coach": 56, "mini": 28, "van": 14}

points_near = st.lists(st.builds(Point, st.floats(42.5, 44.2), st.floats(-90, -87)), min_size=1, max_size=8)


def quote(
    *points: Point,
    vehicle_class: str = "coach",
    threshold: int = 25,
    rules: Rules = DEFAULTS,
    currency: str = "USD",
) -> Quote:
    return quotes.quote(
        vehicle_class=vehicle_class,
        seats=SEATS[vehicle_class],
        threshold=threshold,
        points=points,
        venue=LAMBEAU,
        starts_at=KICK_OFF,
        ends_at=KICK_OFF + timedelta(minutes=195),
        now=NOW,
        rules=rules,
        currency=currency,
    )


def test_the_cost_has_its_parts() -> None:
    """Call-out 250; 2 × 204 + 2 × 25 km at 1.30; 11 h 40 of duty at 65; 12 % on top."""
    cost = quote(MILWAUKEE).cost
    assert cost.km == 458
    assert cost.duty_minutes == 700
    assert cost.parts() == {"call_out": 25_000, "distance": 59_540, "duty": 75_834, "platform": 19_245}
    assert cost.bus == Money(160_374, "USD")
    assert cost.total == Money(179_619, "USD")


def test_the_nearest_stop_pays_the_bus_at_the_threshold_in_whole_dollars() -> None:
    """1,796.19 over 25 seats is 71.85: 72 dollars."""
    assert quote(MILWAUKEE).fares == (Money(7_200, "USD"),)
    assert quote(MILWAUKEE).lowest_fare == Money(7_200, "USD")


def test_a_higher_threshold_lowers_the_fare() -> None:
    assert quote(MILWAUKEE, threshold=40).fares == (Money(4_500, "USD"),)


def test_farther_stops_add_their_kilometres() -> None:
    """Chicago is farther by d km: 2 × d × 1.30 × 1.12 / 25 on top of the nearest stop's share."""
    both = quote(CHICAGO, MILWAUKEE)
    far, near = both.fares
    extra = both.schedule.stops[0].km_to_venue - both.schedule.stops[1].km_to_venue
    assert near.minor == -(-both.cost.total.minor // 2500) * 100
    assert 0 <= far.minor - both.cost.total.minor / 25 - extra * 2 * 130 * 1.12 / 25 < 100


def test_a_currency_without_cents_is_rounded_to_its_own_units() -> None:
    assert quote(MILWAUKEE, currency="JPY").fares == (Money(7_185, "JPY"),)


@pytest.mark.parametrize(("seats", "least"), [(56, 23), (28, 12), (14, 6), (1, 1)])
def test_the_threshold_is_never_below_40_percent_of_the_seats(seats: int, least: int) -> None:
    assert quotes.threshold_range(seats, DEFAULTS) == (least, seats)


def test_driving_hours() -> None:
    assert not quote(MILWAUKEE).too_much_driving
    assert not quote(MILWAUKEE).too_long_on_duty
    assert quote(SEATTLE).too_much_driving
    assert quote(SEATTLE).too_long_on_duty
    # 9 h 40 at the wheel would do, but with the game it is a day of 15 h 40.
    far = quote(DES_PLAINES)
    assert (far.schedule.driving_minutes, far.too_much_driving) == (580, False)
    assert (far.schedule.duty_minutes, far.too_long_on_duty) == (930, True)


def test_a_threshold_of_nobody_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="at least one seat"):
        quote(MILWAUKEE, threshold=0)


@settings(max_examples=150, deadline=None)
@given(
    data=st.data(),
    points=points_near,
    vehicle_class=st.sampled_from(sorted(SEATS)),
    percent=st.integers(0, 40),
)
def test_seats_held_at_the_threshold_always_pay_the_bus(
    data: st.DataObject, points: list[Point], vehicle_class: str, percent: int
) -> None:
    """Whoever boards where: from the threshold on, the operator's share covers the bus."""
    rules = replace(DEFAULTS, platform_percent=percent)
    least, most = quotes.threshold_range(SEATS[vehicle_class], rules)
    threshold = data.draw(st.integers(least, most))
    worked_out = quote(*points, vehicle_class=vehicle_class, threshold=threshold, rules=rules)
    riders = data.draw(st.lists(st.sampled_from(worked_out.fares), min_size=threshold, max_size=most))
    held = sum(fare.minor for fare in riders)
    assert held >= worked_out.cost.total.minor
    assert held * 100 // (100 + percent) >= worked_out.cost.bus.minor
    assert all(fare.minor % 100 == 0 for fare in worked_out.fares)
    assert list(worked_out.fares) == sorted(worked_out.fares, key=lambda fare: -fare.minor)
