"""Places: found by name with typing mistakes, by nearness, and the zone and town a point belongs to."""

from __future__ import annotations

from rally.geo import Point, distance_km
from trips.models import Place
from trips.queries.earth import gap

#: Beyond this no town says what time it is somewhere; then the venue's zone is taken.
ZONE_REACH_KM = 200
#: A town this near lends its name to a trip.
TOWN_REACH_KM = 60
_NEIGHBOURS = 5


def nearest(point: Point, *, most: int = 1) -> list[Place]:
    """The towns nearest to `point`, nearest first. One index scan, however many towns there are."""
    return list(Place.objects.annotate(gap=gap(point)).order_by("gap")[:most])


def zone_and_town(point: Point, name: str, *, otherwise_zone: str) -> tuple[str, str]:
    """The IANA zone of a stop, and the town to name it by.

    The zone is that of the nearest town of the gazetteer (which lists each town's own), or `otherwise_zone` where no town is
    within 200 km. The town is the neighbour whose name stands in the stop's name, else the nearest; where none is
    near, the stop's own name.
    """
    near = nearest(point, most=_NEIGHBOURS)
    if not near or distance_km(point, near[0].point) > ZONE_REACH_KM:
        return otherwise_zone, name
    neighbours = [place for place in near if distance_km(point, place.point) <= TOWN_REACH_KM]
    named = [place for place in neighbours if place.name.casefold() in name.casefold()]
    town = max(named, key=lambda place: len(place.name)) if named else next(iter(neighbours), None)
    return near[0].time_zone, town.name if town else name
