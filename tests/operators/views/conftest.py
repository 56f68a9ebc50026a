"""What the tests of pages share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from operators.states import Role
from rally.models import User
from tests.factories.operators import Company, member, ready
from tests.seeing import signed_in


@pytest.fixture(autouse=True)
def clock_at(at: Any) -> Any:
    """The time of the tests, for the doorways too."""
    return at


@pytest.fixture
def crew(otto: User, dee: User) -> Company:
    """Otto dispatches, Dee drives."""
    made = ready(driver=dee)
    member(made.operator, otto, role=Role.DISPATCHER)
    return made


@pytest.fixture
def as_() -> Callable[..., Client]:
    """How to open a browser in which a person is signed in."""
    return signed_in
