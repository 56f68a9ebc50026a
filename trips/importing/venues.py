"""Files of venues: `name,city,state,latitude,longitude,time_zone,capacity`."""

from __future__ import annotations

from rally.geo import Point
from trips.importing import clocks, files
from trips.importing.files import Line
from trips.importing.rows import BadRow, FoundVenue, Once, Problem, Venues

_COLUMNS = {
    "name": ("name", "venue", "stadium", "location"),
    "city": ("city", "town"),
    "state": ("state", "region", "province", "country"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon", "lng", "long"),
    "time_zone": ("time zone", "timezone", "tz", "zone"),
    "capacity": ("capacity", "seats"),
}
_NEEDED = {
    "name": "name",
    "city": "city",
    "latitude": "latitude",
    "longitude": "longitude",
    "time_zone": "time_zone",
}
_LENGTHS = {"name": 120, "city": 80, "state": 60}
_MOST_SEATS = 1_000_000


def read(text: str) -> Venues:
    """The venues of a file, and what is wrong with its other rows. Raises `BadFile`."""
    found = Venues()
    once = Once()
    for line in files.table(text, _COLUMNS, _NEEDED):
        try:
            venue = _venue(line)
            once.claim(venue.key, line.number, f"“{venue.name}” in {venue.city}")
        except BadRow as problem:
            found.problems.append(Problem(line.number, str(problem)))
        else:
            found.known.append(venue)
    return found


def _venue(line: Line) -> FoundVenue:
    for column, most in _LENGTHS.items():
        if len(line.cells.get(column, "")) > most:
            raise BadRow(f"the {column} has more than {most} characters")
    name, city = line.need("name", "name"), line.need("city", "city")
    latitude, longitude = _degrees(line, "latitude"), _degrees(line, "longitude")
    try:
        Point(latitude, longitude)
    except ValueError as problem:
        raise BadRow(f"the place {latitude}, {longitude} is not on the earth: {problem}") from None
    zone = line.need("time_zone", "time zone")
    clocks.zone(zone)
    return FoundVenue(
        name,
        city,
        line.cells.get("state", ""),
        latitude,
        longitude,
        zone,
        _capacity(line.cells.get("capacity", "")),
    )


def _degrees(line: Line, column: str) -> float:
    written = line.need(column, column)
    try:
        return float(written)
    except ValueError:
        raise BadRow(f"the {column} “{written[:40]}” is no number of degrees") from None


def _capacity(written: str) -> int | None:
    if not written:
        return None
    if not (written.isascii() and written.isdigit()) or len(written) > 7 or int(written) > _MOST_SEATS:
        raise BadRow(f"the capacity “{written[:40]}” is no number of seats")
    return int(written)
