"""The plan of a run as plain numbers: empty legs, period, hours. No table is read here."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rally.geo import Point
from trips.pricing.times import road_km, travel_minutes

if TYPE_CHECKING:
    from rally.rules import Rules

#: Off duty for so long, a driver starts afresh: 8 consecutive hours, 49 CFR 395.5(a).
REST = timedelta(hours=8)


@dataclass(frozen=True, slots=True)
class Duty:
    """One run from leaving the depot to being back there. Times in UTC, distances in whole kilometres by road."""

    leaves_depot_at: datetime
    back_at: datetime
    km: int  #: there, back, and both empty legs
    empty_km: int  #: from the depot to the first stop, one way
    driving_minutes: int  #: at the wheel, both ways and both empty legs

    @property
    def duty_minutes(self) -> int:
        """From the depot to the depot. Waiting at the event counts: the driver stands by."""
        return math.ceil((self.back_at - self.leaves_depot_at).total_seconds() / 60)


@dataclass(frozen=True, slots=True)
class Shift:
    """What a driver has to do elsewhere."""

    begins_at: datetime
    ends_at: datetime
    driving_minutes: int


@dataclass(frozen=True, slots=True)
class Load:
    """What a driver does between two rests, all runs together."""

    driving_minutes: int
    duty_minutes: int


def plan(
    *,
    depot: Point,
    first_stop: Point,
    departs_at: datetime,
    returns_at: datetime,
    distance_km: int,
    rules: Rules,
) -> Duty:
    """The plan of a trip for a bus from `depot`: the trip's own times with an empty leg before and after.

    `distance_km` is the trip's way by road, one way. Travel times are those of `trips.pricing.times`.
    """
    empty_km = road_km(depot, first_stop, rules)
    empty = timedelta(minutes=travel_minutes(empty_km, 0, rules))
    way = travel_minutes(distance_km, 0, rules)
    return Duty(
        leaves_depot_at=departs_at - empty,
        back_at=returns_at + empty,
        km=2 * distance_km + math.ceil(2 * empty_km),
        empty_km=math.ceil(empty_km),
        driving_minutes=2 * way + 2 * int(empty.total_seconds() // 60),
    )


def load(duty: Duty, others: Iterable[Shift]) -> Load:
    """Driving and duty of the whole stretch in which `duty` falls.

    Shifts that are less than 8 hours apart belong to one stretch. Duty is counted from the first leaving to the last
    coming back: a break of less than 8 hours does not stop it.
    """
    begins_at, ends_at, driving = duty.leaves_depot_at, duty.back_at, duty.driving_minutes
    left = sorted(others, key=lambda shift: shift.begins_at)
    while near := [s for s in left if s.begins_at < ends_at + REST and s.ends_at > begins_at - REST]:
        left = [shift for shift in left if shift not in near]
        driving += sum(shift.driving_minutes for shift in near)
        begins_at = min(begins_at, *(shift.begins_at for shift in near))
        ends_at = max(ends_at, *(shift.ends_at for shift in near))
    return Load(driving, math.ceil((ends_at - begins_at).total_seconds() / 60))
