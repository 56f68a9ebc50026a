"""The nightly comparison while payments go on: what moves in its middle is no difference, and a true one is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from payments import gateway
from payments.actions import bookings, payments
from payments.gateway import since, words
from payments.models import Account, LedgerTransfer
from payments.sandbox.core import Sandbox
from rally.models import User
from tests.factories.payments import usd
from tests.payments.conftest import Time, held, run_all, taken
from tests.payments.contract.till import Till


def in_the_middle(
    monkeypatch: pytest.MonkeyPatch, work: Callable[[], object], *, times: int = 3
) -> list[str]:
    """Have `work` done right after the provider's next answers are read, before anything of ours is; what was read."""
    ask, pages, intent = since.ask, since.pages, gateway.intent
    done: list[str] = []
    at_work: list[str] = []

    def then(what: str) -> None:
        if len(done) < times and not at_work:
            at_work.append(what)
            done.append(what)
            work()
            at_work.clear()

    def asking(call: Any) -> dict[str, Any]:
        answer = ask(call)
        then("balance")
        return answer

    def paging(call: Any, **more: Any) -> Iterator[dict[str, Any]]:
        yield from pages(call, **more)
        then("list")

    def fetching(key: str) -> words.Intent:
        seen = intent(key)
        then("intent")
        return seen

    monkeypatch.setattr(gateway, "intent", fetching)
    monkeypatch.setattr(since, "ask", asking)
    monkeypatch.setattr(since, "pages", paging)
    return done


def test_what_is_taken_in_the_middle_is_no_difference(
    sandbox: Sandbox, ana: User, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken(ana, time)
    done = in_the_middle(monkeypatch, lambda: taken(ana, time), times=8)
    assert bookings.compare_all(now=time()).differences == {}
    assert {"balance", "list"} <= set(done)


def test_what_the_provider_alone_knows_yet_is_no_difference(
    sandbox: Sandbox, ana: User, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge = taken(ana, time).attempts.get().charge
    in_the_middle(monkeypatch, lambda: sandbox.refund_in_dashboard(charge, 100), times=8)
    assert bookings.compare_all(now=time()).differences == {}


def test_holds_that_come_and_go_in_the_middle_are_no_difference(
    sandbox: Sandbox, ana: User, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = [held(ana, time) for _ in range(16)]

    def move() -> None:
        held(ana, time)
        payments.capture(payment_id=waiting.pop().id, amount=usd(4200), now=time())
        payments.release(payment_id=waiting.pop().id, keep_card=False, now=time(), why="left")
        run_all(time)

    done = in_the_middle(monkeypatch, move, times=8)
    assert bookings.compare_all(now=time()).differences == {}
    assert len(done) == 8


def test_a_hold_that_goes_while_it_is_looked_at_once_more_is_no_difference(
    sandbox: Sandbox, ana: User, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def come_and_go() -> None:
        if not made:
            made.append(held(ana, time))
            return
        payments.capture(payment_id=made[0].id, amount=usd(4200), now=time())
        run_all(time)

    done = in_the_middle(monkeypatch, come_and_go, times=2)
    assert bookings.compare_all(now=time()).differences == {}
    assert done == ["list", "intent"]


def test_a_hold_that_nobody_told_us_of_is_taken_over(sandbox: Sandbox, ana: User, time: Time) -> None:
    gone, kept = held(ana, time), held(ana, time)
    gateway.cancel_intent(gone.attempts.get().intent, key="by-hand")
    assert bookings.compare_all(now=time()).differences == {}
    assert [each.attempts.get().state for each in (gone, kept)] == ["canceled", "held"]


def test_a_hold_that_is_none_of_ours_is_named(sandbox: Sandbox, ana: User, time: Time) -> None:
    held(ana, time)
    foreign = Till(pause=lambda seconds: time.move(seconds=seconds)).held(3100)
    assert bookings.compare_all(now=time()).differences == {
        "L8": [f"{foreign.id}: hold:rider is 0, the provider says 3100"]
    }
    gateway.cancel_intent(foreign.id, key="by-hand")


def test_a_hold_that_is_in_our_memo_alone_is_named(transactional_db: None, ana: User, time: Time) -> None:
    # Without the fixture that wants the books to agree in the end: memo rows stay.
    attempt = held(ana, time).attempts.get()
    for key, leg in ((f"hold:{attempt.id}", 2), ("by_hand", 1)):
        LedgerTransfer.objects.create(
            event_key=key, leg=leg, debit=Account.HOLD_RIDER, credit=Account.HOLD_CONTRA, amount_minor=100,
            currency="USD", payment=attempt.payment, occurred_at=time(),
        )  # fmt: skip
    assert bookings.compare_all(now=time()).differences == {
        "L8": sorted([
            f"{attempt.intent}: hold:rider is 4300, the provider says 4200",
            "by_hand: hold:rider is 100, the provider says 0",
        ])
    }  # fmt: skip


def test_a_balance_that_differs_is_told_while_payments_go_on(
    transactional_db: None, ana: User, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid = taken(ana, time)
    LedgerTransfer.objects.create(
        event_key="invented", debit=Account.STRIPE_BALANCE, credit=Account.RIDER_DEPOSIT, amount_minor=100,
        currency="USD", payment=paid, occurred_at=time(),
    )  # fmt: skip
    in_the_middle(monkeypatch, lambda: taken(ana, time))
    found = bookings.compare_all(now=time()).differences
    ours, theirs = 4 * (4200 - 152) + 100, 4 * (4200 - 152)
    assert found == {"L2": [f"stripe:balance is {ours}, the provider says {theirs}"]}


@pytest.mark.parametrize("theirs", [0, 100])
def test_a_balance_that_never_rests_is_judged_as_it_is_in_the_end(
    transactional_db: None, time: Time, monkeypatch: pytest.MonkeyPatch, theirs: int
) -> None:
    sums = iter([(each, each + theirs) for each in range(100)])
    monkeypatch.setattr(bookings, "_both_sums", lambda: next(sums))
    assert bookings._balance(time()) == (["stripe:balance is 5, the provider says 105"] if theirs else [])
