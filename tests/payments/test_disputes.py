"""Complaints at banks: kept as rows, answered once, and paid for by whom they are owed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from payments import gateway, queries, signals
from payments.actions import disputes, earnings, payments, sightings
from payments.errors import DisputeClosed, DisputeOpen, NobodyToBlame, NoEvidence
from payments.models import Account, Dispute, Operation, Payment, Transfer
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Fault
from payments.states import DisputeState, OperationState
from rally.errors import BadInput, NotAllowed
from rally.models import StaffAction, StateChange, User
from tests.factories.payments import payee, usd
from tests.payments.conftest import Time, run_all, taken, work
from tests.racing import at_once, together

PROOF = {
    "customer_name": "Ana",
    "access_activity_log": "boarded at 06:12",
    "service_date": "December 13, 2026",
}


def complained(sandbox: Sandbox, paid: Payment, time: Time) -> Dispute:
    sandbox.open_dispute(paid.attempts.get().charge)
    work(time)
    Dispute.objects.update(evidence={})  # what the apps above said is not the matter here
    return Dispute.objects.get(payment=paid)


def with_evidence(row: Dispute, time: Time, advice: str = "") -> Dispute:
    return disputes.put_together(dispute_id=row.id, evidence=PROOF, advice=advice, now=time())


# ---- the row


def test_a_dispute_becomes_one_row_and_is_told_once(sandbox: Sandbox, ana: User, time: Time) -> None:
    heard: list[UUID] = []

    def hear(dispute_id: UUID, **_more: Any) -> None:
        heard.append(dispute_id)

    signals.dispute_opened.connect(hear)
    try:
        row = complained(sandbox, taken(ana, time), time)
        sightings.look("dispute", row.dispute, now=time())
    finally:
        signals.dispute_opened.disconnect(hear)
    assert heard == [row.id]
    assert (row.state, row.reason, row.amount) == (DisputeState.NEEDS_RESPONSE, "fraudulent", usd(4200))
    assert (row.respond_by, row.submitted_at) == (time() + timedelta(days=7), None)
    assert queries.balance(Account.DISPUTE_OPEN) == -4200
    sandbox.decide_dispute(row.dispute, won=False)


def test_a_receiver_that_fails_harms_nobody(
    sandbox: Sandbox, ana: User, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**_more: Any) -> None:
        raise RuntimeError("no")

    signals.dispute_opened.connect(fail)
    try:
        row = complained(sandbox, taken(ana, time), time)
    finally:
        signals.dispute_opened.disconnect(fail)
    ours = [each.message.split()[0] for each in caplog.records if each.name.startswith("payments")]
    assert ours == ["dispute.opened", "dispute_opened.failed"]
    sandbox.decide_dispute(row.dispute, won=False)


def test_a_dispute_that_ended_long_ago_is_taken_in(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = taken(ana, time)
    found = sandbox.open_dispute(paid.attempts.get().charge)
    sandbox.decide_dispute(found["id"], won=False)
    work(time)
    row = Dispute.objects.get()
    assert (row.state, row.ended_at) == (DisputeState.LOST, time())
    assert (queries.balance(Account.DISPUTE_OPEN), queries.balance(Account.LOSS_DISPUTE)) == (0, -4200)
    moves = StateChange.objects.filter(noun="dispute").order_by("id").values_list("old", "new")
    assert list(moves) == [("", "needs_response"), ("needs_response", "lost")]


def test_an_old_sighting_does_not_open_it_again(sandbox: Sandbox, ana: User, time: Time) -> None:
    row = complained(sandbox, taken(ana, time), time)
    seen = gateway.dispute(row.dispute)
    sandbox.decide_dispute(row.dispute, won=False)
    work(time)
    sightings.dispute(seen, now=time())
    row.refresh_from_db()
    assert (row.state, Dispute.objects.count()) == (DisputeState.LOST, 1)


def test_two_who_see_it_first_make_one_row(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = taken(ana, time)
    found = gateway.dispute(sandbox.open_dispute(paid.attempts.get().charge)["id"])
    together(*[lambda: sightings.dispute(found, now=time())] * 2)
    assert Dispute.objects.count() == 1
    assert queries.balance(Account.DISPUTE_OPEN) == -4200
    sandbox.decide_dispute(found.id, won=False)


def test_an_inquiry_takes_nothing_and_may_be_settled_by_a_refund(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    """The bank only asks: nothing was taken, nothing is sent on, and giving the money back ends it."""
    paid = taken(ana, time)
    real = gateway.dispute(sandbox.open_dispute(taken(ana, time).attempts.get().charge)["id"])
    asked = replace(real, id="du_inquiry", intent=paid.attempts.get().intent, bookings=(), refundable=True)
    sightings.dispute(asked, now=time())
    assert queries.disputed(paid.id)
    assert not queries.refund_pays_twice(paid.id)
    payments.refund(payment_id=paid.id, amount=usd(4200), reason="left", now=time(), by=None)
    sightings.dispute(replace(asked, status="won", answerable=False), now=time())
    assert not queries.disputed(paid.id)
    sandbox.decide_dispute(real.id, won=False)


def test_nothing_is_given_back_while_the_bank_has_it(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = taken(ana, time)
    row = complained(sandbox, paid, time)
    with pytest.raises(DisputeOpen):
        payments.refund(payment_id=paid.id, amount=usd(100), reason="left", now=time(), by=None)
    sandbox.decide_dispute(row.dispute, won=False)


def test_the_books_say_so_before_there_is_a_row(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = taken(ana, time)
    row = complained(sandbox, paid, time)
    Dispute.objects.all().delete()
    assert queries.disputed(paid.id)
    assert queries.refund_pays_twice(paid.id)
    sandbox.decide_dispute(row.dispute, won=False)


# ---- evidence


def test_what_was_put_together_is_kept_and_put_together_again(
    sandbox: Sandbox, ana: User, sam: User, time: Time
) -> None:
    row = complained(sandbox, taken(ana, time), time)
    with_evidence(row, time, advice="nobody boarded")
    disputes.add_words(dispute_id=row.id, text=" We called her. ", now=time(), by=sam)
    row = with_evidence(row, time)
    assert row.evidence == {**PROOF, "uncategorized_text": "We called her."}
    assert row.advice == ""
    disputes.add_words(dispute_id=row.id, text="", now=time(), by=sam)
    row.refresh_from_db()
    assert row.evidence == PROOF
    assert (
        list(StaffAction.objects.values_list("what", "subject"))
        == [("dispute.add_words", f"dispute:{row.id}")] * 2
    )
    sandbox.decide_dispute(row.dispute, won=False)


def test_it_fits_what_the_provider_takes(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    row = complained(sandbox, taken(ana, time), time)
    long = {name: name[0] * 30_000 for name in disputes.TEXTS}
    row = disputes.put_together(dispute_id=row.id, evidence=long, advice="", now=time())
    assert max(map(len, row.evidence.values())) == disputes.LONGEST_TEXT
    assert sum(map(len, row.evidence.values())) == disputes.LONGEST_EVIDENCE
    with pytest.raises(BadInput):
        disputes.add_words(dispute_id=row.id, text="x" * 20_001, now=time(), by=sam)
    with pytest.raises(ValueError, match="receipt"):
        disputes.put_together(dispute_id=row.id, evidence={"receipt": "a file"}, advice="", now=time())
    disputes.submit(dispute_id=row.id, now=time(), by=sam)
    run_all(time)
    assert Operation.objects.get(kind="evidence").state == OperationState.DONE
    sandbox.decide_dispute(row.dispute, won=False)


def test_it_is_sent_once_and_decided_for_us(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    paid = taken(ana, time)
    row = complained(sandbox, paid, time)
    with pytest.raises(NoEvidence):
        disputes.submit(dispute_id=row.id, now=time(), by=sam)
    with_evidence(row, time)
    first = disputes.submit(dispute_id=row.id, now=time(), by=sam)
    assert disputes.submit(dispute_id=row.id, now=time(), by=sam).id == first.id
    run_all(time)
    assert disputes.submit(dispute_id=row.id, now=time(), by=sam).id == first.id
    row.refresh_from_db()
    assert (row.state, row.submitted_at) == (DisputeState.UNDER_REVIEW, time())
    told = sandbox.see(row.dispute)
    assert told is not None
    assert {name: told["evidence"][name] for name in PROOF} == PROOF
    assert StaffAction.objects.filter(what="dispute.submit").count() == 1
    sandbox.decide_dispute(row.dispute, won=True)
    work(time)
    row.refresh_from_db()
    assert (row.state, queries.disputed(paid.id)) == (DisputeState.WON, False)


def test_nothing_is_said_after_the_answer(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    row = with_evidence(complained(sandbox, taken(ana, time), time), time)
    disputes.submit(dispute_id=row.id, now=time(), by=sam)
    run_all(time)
    with pytest.raises(DisputeClosed):
        disputes.add_words(dispute_id=row.id, text="more", now=time(), by=sam)
    with pytest.raises(DisputeClosed):
        disputes.accept(dispute_id=row.id, why="", now=time(), by=sam)
    assert disputes.put_together(dispute_id=row.id, evidence={}, advice="x", now=time()).advice == ""
    sandbox.decide_dispute(row.dispute, won=False)


def test_an_answer_that_was_lost_is_found(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    row = with_evidence(complained(sandbox, taken(ana, time), time), time)
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "disputes/[^/]+$", Fault.DROP_AFTER)
    operation = disputes.submit(dispute_id=row.id, now=time(), by=sam)
    run_all(time)
    time.move(hours=24)  # the key may be forgotten by now
    run_all(time)
    operation.refresh_from_db()
    row.refresh_from_db()
    assert (operation.state, row.state) == (OperationState.DONE, DisputeState.UNDER_REVIEW)
    told = sandbox.see(row.dispute)
    assert told is not None
    assert told["evidence_details"]["submission_count"] == 1
    sandbox.decide_dispute(row.dispute, won=False)


def test_the_bank_was_quicker(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    row = with_evidence(complained(sandbox, taken(ana, time), time), time)
    sandbox.decide_dispute(row.dispute, won=False)
    operation = disputes.submit(dispute_id=row.id, now=time(), by=sam)
    run_all(time)
    operation.refresh_from_db()
    row.refresh_from_db()
    assert (operation.state, row.state) == (OperationState.DONE, DisputeState.LOST)


def test_what_the_bank_does_not_take_can_be_sent_again(
    sandbox: Sandbox, ana: User, sam: User, time: Time
) -> None:
    row = complained(sandbox, taken(ana, time), time)
    Dispute.objects.filter(id=row.id).update(evidence={"receipt": "no file of ours"})
    operation = disputes.submit(dispute_id=row.id, now=time(), by=sam)
    run_all(time)
    operation.refresh_from_db()
    assert operation.state == OperationState.FAILED
    assert disputes.send_due(now=time() + timedelta(days=6)) == 0  # in vain once: that is for a person
    with_evidence(row, time)
    again = disputes.submit(dispute_id=row.id, now=time(), by=sam)
    run_all(time)
    again.refresh_from_db()
    assert (again.n, again.state) == (2, OperationState.DONE)
    sandbox.decide_dispute(row.dispute, won=False)


def test_accepting_gives_it_to_the_payer(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    row = with_evidence(complained(sandbox, taken(ana, time), time), time)
    first = disputes.accept(dispute_id=row.id, why="nobody boarded", now=time(), by=sam)
    assert disputes.accept(dispute_id=row.id, why="", now=time(), by=sam).id == first.id
    with pytest.raises(DisputeClosed):
        disputes.submit(dispute_id=row.id, now=time(), by=sam)
    run_all(time)
    row.refresh_from_db()
    assert (row.state, row.ended_at) == (DisputeState.LOST, time())
    assert queries.balance(Account.LOSS_DISPUTE) == -4200
    assert StaffAction.objects.get().facts == {"amount": 4200}


def test_accepting_what_is_decided_finds_that_out(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    row = complained(sandbox, taken(ana, time), time)
    sandbox.decide_dispute(row.dispute, won=False)
    operation = disputes.accept(dispute_id=row.id, why="", now=time(), by=sam)
    run_all(time)
    operation.refresh_from_db()
    assert operation.state == OperationState.DONE


def test_an_acceptance_whose_key_is_old_looks_first(
    sandbox: Sandbox, ana: User, sam: User, time: Time
) -> None:
    row = complained(sandbox, taken(ana, time), time)
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "close$", Fault.DROP_BEFORE)
    operation = disputes.accept(dispute_id=row.id, why="", now=time(), by=sam)
    run_all(time)
    time.move(hours=24)
    run_all(time)
    operation.refresh_from_db()
    assert (operation.state, operation.generation) == (OperationState.DONE, 2)


@pytest.mark.parametrize("act", ["add_words", "submit", "accept", "blame"])
def test_only_staff_decide(sandbox: Sandbox, ana: User, time: Time, act: str) -> None:
    row = with_evidence(complained(sandbox, taken(ana, time), time), time)
    more = {"add_words": {"text": "x"}, "accept": {"why": "x"}, "blame": {"why": "x", "payee_id": None}}
    with pytest.raises(NotAllowed):
        getattr(disputes, act)(dispute_id=row.id, now=time(), by=ana, **more.get(act, {}))
    assert not StaffAction.objects.exists()
    sandbox.decide_dispute(row.dispute, won=False)


def test_staff_who_send_and_accept_at_once_do_one_of_it(
    sandbox: Sandbox, ana: User, sam: User, time: Time
) -> None:
    row = with_evidence(complained(sandbox, taken(ana, time), time), time)
    answers = at_once(
        lambda: disputes.submit(dispute_id=row.id, now=time(), by=sam),
        lambda: disputes.accept(dispute_id=row.id, why="x", now=time(), by=sam),
    )
    refused = [answer for answer in answers if isinstance(answer, DisputeClosed)]
    asked = Operation.objects.filter(kind__in=["evidence", "accept"])
    assert (asked.count(), len(refused), StaffAction.objects.count()) == (1, 1, 1)
    if asked.get().kind == Operation.Kind.EVIDENCE:
        sandbox.decide_dispute(row.dispute, won=False)


# ---- by itself


def test_it_is_sent_by_itself_before_it_is_too_late(sandbox: Sandbox, ana: User, time: Time) -> None:
    row = with_evidence(complained(sandbox, taken(ana, time), time), time)
    assert disputes.send_due(now=time()) == 0
    time.move(days=5)
    assert disputes.send_due(now=time()) == 1
    assert disputes.send_due(now=time()) == 0
    run_all(time)
    row.refresh_from_db()
    assert row.state == DisputeState.UNDER_REVIEW
    assert not StaffAction.objects.exists()
    sandbox.decide_dispute(row.dispute, won=False)


def test_what_the_payer_is_right_about_is_not_contested_by_itself(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    row = complained(sandbox, taken(ana, time), time)

    def advise(**_more: Any) -> None:
        with_evidence(row, time, advice="the trip did not run")

    signals.dispute_opened.connect(advise)  # after the app above, which knows no ride of this payment
    try:
        for _twice in range(2):  # asked before it is sent, and kept then
            assert disputes.send_due(now=time() + timedelta(days=6)) == 0
    finally:
        signals.dispute_opened.disconnect(advise)
    time.move(days=8)
    work(time)
    row.refresh_from_db()
    assert row.state == DisputeState.LOST


def test_what_is_sent_is_what_is_known_then(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    row = complained(sandbox, taken(ana, time), time)
    disputes.add_words(dispute_id=row.id, text="He boarded.", now=time(), by=sam)
    boarded: list[str] = []

    def tell(**_more: Any) -> None:
        log = {"access_activity_log": "; ".join(boarded)}
        disputes.put_together(dispute_id=row.id, evidence=log, advice="", now=time())

    signals.dispute_opened.connect(tell)
    try:
        disputes.send_due(now=time())
        boarded.append("boarded at 06:12")
        assert disputes.send_due(now=time() + timedelta(days=6)) == 1
    finally:
        signals.dispute_opened.disconnect(tell)
    asked = Operation.objects.get(kind=Operation.Kind.EVIDENCE).params["evidence"]
    assert asked == {"access_activity_log": "boarded at 06:12", "uncategorized_text": "He boarded."}
    run_all(time)
    sandbox.decide_dispute(row.dispute, won=False)


def test_what_turns_out_to_be_owed_when_it_is_sent_is_not_sent(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    row = complained(sandbox, taken(ana, time), time)
    asked: list[str] = []

    def tell(**_more: Any) -> None:
        with_evidence(row, time, advice="the trip did not run" if asked else "")
        asked.append("called off just now")

    signals.dispute_opened.connect(tell)
    try:
        assert disputes.send_due(now=time() + timedelta(days=6)) == 0
    finally:
        signals.dispute_opened.disconnect(tell)
    assert len(asked) == 2  # in its round, and before it would have been sent
    assert not Operation.objects.filter(kind=Operation.Kind.EVIDENCE).exists()
    sandbox.decide_dispute(row.dispute, won=False)


def test_evidence_is_asked_for_as_long_as_the_bank_waits(sandbox: Sandbox, ana: User, time: Time) -> None:
    row = complained(sandbox, taken(ana, time), time)
    heard: list[UUID] = []

    def hear(dispute_id: UUID, **_more: Any) -> None:
        heard.append(dispute_id)

    signals.dispute_opened.connect(hear)
    try:
        disputes.send_due(now=time())
        row.refresh_from_db()
        assert row.evidence["customer_name"] == "Ana"  # put together by an app above
        disputes.submit(dispute_id=row.id, now=time(), by=None)
        disputes.send_due(now=time())
    finally:
        signals.dispute_opened.disconnect(hear)
    assert heard == [row.id]
    sandbox.decide_dispute(row.dispute, won=False)


# ---- who bears it


def lost_after_the_trip(sandbox: Sandbox, ana: User, time: Time) -> tuple[Dispute, Any]:
    paid = taken(ana, time)
    paid_out = payee(now=time())
    share = earnings.Due(payee_id=paid_out.id, parts={paid.id: 4000})
    earnings.book(
        group=paid.group, payment_ids=[paid.id], operators=[share], due_at=time(), now=time(), by=None
    )
    row = complained(sandbox, paid, time)
    sandbox.decide_dispute(row.dispute, won=False)
    work(time)
    return row, paid_out


def test_a_payee_can_be_charged_with_what_they_caused(
    sandbox: Sandbox, ana: User, sam: User, time: Time
) -> None:
    row, paid_out = lost_after_the_trip(sandbox, ana, time)
    for _ in range(2):
        blamed = disputes.blame(dispute_id=row.id, payee_id=paid_out.id, why="left early", now=time(), by=sam)
        assert blamed.id == paid_out.id
    assert queries.balance(Account.OPERATOR_RECEIVABLE, payee=paid_out) == -4200
    assert queries.balance(Account.LOSS_DISPUTE) == 0
    assert payments.left_to_refund(Payment.objects.get()).minor == 0  # the bank gave it back already
    assert StaffAction.objects.get().facts == {"amount": 4200}


def test_nobody_is_charged_before_it_is_lost(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    row, other = complained(sandbox, taken(ana, time), time), payee(now=time())
    with pytest.raises(NobodyToBlame):
        disputes.blame(dispute_id=row.id, payee_id=other.id, why="", now=time(), by=sam)
    sandbox.decide_dispute(row.dispute, won=False)
    work(time)
    for nobody in (other.id, None):  # who was not paid for it
        with pytest.raises(NobodyToBlame):
            disputes.blame(dispute_id=row.id, payee_id=nobody, why="", now=time(), by=sam)


def test_whoever_of_several_caused_it_is_chosen(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    """Also one whose pay hangs on no payment."""
    paid, first, second = taken(ana, time), payee(now=time()), payee(now=time())
    due = [earnings.Due(first.id, {paid.id: 1000}), earnings.Due(second.id, firm=900)]
    earnings.book(group=paid.group, payment_ids=[paid.id], operators=due, due_at=time(), now=time(), by=None)
    row = complained(sandbox, paid, time)
    sandbox.decide_dispute(row.dispute, won=False)
    work(time)
    assert set(disputes.can_be_blamed(row)) == {first, second}
    disputes.blame(dispute_id=row.id, payee_id=second.id, why="left early", now=time(), by=sam)
    assert queries.balance(Account.OPERATOR_RECEIVABLE, payee=second) == -4200
    assert queries.balance(Account.OPERATOR_RECEIVABLE, payee=first) == 0


def test_nothing_of_it_is_sent_on_meanwhile(sandbox: Sandbox, ana: User, time: Time) -> None:
    """Frozen from the moment we know, until the bank has decided; then it goes by itself."""
    paid = taken(ana, time)
    paid_out = payee(now=time())
    share = earnings.Due(payee_id=paid_out.id, parts={paid.id: 3000})
    earnings.book(
        group=paid.group, payment_ids=[paid.id], operators=[share], due_at=time(), now=time(), by=None
    )
    row = with_evidence(complained(sandbox, paid, time), time)
    assert earnings.send_due(now=time()) == 0
    disputes.submit(dispute_id=row.id, now=time(), by=None)
    run_all(time)
    assert earnings.send_due(now=time()) == 0
    sandbox.decide_dispute(row.dispute, won=True)
    work(time)
    assert earnings.send_due(now=time()) == 1
    run_all(time)
    assert Transfer.objects.get().state == "paid"


def test_what_was_answered_meanwhile_is_not_sent(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    row = with_evidence(complained(sandbox, taken(ana, time), time), time)
    disputes.accept(dispute_id=row.id, why="", now=time(), by=sam)
    assert not disputes._send(row.id, time())


def test_a_dispute_of_somebody_elses_charge_is_left_alone(sandbox: Sandbox, ana: User, time: Time) -> None:
    seen = gateway.dispute(complained(sandbox, taken(ana, time), time).dispute)
    assert sightings.dispute(replace(seen, id="du_other", intent="pi_other"), now=time()) is None
    assert Dispute.objects.count() == 1
    sandbox.decide_dispute(seen.id, won=False)
