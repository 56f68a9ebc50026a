"""A sandbox on a clock that stands still, and the official SDK talking to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import stripe

from payments.sandbox.clock import VirtualClock
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Faults
from payments.sandbox.transport import InProcess
from tests.payments.sandbox.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Everything that a test of the sandbox needs, in one place."""
    clock = VirtualClock(datetime(2026, 11, 21, 15, 0, tzinfo=UTC))
    faults = Faults()
    sandbox = Sandbox(tmp_path / "bench.sqlite3", now=clock, faults=faults)
    client = stripe.StripeClient("sk_test_bench", http_client=InProcess(sandbox), max_network_retries=0)
    return Bench(sandbox=sandbox, clock=clock, faults=faults, client=client)


@pytest.fixture
def day() -> timedelta:
    """One day."""
    return timedelta(days=1)
