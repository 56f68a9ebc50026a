"""What a payee earns, and how it is sent, held back and taken back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from payments import gateway, queries
from payments.actions import earnings, holding, operations, payees, payments, sightings
from payments.errors import AccountRefused, AddressRefused, ProviderUnavailable
from payments.models import Checkout, Operation, Payee, Payment, Transfer
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Fault
from payments.states import PaymentState, TransferState
from rally.errors import NotAllowed
from rally.ids import uuid7
from rally.models import User
from tests.factories.payments import DISPUTED, at_page, payee, payment, usd
from tests.payments.conftest import Time, heal, work

CHARGE = Checkout.Mode.CHARGE


@pytest.fixture
def group() -> str:
    return f"trip:{uuid7()}"


def paid_by(
    user: User, group: str, time: Time, amount: int = 4200, number: str = "4242424242424242"
) -> Payment:
    return at_page(payment(user, now=time(), amount=amount, group=group), CHARGE, now=time(), number=number)


def book(group: str, to: Payee, share: int, time: Time, **by: float) -> list[Transfer]:
    every = list(Payment.objects.filter(group=group).order_by("id"))
    worths = [queries.worth(each).minor for each in every]
    parts = usd(share).split(worths) if sum(worths) else [usd(0) for _ in every]
    return earnings.book(
        group=group,
        payment_ids=[each.id for each in every],
        operators=[earnings.Due(to.id, {one.id: part.minor for one, part in zip(every, parts, strict=True)})],
        due_at=time() + timedelta(**by),
        now=time(),
        by=None,
    )


def test_the_share_is_split_to_the_cent_and_sent_when_due(
    sandbox: Sandbox, ana: User, ben: User, group: str, time: Time
) -> None:
    for user, amount in ((ana, 4200), (ben, 4200), (ana, 3100)):
        paid_by(user, group, time, amount)
    to = payee(now=time())
    made = book(group, to, 10267, time, days=3)
    assert sum(each.amount_minor for each in made) == 10267
    assert set(book(group, to, 10267, time, days=3)) == set(made)
    assert queries.balance("operator:payable") == 10267
    assert queries.balance("platform:fee") == 11500 - 10267
    assert queries.balance("rider:deposit") == 0

    assert earnings.send_due(now=time()) == 0
    time.move(days=4)
    assert earnings.send_due(now=time()) == 3
    assert earnings.send_due(now=time()) == 0
    assert set(Transfer.objects.values_list("state", flat=True)) == {TransferState.PAID}
    assert queries.balance("operator:payable") == 0
    assert queries.trip_money(group).paid_out == usd(10267)


def test_a_refund_by_hand_after_the_booking_is_borne_as_any_other(
    sandbox: Sandbox, ana: User, group: str, time: Time
) -> None:
    paid = paid_by(ana, group, time)
    book(group, payee(now=time()), 3750, time, days=3)
    sandbox.refund_in_dashboard(paid.attempts.get().charge, 1000)
    work(time)
    assert queries.balance("rider:deposit") == 0
    assert queries.balance("operator:payable") == 2750
    assert Transfer.objects.get().amount_minor == 2750


def test_more_than_was_paid_is_our_own_fault(sandbox: Sandbox, ana: User, group: str, time: Time) -> None:
    paid_by(ana, group, time)
    with pytest.raises(earnings.ShareTooLarge):
        book(group, payee(now=time()), 4201, time)


def test_payments_that_hold_nothing_earn_nothing(
    sandbox: Sandbox, ana: User, ben: User, group: str, time: Time
) -> None:
    to = payee(now=time())
    back = paid_by(ana, group, time)
    payments.refund(payment_id=back.id, amount=usd(4200), reason="x", now=time(), by=None)
    assert book(group, to, 0, time) == []
    kept = paid_by(ben, group, time)
    assert [each.payment for each in book(group, to, 3750, time)] == [kept]


def test_a_payee_who_is_not_ready_waits(sandbox: Sandbox, ana: User, group: str, time: Time) -> None:
    paid_by(ana, group, time)
    to = payee(now=time(), ready=False)
    assert not to.can_be_paid
    book(group, to, 3750, time)
    assert earnings.send_due(now=time()) == 0
    sandbox.finish_onboarding(to.account)
    work(time)  # looked at, because a transfer waits for it
    assert earnings.send_due(now=time()) == 1


@pytest.mark.parametrize("fault", list(Fault))
def test_a_transfer_is_sent_once(sandbox: Sandbox, ana: User, group: str, time: Time, fault: Fault) -> None:
    paid_by(ana, group, time)
    book(group, payee(now=time()), 3750, time)
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "/v1/transfers$", fault)
    earnings.send_due(now=time())
    heal(sandbox, time)
    sent = Transfer.objects.get()
    assert (sent.state, queries.balance("operator:payable")) == (TransferState.PAID, 0)


def test_a_disputed_payment_is_not_sent_on(sandbox: Sandbox, ana: User, group: str, time: Time) -> None:
    paid_by(ana, group, time, number=DISPUTED)
    book(group, payee(now=time()), 3750, time)
    time.move(minutes=5)
    work(time)
    assert earnings.send_due(now=time()) == 0


def test_a_refund_before_sending_comes_out_of_the_share(
    sandbox: Sandbox, ana: User, ben: User, group: str, time: Time
) -> None:
    first, second = paid_by(ana, group, time), paid_by(ben, group, time)
    book(group, payee(now=time()), 7500, time)
    payments.refund(payment_id=first.id, amount=usd(1000), reason="late", now=time(), by=None)
    payments.refund(payment_id=second.id, amount=usd(4200), reason="no bus", now=time(), by=None)
    amounts = {each.payment_id: (each.amount_minor, each.state) for each in Transfer.objects.all()}
    assert amounts[first.id] == (2750, TransferState.PENDING)
    assert amounts[second.id] == (3750, TransferState.REVERSED)
    assert queries.balance("operator:payable") == 2750
    assert earnings.send_due(now=time()) == 1


def test_a_refund_after_sending_is_taken_back(sandbox: Sandbox, ana: User, group: str, time: Time) -> None:
    paid = paid_by(ana, group, time)
    book(group, payee(now=time()), 3750, time)
    earnings.send_due(now=time())
    payments.refund(payment_id=paid.id, amount=usd(4200), reason="no bus", now=time(), by=None)
    paid.refresh_from_db()
    sent = Transfer.objects.get()
    assert (paid.state, sent.state, sent.reversed_minor) == (
        PaymentState.REFUNDED,
        TransferState.REVERSED,
        3750,
    )
    assert queries.balance("operator:receivable") == queries.balance("platform:fee") == 0


def test_what_was_spent_stays_owed_to_us(sandbox: Sandbox, ana: User, group: str, time: Time) -> None:
    paid = paid_by(ana, group, time)
    book(group, payee(now=time()), 3750, time)
    earnings.send_due(now=time())
    time.move(days=6)  # paid out to the operator's bank
    sandbox.see("tick")
    payments.refund(payment_id=paid.id, amount=usd(4200), reason="no bus", now=time(), by=None)
    paid.refresh_from_db()
    assert paid.state == PaymentState.REFUNDED  # the rider comes first
    assert Operation.objects.get(kind="reverse").state == "failed"
    assert queries.balance("operator:receivable") == -3750


def test_what_somebody_reversed_by_hand_is_due_again(
    sandbox: Sandbox, ana: User, sam: User, group: str, time: Time
) -> None:
    paid_by(ana, group, time, number="4000000000000077")  # can be sent on at once
    book(group, payee(now=time()), 3750, time)
    earnings.send_due(now=time())
    first = Transfer.objects.get()
    for part in (1000, 500):
        gateway.reverse_transfer(first.transfer, amount=part, tags={}, key=f"by hand {part}")
        work(time)
        sightings.look("transfer", first.transfer, now=time())
    assert queries.balance("operator:receivable") == 0
    waiting = Transfer.objects.exclude(id=first.id).order_by("-amount_minor")
    assert [(each.state, each.amount_minor) for each in waiting] == [("failed", 1000), ("failed", 500)]
    for each in waiting:
        earnings.send_again(transfer_id=each.id, now=time(), by=sam)
    assert set(Transfer.objects.values_list("state", flat=True)) == {TransferState.PAID}
    assert queries.balance("operator:payable") == 0


def test_a_reversal_by_hand_that_pays_a_debt_stays_with_us(
    sandbox: Sandbox, ana: User, group: str, time: Time
) -> None:
    paid_by(ana, group, time)
    to = payee(now=time())
    book(group, to, 3750, time)
    earnings.send_due(now=time())
    holding.penalise(payee_id=to.id, amount=usd(1000), reference="late", now=time())
    gateway.reverse_transfer(Transfer.objects.get().transfer, amount=1000, tags={}, key="by hand")
    work(time)
    assert Transfer.objects.count() == 1
    assert queries.balance("operator:receivable") == queries.balance("operator:payable") == 0


def test_a_refused_transfer_is_a_task_for_staff(
    sandbox: Sandbox, ana: User, sam: User, group: str, time: Time
) -> None:
    paid_by(ana, group, time)
    to = payee(now=time(), ready=False)
    book(group, to, 3750, time)
    Payee.objects.filter(id=to.id).update(can_be_paid=True)  # it was, a moment ago
    earnings.send_due(now=time())
    sent = Transfer.objects.get()
    assert sent.state == TransferState.FAILED
    with pytest.raises(NotAllowed):
        earnings.send_again(transfer_id=sent.id, now=time(), by=ana)
    sandbox.finish_onboarding(to.account)
    assert earnings.send_again(transfer_id=sent.id, now=time(), by=sam).state == TransferState.PENDING
    sent.refresh_from_db()
    assert sent.state == TransferState.PAID
    assert earnings.send_again(transfer_id=sent.id, now=time(), by=sam).state == TransferState.PAID


def test_what_was_to_be_taken_back_of_a_transfer_that_never_went_is_kept_from_it(
    sandbox: Sandbox, ana: User, sam: User, group: str, time: Time
) -> None:
    paid, to = paid_by(ana, group, time, number="4000000000000077"), payee(now=time(), ready=False)
    book(group, to, 3750, time)
    Payee.objects.filter(id=to.id).update(can_be_paid=True)  # it was, a moment ago
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "/v1/transfers$", Fault.DROP_BEFORE)
    earnings.send_due(now=time())
    payments.refund(payment_id=paid.id, amount=usd(1000), reason="late", now=time(), by=None)
    owes = queries.balance("operator:receivable")
    assert owes < 0  # it may have arrived
    heal(sandbox, time)
    row = Transfer.objects.get()
    assert (row.state, row.transfer) == (TransferState.FAILED, "")
    assert set(Operation.objects.filter(kind="reverse").values_list("state", "error")) == {
        ("failed", "transfer_never_sent")
    }

    sandbox.finish_onboarding(to.account)
    earnings.send_again(transfer_id=row.id, now=time(), by=sam)
    heal(sandbox, time)
    row.refresh_from_db()
    assert (row.state, row.netted_minor) == (TransferState.PAID, -owes)
    assert queries.balance("operator:receivable") == queries.balance("operator:payable") == 0


def test_a_payee_has_one_account(sandbox: Sandbox, time: Time) -> None:
    to = payees.open(name="Prairie Coaches", email="otto@test.example", now=time())
    payees.refresh(payee_id=to.id, now=time())
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "/v1/accounts$", Fault.DROP_AFTER)
    with pytest.raises(ProviderUnavailable):
        payees.onboard(payee_id=to.id, return_url="http://testserver/operator/", now=time())
    time.move(minutes=1)
    sandbox.faults.script("POST", "/v1/account_links$", Fault.DROP_BEFORE)
    with pytest.raises(ProviderUnavailable):
        payees.onboard(payee_id=to.id, return_url="http://testserver/operator/", now=time())
    assert payees.onboard(payee_id=to.id, return_url="http://testserver/operator/", now=time()).startswith(
        "http"
    )
    sandbox.faults.script("GET", "/v1/accounts/", Fault.DROP_BEFORE)
    payees.refresh(payee_id=to.id, now=time())
    to.refresh_from_db()
    assert (bool(to.account), to.can_be_paid) == (True, False)
    assert Operation.objects.get().state == "done"


def test_lost_accounts_and_customers_are_found_again(sandbox: Sandbox, ana: User, time: Time) -> None:
    to = payees.open(name="Prairie Coaches", email="otto@test.example", now=time())
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "/v1/accounts$", Fault.DROP_AFTER)
    with pytest.raises(ProviderUnavailable):
        payees.onboard(payee_id=to.id, return_url="http://testserver/operator/", now=time())
    time.move(hours=25)
    for each in operations.due(now=time()):
        operations.run(each, now=time())
    to.refresh_from_db()
    assert to.account
    assert Operation.objects.get().generation == 1


def test_who_has_no_address_is_opened_without_one(sandbox: Sandbox, time: Time) -> None:
    to = payees.open(name="Fans", email="", now=time())
    assert payees.onboard(payee_id=to.id, return_url="http://testserver/", now=time()).startswith("http")


def test_an_address_that_is_refused_is_corrected_and_asked_afresh(sandbox: Sandbox, time: Time) -> None:
    to = payees.open(name="Prairie Coaches", email="otto", now=time())
    for _twice in range(2):
        with pytest.raises(AddressRefused, match="refused the e-mail address otto"):
            payees.onboard(payee_id=to.id, return_url="http://testserver/", now=time())
    payees.correct(payee_id=to.id, name="Prairie", email="otto@test.example")
    assert payees.onboard(payee_id=to.id, return_url="http://testserver/", now=time()).startswith("http")
    told = payees.correct(payee_id=to.id, name="Late", email="late@test.example")
    assert (told.name, told.email) == ("Prairie", "otto@test.example")  # the provider has it from them
    states = Operation.objects.order_by("n").values_list("state", "error")
    assert list(states) == [("failed", "email_invalid")] * 2 + [("done", "")]


def test_an_account_that_is_refused_is_no_matter_of_a_minute(
    sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = payees.open(name="Prairie Coaches", email="otto@test.example", now=time())
    body = b'{"error": {"type": "invalid_request_error", "message": "Sign up first."}}'
    with monkeypatch.context() as patch:
        patch.setattr(sandbox, "handle", lambda *_call, **_more: (400, {}, body))
        with pytest.raises(AccountRefused, match="write to us"):
            payees.onboard(payee_id=to.id, return_url="http://testserver/", now=time())
    assert payees.onboard(payee_id=to.id, return_url="http://testserver/", now=time()).startswith("http")


def test_payouts_to_our_bank_are_booked(sandbox: Sandbox, ana: User, group: str, time: Time) -> None:
    from payments.gateway import line

    paid_by(ana, group, time)
    time.move(days=3)
    line.ask(
        lambda v1: v1.payouts.create({"amount": 1000, "currency": "usd"}, {"idempotency_key": "by-hand"})
    )
    work(time)
    assert queries.balance("bank") == -1000


def test_a_stranger_s_things_mean_nothing(sandbox: Sandbox, time: Time) -> None:
    from payments.gateway import words

    tags = words.Tags()
    assert sightings.transfer(words.TransferSeen("tr_x", 1, 0, None, (), tags), now=time()) is None
    assert sightings.account(words.AccountSeen("acct_x", True, tags)) is None
    assert sightings.dispute(words.DisputeSeen("du_x", "open", "pi_x", False, ()), now=time()) is None
    assert (
        sightings.refund(words.RefundSeen("re_x", "pending", 1, "pi_x", None, None, tags), now=time()) is None
    )
