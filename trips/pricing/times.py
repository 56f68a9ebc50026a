"""When a bus leaves, arrives and is back, and how far it drives.

All of it follows from great-circle distances and four numbers of the rules. `road_km` is the seam: a routing engine
may stand behind it without anything else changing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from rally.geo import Point, distance_km

if TYPE_CHECKING:
    from rally.rules import Rules

STEP_MINUTES = 5  #: travel times are rounded up to this


@dataclass(frozen=True, slots=True)
class StopTimes:
    """One stop of a schedule: when the bus leaves it, when it brings its riders back, whole km left to the venue."""

    departs_at: datetime
    returns_at: datetime
    km_to_venue: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """The times of a whole trip, in UTC, and what it asks of the driver."""

    departs_at: datetime
    arrives_at: datetime
    leaves_at: datetime
    returns_at: datetime
    stops: tuple[StopTimes, ...]
    distance_km: int  #: by road, one way, first stop to venue, rounded up
    drive_minutes: int  #: one way, stops included
    driving_minutes: int  #: at the wheel, both ways and both empty legs, stops not counted
    duty_minutes: int  #: from the depot to the depot


def road_km(a: Point, b: Point, rules: Rules) -> float:
    """Kilometres by road: the great circle × the road factor (1.25). A routing engine may stand here."""
    return distance_km(a, b) * rules.road_factor_percent / 100


def km_left(points: Sequence[Point], venue: Point, rules: Rules) -> list[float]:
    """For each stop the kilometres by road to the venue, along the stops that follow it."""
    legs = [road_km(a, b, rules) for a, b in pairwise([*points, venue])]
    return list(accumulate(reversed(legs)))[::-1]


def travel_minutes(km: float, stops: int, rules: Rules) -> int:
    """Minutes for `km` by road with `stops` stops on the way, rounded up to five.

    The stop where the way begins counts too: people and bags take their time wherever they get on or off.
    """
    exact = km * 60 / rules.speed_km_per_hour + stops * rules.stop_minutes
    # Six decimals of a minute: a float's dust must not cost five minutes.
    return math.ceil(round(exact / STEP_MINUTES, 6)) * STEP_MINUTES


def schedule(
    points: Sequence[Point], venue: Point, *, starts_at: datetime, ends_at: datetime, rules: Rules
) -> Schedule:
    """The times of a trip that calls at `points` in this order.

    It is at the venue `arrive_minutes_before` the start and leaves `leave_minutes_after` the expected end. The way home
    takes the same time and sets riders down in the opposite order. Raises `ValueError` without stops.
    """
    if not points:
        raise ValueError("A trip needs a stop.")
    arrives_at = starts_at - timedelta(minutes=rules.arrive_minutes_before)
    leaves_at = ends_at + timedelta(minutes=rules.leave_minutes_after)
    left = km_left(points, venue, rules)
    stops = []
    for position, km in enumerate(left):
        travel = timedelta(minutes=travel_minutes(km, len(points) - position, rules))
        stops.append(StopTimes(arrives_at - travel, leaves_at + travel, math.ceil(round(km, 6))))
    empty_minutes = travel_minutes(rules.empty_leg_km, 0, rules)
    return Schedule(
        departs_at=stops[0].departs_at,
        arrives_at=arrives_at,
        leaves_at=leaves_at,
        returns_at=stops[0].returns_at,
        stops=tuple(stops),
        distance_km=stops[0].km_to_venue,
        drive_minutes=_minutes(arrives_at - stops[0].departs_at),
        driving_minutes=2 * (travel_minutes(left[0], 0, rules) + empty_minutes),
        duty_minutes=_minutes(stops[0].returns_at - stops[0].departs_at) + 2 * empty_minutes,
    )


def decision(departs_at: datetime, *, now: datetime, rules: Rules) -> datetime:
    """When it is decided whether the trip runs: 7 days before departure.

    A trip proposed later than 9 days before decides 48 hours before.
    """
    if departs_at - now < timedelta(days=rules.short_lead_days):
        return departs_at - timedelta(hours=rules.short_lead_decide_hours_before)
    return departs_at - timedelta(days=rules.decide_days_before)


def _minutes(length: timedelta) -> int:
    return math.ceil(length.total_seconds() / 60)
