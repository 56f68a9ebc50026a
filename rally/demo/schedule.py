"""Which events the demo has: the shipped schedule, moved on if it is over, and festivals of our own making."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from math import ceil
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from rally.demo.scenes import FESTIVALS, Festival
from rally.models import User
from trips.actions import events
from trips.importing import files, schedules, venues
from trips.importing.rows import FoundEvent, Schedule, Venues
from trips.models import Event, Partner

_SHIPPED = Path(settings.BASE_DIR) / "trips" / "data"
_FEED = "nfl-2026-late-season"
_FESTIVALS = "festivals"
_WEEK = timedelta(weeks=1)
_EVENING = time(19, 0)


def moved_weeks() -> int:
    """By how many weeks the shipped schedule was moved on; 0 while it is as published."""
    return int(_noted().get("moved_weeks", 0))


def is_played() -> bool:
    """Whether the market round this schedule was made to its end."""
    return bool(_noted().get("played", True))


def played(weeks: int) -> None:
    """Note that the market round the schedule, moved on by so many weeks, stands."""
    _note(weeks, played=True)


def is_over(now: datetime) -> bool:
    """Whether no game of the schedule lies ahead, or there is none yet."""
    return not Event.objects.filter(source__startswith=_FEED, starts_at__gt=now).exists()


def load(*, now: datetime, people: dict[str, User]) -> int:
    """Take in the shipped schedule and our festivals; answers by how many weeks the games were moved on.

    Games that have been stay as they were: what is moved on are new ones, so that past trips keep their dates.
    """
    known = venues.read(files.read_text(_SHIPPED / "nfl-venues.csv"))
    published = schedules.read(files.read_text(_SHIPPED / f"{_FEED}.csv"), known)
    weeks = _weeks_to_move(published.events, now)
    _note(weeks, played=False)
    games = [_moved(game, weeks) for game in published.events]
    events.take_in(
        schedule=Schedule(events=games),
        venues=known.known,
        partner=_partner(people["pat"], "league", "The League (demo)"),
        feed=_feed(weeks),
        save=True,
        now=now,
    )
    days = f"{now:%Y%m%d}"
    events.take_in(
        schedule=Schedule(events=list(_festivals(known, now, days)), global_numbers=True),
        venues=[],
        partner=_partner(people["pat"], "festivals", "Lake Festivals (demo)"),
        feed=_FESTIVALS,
        save=True,
        now=now,
    )
    return weeks


def festival(key: str) -> Event | None:
    """The newest festival of this key."""
    return (
        Event.objects.select_related("venue")
        .filter(source_id__startswith=f"{key}@")
        .order_by("-starts_at")
        .first()
    )


def _weeks_to_move(games: list[FoundEvent], now: datetime) -> int:
    """0 while any game lies ahead; else so many whole weeks that the first one is a good week away again."""
    if any(game.starts_at > now for game in games):
        return 0
    first = min(game.starts_at for game in games)
    return ceil((now + _WEEK - first) / _WEEK)


def _moved(game: FoundEvent, weeks: int) -> FoundEvent:
    """The same game so many weeks later, at the same time by the clock on its stadium's wall."""
    if not weeks:
        return game
    there = game.starts_at.astimezone(ZoneInfo(game.venue.time_zone)) + weeks * _WEEK
    return replace(game, number=f"{game.number}+{weeks}w", starts_at=there.astimezone(UTC))


def _feed(weeks: int) -> str:
    return f"{_FEED}-{weeks}w" if weeks else _FEED


def _festivals(known: Venues, now: datetime, days: str) -> Iterator[FoundEvent]:
    for one in FESTIVALS:
        venue = known.named(one.venue)
        starts_at = _start(one, ZoneInfo(venue.time_zone), now)
        yield FoundEvent(
            number=f"{one.key}@{days}",
            name=one.name,
            home="",
            away="",
            starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=3, minutes=15),
            venue=venue,
            cancelled=False,
            line=0,
        )


def _start(one: Festival, zone: ZoneInfo, now: datetime) -> datetime:
    """In the evening of its day; today's at its hour, to five minutes."""
    moment = now + timedelta(hours=one.starts_in_hours)
    if abs(one.starts_in_hours) < 24:
        return moment.replace(minute=moment.minute - moment.minute % 5, second=0, microsecond=0)
    day = moment.astimezone(zone).date()
    return datetime.combine(day, _EVENING, zone).astimezone(UTC)


def _partner(pat: User, slug: str, name: str) -> Partner:
    """Who sends us their fans, and has a fifth of our fee."""
    partner, _fresh = Partner.objects.get_or_create(slug=slug, defaults={"name": name, "share_percent": 20})
    partner.members.add(pat)
    return partner


def _noted() -> dict[str, Any]:
    try:
        return dict(json.loads(_file().read_text()))
    except (OSError, ValueError):
        return {}


def _note(weeks: int, *, played: bool) -> None:
    _file().write_text(json.dumps({"moved_weeks": weeks, "played": played}))


def _file() -> Path:
    return Path(settings.STATE_DIR) / "market.json"
