"""Many at once, with trouble on the line: what must hold of the books holds afterwards."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Fault, Faults
from payments.sandbox.transport import InProcess
from tests.payments.sandbox.bench import Bench

TROUBLE = dict.fromkeys(Fault, 0.04)


def _act(bench: Bench, chance: random.Random, targets: list[str], card: tuple[str, str]) -> None:
    """Do one thing to one of the same few intents that everybody works on."""
    one, key = chance.choice(targets), {"idempotency_key": f"k{chance.randrange(40)}"}
    act = chance.choice(["hold", "capture", "cancel", "refund", "look"])
    services = bench.client.v1
    if act == "hold":
        targets.append(bench.charge_saved(*card, amount=1000, key=key["idempotency_key"]).id)
    elif act == "capture":
        services.payment_intents.capture(one, {"amount_to_capture": chance.choice([600, 1000])}, key)  # type: ignore[arg-type]
    elif act == "cancel":
        services.payment_intents.cancel(one, {}, key)  # type: ignore[arg-type]
    elif act == "refund":
        services.refunds.create({"payment_intent": one, "amount": chance.choice([100, 400, 900])}, key)  # type: ignore[arg-type]
    else:
        services.payment_intents.list({"limit": 5, "expand": ["data.latest_charge"]})


@pytest.mark.parametrize("seed", range(3))
def test_the_books_balance_after_a_crowd_and_trouble(bench: Bench, seed: int) -> None:
    card = bench.saved()
    targets = [bench.charge_saved(*card, amount=1000).id for _ in range(3)]
    troubled = Faults(seed=seed, rates=TROUBLE)
    sandbox = Sandbox(bench.sandbox.store.path, now=bench.clock, faults=troubled)
    line = stripe.StripeClient("sk_test_bench", http_client=InProcess(sandbox), max_network_retries=0)
    crowd = Bench(sandbox=sandbox, clock=bench.clock, faults=troubled, client=line)

    def work(number: int) -> int:
        chance, refused = random.Random(seed * 100 + number), 0
        for _ in range(40):
            try:
                _act(crowd, chance, targets, card)
            except stripe.StripeError:
                refused += 1
        return refused

    with ThreadPoolExecutor(4) as pool:
        assert all(0 < refused < 40 for refused in pool.map(work, range(4)))

    intents = list(bench.client.v1.payment_intents.list({"limit": 100, "expand": ["data.latest_charge"]}))
    charges = bench.client.v1.charges.list({"limit": 100}).data
    captured = {charge.payment_intent: charge for charge in charges if charge.captured}
    assert len(captured) == sum(charge.captured for charge in charges)
    for intent in intents:
        charge = captured.get(intent.id)
        assert intent.amount_received == (charge.amount_captured if charge else 0)
        assert (intent.status == "succeeded") == (charge is not None)
        refunds = bench.client.v1.refunds.list({"payment_intent": intent.id, "limit": 100}).data
        back = sum(refund.amount for refund in refunds)
        assert back == (charge.amount_refunded if charge else 0)
        assert back <= intent.amount_received
    entries = bench.client.v1.balance_transactions.list({"limit": 100}).auto_paging_iter()
    assert sum(entry.net for entry in entries) == sum(bench.balance())
    assert len(captured) == len(
        bench.client.v1.balance_transactions.list({"type": "charge", "limit": 100}).data
    )
