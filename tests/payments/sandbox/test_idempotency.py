"""Keys: replayed, refused, forgotten after a day, and one object however many ask at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import stripe

from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Fault, Faults
from payments.sandbox.transport import InProcess
from tests.payments.sandbox.bench import Bench

KEY = {"idempotency_key": "demo:hold:1:0"}
HEADERS = {"Authorization": "Bearer sk_test_bench"}


def _make(bench: Bench, amount: int = 4200) -> stripe.PaymentIntent:
    return bench.client.v1.payment_intents.create({"amount": amount, "currency": "usd"}, KEY)  # type: ignore[arg-type]


def _all(bench: Bench) -> list[str]:
    return [intent.id for intent in bench.client.v1.payment_intents.list({"limit": 100}).data]


def test_the_same_key_and_parameters_give_the_same_answer(bench: Bench) -> None:
    first, second = _make(bench), _make(bench)
    assert first.id == second.id
    assert _all(bench) == [first.id]
    assert first.last_response is not None
    assert second.last_response is not None
    assert second.last_response.headers is not None
    assert second.last_response.headers["idempotent-replayed"] == "true"
    assert second.last_response.headers["original-request"] == first.last_response.request_id


def test_the_stored_answer_is_the_first_even_when_the_object_has_moved_on(bench: Bench) -> None:
    first = _make(bench)
    bench.client.v1.payment_intents.cancel(first.id)
    assert _make(bench).status == "requires_payment_method"


def test_the_same_key_with_other_parameters_is_an_error(bench: Bench) -> None:
    _make(bench)
    with pytest.raises(stripe.IdempotencyError) as other:
        _make(bench, 4300)
    assert other.value.http_status == 400
    with pytest.raises(stripe.IdempotencyError):
        bench.client.v1.customers.create({"email": "ana@demo.example"}, KEY)  # type: ignore[arg-type]


def test_a_key_is_forgotten_after_a_day(bench: Bench, day: timedelta) -> None:
    first = _make(bench)
    bench.clock.move(day - timedelta(seconds=1))
    assert _make(bench).id == first.id
    bench.pass_time(seconds=1)
    assert _make(bench).id != first.id


def test_a_decline_is_stored(bench: Bench) -> None:
    customer, card = bench.saved("4000000000000341")
    seen = []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as declined:
            bench.charge_saved(customer, card, key="k")
        assert declined.value.error is not None
        seen.append((declined.value.error.charge, (declined.value.headers or {}).get("Idempotent-Replayed")))
    assert seen[0] == (seen[1][0], None)
    assert seen[1][1] == "true"
    assert len(bench.client.v1.charges.list().data) == 1


def test_a_validation_failure_is_not_stored(bench: Bench) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        _make(bench, 1)
    assert _make(bench).amount == 4200


def test_keys_have_a_length(bench: Bench) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="1 to 255"):
        bench.client.v1.customers.create({}, {"idempotency_key": "k" * 256})


def test_without_a_key_each_call_is_its_own(bench: Bench) -> None:
    body = b"amount=4200&currency=usd"
    answers = [bench.sandbox.handle("POST", "/v1/payment_intents", HEADERS, body) for _ in range(2)]
    assert len({json.loads(answer[2])["id"] for answer in answers}) == 2


# ---- trouble


def test_a_lost_request_and_a_lost_answer_look_alike_and_heal_by_the_same_key(bench: Bench) -> None:
    for fault, made in ((Fault.DROP_BEFORE, 0), (Fault.DROP_AFTER, 1)):
        bench.faults.script("POST", "payment_intents", fault)
        with pytest.raises(stripe.APIConnectionError):
            bench.client.v1.payment_intents.create(
                {"amount": 4200, "currency": "usd"}, {"idempotency_key": fault}
            )
        assert len(_all(bench)) == made
    bench.client.v1.payment_intents.create(
        {"amount": 4200, "currency": "usd"}, {"idempotency_key": Fault.DROP_AFTER}
    )
    assert len(_all(bench)) == 1


def test_the_sdk_retries_a_lost_answer_by_itself(bench: Bench) -> None:
    client = stripe.StripeClient("sk_test_bench", http_client=InProcess(bench.sandbox), max_network_retries=2)
    bench.faults.script("POST", "payment_intents", Fault.DROP_AFTER, Fault.DROP_BEFORE)
    client.v1.payment_intents.create({"amount": 4200, "currency": "usd"})
    assert len(_all(bench)) == 1


@pytest.mark.parametrize(("fault", "made"), [(Fault.STORED_WITH_EFFECT, 1), (Fault.STORED_WITHOUT_EFFECT, 0)])
def test_a_stored_500_is_replayed_for_ever(bench: Bench, fault: Fault, made: int) -> None:
    bench.faults.script("POST", "payment_intents", fault)
    replayed = []
    for _ in range(3):
        with pytest.raises(stripe.APIError) as broken:
            _make(bench)
        assert broken.value.http_status == 500
        replayed.append((broken.value.headers or {}).get("Idempotent-Replayed"))
    assert replayed == [None, "true", "true"]
    assert len(_all(bench)) == made


def test_a_passing_5xx_and_a_429_leave_nothing_behind(bench: Bench) -> None:
    bench.faults.script("POST", "payment_intents", Fault.TRANSIENT, Fault.TOO_MANY)
    with pytest.raises(stripe.APIError):
        _make(bench)
    with pytest.raises(stripe.RateLimitError):
        _make(bench)
    assert _all(bench) == []
    assert _make(bench).id == _all(bench)[0]


def test_trouble_by_chance_repeats_with_its_seed() -> None:
    def drawn(seed: int) -> list[Fault | None]:
        faults = Faults(seed=seed, rates={Fault.DROP_BEFORE: 0.2, Fault.DROP_AFTER: 0.2})
        return [faults.on_call("POST", "/v1/refunds") for _ in range(50)]

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)
    assert {None, Fault.DROP_BEFORE, Fault.DROP_AFTER} == set(drawn(7))


def test_the_rate_limit_comes_before_the_key(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    limited = Sandbox(bench.sandbox.store.path, now=bench.clock, enforce_rate_limit=True)

    def ask(key: str) -> tuple[int, str | None]:
        headers = {**HEADERS, "Idempotency-Key": key}
        answer = limited.handle("POST", "/v1/payment_intents", headers, b"amount=4200&currency=usd")
        return answer[0], answer[1].get("Idempotent-Replayed")

    monkeypatch.setattr(time, "time", lambda: 1_000_000.5)
    assert [ask(f"k{number}") for number in range(27)] == [(200, None)] * 25 + [(429, None)] * 2
    assert limited.handle("GET", "/v1/customers", HEADERS)[0] == 200
    monkeypatch.setattr(time, "time", lambda: 1_000_001.5)
    assert [ask("k24"), ask("k26")] == [(200, "true"), (200, None)]


# ---- many at once


def test_many_threads_with_one_key_make_one_object(bench: Bench) -> None:
    start = threading.Barrier(8)

    def ask(_: int) -> tuple[int, str | None]:
        start.wait()
        status, _fields, body = bench.sandbox.handle(
            "POST", "/v1/payment_intents", {**HEADERS, "Idempotency-Key": "one"}, b"amount=4200&currency=usd"
        )
        return status, json.loads(body).get("id")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))

    assert len(_all(bench)) == 1
    assert {status for status, _ in answers} <= {200, 409}
    assert {found for status, found in answers if status == 200} == set(_all(bench))


def test_a_call_under_a_key_that_is_at_work_is_a_409(bench: Bench) -> None:
    bench.faults.delay = 0.5
    second: list[int] = []

    def ask() -> None:
        headers = {**HEADERS, "Idempotency-Key": "slow"}
        second.append(
            bench.sandbox.handle("POST", "/v1/payment_intents", headers, b"amount=4200&currency=usd")[0]
        )

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(second) == [200, 409]


def test_captures_at_once_take_the_money_once(bench: Bench) -> None:
    held = bench.charge_saved(*bench.saved())
    start = threading.Barrier(6)

    def capture(_: int) -> str:
        start.wait()
        try:
            return bench.client.v1.payment_intents.capture(held.id).status
        except stripe.InvalidRequestError as refused:
            return str(refused.code)

    with ThreadPoolExecutor(6) as pool:
        outcomes = sorted(pool.map(capture, range(6)))
    assert outcomes == ["payment_intent_unexpected_state"] * 5 + ["succeeded"]
    assert len(bench.client.v1.balance_transactions.list({"type": "charge"}).data) == 1


# ---- crashes

_WRITER = """
import sys
from datetime import UTC, datetime
from payments.sandbox.core import Sandbox
sandbox = Sandbox(sys.argv[1], now=lambda: datetime(2026, 11, 21, 15, tzinfo=UTC))
number = 0
while True:
    headers = {"Authorization": "Bearer sk_test_bench", "Idempotency-Key": f"k{number}"}
    body = b"amount=4200&currency=usd&payment_method=pm_card_visa&confirm=true&off_session=true"
    print(sandbox.handle("POST", "/v1/payment_intents", headers, body)[2].decode(), flush=True)
    number += 1
"""


def test_a_killed_process_leaves_whole_calls_only(bench: Bench) -> None:
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, bench.sandbox.store.path], cwd=root, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        answered = [json.loads(writer.stdout.readline())["id"] for _ in range(20)]
        writer.kill()

    kept = bench.client.v1.payment_intents.list({"limit": 100}).data
    assert set(answered) <= {intent.id for intent in kept}
    for intent in kept:
        charge = bench.client.v1.charges.retrieve(str(intent.latest_charge))
        assert (intent.status, charge.captured) == ("succeeded", True)
    with bench.sandbox.store.reading() as rows:
        assert rows.sql("PRAGMA integrity_check").fetchone() == ("ok",)
        counts = {
            table: rows.sql(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("answer", "money")
        }
    assert counts == {"answer": len(kept), "money": len(kept)}


def test_a_crash_inside_a_call_undoes_all_of_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from payments.sandbox import money

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    customer, card = bench.saved()
    # Without a socket, whatever the way: only so does the crash come out where it can be seen.
    bench.client = stripe.StripeClient(
        "sk_test_bench", http_client=InProcess(bench.sandbox), max_network_retries=0
    )
    monkeypatch.setattr(money, "fee_of", crash)
    with pytest.raises(KeyboardInterrupt):
        bench.charge_saved(customer, card, capture_method="automatic", key="k")
    monkeypatch.undo()
    assert _all(bench) == []
    assert bench.charge_saved(customer, card, capture_method="automatic", key="k").status == "succeeded"


def test_two_processes_share_one_file(bench: Bench) -> None:
    script = (
        "import sys; from datetime import UTC, datetime; from payments.sandbox.core import Sandbox\n"
        "s = Sandbox(sys.argv[1], now=lambda: datetime(2026, 11, 21, 15, tzinfo=UTC))\n"
        "for n in range(40):\n"
        "    s.handle('POST', '/v1/customers', {'Authorization': 'Bearer sk_test_x', 'Idempotency-Key': f'k{n}'}, b'email=a@b.example')"
    )
    root = Path(__file__).parents[3]
    others = [
        subprocess.Popen([sys.executable, "-c", script, bench.sandbox.store.path], cwd=root) for _ in range(2)
    ]
    assert [other.wait(timeout=60) for other in others] == [0, 0]
    assert len(bench.client.v1.customers.list({"limit": 100}).data) == 40


def test_a_forked_child_uses_a_connection_of_its_own(bench: Bench) -> None:
    _make(bench)
    child = os.fork()
    if child == 0:
        answer = bench.sandbox.handle("POST", "/v1/customers", HEADERS, b"email=ana@demo.example")
        os._exit(answer[0] != 200)
    assert os.waitpid(child, 0)[1] == 0
    bench.customer()
    assert len(bench.client.v1.customers.list().data) == 2


def test_a_replaced_file_is_a_fresh_start(bench: Bench) -> None:
    _make(bench)
    for file in Path(bench.sandbox.store.path).parent.glob("bench.sqlite3*"):
        file.unlink()
    assert _all(bench) == []
