"""Staff screens: all to see, nothing to edit, and what may be done calls the action."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client

from payments.actions import earnings, payments
from payments.models import Checkout, InboxEvent, Operation, Payment, Refund, TaxRate, Transfer
from payments.sandbox.core import Sandbox
from rally import clock
from rally.models import User
from tests.factories.payments import REFUND_FAILS, at_page, payee, payment, usd
from tests.payments.conftest import Time, work

PAGES = ("payment", "operation", "refund", "transfer", "payee", "inboxevent", "ledgertransfer")


@pytest.fixture
def staff(client: Client, sam: User) -> Client:
    client.force_login(sam)
    return client


@pytest.fixture
def a_bit_of_all(sandbox: Sandbox, ana: User, time: Time) -> Payment:
    paid = at_page(payment(ana, now=time()), Checkout.Mode.CHARGE, now=time(), number=REFUND_FAILS)
    payments.refund(payment_id=paid.id, amount=usd(100), reason="x", now=time(), by=None)
    share = earnings.Due(payee(now=time()).id, {paid.id: 3000})
    earnings.book(
        group=paid.group, payment_ids=[paid.id], operators=[share], due_at=time(), now=time(), by=None
    )
    work(time)
    time.move(days=3)
    work(time)
    return paid


@pytest.mark.parametrize("page", PAGES)
def test_every_list_shows_and_none_adds(a_bit_of_all: Payment, staff: Client, page: str) -> None:
    answer = staff.get(f"/admin/payments/{page}/")
    assert answer.status_code == 200
    assert staff.get(f"/admin/payments/{page}/add/").status_code == 403


def test_one_payment_shows_its_attempts_and_cannot_be_changed(a_bit_of_all: Payment, staff: Client) -> None:
    address = f"/admin/payments/payment/{a_bit_of_all.id}/change/"
    assert a_bit_of_all.attempts.get().intent in staff.get(address).content.decode()
    assert staff.post(address, {"state": "released"}).status_code == 403


def act(staff: Client, page: str, name: str, row: Any) -> None:
    answer = staff.post(f"/admin/payments/{page}/", {"action": name, "_selected_action": [str(row.pk)]})
    assert answer.status_code == 302


def test_what_failed_or_is_stuck_can_be_sent_again(a_bit_of_all: Payment, staff: Client) -> None:
    refund = Refund.objects.get()
    assert refund.state == "failed"
    act(staff, "refund", "send_again", refund)
    refund.refresh_from_db()
    assert refund.state == "succeeded"

    earnings.send_due(now=a_bit_of_all.created_at.replace(year=2027))
    sent = Transfer.objects.get()
    act(staff, "transfer", "send_again", sent)
    operation = Operation.objects.get(kind="transfer")
    Operation.objects.filter(id=operation.id).update(state="stuck", ended_at=None)
    act(staff, "operation", "run_again", operation)
    operation.refresh_from_db()
    assert operation.state == "done"
    assert InboxEvent.objects.exists()


def test_nobody_else_gets_in(client: Client, ana: User) -> None:
    client.force_login(ana)
    assert client.get("/admin/payments/payment/").status_code == 302


def test_another_key_is_refused_while_payments_are_open(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = payment(ana, now=time())
    call_command("check", databases=["default"], stdout=StringIO())
    Payment.objects.filter(id=paid.id).update(provider="test")
    with pytest.raises(SystemCheckError, match="open at: test"):
        call_command("check", databases=["default"], stdout=StringIO(), stderr=StringIO())
    Payment.objects.filter(id=paid.id).update(state="released")
    call_command("check", databases=["default"], stdout=StringIO())


def test_a_tax_rate_begins_and_ends_in_days_to_come(staff: Client) -> None:
    today = clock.now().date()
    page, day = "/admin/payments/taxrate/", timedelta(days=1)
    rate = {"jurisdiction": "US-WI", "name": "WI", "basis_points": 550, "applies_from": today.isoformat()}
    assert "begins tomorrow" in staff.post(f"{page}add/", rate).content.decode()
    assert not TaxRate.objects.exists()
    staff.post(f"{page}add/", rate | {"applies_from": (today + day).isoformat()})
    made = TaxRate.objects.get()

    TaxRate.objects.update(applies_from=today - day)
    change = f"{page}{made.id}/change/"
    staff.post(change, rate | {"basis_points": 1, "name": "another"})
    made.refresh_from_db()
    assert (made.basis_points, made.name, made.applies_until) == (550, "WI", None)
    assert "ends today" in staff.post(change, {"applies_until": (today - day).isoformat()}).content.decode()
    staff.post(change, {"applies_until": today.isoformat()})
    made.refresh_from_db()
    assert made.applies_until == today

    TaxRate.objects.update(applies_until=today - day)
    staff.post(change, {"applies_until": ""})
    made.refresh_from_db()
    assert made.applies_until == today - day
