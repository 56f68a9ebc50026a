"""The order in which a bus best calls at its stops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rally.geo import Point
from trips.pricing.times import km_left, road_km

if TYPE_CHECKING:
    from rally.rules import Rules

#: A captain's order may be this much longer than the best one: people know roads that we do not.
SLACK_KM = 15.0
SLACK_PERCENT = 10


@dataclass(frozen=True, slots=True)
class Order:
    """The shortest order, as positions from 0 in the order given, and what the given one drives more (km, one way)."""

    best: tuple[int, ...]
    best_km: float
    extra_km: float

    @property
    def is_nonsense(self) -> bool:
        """The given order is longer than knowing better could explain."""
        return self.extra_km > max(SLACK_KM, self.best_km * SLACK_PERCENT / 100)


def shortest(points: Sequence[Point], venue: Point, rules: Rules) -> Order:
    """The order of `points` with the least road kilometres to the venue, starting anywhere.

    Exact: dynamic programming over subsets (Held and Karp), some 4,000 steps for eight stops. Of equally short orders the
    given one wins, so that nothing is proposed that gains nothing.
    """
    count = len(points)
    to_venue = [road_km(point, venue, rules) for point in points]
    between = [[road_km(a, b, rules) for b in points] for a in points]
    # best[(stops still to call at, where the bus is)] = (km to the venue, next stop)
    best: dict[tuple[int, int], tuple[float, int]] = {
        (0, here): (to_venue[here], here) for here in range(count)
    }
    for left in range(1, 1 << count):
        for here in range(count):
            if not left >> here & 1:
                best[left, here] = min(
                    (between[here][then] + best[left ^ 1 << then, then][0], then)
                    for then in range(count)
                    if left >> then & 1
                )
    everything = (1 << count) - 1
    km, here = min((best[everything ^ 1 << start, start][0], start) for start in range(count))
    given = km_left(points, venue, rules)[0]
    if given - km < 0.001:
        return Order(best=tuple(range(count)), best_km=given, extra_km=0.0)
    order, left = [here], everything ^ 1 << here
    while left:
        here = best[left, here][1]
        left ^= 1 << here
        order.append(here)
    return Order(best=tuple(order), best_km=km, extra_km=given - km)
