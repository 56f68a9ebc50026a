"""Schedules as tables: a number, a date in UTC, where, who at home, who away."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from trips.importing import clocks, files
from trips.importing.files import Line
from trips.importing.rows import NUMBER, BadRow, FoundEvent, Once, Problem, Schedule, Venues, pairing

_COLUMNS = {
    "number": (
        "match number",
        "match no",
        "match id",
        "match",
        "game number",
        "game id",
        "game",
        "number",
        "no",
        "id",
    ),
    "date": ("date", "date utc", "start", "start utc", "kick off", "kickoff", "datetime", "date time"),
    "time": ("time", "time utc", "start time", "kick off time"),
    "location": ("location", "venue", "stadium", "ground", "arena"),
    "home": ("home team", "home"),
    "away": ("away team", "away", "visiting team", "visitor", "visitors"),
}
_NEEDED = {
    "number": "Match Number",
    "date": "Date",
    "location": "Location",
    "home": "Home Team",
    "away": "Away Team",
}
_DAY_FIRST = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})[ T](\d{1,2}):(\d{2})(?::(\d{2}))?")


def read(text: str, venues: Venues) -> Schedule:
    """The events of a table, and what is wrong with its other rows. Raises `BadFile`.

    Dates are `dd/mm/yyyy hh:mm` in UTC, or ISO 8601 (with an offset, or in UTC). Of two rows with one number the first counts.
    """
    found = Schedule()
    once = Once()
    for line in files.table(text, _COLUMNS, _NEEDED):
        try:
            number = _number(line)
            once.claim(number, line.number, f"number {number}")
            found.events.append(_event(line, number, venues))
        except BadRow as problem:
            found.problems.append(Problem(line.number, str(problem)))
    return found


def _number(line: Line) -> str:
    number = line.need("number", "match number")
    if len(number) > NUMBER:
        raise BadRow(f"the match number has more than {NUMBER} characters")
    return number


def _event(line: Line, number: str, venues: Venues) -> FoundEvent:
    home, away = line.cells["home"], line.cells["away"]
    return FoundEvent(
        number=number,
        name=pairing(home, away),
        home=home,
        away=away,
        starts_at=_moment(" ".join(filter(None, [line.need("date", "date"), line.cells.get("time", "")]))),
        ends_at=None,
        venue=venues.named(line.cells["location"]),
        cancelled=False,
        line=line.number,
    )


def _moment(written: str) -> datetime:
    day_first = _DAY_FIRST.fullmatch(written)
    try:
        if day_first:
            day, month, year, hour, minute, second = (int(part or 0) for part in day_first.groups())
            moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        else:
            if "-" not in written or ":" not in written:
                raise BadRow(f"“{written[:40]}” is no date with a time such as 29/11/2026 18:00")
            moment = datetime.fromisoformat(written)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as problem:
        if isinstance(problem, BadRow):
            raise
        raise BadRow(f"there is no date “{written[:40]}” (it is day/month/year hour:minute in UTC)") from None
    return clocks.sensible(moment)
