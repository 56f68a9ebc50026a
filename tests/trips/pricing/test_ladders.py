"""A fare that falls: few clear steps, and a bus that is paid at every one of them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from trips.pricing import ladders

LEAST = 60

buses = some.integers(1, 80).flatmap(lambda seats: some.tuples(some.integers(1, seats), some.just(seats)))


@pytest.mark.parametrize(
    ("threshold", "capacity", "steps"),
    [
        (25, 56, [[25, 100], [33, 76], [41, 61]]),
        (40, 56, [[40, 100], [48, 84], [56, 72]]),
        (50, 56, [[50, 100], [56, 90]]),
        (14, 28, [[14, 100], [18, 78], [22, 64]]),
        (9, 14, [[9, 100], [11, 82], [13, 70], [14, 65]]),
        (54, 56, []),
        (56, 56, []),
        (1, 1, []),
    ],
)
def test_steps_of_the_usual_buses(threshold: int, capacity: int, steps: list[list[int]]) -> None:
    assert ladders.build(threshold=threshold, capacity=capacity, least_percent=LEAST) == steps


@pytest.mark.parametrize(("threshold", "capacity"), [(0, 14), (15, 14), (1, 0)])
def test_a_threshold_that_does_not_fit(threshold: int, capacity: int) -> None:
    with pytest.raises(ValueError, match="threshold"):
        ladders.build(threshold=threshold, capacity=capacity, least_percent=LEAST)


@given(bus=buses, least=some.integers(0, 100))
def test_more_seats_never_cost_more(bus: tuple[int, int], least: int) -> None:
    threshold, capacity = bus
    ladder = ladders.build(threshold=threshold, capacity=capacity, least_percent=least)

    assert ladder == [] or (ladder[0] == [threshold, 100] and len(ladder) <= ladders.STRIDES + 1)
    assert all(a[0] < b[0] and a[1] - b[1] >= ladders.LEAST_FALL for a, b in pairwise(ladder))
    assert all(seats <= capacity and percent >= max(1, least) for seats, percent in ladder[1:])
    shares = [ladders.percent_at(ladder, seats) for seats in range(capacity + 2)]
    assert shares == sorted(shares, reverse=True)
    assert all(share == 100 for share in shares[:threshold])


@given(bus=buses, least=some.integers(0, 100))
def test_a_price_is_paid_by_no_more_seats_than_made_it(bus: tuple[int, int], least: int) -> None:
    threshold, capacity = bus
    ladder = ladders.build(threshold=threshold, capacity=capacity, least_percent=least)

    for reached, percent in ladder:
        seats = ladders.seats_to_pay(ladder, percent)
        assert threshold <= seats <= reached
        assert seats * percent >= threshold * 100 > (seats - 1) * percent


@given(
    bus=buses, least=some.integers(0, 100), cost=some.integers(1, 1_000_000), unit=some.sampled_from([1, 100])
)
def test_the_bus_is_paid_at_every_number_of_seats(
    bus: tuple[int, int], least: int, cost: int, unit: int
) -> None:
    threshold, capacity = bus
    ladder = ladders.build(threshold=threshold, capacity=capacity, least_percent=least)
    cheapest = -(-cost // (threshold * unit)) * unit  # as `quotes.fares` makes it

    for seats in range(threshold, capacity + 1):
        each = ladders.price(cheapest, ladders.percent_at(ladder, seats))
        assert seats * each >= threshold * cheapest >= cost
        assert 0 < each <= cheapest


@given(fare=some.integers(1, 1_000_000), percent=some.integers(1, 100))
def test_a_price_is_rounded_up_and_never_above_the_fare(fare: int, percent: int) -> None:
    price = ladders.price(fare, percent)

    assert (price - 1) * 100 < fare * percent <= price * 100
    assert 0 < price <= fare


def test_prices_of_small_and_whole_units() -> None:
    assert ladders.price(5000, 76) == 3800
    assert ladders.price(5001, 76) == 3801
    assert ladders.price(1001, 76) == 761  # yen have no smaller unit
    assert ladders.price(1, 60) == 1


def test_the_next_step() -> None:
    ladder = [[25, 100], [33, 76], [41, 61]]

    assert ladders.next_step(ladder, 0) == (33, 76)
    assert ladders.next_step(ladder, 33) == (41, 61)
    assert ladders.next_step(ladder, 41) is None
    assert ladders.next_step(ladder, 28, below=76) == (41, 61)  # some left: what was reached stays
    assert ladders.next_step(ladder, 33, most=40) is None  # a smaller bus came
    assert ladders.next_step([], 12) is None
