"""How far and how soon, in words."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import time_machine

from rally.templatetags import look
from trips.templatetags import distances


@pytest.mark.parametrize(
    ("km", "words"),
    [
        (None, ""),
        (0, "in town"),
        (4.99, "in town"),
        (5, "3 miles away"),
        (37, "23 miles away"),
    ],
)
def test_how_far_away(km: float | None, words: str) -> None:
    assert distances.away(km) == words


@pytest.mark.parametrize(
    ("km", "words"), [(1.7, "1 mile"), (407, "253 miles"), (0, "0 miles"), (8, "5 miles")]
)
def test_how_long_a_way(km: float, words: str) -> None:
    assert look.miles(km) == words


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (timedelta(days=21), "in 3 weeks"),
        (timedelta(days=14), "in 2 weeks"),
        (timedelta(days=14, seconds=-1), "in 13 days"),
        (timedelta(days=2), "in 2 days"),
        (timedelta(days=2, seconds=-1), "in a day and a bit"),
        (timedelta(days=1), "in a day and a bit"),
        (timedelta(days=1, seconds=-1), "in 23 hours"),
        (timedelta(hours=1), "in 1 hour"),
        (timedelta(hours=1, seconds=-1), "in a moment"),
        (timedelta(seconds=1), "in a moment"),
        (timedelta(0), ""),
        (timedelta(days=-3), ""),
    ],
)
def test_how_soon(now: datetime, ahead: timedelta, words: str) -> None:
    with time_machine.travel(now, tick=False):
        assert distances.countdown(now + ahead) == words
