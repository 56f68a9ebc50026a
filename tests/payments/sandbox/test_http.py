"""Over a real socket the SDK sees what it sees in process."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator

import pytest
import stripe

from payments.sandbox.faults import Fault
from payments.sandbox.http import serving
from tests.payments.sandbox.bench import Bench


@pytest.fixture
def wired(bench: Bench) -> Iterator[Bench]:
    """The same sandbox, with a client that goes through a socket."""
    with serving(bench.sandbox) as address:
        http = stripe.RequestsClient(timeout=5)
        bench.client = stripe.StripeClient(
            "sk_test_bench", base_addresses={"api": address}, http_client=http, max_network_retries=0
        )
        yield bench
        session = getattr(http._thread_local, "session", None)
        if session is not None:
            session.close()


def test_a_pledge_goes_all_the_way(wired: Bench) -> None:
    customer, card = wired.saved()
    held = wired.charge_saved(customer, card, key="hold")
    assert wired.charge_saved(customer, card, key="hold").id == held.id
    taken = wired.client.v1.payment_intents.capture(
        held.id, {"expand": ["latest_charge.balance_transaction"]}
    )
    assert isinstance(taken.latest_charge, stripe.Charge)
    assert isinstance(taken.latest_charge.balance_transaction, stripe.BalanceTransaction)
    assert wired.client.v1.refunds.create({"payment_intent": held.id}).status == "succeeded"
    assert wired.client.v1.customers.delete(customer).deleted is True


def test_errors_keep_their_kind_and_their_headers(wired: Bench) -> None:
    customer, card = wired.saved("4000000000000341")
    for replayed in (None, "true"):
        with pytest.raises(stripe.CardError) as declined:
            wired.charge_saved(customer, card, key="k")
        assert (declined.value.headers or {}).get("Idempotent-Replayed") == replayed
    with pytest.raises(stripe.IdempotencyError):
        wired.charge_saved(customer, card, 100, key="k")
    wired.faults.script("POST", "customers", Fault.STORED_WITH_EFFECT, Fault.TOO_MANY)
    with pytest.raises(stripe.APIError):
        wired.customer()
    with pytest.raises(stripe.RateLimitError):
        wired.customer()


@pytest.mark.parametrize("fault", [Fault.DROP_BEFORE, Fault.DROP_AFTER])
def test_a_cut_line_is_a_connection_error(wired: Bench, fault: Fault) -> None:
    wired.faults.script("POST", "customers", fault)
    with pytest.raises(stripe.APIConnectionError):
        wired.customer()
    assert len(wired.client.v1.customers.list().data) == (fault is Fault.DROP_AFTER)


def test_a_round_trip_can_be_made_to_last(wired: Bench) -> None:
    wired.faults.delay = 0.15
    started = time.perf_counter()
    wired.customer()
    assert time.perf_counter() - started >= 0.15


def test_plain_http_works(wired: Bench) -> None:
    with serving(wired.sandbox) as address:
        request = urllib.request.Request(
            f"{address}/v1/balance", headers={"Authorization": "Bearer sk_test_x"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.status == 200
            assert answer.headers["Request-Id"].startswith("req_")
