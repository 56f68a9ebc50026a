"""Wall clocks: a local time with its zone becomes a moment, or is refused because there is none or there are two."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from trips.importing.rows import BadRow

#: Dates outside these years are slips of the pen.
FIRST_YEAR, LAST_YEAR = 2000, 2100


def zone(name: str) -> ZoneInfo:
    """The zone of this IANA name. Raises `BadRow`."""
    try:
        # Only whole names of the tz database: ZoneInfo looks into folders and would stumble over "America" or "../x".
        return ZoneInfo(name.strip())
    except (KeyError, ValueError, OSError):
        raise no_zone(name) from None


def no_zone(name: str) -> BadRow:
    """What is said of a name that no zone has."""
    return BadRow(f"“{name[:60]}” is no time zone, such as America/Chicago")


def to_utc(wall: datetime, where: tzinfo) -> datetime:
    """The moment at which clocks of a zone show `wall`.

    Raises `BadRow` when clocks skip that time (the start of summer time) or show it twice (its end): guessing would put
    a bus an hour off.
    """
    first = wall.replace(tzinfo=where, fold=0)
    second = wall.replace(tzinfo=where, fold=1)
    shown = f"{wall:%d/%m/%Y %H:%M} in {where}"
    try:
        moment = first.astimezone(UTC)
        if moment.astimezone(where).replace(tzinfo=None, fold=0) != wall.replace(fold=0):
            raise BadRow(f"{shown} does not exist: clocks are put forward over it")
    except OverflowError:
        raise BadRow(f"{shown} is no date that we can use") from None
    if first.utcoffset() != second.utcoffset():
        raise BadRow(f"{shown} happens twice: clocks are put back over it; give it in UTC")
    return moment


def sensible(moment: datetime) -> datetime:
    """The moment, if it is of our time. Raises `BadRow`."""
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise BadRow(f"the year {moment.year} cannot be right")
    return moment
