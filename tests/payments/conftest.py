"""Money is tested against the sandbox, through the official SDK, with real commits and a clock that is moved."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import time_machine

from payments.actions import audits, inbox, operations, sweeps
from payments.sandbox import runtime
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Faults
from rally import clock


class Time:
    """The time of application and sandbox alike."""

    def __init__(self, traveller: time_machine.Traveller) -> None:
        self._traveller = traveller

    def __call__(self) -> datetime:
        """Now."""
        return clock.now()

    def move(self, **by: float) -> datetime:
        """Go forward."""
        self._traveller.shift(timedelta(**by))
        return clock.now()


@pytest.fixture
def time(now: datetime) -> Iterator[Time]:
    """A clock that stands still until it is moved."""
    with time_machine.travel(now, tick=False) as traveller:
        yield Time(traveller)


@pytest.fixture
def sandbox(time: Time, transactional_db: None) -> Iterator[Sandbox]:
    """A provider of its own. When a test is done, trouble ends, everybody catches up, and the books must agree."""
    found = runtime.current()
    found.faults = Faults()
    yield found
    heal(found, time)
    assert audits.check(now=time()) == {}


def work(time: Time) -> None:
    """What workers do, once: operations that are due, the feed, the inbox, the sweep."""
    for operation_id in operations.due(now=time()):
        operations.run(operation_id, now=time())
    inbox.poll(now=time())
    inbox.read_due(now=time())
    sweeps.check_holds(now=time())


def heal(found: Sandbox, time: Time) -> None:
    """Let the trouble end and give workers time to catch up."""
    assert found.faults is not None
    found.faults.stop()
    for _ in range(6):
        time.move(minutes=3)
        work(time)
