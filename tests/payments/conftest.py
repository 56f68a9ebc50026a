"""Money is tested against the sandbox, through the official SDK, with real commits and a clock that is moved.

With `SANDBOX_OVER=socket` the SDK reaches the sandbox through a real socket instead of within the process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine

from payments.actions import audits, inbox, operations, reconciling, sweeps
from payments.models import Checkout, Operation, Payment, Reconciliation
from payments.sandbox import runtime
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Faults
from payments.sandbox.http import serving
from payments.states import OperationState
from rally import clock
from rally.models import User
from tests.factories.payments import VISA, at_page, payment
from tests.payments.witness import Witness


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


@pytest.fixture(scope="session")
def socket_address() -> Iterator[str]:
    """Where the sandbox of whichever test runs can be reached over a socket."""
    with serving(runtime.current) as address:
        yield address


@pytest.fixture(autouse=True)
def _way_to_the_sandbox(request: pytest.FixtureRequest, settings: Any) -> None:
    # A key in the environment is for the tests that ask for Stripe, and for no other.
    settings.SANDBOX, settings.STRIPE_SECRET_KEY = True, ""
    if os.environ.get("SANDBOX_OVER") == "socket":
        settings.SANDBOX_ADDRESS = request.getfixturevalue("socket_address")


@pytest.fixture
def sandbox(time: Time, transactional_db: None) -> Iterator[Sandbox]:
    """A provider of its own. When a test is done, trouble ends, everybody catches up, and the books must agree.

    Every answer that it gave must be what the SDK's types say.
    """
    found = runtime.current()
    found.faults, found.witness = Faults(), (witness := Witness())
    yield found
    heal(found, time)
    assert audits.check(now=time()) == {}
    assert sorted(witness.found) == []


def saved(payer: User, time: Time, number: str = VISA) -> Payment:
    """A payment whose payer gave a card."""
    return at_page(payment(payer, now=time()), Checkout.Mode.SAVE, now=time(), number=number)


def held(payer: User, time: Time, number: str = VISA, *, amount: int = 4200) -> Payment:
    """A payment that a bank holds."""
    return at_page(payment(payer, now=time(), amount=amount), Checkout.Mode.HOLD, now=time(), number=number)


def taken(payer: User, time: Time, number: str = VISA, *, amount: int = 4200) -> Payment:
    """A payment that was charged at once."""
    return at_page(payment(payer, now=time(), amount=amount), Checkout.Mode.CHARGE, now=time(), number=number)


def compare(time: Time, *, full: bool = False) -> Reconciliation:
    """Our books with the provider's, once."""
    row = reconciling.reconcile(full=full, now=time())
    assert row is not None
    return row


def run_all(time: Time) -> None:
    """Send every operation that is due, one after the other."""
    for operation_id in operations.due(now=time()):
        operations.run(operation_id, now=time())


def work(time: Time) -> int:
    """What workers do, once: operations that are due, the feed, the inbox, the sweep. How many things there were."""
    due = operations.due(now=time())
    for operation_id in due:
        operations.run(operation_id, now=time())
    heard = inbox.poll(now=time())
    return len(due) + heard + inbox.read_due(now=time()) + sweeps.check_holds(now=time())


def heal(found: Sandbox, time: Time) -> None:
    """Let the trouble end and give workers time to catch up: 18 minutes, or until nothing is left to do."""
    assert found.faults is not None
    found.faults.stop()
    for _ in range(6):
        time.move(minutes=3)
        if not work(time) and not Operation.objects.filter(state=OperationState.PENDING).exists():
            return
