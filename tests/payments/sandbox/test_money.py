"""Balance, refunds, transfers, payouts and disputes: what goes in, out and comes back."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from payments.sandbox.errors import ApiError
from payments.sandbox.money import fee_of
from tests.payments.sandbox.bench import Bench

FEE = fee_of(4200)


def _charge(intent: stripe.PaymentIntent) -> str:
    charge = intent.latest_charge
    return charge if isinstance(charge, str) else str(charge and charge.id)


@pytest.mark.parametrize(("amount", "fee"), [(50, 31), (1000, 59), (4200, 152), (9999, 320)])
def test_the_fee_is_that_of_a_us_card(amount: int, fee: int) -> None:
    assert fee_of(amount) == fee


def test_captured_money_is_pending_for_two_days(bench: Bench) -> None:
    bench.paid()
    assert bench.balance() == (0, 4200 - FEE)
    entry = bench.client.v1.balance_transactions.list({"type": "charge"}).data[0]
    assert (entry.amount, entry.fee, entry.net, entry.status) == (4200, FEE, 4200 - FEE, "pending")
    bench.pass_time(days=2)
    assert bench.balance() == (4200 - FEE, 0)
    assert bench.client.v1.balance_transactions.retrieve(entry.id).status == "available"


def test_one_card_has_its_money_at_once(bench: Bench) -> None:
    bench.paid(number="4000000000000077")
    assert bench.balance() == (4200 - FEE, 0)


def test_a_hold_is_no_money_yet(bench: Bench) -> None:
    bench.charge_saved(*bench.saved())
    assert bench.balance() == (0, 0)
    assert bench.client.v1.balance_transactions.list().data == []


# ---- refunds


def test_refunds_add_up_to_what_was_captured_and_not_more(bench: Bench) -> None:
    intent = bench.paid()
    first = bench.client.v1.refunds.create(
        {"payment_intent": intent.id, "amount": 1200, "metadata": {"op": "3"}}
    )
    assert (first.status, first.amount, first.charge) == ("succeeded", 1200, _charge(intent))
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        bench.client.v1.refunds.create({"payment_intent": intent.id, "amount": 3001})
    rest = bench.client.v1.refunds.create({"charge": _charge(intent)})
    assert rest.amount == 3000
    charge = bench.client.v1.charges.retrieve(_charge(intent), {"expand": ["refunds"]})
    assert (charge.refunded, charge.amount_refunded) == (True, 4200)
    assert charge.refunds is not None
    assert [one.id for one in charge.refunds.data] == [rest.id, first.id]
    with pytest.raises(stripe.InvalidRequestError) as again:
        bench.client.v1.refunds.create({"payment_intent": intent.id})
    assert again.value.code == "charge_already_refunded"
    assert sum(bench.balance()) == -FEE


def test_a_partly_captured_hold_is_refunded_up_to_what_was_taken(bench: Bench) -> None:
    held = bench.charge_saved(*bench.saved())
    with pytest.raises(stripe.InvalidRequestError) as early:
        bench.client.v1.refunds.create({"payment_intent": held.id})
    assert early.value.code == "charge_not_refundable"
    bench.client.v1.payment_intents.capture(held.id, {"amount_to_capture": 3000})
    assert bench.client.v1.refunds.create({"payment_intent": held.id}).amount == 3000


def test_a_slow_refund_arrives_a_day_later(bench: Bench) -> None:
    intent = bench.paid(number="4000000000007726")
    slow = bench.client.v1.refunds.create({"payment_intent": intent.id})
    assert (slow.status, slow.pending_reason) == ("pending", "processing")
    bench.pass_time(days=1)
    assert bench.client.v1.refunds.retrieve(slow.id).status == "succeeded"
    assert "refund.updated" in bench.events()


def test_a_refund_that_fails_later_gives_the_money_back_to_us(bench: Bench) -> None:
    intent = bench.paid(number="4000000000005126")
    refund = bench.client.v1.refunds.create({"payment_intent": intent.id})
    assert refund.status == "succeeded"
    assert sum(bench.balance()) == -FEE
    bench.pass_time(days=2)
    failed = bench.client.v1.refunds.retrieve(refund.id)
    assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
    assert failed.failure_balance_transaction is not None
    assert sum(bench.balance()) == 4200 - FEE
    assert bench.client.v1.charges.retrieve(_charge(intent)).amount_refunded == 0
    assert "refund.failed" in bench.events()


def test_a_refund_in_the_dashboard_goes_past_us(bench: Bench) -> None:
    intent = bench.paid()
    refund = bench.sandbox.refund_in_dashboard(_charge(intent), 500)
    listed = bench.client.v1.refunds.list({"payment_intent": intent.id}).data
    assert [(one.id, one.metadata and one.metadata.to_dict()) for one in listed] == [(refund["id"], {})]


# ---- transfers


def test_a_transfer_from_a_charge_is_accepted_at_once_and_available_with_it(bench: Bench) -> None:
    operator = bench.operator()
    intent = bench.paid(transfer_group="trip:K7QM2P")
    transfer = bench.client.v1.transfers.create(
        {"amount": 3000, "currency": "usd", "destination": operator, "source_transaction": _charge(intent)}
    )
    assert (transfer.transfer_group, transfer.reversed) == ("trip:K7QM2P", False)
    assert bench.balance(operator) == (0, 3000)
    assert bench.balance() == (0, 1200 - FEE)
    bench.pass_time(days=2)
    assert bench.balance(operator) == (3000, 0)
    assert [one.id for one in bench.client.v1.transfers.list({"transfer_group": "trip:K7QM2P"}).data] == [
        transfer.id
    ]


def test_no_more_than_a_charge_is_transferred_from_it(bench: Bench) -> None:
    operator, charge = bench.operator(), _charge(bench.paid())
    move = {"currency": "usd", "destination": operator, "source_transaction": charge}
    bench.client.v1.transfers.create({"amount": 4000, **move})  # type: ignore[typeddict-item]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.client.v1.transfers.create({"amount": 201, **move})  # type: ignore[typeddict-item]
    assert refused.value.code == "balance_insufficient"


def test_without_a_charge_a_transfer_needs_available_money(bench: Bench) -> None:
    operator = bench.operator()
    bench.paid()
    move = {"amount": 1000, "currency": "usd", "destination": operator}
    with pytest.raises(stripe.InvalidRequestError) as poor:
        bench.client.v1.transfers.create(move)  # type: ignore[arg-type]
    assert poor.value.code == "balance_insufficient"
    bench.pass_time(days=2)
    assert bench.client.v1.transfers.create(move).amount == 1000  # type: ignore[arg-type]


def test_nobody_is_paid_before_onboarding(bench: Bench) -> None:
    account = bench.client.v1.accounts.create(
        {"type": "express", "capabilities": {"transfers": {"requested": True}}}
    )
    assert (account.payouts_enabled, account.details_submitted) == (False, False)
    link = bench.client.v1.account_links.create(
        {
            "account": account.id,
            "type": "account_onboarding",
            "return_url": "https://rally.example/operator/money/",
            "refresh_url": "https://rally.example/operator/money/again/",
        }
    )
    assert link.url.startswith(f"https://rally.example/sandbox/onboarding/{account.id}/")
    move = {
        "amount": 10,
        "currency": "usd",
        "destination": account.id,
        "source_transaction": _charge(bench.paid()),
    }
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.client.v1.transfers.create(move)  # type: ignore[arg-type]
    assert refused.value.code == "insufficient_capabilities_for_transfer"
    bench.sandbox.finish_onboarding(account.id)
    assert bench.client.v1.accounts.retrieve(account.id).payouts_enabled is True
    assert bench.client.v1.transfers.create(move).amount == 10  # type: ignore[arg-type]


def test_a_transfer_is_reversed_while_the_money_is_there(bench: Bench) -> None:
    operator = bench.operator(interval="daily")
    intent = bench.paid()
    transfer = bench.client.v1.transfers.create(
        {"amount": 3000, "currency": "usd", "destination": operator, "source_transaction": _charge(intent)}
    )
    part = bench.client.v1.transfers.reversals.create(transfer.id, {"amount": 1000})
    assert bench.client.v1.transfers.retrieve(transfer.id).amount_reversed == 1000
    assert bench.balance(operator) == (0, 2000)
    assert [one.id for one in bench.client.v1.transfers.reversals.list(transfer.id).data] == [part.id]
    with pytest.raises(stripe.InvalidRequestError):
        bench.client.v1.transfers.reversals.create(transfer.id, {"amount": 2001})
    bench.pass_time(days=3)
    assert bench.balance(operator) == (0, 0)
    with pytest.raises(stripe.InvalidRequestError) as gone:
        bench.client.v1.transfers.reversals.create(transfer.id)
    assert gone.value.code == "balance_insufficient"
    bench.pass_time(days=2)
    paid = bench.client.v1.payouts.list({}, {"stripe_account": operator}).data
    assert [(one.amount, one.status, one.automatic) for one in paid] == [(2000, "paid", True)]


def test_refunding_a_charge_leaves_its_transfer_alone(bench: Bench) -> None:
    operator, intent = bench.operator(), bench.paid()
    transfer = bench.client.v1.transfers.create(
        {"amount": 3000, "currency": "usd", "destination": operator, "source_transaction": _charge(intent)}
    )
    bench.client.v1.refunds.create({"payment_intent": intent.id})
    assert bench.client.v1.transfers.retrieve(transfer.id).reversed is False
    assert sum(bench.balance()) == -FEE - 3000


def test_a_payout_needs_available_money_and_arrives(bench: Bench) -> None:
    bench.paid()
    with pytest.raises(stripe.InvalidRequestError) as poor:
        bench.client.v1.payouts.create({"amount": 1000, "currency": "usd"})
    assert poor.value.code == "balance_insufficient"
    bench.pass_time(days=2)
    payout = bench.client.v1.payouts.create({"amount": 1000, "currency": "usd"})
    other = bench.client.v1.payouts.create({"amount": 500, "currency": "usd"})
    assert bench.client.v1.payouts.cancel(other.id).status == "canceled"
    assert bench.balance() == (3200 - FEE, 0)
    bench.pass_time(days=2)
    assert bench.client.v1.payouts.retrieve(payout.id).status == "paid"


def test_an_unknown_account_is_refused(bench: Bench) -> None:
    with pytest.raises(stripe.PermissionError):
        bench.balance("acct_nobody")


# ---- disputes


def test_a_dispute_takes_the_money_and_a_fee_at_once(bench: Bench) -> None:
    intent = bench.paid(number="4000000000000259")
    assert bench.client.v1.disputes.list().data == []
    bench.pass_time(minutes=1)
    dispute = bench.client.v1.disputes.list({"payment_intent": intent.id}).data[0]
    assert (dispute.status, dispute.amount, dispute.is_charge_refundable) == ("needs_response", 4200, False)
    assert sum(bench.balance()) == -FEE - 1500
    assert bench.client.v1.charges.retrieve(_charge(intent)).disputed is True
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.client.v1.refunds.create({"payment_intent": intent.id})
    assert refused.value.code == "charge_disputed"


@pytest.mark.parametrize(
    ("text", "status", "left"),
    [("winning_evidence", "won", 4200 - FEE - 1500), ("losing_evidence", "lost", -FEE - 1500)],
)
def test_evidence_decides_a_dispute(bench: Bench, text: str, status: str, left: int) -> None:
    bench.sandbox.open_dispute(_charge(bench.paid()))
    dispute = bench.client.v1.disputes.list().data[0]
    draft = bench.client.v1.disputes.update(
        dispute.id, {"evidence": {"customer_name": "Ana"}, "submit": False}
    )
    assert (draft.status, draft.evidence_details.has_evidence) == ("needs_response", True)
    done = bench.client.v1.disputes.update(
        dispute.id, {"evidence": {"uncategorized_text": text}, "submit": True}
    )
    assert done.status == status
    assert sum(bench.balance()) == left
    assert "charge.dispute.closed" in bench.events()


def test_evidence_is_staged_and_then_sent_once(bench: Bench) -> None:
    opened = bench.sandbox.open_dispute(_charge(bench.paid()))
    due = opened["evidence_details"]["due_by"]
    assert due == bench.now + 7 * 24 * 3600
    change = bench.client.v1.disputes.update
    with pytest.raises(stripe.InvalidRequestError, match="no evidence"):
        change(opened["id"], {"submit": True})
    draft = change(
        opened["id"], {"evidence": {"customer_name": "Ana", "service_date": "21 Nov"}, "submit": False}
    )
    assert draft.evidence_details.submission_count == 0
    draft = change(opened["id"], {"evidence": {"customer_name": "Bo"}, "submit": False})
    assert (draft.evidence.customer_name, draft.evidence.service_date) == ("Bo", "21 Nov")
    with pytest.raises(stripe.InvalidRequestError, match="empty string"):
        change(opened["id"], {"evidence": {"customer_name": ""}, "submit": False})
    sent = change(opened["id"], {"submit": True})
    details = sent.evidence_details
    assert (sent.status, details.submission_count, details.submission_method) == ("under_review", 1, "manual")
    assert details.due_by == due
    with pytest.raises(stripe.InvalidRequestError, match="under_review"):
        change(opened["id"], {"evidence": {"customer_name": "Bo"}})
    assert change(opened["id"], {"metadata": {"seen": "yes"}}).status == "under_review"


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        ({"uncategorized_text": "x" * 20_001}, "20000"),
        ({"uncategorized_file": "file_of_nobody"}, "No such file"),
        ({"appeal": {"card": {"reason_for_filing": "x"}}}, "does not model"),
        (dict.fromkeys(
            ("access_activity_log", "cancellation_policy_disclosure", "cancellation_rebuttal", "product_description",
             "duplicate_charge_explanation", "refund_policy_disclosure", "refund_refusal_explanation",
             "uncategorized_text"), "x" * 20_000), "150000"),
    ],
)  # fmt: skip
def test_evidence_has_limits(bench: Bench, evidence: Any, words: str) -> None:
    opened = bench.sandbox.open_dispute(_charge(bench.paid()))
    with pytest.raises(stripe.InvalidRequestError, match=words):
        bench.client.v1.disputes.update(opened["id"], {"evidence": evidence})
    assert bench.client.v1.disputes.retrieve(opened["id"]).evidence_details.has_evidence is False


@pytest.mark.parametrize(("won", "left"), [(True, 4200 - FEE - 1500), (False, -FEE - 1500)])
def test_the_bank_decides_and_only_once(bench: Bench, won: bool, left: int) -> None:
    opened = bench.sandbox.open_dispute(_charge(bench.paid()))["id"]
    with pytest.raises(ApiError):
        bench.sandbox.decide_dispute(opened, won=True)
    bench.client.v1.disputes.update(opened, {"evidence": {"uncategorized_text": "ticket"}})
    assert bench.sandbox.decide_dispute(opened, won=won)["status"] == ("won" if won else "lost")
    assert sum(bench.balance()) == left
    with pytest.raises(ApiError):
        bench.sandbox.decide_dispute(opened, won=not won)


def test_a_dispute_is_lost_by_closing_it_or_by_silence(bench: Bench) -> None:
    closed = bench.sandbox.open_dispute(_charge(bench.paid()))
    silent = bench.sandbox.open_dispute(_charge(bench.paid()))
    answered = bench.sandbox.open_dispute(_charge(bench.paid()))
    assert bench.client.v1.disputes.close(closed["id"]).status == "lost"
    bench.client.v1.disputes.update(
        answered["id"], {"evidence": {"uncategorized_text": "ticket"}, "submit": True}
    )
    bench.pass_time(days=7)
    states = [bench.client.v1.disputes.retrieve(one["id"]).status for one in (silent, answered)]
    assert states == ["lost", "under_review"]
    with pytest.raises(stripe.InvalidRequestError):
        bench.client.v1.disputes.close(closed["id"])


def test_every_change_of_the_balance_is_a_balance_transaction(bench: Bench) -> None:
    operator = bench.operator()
    intent = bench.paid()
    bench.client.v1.refunds.create({"payment_intent": intent.id, "amount": 100})
    transfer = bench.client.v1.transfers.create(
        {"amount": 300, "currency": "usd", "destination": operator, "source_transaction": _charge(intent)}
    )
    bench.client.v1.transfers.reversals.create(transfer.id, {"amount": 50})
    bench.sandbox.open_dispute(_charge(bench.paid()))
    bench.pass_time(days=2)
    entries = bench.client.v1.balance_transactions.list({"limit": 100}).data
    assert sum(entry.net for entry in entries) == sum(bench.balance())
    assert sorted(entry.type for entry in entries) == [
        "adjustment",
        "charge",
        "charge",
        "refund",
        "transfer",
        "transfer_refund",
    ]
