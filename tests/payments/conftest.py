"""Money is tested against the sandbox, through the official SDK, with real commits."""

from __future__ import annotations

from datetime import datetime

import pytest

from payments.sandbox import runtime
from payments.sandbox.clock import VirtualClock
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Faults


@pytest.fixture
def time_of(now: datetime) -> VirtualClock:
    """The clock that the sandbox follows; actions are told `time_of()`."""
    return VirtualClock(now)


@pytest.fixture
def sandbox(time_of: VirtualClock, transactional_db: None) -> Sandbox:
    """A provider of its own, with no trouble until a test scripts some."""
    found = runtime.current()
    found.now = time_of
    found.faults = Faults()
    return found
