"""What a bus costs and what a seat costs, with the parts that say why.

The promise behind every fare: once as many seats are paid as the threshold says, the bus and our part are paid, whichever
stops the riders come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from rally.geo import Point
from rally.money import MINOR_PER_MAJOR, Money
from trips.pricing import orders, times
from trips.pricing.orders import Order
from trips.pricing.times import Schedule

if TYPE_CHECKING:
    from rally.rules import Rules


@dataclass(frozen=True, slots=True)
class Cost:
    """What the bus costs for the whole trip, and what comes on top for the platform."""

    call_out: Money
    distance: Money
    duty: Money
    platform: Money
    km: int  #: there, back and both empty legs
    duty_minutes: int

    @property
    def bus(self) -> Money:
        """What the operator is due."""
        return self.call_out + self.distance + self.duty

    @property
    def total(self) -> Money:
        """What the riders must bring together."""
        return self.bus + self.platform

    def parts(self) -> dict[str, int]:
        """The four parts in minor units, as they are kept with the trip."""
        return {
            "call_out": self.call_out.minor,
            "distance": self.distance.minor,
            "duty": self.duty.minor,
            "platform": self.platform.minor,
        }


@dataclass(frozen=True, slots=True)
class Quote:
    """A trip worked out before anything is saved: times, cost, one fare per stop, and whether a driver may do it."""

    vehicle_class: str
    seats: int
    threshold: int
    schedule: Schedule
    decides_at: datetime
    cost: Cost
    fares: tuple[Money, ...]
    order: Order
    platform_percent: int
    too_much_driving: bool
    too_long_on_duty: bool

    @property
    def lowest_fare(self) -> Money:
        """The fare of the nearest stop."""
        return min(self.fares)


def threshold_range(seats: int, rules: Rules) -> tuple[int, int]:
    """The least and the most a captain may set as the minimum: 40 % of the seats, rounded up, to all of them."""
    return max(1, ceil(Fraction(seats * rules.threshold_floor_percent, 100))), seats


def cost(vehicle_class: str, schedule: Schedule, *, currency: str, rules: Rules) -> Cost:
    """The cost of the bus: call-out, kilometres (there, back, empty legs) and hours of duty; cents rounded up.

    The rates are `<class>_call_out`, `<class>_per_km` and `<class>_per_hour` of the rules.
    """
    km = 2 * schedule.distance_km + 2 * rules.empty_leg_km
    call_out: int = getattr(rules, f"{vehicle_class}_call_out")
    distance = km * _per_km(vehicle_class, rules)
    duty = ceil(Fraction(schedule.duty_minutes * getattr(rules, f"{vehicle_class}_per_hour"), 60))
    platform = ceil(Fraction((call_out + distance + duty) * rules.platform_percent, 100))
    return Cost(
        call_out=Money(call_out, currency),
        distance=Money(distance, currency),
        duty=Money(duty, currency),
        platform=Money(platform, currency),
        km=km,
        duty_minutes=schedule.duty_minutes,
    )


def fares(
    vehicle_class: str, schedule: Schedule, cost: Cost, *, threshold: int, rules: Rules
) -> tuple[Money, ...]:
    """One seat from each stop, there and back, in whole currency units rounded up.

    The nearest stop's fare is the whole cost over the threshold. Each stop farther out adds its own kilometres, there and
    back, at the bus's rate per kilometre with our percentage, over the threshold. So no fare is below the nearest stop's.
    """
    currency = cost.total.currency
    nearest = min(stop.km_to_venue for stop in schedule.stops)
    base = Fraction(cost.total.minor, threshold)
    per_km = Fraction(2 * _per_km(vehicle_class, rules) * (100 + rules.platform_percent), 100 * threshold)
    unit = MINOR_PER_MAJOR[currency]
    return tuple(
        Money(max(1, ceil((base + (stop.km_to_venue - nearest) * per_km) / unit)) * unit, currency)
        for stop in schedule.stops
    )


def quote(
    *,
    vehicle_class: str,
    seats: int,
    threshold: int,
    points: Sequence[Point],
    venue: Point,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
    rules: Rules,
    currency: str = "USD",
) -> Quote:
    """Work out a trip. Judges nothing: what is refused, and in which words, is for the caller.

    Raises `ValueError` without stops or for a threshold below 1.
    """
    if threshold < 1:
        raise ValueError("The threshold is at least one seat.")
    schedule = times.schedule(points, venue, starts_at=starts_at, ends_at=ends_at, rules=rules)
    price = cost(vehicle_class, schedule, currency=currency, rules=rules)
    return Quote(
        vehicle_class=vehicle_class,
        seats=seats,
        threshold=threshold,
        schedule=schedule,
        decides_at=times.decision(schedule.departs_at, now=now, rules=rules),
        cost=price,
        fares=fares(vehicle_class, schedule, price, threshold=threshold, rules=rules),
        order=orders.shortest(points, venue, rules),
        platform_percent=rules.platform_percent,
        too_much_driving=schedule.driving_minutes > rules.max_driving_minutes,
        too_long_on_duty=schedule.duty_minutes > rules.max_duty_minutes,
    )


def _per_km(vehicle_class: str, rules: Rules) -> int:
    rate: int = getattr(rules, f"{vehicle_class}_per_km")
    return rate
