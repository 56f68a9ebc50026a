"""Comparing our books with the provider's: what is taken over, what is let go, and what is left for a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from payments import gateway, queries, signals, tasks
from payments.actions import (
    bookings,
    payments,
    reconciling,
    sightings,
)
from payments.gateway import words
from payments.models import (
    Account,
    Attempt,
    Checkout,
    FeedCursor,
    LedgerTransfer,
    Operation,
    Payment,
    Refund,
    Transfer,
)
from payments.queries import ageing
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Fault
from payments.states import OperationState, PaymentState, RefundState
from rally.ids import uuid7
from rally.models import User
from tests.factories.payments import at_page, payee, payment, usd
from tests.payments.conftest import Time, compare, held, taken, work
from tests.racing import together

SAVE, HOLD, CHARGE = Checkout.Mode.SAVE, Checkout.Mode.HOLD, Checkout.Mode.CHARGE


def forget(*tables: str) -> None:
    """As after a restored backup: these rows are from before."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(tables)} CASCADE")


# ---- all is well


@pytest.mark.parametrize("full", [False, True])
def test_nothing_differs_when_all_is_well(sandbox: Sandbox, ana: User, time: Time, full: bool) -> None:
    paid = taken(ana, time)
    payments.refund(payment_id=paid.id, amount=usd(1000), reason="left", now=time(), by=None)
    held(ana, time)
    time.move(minutes=15)
    before = LedgerTransfer.objects.count()
    row = compare(time, full=full)
    assert (row.differences, row.error, row.mended) == ({}, "", 0)
    assert row.looked_at > 0
    assert row.ended_at is not None
    assert LedgerTransfer.objects.count() == before


# ---- what we asked


def test_what_is_stuck_or_late_is_named(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = taken(ana, time)
    fields: dict[str, Any] = {
        "kind": Operation.Kind.EXPIRE_CHECKOUT, "payment": paid, "params": {}, "due_at": time() + timedelta(days=9),
        "created_at": time(), "target": "cs_gone",
    }  # fmt: skip
    Operation.objects.create(subject=uuid7(), state=OperationState.STUCK, error="timeout", **fields)
    Operation.objects.create(subject=uuid7(), **fields)
    time.move(minutes=61)
    row = compare(time)
    assert [line.partition(": ")[2] for line in row.differences["operations_stuck"]] == ["timeout"]
    assert [line.partition(": ")[2] for line in row.differences["operations_late"]] == ["never sent"]
    Operation.objects.filter(target="cs_gone").delete()


# ---- what has no end


def test_a_hold_that_was_released_by_hand_is_seen(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = held(ana, time)
    gateway.cancel_intent(paid.attempts.get().intent, key="by-hand")
    time.move(minutes=11)
    row = compare(time)
    paid.refresh_from_db()
    assert (row.mended, row.differences, paid.state) == (1, {}, PaymentState.CARD_SAVED)


def test_an_attempt_that_the_provider_does_not_know_is_named(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), SAVE, now=time())
    lost = Attempt.objects.create(
        payment=paid, n=1, amount_minor=4200, captures_at_once=False, intent="pi_never_was", created_at=time()
    )
    time.move(minutes=11)
    assert list(compare(time).differences) == ["unseen"]
    lost.delete()


def test_an_attempt_that_nobody_asks_for_is_named(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), SAVE, now=time())
    lost = Attempt.objects.create(
        payment=paid, n=1, amount_minor=4200, captures_at_once=False, created_at=time()
    )
    time.move(minutes=11)
    assert compare(time).differences == {"attempts_unasked": [f"attempt {lost.id} of payment {paid.id}"]}
    lost.delete()


# ---- what they have and we do not


def test_what_lost_its_rows_is_taken_in(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = held(ana, time)
    forget("payments_attempt", "payments_operation", "payments_ledgertransfer")
    Payment.objects.filter(id=paid.id).update(state=PaymentState.CARD_SAVED)
    row = compare(time)
    paid.refresh_from_db()
    assert (paid.state, row.mended, row.differences) == (PaymentState.HELD, 1, {})


def test_a_hold_whose_payment_is_gone_is_let_go(sandbox: Sandbox, ana: User, time: Time) -> None:
    held(ana, time)
    forget("payments_payment", "payments_ledgertransfer", "payments_inboxevent")
    row = compare(time)
    work(time)
    assert (row.mended, gateway.books().capturable) == (1, 0)


def test_money_whose_payment_is_gone_is_for_a_person(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = taken(ana, time)
    refund = payments.refund(payment_id=paid.id, amount=usd(1000), reason="left", now=time(), by=None)
    assert refund is not None
    refund.refresh_from_db()
    intent = paid.attempts.get().intent
    seen, given = gateway.intent(intent), gateway.refund(refund.refund)
    found = reconciling.Findings(full=False, now=time())
    nobody = words.Tags(install="test")
    reconciling._orphan_intent(found, replace(seen, id="pi_x", tags=nobody))
    reconciling._orphan_refund(found, replace(given, id="re_x", intent="pi_x", tags=nobody))
    reconciling._orphan_transfer(found, words.TransferSeen("tr_x", 500, 0, None, (), nobody))
    assert [line.partition(":")[0] for line in found.differences["orphans"]] == ["pi_x", "re_x", "tr_x"]
    ended = reconciling.Findings(full=False, now=time())
    reconciling._orphan_intent(ended, replace(seen, id="pi_y", status="canceled", tags=nobody))
    assert (ended.differences, ended.mended) == ({}, 0)
    others = words.Tags(install="another")
    again = reconciling.Findings(full=False, now=time())
    reconciling._orphan_intent(again, replace(seen, id="pi_x", tags=others))
    reconciling._orphan_refund(again, replace(given, id="re_x", intent="pi_x", tags=others))
    reconciling._orphan_transfer(again, words.TransferSeen("tr_x", 500, 0, None, (), others))
    assert (again.differences, again.looked_at, again.mended) == ({}, 3, 0)


def test_a_refund_made_while_an_answer_is_open_is_left_to_its_news(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = taken(ana, time)
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "/v1/refunds", Fault.DROP_BEFORE)
    payments.refund(payment_id=paid.id, amount=usd(1000), reason="left", now=time(), by=None)
    seen = gateway.refund(sandbox.refund_in_dashboard(paid.attempts.get().charge, 500)["id"])
    found = reconciling.Findings(full=False, now=time())
    reconciling._orphan_refund(found, seen)
    assert (found.looked_at, found.mended, found.differences) == (1, 0, {})
    time.move(minutes=5)
    work(time)
    assert sorted(Refund.objects.values_list("amount_minor", "state")) == [
        (500, "succeeded"),
        (1000, "succeeded"),
    ]


def test_a_refund_made_at_the_provider_is_taken_in(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = taken(ana, time)
    sandbox.refund_in_dashboard(paid.attempts.get().charge, 1200)
    row = compare(time)
    paid.refresh_from_db()
    assert (row.mended, row.differences) == (1, {})
    assert (Refund.objects.get().state, paid.refunded_minor) == (RefundState.SUCCEEDED, 1200)


def test_a_transfer_that_lost_its_id_is_taken_in(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = taken(ana, time)
    paid_out = payee(now=time())
    transfer = Transfer.objects.create(
        payee=paid_out, payment=paid, group=paid.group, amount_minor=1000, currency="USD", due_at=time(),
        created_at=time(),
    )  # fmt: skip
    LedgerTransfer.objects.create(
        event_key=f"earned:{paid.id}", debit=Account.RIDER_DEPOSIT, credit=Account.OPERATOR_PAYABLE,
        amount_minor=1000, currency="USD", payment=paid, payee=paid_out, group=paid.group, occurred_at=time(),
    )  # fmt: skip
    tasks.send_transfers()
    Transfer.objects.update(transfer="", state="pending")
    assert compare(time).mended == 1
    transfer.refresh_from_db()
    assert transfer.state == "paid"
    # Taken back at the provider, by hand: a debt is paid with it.
    LedgerTransfer.objects.bulk_create(
        [LedgerTransfer(
            event_key="test:owed", debit=Account.OPERATOR_RECEIVABLE, credit=Account.PLATFORM_RETAINED,
            amount_minor=400, currency="USD", payee=paid_out, occurred_at=time(),
        )]
    )  # fmt: skip
    gateway.reverse_transfer(transfer.transfer, amount=400, tags={}, key="by-hand")
    assert compare(time).mended >= 1
    transfer.refresh_from_db()
    assert transfer.reversed_minor == 400
    assert queries.balance(Account.OPERATOR_RECEIVABLE) == 0


def test_a_light_one_goes_on_from_the_last(sandbox: Sandbox, ana: User, time: Time) -> None:
    taken(ana, time)
    assert compare(time).looked_at > 0
    time.move(hours=2)
    compare(time)  # a little is always seen twice
    assert compare(time).looked_at == 0
    assert compare(time, full=True).looked_at > 0


# ---- holds


def test_a_hold_that_nobody_wants_is_let_go(
    sandbox: Sandbox, ana: User, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    paid = held(ana, time)
    Payment.objects.filter(id=paid.id).update(state=PaymentState.RELEASED)
    row = compare(time)
    assert row.mended == 1
    assert "hold.left" in caplog.text
    work(time)
    assert gateway.books().capturable == 0


def test_a_hold_that_cannot_be_let_go_is_named(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = held(ana, time)
    attempt = paid.attempts.get()
    Payment.objects.filter(id=paid.id).update(state=PaymentState.RELEASED)
    Operation.objects.create(
        kind=Operation.Kind.CANCEL, subject=attempt.id, payment=paid, params={}, target=attempt.intent,
        state=OperationState.STUCK, due_at=time(), created_at=time(),
    )  # fmt: skip
    assert "holds_left" in compare(time).differences
    Operation.objects.filter(kind="cancel").update(state=OperationState.PENDING)


def test_the_app_above_hears_of_holds_that_lapse_soon(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = held(ana, time)
    heard: list[UUID] = []

    def hear(payment_id: UUID, **_more: Any) -> None:
        heard.append(payment_id)
        raise RuntimeError("and one that fails harms nobody")

    signals.hold_ends_soon.connect(hear)
    try:
        assert paid.hold_expires_at is not None
        compare(time)
        time.move(seconds=(paid.hold_expires_at - time() - timedelta(hours=11)).total_seconds())
        compare(time)
    finally:
        signals.hold_ends_soon.disconnect(hear)
    assert heard == [paid.id]


# ---- the books


def test_a_line_that_nobody_told_us_of_is_fetched(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = taken(ana, time)
    forget("payments_ledgertransfer")
    outcome = bookings.compare_new(now=time())
    assert (outcome.mended, outcome.differences) == (1, {})
    assert queries.balance(Account.STRIPE_BALANCE, payment=paid) < 0


@pytest.mark.parametrize("what", ["refund", "dispute", "payout", "topup", "bill", "bill given back"])
def test_every_kind_of_line_is_fetched(sandbox: Sandbox, ana: User, time: Time, what: str) -> None:
    paid = taken(ana, time)
    ends = None
    if what == "refund":
        sandbox.refund_in_dashboard(paid.attempts.get().charge, 500)
    elif what == "dispute":
        ends = sandbox.open_dispute(paid.attempts.get().charge)["id"]
    elif what == "topup":
        sandbox.top_up_in_dashboard(50_000)
    elif what.startswith("bill"):
        sandbox.bill(200 if what == "bill" else -200)
    else:
        time.move(days=8)
        gateway.line.ask(lambda v1: v1.payouts.create({"amount": 1000, "currency": "usd"}))
    assert bookings.compare_new(now=time()).mended == 1
    outcome = bookings.compare_all(now=time())
    assert outcome.differences == {}
    if ends:
        sandbox.decide_dispute(ends, won=False)


def test_a_line_that_stays_unknown_is_asked_about_again(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = taken(ana, time)
    made_at = time()
    attempt = paid.attempts.get()
    LedgerTransfer.objects.filter(payment=paid)
    forget("payments_ledgertransfer")
    Attempt.objects.update(charge="")
    outcome = bookings.compare_new(now=time())
    assert outcome.differences == {}  # young: news of it may be on its way
    time.move(minutes=11)
    for _ in range(2):
        outcome = bookings.compare_new(now=time())
        assert [line.partition(": ")[2].split(" of ")[0] for line in outcome.differences["L3"]] == ["charge"]
        assert FeedCursor.objects.get(feed="bookings").read_to == made_at
    assert list(bookings.compare_all(now=time()).differences) == ["L2", "L3"]
    Attempt.objects.update(charge=attempt.charge)
    assert bookings.compare_new(now=time()).mended == 1
    sightings.look("payment_intent", attempt.intent, now=time())


def test_a_line_of_ours_that_they_do_not_know_is_named(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = taken(ana, time)
    LedgerTransfer.objects.create(
        event_key="invented", debit=Account.STRIPE_BALANCE, credit=Account.RIDER_DEPOSIT, amount_minor=100,
        currency="USD", payment=paid, transaction="txn_invented", occurred_at=time(),
    )  # fmt: skip
    row = LedgerTransfer.objects.filter(event_key=f"capture:{paid.attempts.get().id}", leg=1).get()
    LedgerTransfer.objects.create(
        event_key="doubled", debit=Account.STRIPE_BALANCE, credit=Account.RIDER_DEPOSIT, amount_minor=7,
        currency="USD", payment=paid, transaction=row.transaction, occurred_at=time(),
    )  # fmt: skip
    time.move(minutes=15)
    found = compare(time, full=True).differences
    assert found["L3"] == sorted(
        [
            "txn_invented: only in our books",
            f"{row.transaction}: ours {row.amount_minor + 7 - 152}, theirs {row.amount_minor - 152}",
        ]
    )
    assert found["L2"]
    assert "L10" in found
    forget("payments_ledgertransfer")
    sightings.look("payment_intent", paid.attempts.get().intent, now=time())


def test_a_line_about_nothing_of_ours_stays_a_difference(sandbox: Sandbox, time: Time) -> None:
    for source in ("", "ch_other", "trr_other", "re_never_was"):
        line = words.BookLine("txn_x", 100, 0, "USD", "other", source, time())
        assert bookings._mend([line], bookings.Outcome(), time()) == [
            (line, f"txn_x: other of 100 about {source}, not in our books")
        ]


# ---- clearing accounts


def test_what_lies_for_too_long_is_named(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = taken(ana, time)
    paid_out = payee(now=time())
    owes = {"currency": "USD", "occurred_at": time() - timedelta(days=31), "payee": paid_out}
    LedgerTransfer.objects.create(
        event_key="test:debt", debit=Account.OPERATOR_RECEIVABLE, credit=Account.PLATFORM_RETAINED,
        amount_minor=900, **owes,
    )  # fmt: skip
    disputed = sandbox.open_dispute(paid.attempts.get().charge)["id"]
    work(time)
    waiting = ageing.all_waiting(now=time())
    assert [(each.account, each.subject, each.amount, each.old) for each in waiting] == [
        (Account.DISPUTE_OPEN, paid.id, usd(4200), False),
        (Account.OPERATOR_RECEIVABLE, paid_out.id, usd(900), True),
    ]
    assert [each.is_payee for each in waiting] == [False, True]
    assert compare(time).differences["ageing"] == [
        f"operator:receivable {paid_out.id}: $9 since {time() - timedelta(days=31):%Y-%m-%d}"
    ]
    sandbox.decide_dispute(disputed, won=False)


# ---- trouble


def test_while_the_provider_is_away_the_rest_is_done(sandbox: Sandbox, ana: User, time: Time) -> None:
    held(ana, time)
    time.move(minutes=11)
    assert sandbox.faults is not None
    sandbox.faults.script("GET", ".*", *[Fault.DROP_BEFORE] * 50)
    row = compare(time)
    assert row.ended_at is not None
    assert [part.partition(":")[0] for part in row.error.split("; ")] == ["attempts", "orphans", "books"]
    assert not FeedCursor.objects.filter(feed__in=["orphans", "bookings"]).exists()  # nothing is skipped
    sandbox.faults.stop()
    assert compare(time).error == ""


def test_a_step_that_crashes_hides_nothing_else(
    sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(_found: Any) -> None:
        raise RuntimeError("our own fault")

    monkeypatch.setitem(reconciling._STEPS, "orphans", crash)
    row = compare(time)
    assert row.error == "orphans: crashed"
    assert row.ended_at is not None


def test_two_at_once_are_one(sandbox: Sandbox, ana: User, time: Time) -> None:
    made = together(*[lambda: reconciling._begin(False, time())] * 2)
    assert sorted(each is None for each in made) == [False, True]
    assert reconciling.reconcile(full=True, now=time()) is None
    with pytest.raises(CommandError, match="at work"):
        call_command("reconcile", stdout=StringIO())
    time.move(hours=3)  # whoever began has died
    assert compare(time).ended_at is not None


def test_long_lists_are_cut(time: Time) -> None:
    found = reconciling.Findings(full=True, now=time())
    found.differ("L3", [f"line {n}" for n in range(130)])
    found.differ("L2", [])
    assert found.limit == 5000
    assert (len(found.written()["L3"]), found.written()["L3"][-1], list(found.written())) == (
        101,
        "… 30 more",
        ["L3"],
    )
