"""What every test may ask for: the fixed cast, a fixed time, a sandbox of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.cache import cache

from rally import rules
from rally.models import User
from tests.factories.people import person


@pytest.fixture(autouse=True)
def _own_state(settings: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """Each test has its own payment provider and starts with the rules as shipped."""
    settings.SANDBOX_PATH = tmp_path / "sandbox.sqlite3"  # type: ignore[attr-defined]
    rules.forget()
    cache.clear()
    yield
    rules.forget()


@pytest.fixture
def now() -> datetime:
    """A Saturday in the season, for actions that are told the time."""
    return datetime(2026, 11, 21, 15, 0, tzinfo=UTC)


@pytest.fixture
def ana(db: None) -> User:
    """A rider."""
    return person("ana")


@pytest.fixture
def ben(db: None) -> User:
    """Another rider."""
    return person("ben")


@pytest.fixture
def cleo(db: None) -> User:
    """A captain."""
    return person("cleo")


@pytest.fixture
def otto(db: None) -> User:
    """Dispatches for an operator."""
    return person("otto")


@pytest.fixture
def dee(db: None) -> User:
    """Drives."""
    return person("dee")


@pytest.fixture
def max_(db: None) -> User:
    """Is part of nothing and must see nothing."""
    return person("max")


@pytest.fixture
def sam(db: None) -> User:
    """Staff."""
    return person("sam", is_staff=True, is_superuser=True)
