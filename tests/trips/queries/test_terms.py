"""What a rider agrees to: instrument, grace, ladder, words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rally.money import Money
from rally.rules import DEFAULTS
from tests.factories.trips import proposed
from trips.queries import terms
from trips.states import TripState

EXPECTED = """
The amount is $42 for each seat I take, there and back, fees included. It can never become more.
Rally keeps my card and charges nothing today. When 25 seats are in and a bus is bound, at the latest on Sunday 6 December, 07:45 CST, my bank is asked to hold the amount. Only if the bus is certain is it charged. If it does not run, the hold is let go and I pay nothing.
If the bus becomes certain while I am paying, the same amount is charged at once.
I can leave free of charge until the bus is certain. After that I get back: all of it until 7 days before departure as long as the other riders still pay the bus, 75% until 3 days before, 50% until 24 hours before, nothing after that; and the rest as soon as somebody else pays for the seat.
I can hand a seat to somebody else until departure. My card is used for nothing but this trip.
"""
NOON = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(("days_ahead", "hours"), [(20, 72), (12, 72), (7, 42), (2, 12), (0, 0), (-1, 0)])
def test_grace_is_a_quarter_of_the_way_at_most_72_hours(days_ahead: int, hours: int) -> None:
    assert terms.grace(NOON, NOON + timedelta(days=days_ahead), DEFAULTS) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("hours", "percent"),
    [(1000, 100), (168, 100), (167, 75), (72, 75), (71, 50), (24, 50), (23, 0), (0, 0), (-5, 0)],
)
def test_ladder(hours: int, percent: int) -> None:
    assert terms.refund_percent(terms.policy(DEFAULTS), NOON + timedelta(hours=hours), NOON) == percent


@pytest.mark.parametrize(
    ("paid", "percent", "back"), [(4200, 75, 3150), (3333, 50, 1667), (1, 50, 1), (99, 0, 0), (5, 100, 5)]
)
def test_the_odd_cent_goes_to_the_rider(paid: int, percent: int, back: int) -> None:
    assert terms.refund_of(Money(paid, "USD"), percent) == Money(back, "USD")


def test_a_hold_must_outlast_the_decision(db: None, now: datetime) -> None:
    """Decision 7 days before, grace 42 h, slack 12 h: a hold of 6 days starts 3 days 18 hours before the decision."""
    trip = proposed(now=now)
    edge = trip.decides_at - timedelta(days=3, hours=18)

    assert terms.instrument_for(trip, edge - timedelta(minutes=1)) == "saved_card"
    assert terms.instrument_for(trip, edge) == "hold"
    trip.state = TripState.SETTLING
    assert terms.instrument_for(trip, now) == "hold"
    trip.state = TripState.CONFIRMED
    assert terms.instrument_for(trip, now) == "charge"


def test_words(db: None, now: datetime) -> None:
    trip = proposed(now=now)

    words = terms.terms(trip, Money(4200, "USD"), now)

    assert words.text.split("\n") == EXPECTED.strip().split("\n")
    assert words.text == "\n".join(words.lines)


def test_a_range_of_prices(db: None, now: datetime) -> None:
    fares = [Money(4200, "USD"), Money(3600, "USD")]

    assert (
        terms.terms(proposed(now=now), fares, now)
        .lines[0]
        .startswith("The amount is the price of my stop, $36 to $42, for each")
    )
