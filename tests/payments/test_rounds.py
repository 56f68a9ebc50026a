"""Rounds in which every row is met, and what is looked at again on them."""

from __future__ import annotations

from typing import Any

import pytest

from payments import gateway
from payments.actions import (
    inbox,
    looking,
    operations,
    payments,
    rounds,
    sweeps,
)
from payments.errors import ProviderUnavailable
from payments.gateway import words
from payments.models import (
    Attempt,
    Checkout,
    FeedCursor,
    InboxEvent,
    Operation,
    Payment,
)
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Fault
from payments.states import AttemptState, OperationState, PaymentState
from rally.errors import NotAllowed
from rally.models import StaffAction, User
from tests.factories.payments import payment, usd
from tests.payments.conftest import Time, held, taken, work

SAVE, HOLD, CHARGE = Checkout.Mode.SAVE, Checkout.Mode.HOLD, Checkout.Mode.CHARGE


def test_a_round_meets_every_row_once(sandbox: Sandbox, ana: User, time: Time) -> None:
    made = sorted(payment(ana, now=time()).id for _ in range(5))
    every = Payment.objects.all()
    met = [[each.id for each in rounds.following("test", every, limit=2, now=time())] for _ in range(5)]
    assert met == [made[:2], made[2:4], [made[4], made[0]], made[1:3], made[3:]]
    assert rounds.following("empty", Payment.objects.none(), limit=2, now=time()) == []
    assert not FeedCursor.objects.filter(feed="empty").exists()


def test_what_cannot_be_seen_starves_nothing(sandbox: Sandbox, ana: User, time: Time) -> None:
    """Two holds that the provider never tells of stay at the head; the third one is looked at all the same."""
    rows = [held(ana, time) for _ in range(3)]
    intents = [each.attempts.get().intent for each in rows]
    for each in rows[:2]:
        Attempt.objects.filter(payment=each).update(intent=f"pi_gone_{each.id}")
    assert rows[2].hold_expires_at is not None
    time.move(seconds=(rows[2].hold_expires_at - time()).total_seconds() + 60)
    for _ in range(2):
        sweeps.check_holds(now=time(), limit=2)
    assert rows[2].attempts.get().state == AttemptState.CANCELED
    for each, intent in zip(rows, intents, strict=True):
        Attempt.objects.filter(payment=each).update(intent=intent)


# ---- the journal


def test_what_is_on_its_way_is_looked_at_again_under_a_fresh_key(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    """The provider says that it has moved, and it looks as before: not stuck, it will say more in a moment."""
    paid = held(ana, time)
    attempt = paid.attempts.get()
    page = payment(ana, now=time())
    from tests.factories.payments import go

    go(page, SAVE, now=time())
    intent = gateway.create_intent(
        {"amount": 4200, "currency": "USD", "customer": paid.customer, "card": paid.card, "description": "x", "group": "g"},
        at_once=False, tags={}, key="another",
    )  # fmt: skip
    operation = Operation.objects.create(
        kind=Operation.Kind.CAPTURE, subject=attempt.id, payment=paid, params={"amount": 4200}, target=intent.id,
        due_at=time(), created_at=time(),
    )  # fmt: skip
    moved = words.AlreadyMoved("charge_expired_for_capture")
    assert operations._finish_from_truth(operation, moved, time()) == OperationState.PENDING
    operation.refresh_from_db()
    assert (operation.generation, operation.error) == (2, "charge_expired_for_capture")
    gateway.cancel_intent(intent.id, key="it-expired")
    time.move(minutes=16)
    assert operations.run(operation.id, now=time()) == OperationState.DONE


def test_everything_stuck_is_run_again_at_once(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    paid = held(ana, time)
    attempt = paid.attempts.get()
    fields: dict[str, Any] = {
        "kind": Operation.Kind.CANCEL, "params": {}, "target": attempt.intent, "state": OperationState.STUCK,
        "due_at": time(), "created_at": time(), "tries": 48,
    }  # fmt: skip
    for n in range(1, 4):
        Operation.objects.create(subject=attempt.id, n=n, payment=paid, **fields)
    other = Payment.objects.create(
        payer=ana, reference="x", group="g", description="x", provider="live", amount_minor=1, currency="USD",
        created_at=time(), changed_at=time(),
    )  # fmt: skip
    Operation.objects.create(subject=other.id, payment=other, **fields)
    with pytest.raises(NotAllowed):
        operations.run_all_again(now=time(), by=ana)
    assert operations.run_all_again(now=time(), by=sam, limit=2) == 2
    assert operations.run_all_again(now=time(), by=sam) == 1
    assert operations.run_all_again(now=time(), by=sam) == 0  # those of another provider are left
    assert StaffAction.objects.filter(what="operation.run_again").count() == 3
    Operation.objects.filter(payment=other).delete()
    other.delete()


def test_only_staff_press_buttons(sandbox: Sandbox, ana: User, time: Time) -> None:
    event = InboxEvent.objects.create(
        id="evt_1", type="x", object_id="x", livemode=False, payload={}, source="pull", received_at=time(),
        due_at=time(), state="failed",
    )  # fmt: skip
    with pytest.raises(NotAllowed):
        inbox.read_again(event_id=event.id, now=time(), by=ana)
    with pytest.raises(NotAllowed):
        looking.look_again(payment_id=payment(ana, now=time()).id, now=time(), by=ana)
    assert not StaffAction.objects.exists()


def test_looking_again_takes_over_everything(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    paid = taken(ana, time)
    found = sandbox.open_dispute(paid.attempts.get().charge)
    work(time)
    sandbox.decide_dispute(found["id"], won=False)
    assert looking.look_again(payment_id=paid.id, now=time(), by=sam).disputes.get().state == "lost"
    Attempt.objects.filter(payment=paid).update(intent="pi_gone")
    looking.look_again(payment_id=paid.id, now=time(), by=sam)  # what is not found is logged
    assert sandbox.faults is not None
    sandbox.faults.script("GET", ".*", Fault.DROP_BEFORE)
    with pytest.raises(ProviderUnavailable):
        looking.look_again(payment_id=paid.id, now=time(), by=sam)
    Attempt.objects.filter(payment=paid).update(intent=found["payment_intent"])


def test_looking_again_sends_what_waits(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    paid = held(ana, time)
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "capture$", Fault.DROP_BEFORE)
    payments.capture(payment_id=paid.id, amount=usd(4200), now=time())
    time.move(minutes=5)
    looking.look_again(payment_id=paid.id, now=time(), by=sam)
    paid.refresh_from_db()
    assert paid.state == PaymentState.PAID
