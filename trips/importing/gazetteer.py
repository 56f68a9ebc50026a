"""The gazetteer: `us-places.csv`, towns with their zone."""

from __future__ import annotations

from dataclasses import dataclass

from rally.geo import Point
from trips.importing import clocks, files
from trips.importing.rows import BadRow, Problem

_COLUMNS = {
    name: (name.replace("_", " "),) for name in ("id", "name", "state", "slug", "latitude", "longitude")
} | {
    "population": ("population",),
    "time_zone": ("time zone", "timezone"),
}
_NEEDED = {name: name for name in _COLUMNS}


@dataclass(frozen=True, slots=True)
class FoundPlace:
    """A town of the gazetteer; `id` is its number at GeoNames."""

    id: int
    name: str
    state: str
    slug: str
    latitude: float
    longitude: float
    population: int
    time_zone: str


def read(text: str) -> tuple[list[FoundPlace], list[Problem]]:
    """The towns of a file, and what is wrong with its other rows. Raises `BadFile`."""
    found: dict[int, FoundPlace] = {}
    problems = []
    for line in files.table(text, _COLUMNS, _NEEDED):
        cells = line.cells
        try:
            clocks.zone(cells["time_zone"])
            place = FoundPlace(
                int(cells["id"]),
                line.need("name", "name"),
                cells["state"],
                line.need("slug", "slug"),
                float(cells["latitude"]),
                float(cells["longitude"]),
                int(cells["population"]),
                cells["time_zone"],
            )
            Point(place.latitude, place.longitude)
            if place.id in found:
                raise BadRow(f"id {place.id} stands there twice")
        except ValueError as problem:
            problems.append(Problem(line.number, str(problem)))
        else:
            found[place.id] = place
    return list(found.values()), problems
