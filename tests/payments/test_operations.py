"""The operation journal under trouble: whatever fails, wherever we die, money moves once and everything ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from payments import gateway, queries
from payments.actions import inbox, operations, payments, standings
from payments.errors import ProviderUnavailable
from payments.gateway.line import InsideTransaction
from payments.models import Attempt, Checkout, Operation, Payment
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Fault
from payments.states import AttemptState, OperationState, PaymentState
from rally.errors import NotAllowed
from rally.models import User
from tests.factories.payments import SAVES_THEN_DECLINES, at_page, payment, usd
from tests.payments.conftest import Time, heal, saved, work

SAVE, HOLD, CHARGE = Checkout.Mode.SAVE, Checkout.Mode.HOLD, Checkout.Mode.CHARGE
ADDRESSES = {
    "customer": r"/v1/customers$",
    "page": r"/v1/checkout/sessions$",
    "hold": r"/v1/payment_intents$",
    "capture": r"/capture$",
    "refund": r"/v1/refunds$",
}


def journey(ana: User, time: Time, rest: Callable[[], None]) -> Payment:
    """Save a card, hold, take, give back; after each step `rest` lets workers catch up."""
    paid = payment(ana, now=time())
    for _ in range(4):
        try:
            at_page(paid, SAVE, now=time())
            break
        except ProviderUnavailable:
            rest()
    rest()
    payments.authorize(payment_id=paid.id, amount=usd(4200), now=time())
    rest()
    payments.capture(payment_id=paid.id, amount=usd(4200), now=time())
    rest()
    payments.refund(payment_id=paid.id, amount=usd(4200), reason="test", now=time(), by=None)
    rest()
    paid.refresh_from_db()
    return paid


def assert_once(paid: Payment) -> None:
    """Everything happened exactly once, here and there."""
    assert (paid.state, paid.captured_minor, paid.refunded_minor) == (PaymentState.REFUNDED, 4200, 4200)
    assert paid.attempts.count() == 1
    books = gateway.books()
    assert (len(books.bookings), books.balance) == (2, -152)  # one charge, one refund; the fee is kept
    done = Operation.objects.filter(state=OperationState.DONE)
    assert sorted(done.values_list("kind", flat=True)) == [
        "authorize",
        "capture",
        "checkout",
        "customer",
        "refund",
    ]
    # A page that could not be opened in time is given up and followed by another one; nothing else is.
    others = Operation.objects.exclude(state=OperationState.DONE).values_list("kind", "state")
    assert set(others) <= {("checkout", OperationState.FAILED)}


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("step", list(ADDRESSES))
def test_one_fault_at_any_step_changes_nothing(
    sandbox: Sandbox, ana: User, time: Time, step: str, fault: Fault
) -> None:
    assert sandbox.faults is not None
    sandbox.faults.script("POST", ADDRESSES[step], fault)

    def rest() -> None:
        for _ in range(5):
            time.move(minutes=2)
            for each in operations.due(now=time()):
                operations.run(each, now=time())

    assert_once(journey(ana, time, rest))


class Crash(BaseException):
    """The process died."""


#: Where to die: in the call that begins a beat, so that what came before is committed and what follows is not.
POINTS = {
    "claimed, not sent": (operations, "_must_look_first"),
    "sent, not recorded": (operations, "_finish"),
    "while recording": (operations, "_mark"),
}


@pytest.mark.parametrize("kind", ["authorize", "capture", "refund"])
@pytest.mark.parametrize("point", list(POINTS))
def test_dying_at_any_point_changes_nothing(
    sandbox: Sandbox, ana: User, time: Time, monkeypatch: pytest.MonkeyPatch, point: str, kind: str
) -> None:
    module, name = POINTS[point]
    real = getattr(module, name)
    died: list[str] = []

    def dies_once(operation: Operation, *args: Any, **more: Any) -> Any:
        if operation.kind == kind and not died:
            died.append(kind)
            raise Crash
        return real(operation, *args, **more)

    monkeypatch.setattr(module, name, dies_once)

    def rest() -> None:
        for _ in range(3):
            time.move(minutes=3)
            for each in operations.due(now=time()):
                operations.run(each, now=time())

    paid = payment(ana, now=time())
    at_page(paid, SAVE, now=time())
    steps: list[Callable[[], object]] = [
        lambda: payments.authorize(payment_id=paid.id, amount=usd(4200), now=time()),
        lambda: payments.capture(payment_id=paid.id, amount=usd(4200), now=time()),
        lambda: payments.refund(payment_id=paid.id, amount=usd(4200), reason="test", now=time(), by=None),
    ]
    for step in steps:
        try:
            step()
        except Crash:
            assert not connection.in_atomic_block
        rest()
    assert died == [kind]
    paid.refresh_from_db()
    assert_once(paid)


def test_dying_before_the_news_loses_only_the_news(
    sandbox: Sandbox, ana: User, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid = saved(ana, time)

    def dies(_payment: Payment) -> None:
        def die() -> None:
            raise Crash

        transaction.on_commit(die)

    with monkeypatch.context() as patched:
        patched.setattr(standings, "announce", dies)
        with pytest.raises(Crash):
            payments.authorize(payment_id=paid.id, amount=usd(4200), now=time())
    heal(sandbox, time)
    paid.refresh_from_db()
    assert paid.state == PaymentState.HELD
    assert payments.announce_again(now=time()) == (0 if paid.followed else 1)


# ---- keys


def stuck_on(sandbox: Sandbox, time: Time, paid: Payment, *faults: Fault) -> Operation:
    assert sandbox.faults is not None
    sandbox.faults.script("POST", ADDRESSES["hold"], *faults)
    payments.authorize(payment_id=paid.id, amount=usd(4200), now=time())
    return Operation.objects.get(kind="authorize")


def run_later(operation: Operation, time: Time, **by: float) -> Operation:
    time.move(**by)
    operations.run(operation.id, now=time())
    operation.refresh_from_db()
    return operation


def test_the_same_key_is_sent_until_the_answer_is_known(sandbox: Sandbox, ana: User, time: Time) -> None:
    operation = stuck_on(sandbox, time, saved(ana, time), Fault.DROP_AFTER, Fault.TOO_MANY, Fault.TRANSIENT)
    key = operation.key("test")
    assert (operation.state, operation.tries, operation.error) == ("pending", 1, "APIConnectionError")
    for _ in range(2):
        assert run_later(operation, time, seconds=30).state == "pending"
    assert run_later(operation, time, seconds=30).state == "done"
    assert (operation.key("test"), operation.tries) == (key, 4)
    assert Attempt.objects.get().state == AttemptState.HELD


@pytest.mark.parametrize(
    ("fault", "generation"), [(Fault.STORED_WITH_EFFECT, 1), (Fault.STORED_WITHOUT_EFFECT, 2)]
)
def test_a_stored_failure_is_looked_up_before_a_new_key(
    sandbox: Sandbox, ana: User, time: Time, fault: Fault, generation: int
) -> None:
    operation = stuck_on(sandbox, time, saved(ana, time), fault)
    assert run_later(operation, time, seconds=30).server_errors == 1  # replayed once
    assert run_later(operation, time, seconds=30).server_errors == 2  # twice: it will never say anything else
    assert run_later(operation, time, seconds=30).tries == 3  # not yet: the quiet period
    assert run_later(operation, time, seconds=60).state == "done"
    assert operation.generation == generation


@pytest.mark.parametrize(("fault", "generation"), [(Fault.DROP_AFTER, 1), (Fault.DROP_BEFORE, 2)])
def test_a_key_that_may_be_forgotten_is_not_sent_again(
    sandbox: Sandbox, ana: User, time: Time, fault: Fault, generation: int
) -> None:
    operation = stuck_on(sandbox, time, saved(ana, time), fault)
    assert run_later(operation, time, hours=25).state == "done"
    assert operation.generation == generation
    assert Attempt.objects.get().state == AttemptState.HELD


def test_a_decline_whose_answer_is_lost_for_a_day_is_found(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), SAVE, now=time(), number=SAVES_THEN_DECLINES)
    operation = stuck_on(sandbox, time, paid, Fault.DROP_AFTER)
    assert run_later(operation, time, hours=25).state == "done"
    paid.refresh_from_db()
    assert (paid.state, paid.decline_code) == (PaymentState.DECLINED, "generic_decline")


def test_a_decline_that_the_news_tell_first_is_counted_once(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), SAVE, now=time(), number=SAVES_THEN_DECLINES)
    operation = stuck_on(sandbox, time, paid, Fault.DROP_AFTER)
    inbox.poll(now=time())
    inbox.read_due(now=time())
    told = Attempt.objects.get()
    assert (told.state, told.decline_code) == (AttemptState.FAILED, "generic_decline")
    assert run_later(operation, time, seconds=30).state == "failed"  # the answer, under the same key
    paid.refresh_from_db()
    assert (paid.state, paid.decline_code) == (PaymentState.DECLINED, "generic_decline")
    assert Attempt.objects.get() == told


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.DROP_BEFORE])
@pytest.mark.parametrize("hours", [0.1, 25])
def test_letting_go_while_the_bank_is_asked_ends_either_way(
    sandbox: Sandbox, ana: User, time: Time, fault: Fault, hours: float
) -> None:
    paid = saved(ana, time)
    stuck_on(sandbox, time, paid, fault)
    payments.release(payment_id=paid.id, keep_card=False, now=time(), why="rider left")
    paid.refresh_from_db()
    assert paid.state == PaymentState.RELEASING
    time.move(hours=hours)
    heal(sandbox, time)
    paid.refresh_from_db()
    assert paid.state == PaymentState.RELEASED
    assert gateway.books().capturable == 0


def test_letting_go_while_a_decline_is_unknown_ends_too(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), SAVE, now=time(), number=SAVES_THEN_DECLINES)
    stuck_on(sandbox, time, paid, Fault.DROP_AFTER)
    payments.release(payment_id=paid.id, keep_card=True, now=time(), why="settled")
    heal(sandbox, time)
    paid.refresh_from_db()
    assert paid.state == PaymentState.CARD_SAVED


def test_a_bank_that_was_not_asked_need_not_be(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = saved(ana, time)
    with transaction.atomic():
        payments.authorize(payment_id=paid.id, amount=usd(4200), now=time())
        payments.release(payment_id=paid.id, keep_card=True, now=time(), why="changed our minds")
    paid.refresh_from_db()
    assert paid.state == PaymentState.CARD_SAVED
    assert Operation.objects.get(kind="authorize").error == "not_sent"
    payments.authorize(payment_id=paid.id, amount=usd(4200), now=time())
    paid.refresh_from_db()
    assert paid.state == PaymentState.HELD


def test_a_hold_taken_by_hand_is_taken(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), HOLD, now=time())
    gateway.capture_intent(paid.attempts.get().intent, amount=4200, key="by-hand")
    work(time)
    paid.refresh_from_db()
    assert paid.state == PaymentState.PAID


def test_a_hold_taken_by_hand_while_it_is_let_go_is_given_back(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = at_page(payment(ana, now=time()), HOLD, now=time())
    gateway.capture_intent(paid.attempts.get().intent, amount=4200, key="by-hand")
    payments.release(payment_id=paid.id, keep_card=False, now=time(), why="lapsed")
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, paid.captured_minor) == (PaymentState.RELEASED, 0)
    assert gateway.books().balance == -152


# ---- what a person must look at


def test_too_many_tries_ask_for_a_person(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    paid = saved(ana, time)
    operation = stuck_on(sandbox, time, paid, *[Fault.DROP_BEFORE] * operations.MAX_TRIES)
    while operation.state == "pending":
        run_later(operation, time, minutes=16)
    assert (operation.state, operation.tries) == (OperationState.STUCK, operations.MAX_TRIES)
    assert list(queries.stuck_operations()) == [operation]
    with pytest.raises(NotAllowed):
        operations.run_again(operation.id, now=time(), by=ana)
    operations.run_again(operation.id, now=time(), by=sam)
    operations.run_again(operation.id, now=time(), by=sam)
    paid.refresh_from_db()
    assert paid.state == PaymentState.HELD


def test_a_row_of_another_provider_is_never_sent(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = saved(ana, time)
    operation = stuck_on(sandbox, time, paid, Fault.DROP_BEFORE)
    Payment.objects.filter(id=paid.id).update(provider="live")
    assert run_later(operation, time, minutes=1).state == OperationState.STUCK
    assert operation.error == "belongs to another provider"
    Payment.objects.filter(id=paid.id).update(provider="sandbox")


def test_a_card_that_is_gone_is_a_refusal(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = saved(ana, time)
    Payment.objects.filter(id=paid.id).update(card="pm_gone")
    payments.authorize(payment_id=paid.id, amount=usd(4200), now=time())
    paid.refresh_from_db()
    assert (paid.state, paid.decline_code) == (PaymentState.DECLINED, "resource_missing")


def test_no_call_inside_a_transaction(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = saved(ana, time)
    with pytest.raises(InsideTransaction), transaction.atomic():
        gateway.session(paid.checkouts.get().session)
