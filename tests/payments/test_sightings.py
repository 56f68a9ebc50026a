"""What is seen at the provider: late, twice, out of order, or of things that lost their rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from payments import gateway, queries
from payments.actions import (
    bearers,
    checkouts,
    earnings,
    ledger,
    operations,
    payments,
    sightings,
    standings,
    sweeps,
)
from payments.gateway import line, words
from payments.models import (
    Attempt,
    Checkout,
    Customer,
    Dispute,
    InboxEvent,
    LedgerTransfer,
    Operation,
    Payee,
    Payment,
    Refund,
    Transfer,
)
from payments.sandbox.core import Sandbox
from payments.sandbox.errors import ApiError
from payments.sandbox.faults import Fault
from payments.states import AttemptState, OperationState, PaymentState
from rally.models import User
from tests.factories.payments import (
    POOR,
    REFUND_FAILS,
    SAVES_THEN_DECLINES,
    at_page,
    go,
    payee,
    payment,
    type_card,
    usd,
)
from tests.payments.conftest import Time, heal, run_all, saved, work

SAVE, HOLD, CHARGE = Checkout.Mode.SAVE, Checkout.Mode.HOLD, Checkout.Mode.CHARGE


def authorize(paid: Payment, time: Time) -> Payment:
    payments.authorize(payment_id=paid.id, amount=usd(4200), now=time())
    paid.refresh_from_db()
    return paid


# ---- attempts


def test_an_old_sighting_undoes_nothing(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = authorize(saved(ana, time), time)
    held = gateway.intent(paid.attempts.get().intent)
    payments.capture(payment_id=paid.id, amount=usd(4200), now=time())
    sightings.intent(held, now=time())
    paid.refresh_from_db()
    assert (paid.state, paid.attempts.get().state) == (PaymentState.PAID, AttemptState.CAPTURED)


def test_a_second_object_for_one_wish_is_let_go(sandbox: Sandbox, ana: User, time: Time) -> None:
    """As if an earlier generation of the key had had its effect after all."""
    paid = authorize(saved(ana, time), time)
    operation = Operation.objects.get(kind="authorize")
    tags = {"install": "test", "op": str(operation.id), "payment": str(paid.id)}
    gateway.create_intent(operation.params, at_once=False, tags=tags, key="an-earlier-generation")
    assert gateway.books().capturable == 8400
    work(time)
    work(time)
    assert gateway.books().capturable == 4200
    assert sorted(paid.attempts.values_list("state", "unwanted")) == [("canceled", True), ("held", False)]


def test_a_hold_of_a_restored_database_is_taken_in(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = authorize(saved(ana, time), time)
    with connection.cursor() as cursor:  # the backup is from before the card was asked
        cursor.execute(
            "TRUNCATE payments_attempt, payments_operation, payments_refund, payments_ledgertransfer CASCADE"
        )
    Payment.objects.filter(id=paid.id).update(state=PaymentState.CARD_SAVED)
    InboxEvent.objects.all().delete()
    work(time)
    paid.refresh_from_db()
    assert (paid.state, Attempt.objects.count()) == (PaymentState.HELD, 1)


def test_a_capture_that_lost_its_payment_is_told_to_a_person(
    sandbox: Sandbox, ana: User, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    paid = at_page(payment(ana, now=time()), CHARGE, now=time())
    seen = replace(gateway.intent(paid.attempts.get().intent), id="pi_other")
    seen = replace(seen, tags=replace(seen.tags, payment="", checkout=""))
    assert sightings.intent(seen, now=time()) is None
    assert sightings.intent(replace(seen, status="canceled"), now=time()) is None
    assert [each.message for each in caplog.records] == ["orphan.captured intent=pi_other"]


def test_a_decline_that_the_feed_tells_first(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = saved(ana, time, SAVES_THEN_DECLINES)
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "payment_intents$", Fault.DROP_AFTER)
    assert authorize(paid, time).state == PaymentState.AUTHORIZING
    work(time)
    paid.refresh_from_db()
    assert (paid.state, paid.decline_code) == (PaymentState.DECLINED, "generic_decline")
    time.move(minutes=1)
    run_all(time)
    assert Operation.objects.get(kind="authorize").state == OperationState.FAILED


def test_an_answer_that_is_still_open_is_looked_at_again(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = saved(ana, time)
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "payment_intents$", Fault.DROP_AFTER)
    authorize(paid, time)
    operation = Operation.objects.get(kind="authorize")
    seen = gateway.find_intent(customer=paid.customer, op=str(operation.id))
    assert seen is not None
    assert operations._finish(operation, replace(seen, status="waiting"), time()) == "pending"
    operation.refresh_from_db()
    assert (operation.result, operation.error) == (seen.id, "still_waiting")
    time.move(minutes=1)
    run_all(time)
    paid.refresh_from_db()
    assert paid.state == PaymentState.HELD


def test_a_second_worker_finds_nothing_left(sandbox: Sandbox, ana: User, time: Time) -> None:
    authorize(saved(ana, time), time)
    stale = Operation.objects.get(kind="authorize")
    seen = gateway.intent(stale.result)
    assert operations._finish(stale, seen, time()) == "done"
    assert operations._give_up(stale, words.Refused("x"), time()) == "done"
    assert operations._postpone(stale, words.Unknown("x"), time()) == "done"
    stale.generation = 7
    assert not operations._renew_key(stale, time())


def test_a_page_that_was_tried_in_vain_stays_open(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = payment(ana, now=time())
    url = go(paid, HOLD, now=time())
    with pytest.raises(ApiError):
        type_card(url, POOR)
    checkouts.come_back(payment_id=paid.id, now=time())
    paid.refresh_from_db()
    assert (paid.state, Attempt.objects.count()) == (PaymentState.NEW, 0)


def test_a_payer_who_pays_while_the_bank_is_asked_pays_once(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = saved(ana, time)
    url = go(paid, CHARGE, now=time())
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "expire", Fault.DROP_BEFORE)
    sandbox.faults.script("POST", "payment_intents$", Fault.DROP_AFTER)
    authorize(paid, time)
    type_card(url)
    checkouts.come_back(payment_id=paid.id, now=time())
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, paid.captured_minor, gateway.books().capturable) == (PaymentState.PAID, 4200, 0)


def test_a_hold_without_a_saved_card_that_lapses_is_a_decline(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = at_page(payment(ana, now=time()), HOLD, now=time())
    Payment.objects.filter(id=paid.id).update(card="")
    paid.attempts.update(checkout=None)  # nor is one learned from the page
    time.move(days=8)
    work(time)
    paid.refresh_from_db()
    assert (paid.state, paid.decline_code) == (PaymentState.DECLINED, "hold_lost")


# ---- wishes while something is unknown


def test_wishing_twice_while_unknown(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = saved(ana, time)
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "payment_intents$", Fault.DROP_AFTER)
    authorize(paid, time)
    assert authorize(paid, time).state == PaymentState.AUTHORIZING
    assert queries.outstanding(paid.group)
    payments.release(payment_id=paid.id, keep_card=True, now=time(), why="settled")
    payments.release(payment_id=paid.id, keep_card=False, now=time(), why="left")
    payments.release(payment_id=paid.id, keep_card=True, now=time(), why="settled")
    heal(sandbox, time)
    paid.refresh_from_db()
    assert paid.state == PaymentState.RELEASED


def test_the_fallback_charge_may_be_unknown_too(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), HOLD, now=time())
    time.move(days=8)
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "payment_intents$", Fault.DROP_AFTER)
    payments.capture(payment_id=paid.id, amount=usd(4200), now=time())
    paid.refresh_from_db()
    assert paid.state == PaymentState.CAPTURING
    sweeps.check_holds(now=time.move(minutes=11))
    paid.refresh_from_db()
    assert paid.state == PaymentState.CAPTURING
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, paid.captured_minor) == (PaymentState.PAID, 4200)


def test_a_capture_of_what_is_not_there_is_for_a_person(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), HOLD, now=time())
    right = paid.attempts.get().intent
    paid.attempts.update(intent="pi_gone")
    payments.capture(payment_id=paid.id, amount=usd(4200), now=time())
    operation = Operation.objects.get(kind="capture")
    assert (operation.state, operation.error) == (OperationState.STUCK, "resource_missing")
    paid.attempts.update(intent=right)
    Operation.objects.filter(id=operation.id).update(state="pending", target=right)
    heal(sandbox, time)


def test_a_look_that_fails_is_done_again(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), HOLD, now=time())
    gateway.capture_intent(paid.attempts.get().intent, amount=4200, key="by-hand")
    assert sandbox.faults is not None
    sandbox.faults.script("GET", "/v1/payment_intents/", Fault.DROP_BEFORE)
    payments.capture(payment_id=paid.id, amount=usd(4200), now=time())
    assert Operation.objects.get(kind="capture").state == OperationState.PENDING
    time.move(minutes=1)
    run_all(time)
    paid.refresh_from_db()
    assert paid.state == PaymentState.PAID


# ---- refunds


def test_an_old_failure_says_nothing_about_a_second_try(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), CHARGE, now=time(), number=REFUND_FAILS)
    refund = payments.refund(payment_id=paid.id, amount=usd(4200), reason="x", now=time(), by=None)
    refund.refresh_from_db()
    first = refund.refund
    time.move(days=3)
    work(time)
    payments.refund_again(refund_id=refund.id, now=time(), by=None)
    refund.refresh_from_db()
    assert (refund.state, refund.refund != first) == ("succeeded", True)
    sightings.look("refund", first, now=time())
    refund.refresh_from_db()
    assert (refund.state, Refund.objects.count()) == ("succeeded", 1)


# ---- disputes


@pytest.mark.parametrize(
    ("evidence", "account"), [("winning_evidence", ""), ("losing_evidence", "loss:dispute")]
)
def test_a_dispute_ends(sandbox: Sandbox, ana: User, time: Time, evidence: str, account: str) -> None:
    paid = at_page(payment(ana, now=time()), CHARGE, now=time())
    dispute = sandbox.open_dispute(paid.attempts.get().charge)["id"]
    work(time)
    told = {"evidence": {"uncategorized_text": evidence}}
    line.ask(lambda v1: v1.disputes.update(dispute, told, {"idempotency_key": "by-hand"}))
    work(time)
    assert queries.balance("dispute:open") == 0
    assert queries.balance("loss:dispute") == (-4200 if account else 0)


def test_a_dispute_of_a_payment_that_is_news_to_us(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = payment(ana, now=time())
    type_card(go(paid, CHARGE, now=time()))
    found = sandbox.see(Checkout.objects.get().session)
    assert found is not None
    dispute = sandbox.open_dispute(gateway.intent(found["payment_intent"]).charge)["id"]
    sightings.look("dispute", dispute, now=time())
    assert queries.balance("dispute:open") == -4200


def test_what_means_nothing_to_us_is_left_alone(sandbox: Sandbox, time: Time) -> None:
    sightings.look("coupon", "x", now=time())
    assert not LedgerTransfer.objects.exists()


# ---- transfers


def sent(ana: User, time: Time) -> Transfer:
    paid = at_page(payment(ana, now=time()), CHARGE, now=time())
    share = earnings.Due(payee(now=time()).id, {paid.id: 3000})
    earnings.book(
        group=paid.group, payment_ids=[paid.id], operators=[share], due_at=time(), now=time(), by=None
    )
    earnings.send_due(now=time())
    return Transfer.objects.get()


def test_a_lost_reversal_is_found_again(sandbox: Sandbox, ana: User, time: Time) -> None:
    row = sent(ana, time)
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "/reversals$", Fault.DROP_AFTER)
    payments.refund(payment_id=row.payment_id, amount=usd(2000), reason="half", now=time(), by=None)
    payments.refund(payment_id=row.payment_id, amount=usd(2000), reason="rest", now=time(), by=None)
    time.move(hours=25)
    run_all(time)
    row.refresh_from_db()
    assert (row.reversed_minor, row.state) == (3000, "reversed")
    assert Operation.objects.filter(kind="reverse", generation=1, state="done").count() == 2
    assert queries.balance("platform:fee") == 200


def test_a_refund_while_the_transfer_is_on_its_way(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), CHARGE, now=time())
    share = earnings.Due(payee(now=time()).id, {paid.id: 3000})
    earnings.book(
        group=paid.group, payment_ids=[paid.id], operators=[share], due_at=time(), now=time(), by=None
    )
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "/v1/transfers$", Fault.DROP_AFTER)
    earnings.send_due(now=time())
    payments.refund(payment_id=paid.id, amount=usd(4200), reason="no bus", now=time(), by=None)
    assert queries.balance("operator:receivable") == -3000
    heal(sandbox, time)
    assert Transfer.objects.get().state == "reversed"
    assert queries.balance("operator:receivable") == 0


def test_an_unbooked_line_comes_with_a_later_look(sandbox: Sandbox, ana: User, time: Time) -> None:
    row = sent(ana, time)
    seen = gateway.transfer(row.transfer)
    before = LedgerTransfer.objects.count()
    reversal = words.ReversalSeen("trr_x", 100, None, words.Tags())
    sightings.transfer(replace(seen, booking=None, reversals=(reversal,)), now=time())
    sightings.transfer(replace(seen, id="tr_other"), now=time())  # found by its tag, and not the one we know
    assert LedgerTransfer.objects.count() == before
    row.refresh_from_db()
    assert row.transfer == seen.id


def test_a_share_too_small_to_split_is_sent_in_one(
    sandbox: Sandbox, ana: User, ben: User, time: Time
) -> None:
    first = at_page(payment(ana, now=time()), CHARGE, now=time())
    second = at_page(payment(ben, now=time(), group=first.group), CHARGE, now=time())
    both = [first.id, second.id]
    to = payee(now=time()).id
    share = earnings.Due(to, {first.id: 1, second.id: 0})
    made = earnings.book(
        group=first.group, payment_ids=both, operators=[share], due_at=time(), now=time(), by=None
    )
    assert [each.amount_minor for each in made] == [1]
    without = second if made[0].payment_id == first.id else first
    payments.refund(payment_id=without.id, amount=usd(4200), reason="x", now=time(), by=None)
    assert queries.balance("platform:fee") == 4199


# ---- sweeps


def test_a_capture_without_its_line_is_looked_at(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), HOLD, now=time())
    seen = gateway.intent(paid.attempts.get().intent)
    payments.capture(payment_id=paid.id, amount=usd(4200), now=time())
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE payments_ledgertransfer")
    sightings.intent(replace(seen, status="captured", captured=4200, booking=None), now=time())
    assert not LedgerTransfer.objects.exists()
    assert sandbox.faults is not None
    sandbox.faults.script("GET", "/v1/payment_intents/", Fault.DROP_BEFORE)
    sweeps.check_holds(now=time())
    assert not LedgerTransfer.objects.exists()
    sweeps.check_holds(now=time())
    assert queries.balance("rider:deposit") == 4200


def test_a_payment_that_was_left_in_the_middle_goes_on(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), HOLD, now=time())
    Payment.objects.filter(id=paid.id).update(state=PaymentState.RELEASING)
    sweeps.check_holds(now=time.move(minutes=11))
    paid.refresh_from_db()
    assert paid.state == PaymentState.RELEASED


def test_a_page_nobody_told_us_of_is_looked_at(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = payment(ana, now=time())
    type_card(go(paid, HOLD, now=time()))
    time.move(minutes=40)
    assert sweeps.check_holds(now=time()) == 1
    paid.refresh_from_db()
    assert paid.state == PaymentState.HELD


def test_a_reversal_that_never_arrived_is_asked_for_again(sandbox: Sandbox, ana: User, time: Time) -> None:
    row = sent(ana, time)
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "/reversals$", Fault.DROP_BEFORE)
    payments.refund(payment_id=row.payment_id, amount=usd(4200), reason="no bus", now=time(), by=None)
    time.move(hours=23, minutes=30)
    run_all(time)
    row.refresh_from_db()
    assert (row.state, Operation.objects.get(kind="reverse").generation) == ("reversed", 2)


def test_the_same_news_twice(sandbox: Sandbox, ana: User, time: Time) -> None:
    to = payee(now=time())
    assert sightings.account(gateway.account(to.account)) == to
    at_page(payment(ana, now=time()), SAVE, now=time())
    known = Customer.objects.get()
    assert sightings.customer(words.CustomerSeen("cus_other", words.Tags()), customer_id=known.id) == known
    known.refresh_from_db()
    assert known.customer != "cus_other"


def test_a_refund_that_is_not_booked_yet(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), CHARGE, now=time())
    sandbox.refund_in_dashboard(paid.attempts.get().charge, 100)
    seen = gateway.refunds_of(paid.attempts.get().intent)[0]
    sightings.refund(replace(seen, booking=None, status="pending"), now=time())
    assert queries.balance("rider:refund_due") == 100
    sightings.refund(seen, now=time())
    assert queries.balance("rider:refund_due") == 0


def test_a_refund_by_hand_that_had_failed_before_we_heard_of_it(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = at_page(payment(ana, now=time()), CHARGE, now=time(), number=REFUND_FAILS)
    sandbox.refund_in_dashboard(paid.attempts.get().charge)
    time.move(days=3)
    work(time)
    refund = Refund.objects.get()
    assert (refund.state, refund.amount_minor) == ("failed", 4200)
    assert [each.id for each in queries.still_owed()] == [refund.id]
    assert queries.balance("rider:refund_due") == 4200


def test_lists_are_read_to_their_end(sandbox: Sandbox, ana: User, time: Time) -> None:
    at_page(payment(ana, now=time()), SAVE, now=time())
    whole = [each["id"] for each in line.pages(lambda v1, page: v1.events.list(page))]
    one_by_one = [each["id"] for each in line.pages(lambda v1, page: v1.events.list(page), limit=1)]
    assert whole == one_by_one
    assert len(whole) > 2


def test_an_account_that_lost_its_answer_is_known_by_its_tag(sandbox: Sandbox, ana: User, time: Time) -> None:
    to = payee(now=time(), ready=False)
    seen = gateway.account(to.account)
    Payee.objects.update(account="")
    assert sightings.account(seen) == to
    to.refresh_from_db()
    assert to.account == seen.id


@pytest.mark.parametrize("heard", ["before it was sent", "after it was sent", "never"])
def test_what_was_refunded_by_hand_before_we_saw_it_is_not_given_back_twice(
    sandbox: Sandbox, ana: User, time: Time, heard: str
) -> None:
    paid = payment(ana, now=time(), amount=8400)
    type_card(go(paid, CHARGE, now=time()))
    (taken,) = gateway.intents_since(time() - timedelta(hours=1))
    payments.change_amount(payment_id=paid.id, amount=usd(4200), now=time())  # the page had asked for more
    if heard != "never":
        if heard == "before it was sent":
            sandbox.faults.script("POST", "/v1/refunds", Fault.DROP_BEFORE)
        sightings.look("payment_intent", taken.id, now=time())
    sandbox.refund_in_dashboard(taken.charge)  # all that is left
    for _round in range(3):
        time.move(minutes=5)
        work(time)
    paid.refresh_from_db()
    assert (paid.state, paid.captured_minor, paid.refunded_minor) == (PaymentState.REFUNDED, 4200, 4200)
    assert not queries.still_owed().exists()
    assert queries.balance("rider:deposit") == queries.balance("rider:refund_due") == 0


def test_a_promise_that_failed_is_kept_by_a_larger_refund_by_hand(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = at_page(payment(ana, now=time()), CHARGE, now=time(), number=REFUND_FAILS)
    payments.refund(payment_id=paid.id, amount=usd(1000), reason="left", now=time(), by=None)
    time.move(days=3)
    work(time)
    assert [each.amount_minor for each in queries.still_owed()] == [1000]
    sandbox.refund_in_dashboard(paid.attempts.get().charge)
    work(time)
    assert sorted(Refund.objects.values_list("amount_minor", "state")) == [
        (1000, "succeeded"),
        (3200, "succeeded"),
    ]


def test_the_same_sum_by_hand_keeps_a_promise_that_failed(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), CHARGE, now=time(), number=REFUND_FAILS)
    for reason in ("left", "leg:return"):
        payments.refund(payment_id=paid.id, amount=usd(1000), reason=reason, now=time(), by=None)
    time.move(days=3)
    work(time)
    assert [each.amount_minor for each in queries.still_owed()] == [1000, 1000]
    sandbox.refund_in_dashboard(paid.attempts.get().charge, 1000)
    work(time)
    assert [each.amount_minor for each in queries.still_owed()] == [1000]


def test_of_two_promises_that_failed_only_the_one_without_room_is_kept(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = at_page(payment(ana, now=time()), CHARGE, now=time(), number=REFUND_FAILS)
    for reason in ("left", "leg:return"):
        payments.refund(payment_id=paid.id, amount=usd(1000), reason=reason, now=time(), by=None)
    time.move(days=3)
    work(time)
    sandbox.refund_in_dashboard(paid.attempts.get().charge, 3000)
    work(time)
    assert [each.amount_minor for each in queries.still_owed()] == [1000]


def test_what_came_back_wholly_is_not_promised_again(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), CHARGE, now=time())
    payments.refund(payment_id=paid.id, amount=usd(4200), reason="left", now=time(), by=None)
    standings.give_back(paid.attempts.get(), amount=4200, reason=standings.OVER, now=time())
    assert Refund.objects.count() == 1


def test_what_nobody_wanted_is_borne_by_nobody() -> None:
    refund = Refund(attempt=Attempt(unwanted=True), amount_minor=500)
    assert bearers.of(payment=Payment(), refund=refund, now=datetime.now(UTC)) == [
        ledger.Source("rider:deposit", 500)
    ]


def test_what_belongs_to_no_intent_belongs_to_none_of_ours(sandbox: Sandbox, ana: User, time: Time) -> None:
    """A charge that somebody made without an intent in the same account; and an attempt of ours that was never sent."""
    row = payment(ana, now=time())
    Attempt.objects.create(payment=row, n=1, amount_minor=4200, captures_at_once=True, created_at=time())
    booking = words.Booking(id="txn_x", amount=-4200, fee=0)
    refund = words.RefundSeen(
        id="re_x",
        status="succeeded",
        amount=4200,
        intent="",
        booking=booking,
        returned=None,
        tags=words.Tags(),
    )
    dispute = words.DisputeSeen(id="du_x", status="open", intent="", refundable=False, bookings=(booking,))
    assert sightings.refund(refund, now=time()) is None
    assert sightings.dispute(dispute, now=time()) is None
    for table in (Refund, Dispute, LedgerTransfer):
        assert not table._default_manager.exists()
