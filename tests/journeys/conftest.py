"""The world in which the stories happen: the real schedule, the towns, a bus company, and a clock that moves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rally import clock
from rally.demo import clock as moving
from tests.factories.operators import Company, ready
from tests.factories.payments import onboarded
from tests.journeys.world import World


@pytest.fixture
def world(settings: Any, tmp_path: Path, transactional_db: None) -> Iterator[World]:
    """A Saturday in the season, three weeks before the Packers meet the Bills."""
    settings.STATE_DIR = tmp_path
    with moving.played_from(datetime(2026, 11, 21, 15, 0, tzinfo=UTC)):
        yield World.make()


@pytest.fixture
def crew(world: World) -> Company:
    """A company that can be paid."""
    made = ready()
    onboarded(made.operator.payee, now=clock.now())
    return made
