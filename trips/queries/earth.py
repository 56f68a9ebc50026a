"""Nearness as the database reckons it: the expressions of the earthdistance extension, by which its indexes work."""

from __future__ import annotations

import math

from django.db.models import BooleanField, F, Field, FloatField, Func, Value
from django.db.models.expressions import Expression

from rally.geo import EARTH_RADIUS_KM, Point
from trips.models.fields import Earth

#: The globe of earthdistance has this radius, in metres; ours is the mean one. Angles are what both agree on.
_GLOBE_M = 6_378_168.0


class Gap(Func):
    """The straight line through the globe between two points, in metres of earthdistance: to sort by, on an index."""

    template = "(%(expressions)s)"
    arg_joiner = " <-> "
    output_field = FloatField()


def here(point: Point) -> Func:
    """The point as the indexes know it."""
    return Earth(
        Value(point.latitude, output_field=FloatField()), Value(point.longitude, output_field=FloatField())
    )


def gap(point: Point, prefix: str = "") -> Expression:
    """How far the row at `prefix` (such as `venue__`) is from `point`, growing as the distance grows."""
    return Gap(Earth(F(f"{prefix}latitude"), F(f"{prefix}longitude")), here(point))


def gap_of(km: float) -> float:
    """The gap that belongs to a distance along the ground: the chord of the arc. Half round the globe is the most."""
    return 2 * _GLOBE_M * math.sin(min(km / EARTH_RADIUS_KM, math.pi) / 2)


def inside(point: Point, km: float, prefix: str = "") -> Func:
    """A condition for `filter`: in the box round `point` that holds everything within `km`. Corners are farther."""
    box = Func(here(point), Value(gap_of(km)), Value(3), function="cube_enlarge", output_field=Field())
    return Func(
        box,
        Earth(F(f"{prefix}latitude"), F(f"{prefix}longitude")),
        template="(%(expressions)s)",
        arg_joiner=" @> ",
        output_field=BooleanField(),
    )
