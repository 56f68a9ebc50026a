"""Money out by hand: one asks, another agrees, and it is done once."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from payments import queries, tasks
from payments.actions import by_hand, requests
from payments.errors import AskedAlready, DisputeOpen, RequestDecided, SecondPersonNeeded, TooMuchByHand
from payments.models import Account, LedgerTransfer, MoneyRequest, Payee, Refund, Transfer
from payments.sandbox.core import Sandbox
from payments.states import RequestState, TransferState
from rally import rules
from rally.errors import BadInput, NotAllowed
from rally.ids import uuid7
from rally.models import StaffAction, StateChange, User
from rally.money import Money
from tests.factories.payments import payee, usd
from tests.factories.people import person
from tests.payments.conftest import Time, taken, work
from tests.racing import at_once, together


@pytest.fixture
def tess(db: None) -> User:
    return person("tess", is_staff=True)


def asked(what: str, subject: Any, time: Time, by: User, amount: int = 1000) -> MoneyRequest:
    return requests.ask(
        what=what, subject=subject, amount=usd(amount), why="a seat was broken", now=time(), by=by
    )


def owes(paid_out: Payee, time: Time, amount: int = 3000) -> None:
    LedgerTransfer.objects.create(
        event_key=f"test:{paid_out.id}", debit=Account.OPERATOR_RECEIVABLE, credit=Account.PLATFORM_RETAINED,
        amount_minor=amount, currency="USD", payee=paid_out, occurred_at=time(),
    )  # fmt: skip


# ---- asking


def test_asking_moves_nothing_and_is_kept(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    paid = taken(ana, time)
    row = asked("refund", paid.id, time, sam)
    assert asked("refund", paid.id, time, sam).id == row.id
    assert not Refund.objects.exists()
    assert (row.state, row.amount, row.asked_by) == (RequestState.ASKED, usd(1000), sam)
    note = StaffAction.objects.get()
    assert (note.what, note.subject, note.why) == ("request.ask", f"request:{row.id}", "a seat was broken")
    assert note.facts == {"kind": "refund", "about": str(paid.id), "amount": 1000, "currency": "USD"}


@pytest.mark.parametrize(
    ("wrong", "refusal", "field"),
    [
        ({"what": "theft"}, BadInput, "what"),
        ({"why": "  "}, BadInput, "why"),
        ({"amount": usd(0)}, BadInput, "amount"),
        ({"amount": Money(100, "EUR")}, BadInput, "amount"),
        ({"amount": usd(4201)}, TooMuchByHand, "amount"),
        ({"amount": usd(100_001)}, TooMuchByHand, "amount"),
        ({"subject": uuid7()}, BadInput, "subject"),
        ({"what": "credit"}, BadInput, "subject"),
        ({"what": "pay"}, BadInput, "subject"),
        ({"what": "write_off"}, BadInput, "subject"),
    ],
)
def test_what_cannot_be_asked_for(
    sandbox: Sandbox, ana: User, sam: User, time: Time, wrong: dict[str, Any], refusal: Any, field: str
) -> None:
    paid = taken(ana, time)
    given = {"what": "refund", "subject": paid.id, "amount": usd(1000), "why": "x", **wrong}
    with pytest.raises(refusal) as no:
        requests.ask(**given, now=time(), by=sam)
    assert no.value.field == field
    assert not MoneyRequest.objects.exists()


def test_no_more_is_given_up_than_is_owed(sandbox: Sandbox, sam: User, time: Time) -> None:
    paid_out = payee(now=time())
    owes(paid_out, time)
    with pytest.raises(TooMuchByHand):
        asked("write_off", paid_out.id, time, sam, 3001)
    rules.change("by_hand_most", 2000, now=time(), by=sam)
    with pytest.raises(TooMuchByHand):
        asked("write_off", paid_out.id, time, sam, 3000)


def test_only_staff_ask_agree_and_refuse(
    sandbox: Sandbox, ana: User, sam: User, tess: User, time: Time
) -> None:
    row = asked("credit", ana.id, time, sam)
    gone = person("gone", is_staff=True, is_active=False)
    for nobody in (ana, gone):
        with pytest.raises(NotAllowed):
            asked("credit", ana.id, time, nobody)
        with pytest.raises(NotAllowed):
            requests.agree(request_id=row.id, now=time(), by=nobody)
        with pytest.raises(NotAllowed):
            requests.refuse(request_id=row.id, why="", now=time(), by=nobody)


def test_a_double_click_is_one_request(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    rows = together(*[lambda: asked("credit", ana.id, time, sam)] * 4)
    assert len({row.id for row in rows}) == 1
    assert StaffAction.objects.filter(what="request.ask").count() == 1
    assert StateChange.objects.filter(noun="moneyrequest").count() == 1


def test_two_who_ask_for_the_same_at_once_are_one_request(
    sandbox: Sandbox, ana: User, sam: User, tess: User, time: Time
) -> None:
    answers = at_once(*[lambda by=each: asked("credit", ana.id, time, by) for each in (sam, tess)])
    assert sorted(type(answer).__name__ for answer in answers) == ["AskedAlready", "MoneyRequest"]
    row = MoneyRequest.objects.get()
    requests.agree(request_id=row.id, now=time(), by=tess if row.asked_by == sam else sam)
    assert queries.credit_of(ana) == usd(1000)


def test_the_same_may_be_asked_for_again_once_it_is_decided(
    sandbox: Sandbox, ana: User, sam: User, tess: User, time: Time
) -> None:
    row = asked("credit", ana.id, time, sam)
    with pytest.raises(AskedAlready):
        asked("credit", ana.id, time, tess)
    requests.refuse(request_id=row.id, why="", now=time(), by=tess)
    assert asked("credit", ana.id, time, tess).id != row.id


# ---- two persons


def test_whoever_asked_cannot_agree(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    row = asked("credit", ana.id, time, sam)
    with pytest.raises(SecondPersonNeeded):
        requests.agree(request_id=row.id, now=time(), by=sam)
    with pytest.raises(IntegrityError, match="two_persons"), transaction.atomic():
        MoneyRequest.objects.update(state="done", decided_by=sam, decided_at=time())
    with pytest.raises(IntegrityError, match="decided_by_somebody"), transaction.atomic():
        MoneyRequest.objects.update(state="done")


def test_saying_no(sandbox: Sandbox, ana: User, sam: User, tess: User, time: Time) -> None:
    row = asked("credit", ana.id, time, sam)
    requests.refuse(request_id=row.id, why="she was not on that bus", now=time(), by=tess)
    for late in (requests.agree, lambda **more: requests.refuse(why="", **more)):
        with pytest.raises(RequestDecided):
            late(request_id=row.id, now=time(), by=tess)
    own = asked("credit", ana.id, time, sam)
    assert requests.refuse(request_id=own.id, why="", now=time(), by=sam).state == RequestState.REFUSED
    assert queries.credit_of(ana) == usd(0)
    whys = (
        StaffAction.objects.filter(what="request.refuse").order_by("at", "id").values_list("why", flat=True)
    )
    assert set(whys) == {"she was not on that bus", "a seat was broken"}
    assert StateChange.objects.filter(noun="moneyrequest", new="refused").count() == 2


def test_two_who_agree_at_once_do_it_once(
    sandbox: Sandbox, ana: User, sam: User, tess: User, time: Time
) -> None:
    third = person("uma", is_staff=True)
    row = asked("credit", ana.id, time, sam)
    answers = at_once(
        *[lambda by=each: requests.agree(request_id=row.id, now=time(), by=by) for each in (tess, third)]
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["MoneyRequest", "RequestDecided"]
    assert queries.credit_of(ana) == usd(1000)
    assert StaffAction.objects.filter(what="request.agree").count() == 1


def test_one_who_agrees_while_it_is_taken_back(
    sandbox: Sandbox, ana: User, sam: User, tess: User, time: Time
) -> None:
    row = asked("credit", ana.id, time, sam)
    answers = at_once(
        lambda: requests.agree(request_id=row.id, now=time(), by=tess),
        lambda: requests.refuse(request_id=row.id, why="", now=time(), by=sam),
    )
    row.refresh_from_db()
    [late] = [answer for answer in answers if isinstance(answer, RequestDecided)]
    assert [answer.state for answer in answers if answer is not late] == [row.state]
    assert queries.credit_of(ana) == usd(1000 if row.state == RequestState.DONE else 0)


# ---- the deeds


def test_a_refund_by_hand(sandbox: Sandbox, ana: User, sam: User, tess: User, time: Time) -> None:
    paid = taken(ana, time)
    row = asked("refund", paid.id, time, sam)
    assert requests.agree(request_id=row.id, now=time(), by=tess).decided_by == tess
    refund = Refund.objects.get()
    assert (refund.reason, refund.amount_minor) == (f"by_hand:{row.id}", 1000)
    paid.refresh_from_db()
    assert paid.refunded_minor == 1000


def test_what_is_refused_stays_open(sandbox: Sandbox, ana: User, sam: User, tess: User, time: Time) -> None:
    paid = taken(ana, time)
    row = asked("refund", paid.id, time, sam)
    dispute = sandbox.open_dispute(paid.attempts.get().charge)["id"]
    work(time)
    with pytest.raises(DisputeOpen):
        requests.agree(request_id=row.id, now=time(), by=tess)
    row.refresh_from_db()
    assert (row.state, row.decided_by) == (RequestState.ASKED, None)
    assert not StaffAction.objects.filter(what="request.agree").exists()
    sandbox.decide_dispute(dispute, won=False)


def test_credit_by_hand(sandbox: Sandbox, ana: User, sam: User, tess: User, time: Time) -> None:
    requests.agree(request_id=asked("credit", ana.id, time, sam).id, now=time(), by=tess)
    assert queries.credit_of(ana) == usd(1000)
    assert queries.balance(Account.GOODWILL) == -1000


def test_a_payee_is_paid_by_hand(sandbox: Sandbox, ana: User, sam: User, tess: User, time: Time) -> None:
    taken(ana, time)
    time.move(days=9)  # what riders paid is available by then
    paid_out = payee(now=time())
    row = asked("pay", paid_out.id, time, sam)
    requests.agree(request_id=row.id, now=time(), by=tess)
    transfer = Transfer.objects.get()
    assert (transfer.purpose, transfer.reference, transfer.payment) == ("by_hand", f"by_hand:{row.id}", None)
    assert queries.balance(Account.OPERATOR_PAYABLE, payee=paid_out) == 1000
    tasks.send_transfers()
    work(time)
    transfer.refresh_from_db()
    assert transfer.state == TransferState.PAID
    assert queries.balance(Account.OPERATOR_PAYABLE, payee=paid_out) == 0
    assert queries.balance(Account.GOODWILL) == -1000


def test_a_debt_is_given_up(sandbox: Sandbox, sam: User, tess: User, time: Time) -> None:
    paid_out = payee(now=time())
    owes(paid_out, time)
    first, second = (
        asked("write_off", paid_out.id, time, sam, 2000),
        asked("write_off", paid_out.id, time, sam, 1500),
    )
    requests.agree(request_id=first.id, now=time(), by=tess)
    with pytest.raises(TooMuchByHand, match="too_much_by_hand"):  # less is owed by now
        requests.agree(request_id=second.id, now=time(), by=tess)
    assert queries.balance(Account.OPERATOR_RECEIVABLE, payee=paid_out) == -1000
    assert queries.balance(Account.LOSS_PAYMENT) == -2000
    by_hand.written_off(paid_out, request_id=first.id, amount=2000, currency="USD", now=time())
    assert queries.balance(Account.LOSS_PAYMENT) == -2000
