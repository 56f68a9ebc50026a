"""The world in which the stories happen: the real schedule, the towns, a bus company, and a clock that moves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rally.demo import clock
from tests.journeys.world import World


@pytest.fixture
def world(settings: Any, tmp_path: Path, transactional_db: None) -> Iterator[World]:
    """A Saturday in the season, three weeks before the Packers meet the Bills."""
    settings.STATE_DIR = tmp_path
    with clock.played_from(datetime(2026, 11, 21, 15, 0, tzinfo=UTC)):
        yield World.make()
