"""What a file yields: events, venues, and what is wrong with the other rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from trips.importing.names import closest, fold

TEAM, NAME, NUMBER = 78, 160, 200  #: characters that fit: two teams and " at " make a name
#: Teams that stand for "we do not know yet".
_NOBODY = {"tbd", "tbc", "tba", "to be announced", "to be confirmed", "to be decided", "n a", "unknown"}


class BadRow(ValueError):
    """This row cannot be taken; the message says why."""


class BadFile(ValueError):
    """The file as a whole cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row was left out. `line` counts from 1."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class Once:
    """What must not stand twice in one file."""

    def __init__(self) -> None:
        self._lines: dict[object, int] = {}

    def claim(self, key: object, line: int, called: str) -> None:
        """The first line with this key. Raises `BadRow` for every later one."""
        if key in self._lines:
            raise BadRow(f"{called} stands on line {self._lines[key]} already")
        self._lines[key] = line


@dataclass(frozen=True, slots=True)
class FoundVenue:
    """One row of a file of venues. Degrees, WGS 84; IANA zone."""

    name: str
    city: str
    state: str
    latitude: float
    longitude: float
    time_zone: str
    capacity: int | None = None

    @property
    def key(self) -> str:
        """What tells venues apart: there may be two Memorial Stadiums."""
        return f"{fold(self.name)}|{fold(self.city)}"


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """One event of a schedule. `number` is its number or UID there; times are UTC; `ends_at` None if not told."""

    number: str
    name: str
    home: str
    away: str
    starts_at: datetime
    ends_at: datetime | None
    venue: FoundVenue
    cancelled: bool
    line: int


def pairing(home: str, away: str) -> str:
    """`Away at Home`, if these are two teams. Raises `BadRow`."""
    for side, team in (("home", home), ("away", away)):
        if not team:
            raise BadRow(f"the {side} team is missing")
        # What has no letter and no digit is no name; and nobody could search for it.
        if fold(team) in _NOBODY or not fold(team):
            raise BadRow(f"the {side} team is not known yet (“{team[:40]}”)")
        if len(team) > TEAM:
            raise BadRow(f"the {side} team has more than {TEAM} characters")
    if fold(home) == fold(away):
        raise BadRow(f"“{home}” cannot play itself")
    return f"{away} at {home}"


@dataclass(slots=True)
class Schedule:
    """What a schedule yields. `global_numbers`: its numbers are unique in the world (UIDs of a calendar)."""

    events: list[FoundEvent] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    global_numbers: bool = False


@dataclass(slots=True)
class Venues:
    """Venues by what people call them."""

    known: list[FoundVenue] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def named(self, written: str) -> FoundVenue:
        """The venue that is written so: its name, or its name and city. Raises `BadRow`, with the nearest name."""
        wanted = fold(written)
        if not wanted:
            raise BadRow("the venue is missing")
        whole = [venue for venue in self.known if _fits(venue, wanted)]
        # Calendars write "Lambeau Field, 1265 Lombardi Avenue, Green Bay": the name stands before the first comma.
        found = whole or self._before_comma(written)
        if len(found) == 1:
            return found[0]
        if found:
            cities = " and ".join(venue.city for venue in found)
            raise BadRow(f"there are venues named “{found[0].name}” in {cities}; write the city too")
        meant = closest(written, (venue.name for venue in self.known))
        raise BadRow(f"unknown venue “{written[:80]}”" + (f"; did you mean “{meant}”?" if meant else ""))

    def _before_comma(self, written: str) -> list[FoundVenue]:
        name, comma, rest = written.partition(",")
        named = [venue for venue in self.known if comma and fold(venue.name) == fold(name)]
        in_city = [venue for venue in named if fold(venue.city) in fold(rest)]
        return in_city or named


def _fits(venue: FoundVenue, wanted: str) -> bool:
    return wanted in (
        fold(venue.name),
        fold(venue.name, venue.city),
        fold(venue.name, venue.city, venue.state),
    )


def merged(*lists: Iterable[FoundVenue]) -> list[FoundVenue]:
    """Venues of several lists, each once; earlier lists win."""
    by_key: dict[str, FoundVenue] = {}
    for venues in lists:
        for venue in venues:
            by_key.setdefault(venue.key, venue)
    return list(by_key.values())
