"""The one clock. Doorways read it and tell actions what time it is; it can be moved only in the demo."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

_seen: tuple[int, timedelta] = (-1, timedelta(0))


class ClockIsFixed(RuntimeError):
    """Somebody tried to move the clock outside the demo."""


def now() -> datetime:
    """The time in UTC. In the demo it is the real time plus what the clock was moved by, in every process alike."""
    if not settings.CLOCK_FILE:
        return timezone.now()
    return timezone.now() + _offset()


def move(by: timedelta) -> datetime:
    """Move the demo's clock forward and answer the new time. Raises `ClockIsFixed` outside the demo.

    Raises `ValueError` for a step back: holds, journals and deadlines only know forward.
    """
    if not settings.CLOCK_FILE:
        raise ClockIsFixed("The clock moves only in the demo.")
    if by < timedelta(0):
        raise ValueError("The clock only moves forward.")
    path = Path(settings.CLOCK_FILE)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps({"offset_seconds": (_offset() + by).total_seconds()}))
    fresh.replace(path)
    return now()


def _offset() -> timedelta:
    """What the clock file says, read again only when the file has changed."""
    global _seen  # noqa: PLW0603 - a cache of one small file, keyed by its change time
    try:
        changed = Path(settings.CLOCK_FILE).stat().st_mtime_ns
    except FileNotFoundError:
        return timedelta(0)
    if changed != _seen[0]:
        stored = json.loads(Path(settings.CLOCK_FILE).read_text())
        _seen = (changed, timedelta(seconds=stored["offset_seconds"]))
    return _seen[1]


def parse(text: str) -> datetime:
    """An ISO time with zone as UTC. Raises `ValueError` when it is not a time or has no zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("The time needs a zone, such as 2026-12-13T19:20:00-06:00.")
    return moment.astimezone(UTC)
