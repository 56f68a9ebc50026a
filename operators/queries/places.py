"""Where a depot is: a town by what was typed, and the time zone of a point."""

from __future__ import annotations

from django.db.models.functions import Lower

from rally.geo import Point, distance_km
from trips.models import Place
from trips.queries.places import ZONE_REACH_KM, nearest


def town(typed: str) -> Place | None:
    """The town that `Green Bay, WI` or `Green Bay` names; of several the largest. None if there is none."""
    name, _, state = (part.strip().lower() for part in typed.partition(","))
    found = Place.objects.annotate(lower_name=Lower("name")).filter(lower_name=name)
    if state:
        found = found.filter(state__iexact=state)
    return found.order_by("-population").first()


def time_zone_at(point: Point) -> str | None:
    """The IANA zone of the nearest town; None where none is within reach."""
    towns = nearest(point)
    if not towns or distance_km(point, towns[0].point) > ZONE_REACH_KM:
        return None
    return towns[0].time_zone
