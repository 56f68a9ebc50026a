"""What the gateway lists for the sweeps: from a moment on, whoever made it, page by page."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from payments import gateway
from payments.actions import earnings
from payments.gateway import line, words
from payments.models import Checkout, Payment, Transfer
from payments.sandbox.core import Sandbox
from rally.models import User
from tests.factories.payments import at_page, payee, payment
from tests.payments.conftest import Time, work

CHARGE = Checkout.Mode.CHARGE


@pytest.fixture
def paid(sandbox: Sandbox, ana: User, time: Time) -> Payment:
    """A captured payment, a refund by hand and a transfer, all made at one moment."""
    made = at_page(payment(ana, now=time()), CHARGE, now=time())
    sandbox.refund_in_dashboard(made.attempts.get().charge, 700)
    work(time)
    earnings.book(
        group=made.group,
        payment_ids=[made.id],
        operators=[earnings.Due(payee(now=time()).id, {made.id: 3000})],
        due_at=time(),
        now=time(),
        by=None,
    )
    earnings.send_due(now=time())
    return made


def test_everything_since_a_moment_is_listed_and_nothing_older(paid: Payment, time: Time) -> None:
    attempt, now = paid.attempts.get(), time()
    intents = list(gateway.intents_since(now))
    assert [(each.id, each.captured, each.booking is not None) for each in intents] == [
        (attempt.intent, 4200, True)
    ]
    assert intents[0].tags.payment == str(paid.id)
    assert [(each.amount, each.tags.op, each.booking is not None) for each in gateway.refunds_since(now)] == [
        (700, "", True)
    ]
    sent = Transfer.objects.get()
    assert [(each.id, each.amount) for each in gateway.transfers_since(now)] == [(sent.transfer, 3000)]
    lines = {each.kind: each for each in gateway.bookings_since(now)}
    assert {kind: each.net for kind, each in lines.items()} == {
        "charge": 4200 - 152,
        "refund": -700,
        "transfer": -3000,
    }
    assert (lines["charge"].source, lines["charge"].currency) == (attempt.charge, "USD")
    assert lines["charge"].created == now
    later = now + timedelta(seconds=1)
    for each in (
        gateway.intents_since,
        gateway.refunds_since,
        gateway.transfers_since,
        gateway.bookings_since,
    ):
        assert list(each(later)) == []


def test_a_list_goes_on_behind_its_first_page(sandbox: Sandbox, time: Time) -> None:
    for number in range(5):
        gateway.create_customer(email=f"r{number}@test.example", name="", tags={}, key=f"c{number}")
    found = line.pages(lambda v1, page: v1.customers.list(page), limit=2)
    assert [each["email"][:2] for each in found] == ["r4", "r3", "r2", "r1", "r0"]


# ---- disputes


def test_a_dispute_is_answered_within_its_time(sandbox: Sandbox, ana: User, time: Time) -> None:
    charge = at_page(payment(ana, now=time()), CHARGE, now=time()).attempts.get().charge
    opened = sandbox.open_dispute(charge)["id"]
    seen = gateway.dispute(opened)
    week: datetime = time() + timedelta(days=7)
    assert (seen.answerable, seen.answer_by, seen.answers, seen.amount) == (True, week, 0, 4200)
    draft = gateway.update_dispute(
        opened, {"customer_name": "Ana", "service_date": ""}, submit=False, key="draft"
    )
    assert (draft.status, draft.answerable, draft.answers) == ("open", True, 0)
    sent = gateway.update_dispute(opened, {"service_date": "21 November"}, submit=True, key="send")
    assert (sent.status, sent.answerable, sent.answers) == ("open", False, 1)
    assert gateway.update_dispute(opened, {"service_date": "21 November"}, submit=True, key="send") == sent
    with pytest.raises(words.Refused):
        gateway.update_dispute(opened, {"customer_name": "Bo"}, submit=True, key="more")
    sandbox.decide_dispute(opened, won=True)
    assert gateway.dispute(opened).status == "won"
    work(time)


def test_money_is_sent_out_of_the_balance_when_there_is_enough(
    transactional_db: None, ana: User, time: Time
) -> None:
    # Without the fixture that compares the books: what is sent past the journal is in none of ours.
    at_page(payment(ana, now=time()), CHARGE, now=time())
    asked = {"amount": 1000, "currency": "USD", "account": payee(now=time()).account, "group": "payee:x"}
    for key, charge in (("early", ""), ("again", None)):
        with pytest.raises(words.Refused) as poor:
            gateway.create_transfer({**asked, "charge": charge}, tags={}, key=key)
        assert poor.value.code == "balance_insufficient"
    time.move(days=2)
    sent = gateway.create_transfer({**asked, "charge": None}, tags={"op": "7"}, key="later")
    assert (sent.amount, sent.booking is not None and sent.booking.amount) == (1000, -1000)
    assert gateway.find_transfer(group="payee:x", op="7") == sent
