"""What the tests of pages share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
import time_machine
from django.test import Client

from operators.models import Run
from operators.states import Role
from rally.models import User
from tests.factories.operators import Company, confirmed_run, member, ready


@pytest.fixture(autouse=True)
def clock_at(now: datetime) -> Iterator[Any]:
    """The time of the tests, for the doorways too."""
    with time_machine.travel(now, tick=False) as travel:
        yield travel


@pytest.fixture
def crew(otto: User, dee: User) -> Company:
    """Otto dispatches, Dee drives."""
    made = ready(driver=dee)
    member(made.operator, otto, role=Role.DISPATCHER)
    return made


@pytest.fixture
def run(crew: Company) -> Run:
    """A run that goes."""
    return confirmed_run(crew)


@pytest.fixture
def as_() -> Callable[..., Client]:
    """A browser in which this person is signed in."""

    def signed_in(user: User, **more: Any) -> Client:
        client = Client(**more)
        client.force_login(user)
        return client

    return signed_in
