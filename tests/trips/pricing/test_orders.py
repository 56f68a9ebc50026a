"""The order in which a bus best calls at its stops."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from rally.geo import Point
from rally.rules import DEFAULTS
from trips.pricing import orders
from trips.pricing.times import km_left

CHICAGO = Point(41.85003, -87.65005)
MILWAUKEE = Point(43.0389, -87.90647)
SHEBOYGAN = Point(43.75083, -87.71453)
LAMBEAU = Point(44.501389, -88.062222)

near_wisconsin = st.builds(Point, st.floats(42, 46), st.floats(-91, -86))


def test_stops_along_the_way_stay() -> None:
    order = orders.shortest([CHICAGO, MILWAUKEE, SHEBOYGAN], LAMBEAU, DEFAULTS)
    assert order.best == (0, 1, 2)
    assert order.extra_km == 0
    assert not order.is_nonsense


def test_back_and_forth_is_nonsense_and_the_better_order_is_known() -> None:
    order = orders.shortest([MILWAUKEE, CHICAGO, SHEBOYGAN], LAMBEAU, DEFAULTS)
    assert order.best == (1, 0, 2)
    assert 150 < order.extra_km < 350
    assert order.is_nonsense


def test_a_little_longer_is_left_to_those_who_know_the_roads() -> None:
    suburb = Point(43.06, -87.98)
    order = orders.shortest([suburb, MILWAUKEE], LAMBEAU, DEFAULTS)
    other = orders.shortest([MILWAUKEE, suburb], LAMBEAU, DEFAULTS)
    assert {order.extra_km == 0, other.extra_km == 0} == {True, False}
    assert not order.is_nonsense
    assert not other.is_nonsense


def test_one_stop_has_one_order() -> None:
    assert orders.shortest([CHICAGO], LAMBEAU, DEFAULTS).best == (0,)


@settings(max_examples=40, deadline=None)
@given(st.lists(near_wisconsin, min_size=1, max_size=5))
def test_no_order_is_shorter(points: list[Point]) -> None:
    order = orders.shortest(points, LAMBEAU, DEFAULTS)
    lengths = [km_left(list(some), LAMBEAU, DEFAULTS)[0] for some in permutations(points)]
    assert sorted(order.best) == list(range(len(points)))
    assert abs(km_left([points[i] for i in order.best], LAMBEAU, DEFAULTS)[0] - min(lengths)) < 0.01
    assert abs(order.best_km - min(lengths)) < 0.01
    assert abs(order.best_km + order.extra_km - lengths[0]) < 0.01


def test_eight_stops_are_quick() -> None:
    points = [Point(42 + 0.25 * (i * 5 % 8), -88 + 0.1 * i) for i in range(8)]
    assert len(orders.shortest(points, LAMBEAU, DEFAULTS).best) == 8
