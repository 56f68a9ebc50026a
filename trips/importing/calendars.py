"""Schedules as calendars (.ics, RFC 5545): what leagues publish for phones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from icalendar import Component
from icalendar.error import BrokenCalendarProperty
from icalendar.timezone import tzp

from trips.importing import clocks
from trips.importing.names import fold, tidy
from trips.importing.rows import (
    NAME,
    NUMBER,
    BadFile,
    BadRow,
    FoundEvent,
    FoundVenue,
    Once,
    Problem,
    Schedule,
    Venues,
    pairing,
)

_AWAY_FIRST = re.compile(r"\s+(?:at|@)(?:\s+|$)", re.IGNORECASE)
_HOME_FIRST = re.compile(r"\s+(?:vs\.?|v\.?|versus)(?:\s+|$)", re.IGNORECASE)
#: What may stand round the names: a sign at the front, a note in brackets at the end.
_SIGNS = re.compile(r"^[^\w(]+|\s*[(\[][^)\]]*[)\]]\s*$")
_BEGIN = re.compile(r"^BEGIN:VEVENT\s*$", re.IGNORECASE)
_END = re.compile(r"^END:VEVENT\s*$", re.IGNORECASE)
_ZONE = re.compile(r";TZID=\"?([^\":;]+)", re.IGNORECASE)
_LONGEST = timedelta(hours=24)


def looks_like_one(text: str) -> bool:
    """Whether the text is a calendar rather than a table."""
    return text.lstrip().upper().startswith("BEGIN:VCALENDAR")


def read(text: str, venues: Venues) -> Schedule:
    """The events of a calendar, and what is wrong with the others. Raises `BadFile`.

    Lines of problems are those where the event begins. A time without a zone is that of the venue.
    """
    frame, blocks = _apart(text)
    try:
        calendars = _parsed(frame)  # and with it the zones that the calendar defines itself
    except BadRow as problem:
        raise BadFile(f"The calendar {problem}.") from None
    if not calendars:
        raise BadFile("The calendar cannot be read: its end is missing.")
    if not blocks:
        raise BadFile("The calendar holds no events.")
    found = Schedule(global_numbers=True)
    once = Once()
    for number, block in blocks.items():
        try:
            part = _part(block)
            uid = _uid(part)
            once.claim(uid, number, f"the UID {uid[:60]}")
            found.events.append(_event(part, uid, number, venues))
        except BadRow as problem:
            found.problems.append(Problem(number, str(problem)))
    return found


def _apart(text: str) -> tuple[str, dict[int, str]]:
    """The calendar without its events, and each event's own lines by the line it begins on: one that is broken spoils no other."""
    frame, blocks = [], {}
    lines = enumerate(text.split("\n"), start=1)
    for number, line in lines:
        if _BEGIN.match(line):
            blocks[number] = "\n".join([line, *_until_its_end(number, lines)]) + "\n"
        else:
            frame.append(line)
    return "\n".join(frame) + "\n", blocks


def _until_its_end(begun: int, lines: Iterator[tuple[int, str]]) -> Iterator[str]:
    for _number, line in lines:
        yield line
        if _END.match(line):
            return
    raise BadFile(f"The calendar cannot be read: it breaks off in the event that begins on line {begun}.")


def _part(block: str) -> Any:
    for name in _ZONE.findall(block):
        try:
            tzp.timezone(name)
        except OSError:  # it looks for a file of that name, and "America" is a folder
            raise clocks.no_zone(name) from None
    (part,) = _parsed(block)
    return part


def _parsed(text: str) -> list[Component]:
    """The outermost parts of the text. Raises `BadRow`."""
    try:
        return Component.from_ical(text, multiple=True)
    except Exception as problem:  # noqa: BLE001 - the parser raises whatever its parts raise
        # What is no complaint about a value may name our own files.
        why = f": {tidy(str(problem))[:200].rstrip('.!')}" if isinstance(problem, ValueError) else ""
        raise BadRow(f"cannot be read{why}") from None


def _uid(part: Any) -> str:
    uid = tidy(str(_only(part, "UID") or ""))
    if not uid:
        raise BadRow("the UID is missing")
    if len(uid) > NUMBER:
        raise BadRow(f"the UID has more than {NUMBER} characters")
    return uid


def _event(part: Any, uid: str, line: int, venues: Venues) -> FoundEvent:
    if part.get("RRULE") is not None or part.get("RDATE") is not None:
        raise BadRow("it repeats; list each date as an event of its own")
    name, home, away = _names(tidy(str(_only(part, "SUMMARY") or "")))
    venue = venues.named(tidy(str(_only(part, "LOCATION") or "")))
    starts_at = _moment(part, "DTSTART", venue)
    if starts_at is None:
        raise BadRow("the start (DTSTART) is missing")
    return FoundEvent(
        number=uid,
        name=name,
        home=home,
        away=away,
        starts_at=clocks.sensible(starts_at),
        ends_at=_end(part, starts_at, venue),
        venue=venue,
        cancelled=str(_only(part, "STATUS") or "").upper() == "CANCELLED",
        line=line,
    )


def _names(summary: str) -> tuple[str, str, str]:
    """Name, home and away of `Away at Home` or `Home vs Away`; any other summary is a name without teams."""
    summary = _SIGNS.sub("", summary).strip()
    if not fold(summary):
        raise BadRow("the name (SUMMARY) is missing")
    # A leading space, so that "at Packers", whose visitor is missing, is seen for what it is.
    by_at, by_vs = _AWAY_FIRST.split(f" {summary}"), _HOME_FIRST.split(f" {summary}")
    # "Packers vs Bills at Lambeau Field" tells the place as well.
    sides = [*reversed(_HOME_FIRST.split(by_at[0]))] if len(by_vs) == 2 else by_at
    if len(sides) == 2:
        away, home = (side.strip() for side in sides)
        return pairing(home, away), home, away
    if len(summary) > NAME:
        raise BadRow(f"the name has more than {NAME} characters")
    return summary, "", ""


def _moment(part: Any, prop: str, venue: FoundVenue) -> datetime | None:
    value = _only(part, prop)
    if value is None:
        return None
    moment = _value(value, prop)
    if isinstance(moment, date) and not isinstance(moment, datetime):
        raise BadRow(f"{prop} has a date but no time yet")
    if not isinstance(moment, datetime):
        raise BadRow(f"{prop} is no date with a time")
    named = str(value.params.get("TZID") or "")
    wall = moment.replace(tzinfo=None)
    if moment.tzinfo is None or (named and moment.utcoffset() is None):
        return clocks.to_utc(wall, clocks.zone(named or venue.time_zone))
    if moment.tzinfo is UTC or not named:
        return moment.astimezone(UTC)
    return clocks.to_utc(wall, moment.tzinfo)


def _end(part: Any, starts_at: datetime, venue: FoundVenue) -> datetime | None:
    """The end if the calendar tells one that can be: after the start, within a day."""
    ends_at, lasts = _moment(part, "DTEND", venue), _only(part, "DURATION")
    if ends_at is None and lasts is None:
        return None
    length = _value(lasts, "DURATION") if ends_at is None else ends_at - starts_at
    if not isinstance(length, timedelta):
        raise BadRow("DURATION is no length of time")
    if not timedelta(0) < length <= _LONGEST:
        raise BadRow("it does not end within a day after its start")
    return starts_at + length


def _only(part: Any, name: str) -> Any:
    """A property that an event has at most once (RFC 5545, 3.6.1), or `None`."""
    value = part.get(name)
    if isinstance(value, list):
        raise BadRow(f"{name} stands there more than once")
    return value


def _value(prop: Any, name: str) -> Any:
    try:
        return prop.dt
    except (AttributeError, BrokenCalendarProperty):
        raise BadRow(
            f"{name} cannot be read (“{tidy(str(prop.to_ical(), 'utf-8', 'replace'))[:40]}”)"
        ) from None
