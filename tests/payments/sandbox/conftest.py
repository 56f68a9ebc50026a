"""A sandbox on a clock that stands still, and the official SDK talking to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stripe

from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Faults
from payments.sandbox.http import serving
from payments.sandbox.transport import InProcess
from tests.payments.sandbox.bench import Bench, VirtualClock
from tests.payments.witness import Witness

_standing: list[Sandbox] = []


@pytest.fixture(scope="session")
def bench_address() -> Iterator[str]:
    """Where the sandbox of whichever test runs can be reached over a socket."""
    with serving(lambda: _standing[-1]) as address:
        yield address


@pytest.fixture
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Everything that a test of the sandbox needs, in one place. Every answer must be what the SDK's types say."""
    clock = VirtualClock(datetime(2026, 11, 21, 15, 0, tzinfo=UTC))
    faults = Faults()
    sandbox = Sandbox(tmp_path / "bench.sqlite3", now=clock, faults=faults)
    sandbox.witness = witness = Witness()
    line: stripe.HTTPClient = InProcess(sandbox)
    addresses: Any = None
    if os.environ.get("SANDBOX_OVER") == "socket":
        _standing[:] = [sandbox]
        line = stripe.RequestsClient(timeout=20)
        addresses = {"api": request.getfixturevalue("bench_address")}
    client = stripe.StripeClient(
        "sk_test_bench", base_addresses=addresses, http_client=line, max_network_retries=0
    )
    yield Bench(sandbox=sandbox, clock=clock, faults=faults, client=client)
    assert sorted(witness.found) == []


@pytest.fixture
def day() -> timedelta:
    """One day."""
    return timedelta(days=1)
