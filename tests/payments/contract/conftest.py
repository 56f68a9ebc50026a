"""The till at which the contract is tried: the sandbox in this process, the sandbox behind a socket, or Stripe itself.

Against Stripe: `STRIPE_SECRET_KEY=sk_test_… python3 manage.py test tests/payments/contract -m stripe_live -n 0`. Tests
that pay an operator also want `STRIPE_TEST_ACCOUNT=acct_…`, a connected account whose onboarding was finished by hand.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine

from payments import gateway
from payments.gateway import line
from payments.sandbox import runtime
from payments.sandbox.faults import Faults
from tests.payments.contract.till import Till
from tests.payments.witness import Witness

KEY, ACCOUNT = os.environ.get("STRIPE_SECRET_KEY", ""), os.environ.get("STRIPE_TEST_ACCOUNT", "")
# As a mark, and not as a call, so that a run without a key says it once a file and not once a test.
LEFT_OUT = pytest.mark.skip(reason="NOT TRIED AGAINST STRIPE: set STRIPE_SECRET_KEY=sk_test_…")
LIVE = [pytest.mark.stripe_live] if KEY else [pytest.mark.stripe_live, LEFT_OUT]
WAYS = ["in_process", "socket", pytest.param("stripe", marks=LIVE)]


@pytest.fixture(params=WAYS)
def till(
    request: pytest.FixtureRequest, settings: Any, transactional_db: None, now: datetime
) -> Iterator[Till]:
    """Where money is taken and given."""
    if request.param == "stripe":
        yield from _at_stripe(settings)
        return
    settings.SANDBOX, settings.STRIPE_SECRET_KEY = True, ""
    over = request.getfixturevalue("socket_address") if request.param == "socket" else ""
    settings.SANDBOX_ADDRESS = over
    with time_machine.travel(now, tick=False) as traveller:
        sandbox = runtime.current()
        sandbox.faults, sandbox.witness = Faults(), (witness := Witness())
        yield Till(pause=lambda seconds: traveller.shift(timedelta(seconds=seconds)))
        assert sorted(witness.found) == []


def _at_stripe(settings: Any) -> Iterator[Till]:
    if not KEY.startswith("sk_test_"):
        pytest.fail("STRIPE_SECRET_KEY has to be a test key: these tests take money.")
    settings.SANDBOX, settings.STRIPE_SECRET_KEY = False, KEY
    line._to_stripe.cache_clear()
    with gateway.patient():
        yield Till(pause=time.sleep)


@pytest.fixture
def clock_moves(till: Till) -> Till:
    """The till, where a test lets days go by: the sandbox only."""
    if till.at_stripe:
        pytest.skip("Lets days go by, which Stripe does not do for a test.")
    return till


@pytest.fixture
def operator(till: Till) -> str:
    """An account that can be paid."""
    if till.at_stripe:
        if not ACCOUNT:
            pytest.skip("NOT TRIED AGAINST STRIPE: set STRIPE_TEST_ACCOUNT=acct_… (onboarded by hand)")
        return ACCOUNT
    made = gateway.create_account(email="o@test.example", name="Prairie", tags={}, key=till.key()).id
    runtime.current().finish_onboarding(made)
    return made
