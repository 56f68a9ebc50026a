"""Invoices: numbers without gaps, frozen, cancelled and issued again when what was paid changes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connection, transaction

from payments import tasks
from payments.actions import papers, payments
from payments.errors import NothingPaid
from payments.models import Checkout, Invoice, Payment
from payments.queries.parts import Saving
from payments.queries.taxes import Tax
from payments.sandbox.core import Sandbox
from rally.errors import BadInput
from rally.models import User
from tests.factories.payments import at_page, payment, usd
from tests.payments.conftest import Time, work
from tests.payments.test_credits import given

WISCONSIN = Tax("Sales tax WI", 550)


def paid(user: User, time: Time, amount: int = 4200) -> Payment:
    return at_page(payment(user, now=time(), amount=amount), Checkout.Mode.CHARGE, now=time())


def issue(row: Payment, time: Time, **changes: str) -> Invoice:
    company = {"billed_to": "Acme Inc.", "address": "1 Road\nTown", "tax_number": ""} | changes
    return papers.issue(payment_id=row.id, tax=WISCONSIN, now=time(), **company)


def numbers() -> list[str]:
    return sorted(Invoice.objects.values_list("number", flat=True))


def test_an_invoice_says_what_was_paid_and_its_tax(sandbox: Sandbox, ana: User, time: Time) -> None:
    invoice = issue(row := paid(ana, time), time, billed_to="  Acme \x00 Inc. ")
    assert (invoice.number, invoice.billed_to, str(invoice.total)) == ("INV-2026-00001", "Acme Inc.", "$42")
    assert (invoice.tax_name, invoice.tax_basis_points, invoice.tax_minor) == ("Sales tax WI", 550, 219)
    assert invoice.lines == [{"text": row.description, "total_minor": 4200}]


def test_the_same_again_is_the_same(sandbox: Sandbox, ana: User, time: Time) -> None:
    row = paid(ana, time)
    assert issue(row, time) == issue(row, time)
    assert numbers() == ["INV-2026-00001"]


def test_another_company_cancels_the_first(sandbox: Sandbox, ana: User, time: Time) -> None:
    row = paid(ana, time)
    first, second = issue(row, time), issue(row, time, billed_to="Other Inc.")
    assert numbers() == ["CN-2026-00001", "INV-2026-00001", "INV-2026-00002"]
    note = Invoice.objects.get(number="CN-2026-00001")
    assert (note.cancels, note.billed_to, note.total_minor) == (first, "Acme Inc.", 4200)
    assert (second.number, second.billed_to) == ("INV-2026-00002", "Other Inc.")


def test_a_refund_corrects_it_once(sandbox: Sandbox, ana: User, time: Time) -> None:
    row = paid(ana, time)
    issue(row, time)
    time.move(minutes=1)
    payments.refund(payment_id=row.id, amount=usd(1200), reason="left", now=time(), by=None)
    work(time)
    for _twice in range(2):
        time.move(minutes=1)
        tasks.correct_invoices()
    assert numbers() == ["CN-2026-00001", "INV-2026-00001", "INV-2026-00002"]
    standing = Invoice.objects.get(number="INV-2026-00002")
    assert (standing.total_minor, standing.tax_minor) == (3000, 156)
    assert [line["total_minor"] for line in standing.lines] == [4200, -1200]


def test_what_went_back_as_credit_corrects_it_too(sandbox: Sandbox, ana: User, time: Time) -> None:
    given(ana, 4000, time)
    opened = payment(ana, now=time(), amount=10_000, use_credit=True)
    row = at_page(opened, Checkout.Mode.CHARGE, now=time())
    issue(row, time)
    for reason, amount in (("left", 7500), ("resold:1", 2500)):
        payments.refund(payment_id=row.id, amount=usd(amount), reason=reason, now=time(), by=None)
        work(time)
        tasks.correct_invoices()
    assert [each.total_minor for each in Invoice.objects.filter(cancels=None).order_by("number")] == [
        10000,
        2500,
    ]
    assert not Invoice.objects.filter(cancels=None, cancelled_by=None).exists()


def test_a_refund_by_a_clock_that_is_behind_corrects_it(sandbox: Sandbox, ana: User, time: Time) -> None:
    row, before = paid(ana, time), time()
    time.move(minutes=1)
    issue(row, time)
    payments.refund(payment_id=row.id, amount=usd(1200), reason="fare_fell", now=before, by=None)
    tasks.correct_invoices()
    assert Invoice.objects.get(cancelled_by=None, cancels=None).total_minor == 3000


def test_another_tax_rate_cancels_the_first(sandbox: Sandbox, ana: User, time: Time) -> None:
    row = paid(ana, time)
    issue(row, time)
    company = {"billed_to": "Acme Inc.", "address": "1 Road\nTown", "tax_number": ""}
    for _twice in range(2):
        papers.issue(payment_id=row.id, tax=Tax("Sales tax WI", 600), now=time(), **company)
    assert numbers() == ["CN-2026-00001", "INV-2026-00001", "INV-2026-00002"]
    assert Invoice.objects.get(number="INV-2026-00002").tax_minor == 238


def test_what_came_back_wholly_is_only_cancelled(sandbox: Sandbox, ana: User, time: Time) -> None:
    row = paid(ana, time)
    issue(row, time)
    time.move(minutes=1)
    payments.refund(payment_id=row.id, amount=usd(4200), reason="left", now=time(), by=None)
    tasks.correct_invoices()
    tasks.correct_invoices()
    assert numbers() == ["CN-2026-00001", "INV-2026-00001"]
    with pytest.raises(NothingPaid):
        issue(row, time)


def test_nothing_paid_is_not_billed(sandbox: Sandbox, ana: User, time: Time) -> None:
    row = payment(ana, now=time(), amount=4200)
    with pytest.raises(NothingPaid):
        issue(row, time)
    assert papers.correct(payment_id=row.id, now=time()) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("billed_to", " \n "), ("address", ""), ("billed_to", "x" * 121), ("tax_number", "x" * 41)],
)
def test_bad_input_is_named(sandbox: Sandbox, ana: User, time: Time, field: str, value: str) -> None:
    with pytest.raises(BadInput) as refusal:
        issue(paid(ana, time), time, **{field: value})
    assert refusal.value.field == field
    assert not Invoice.objects.exists()


@pytest.mark.race
def test_numbers_have_no_gaps_and_no_doubles(sandbox: Sandbox, ana: User, ben: User, time: Time) -> None:
    rows = [paid(user, time) for user in (ana, ben)]

    def make(row: Payment) -> str:
        try:
            return issue(row, time).number
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        made = sorted(threads.map(make, rows))
    assert made == ["INV-2026-00001", "INV-2026-00002"]


def test_a_number_that_was_not_used_is_given_again(sandbox: Sandbox, ana: User, time: Time) -> None:
    row = paid(ana, time)
    with transaction.atomic():
        issue(row, time)
        transaction.set_rollback(True)  # whoever died before the commit
    assert issue(row, time).number == "INV-2026-00001"


def test_tax_is_never_more_than_the_total(sandbox: Sandbox, ana: User, time: Time) -> None:
    invoice = issue(paid(ana, time), time)
    with pytest.raises(IntegrityError):
        Invoice.objects.filter(id=invoice.id).update(tax_minor=4201)


def test_an_invoice_shows_what_a_code_took_off(sandbox: Sandbox, ana: User, time: Time) -> None:
    row = payment(ana, now=time(), amount=4200, saving=Saving(amount=usd(1000)))
    invoice = issue(at_page(row, Checkout.Mode.CHARGE, now=time()), time)
    assert [line["total_minor"] for line in invoice.lines] == [4200, -1000]
    assert invoice.total_minor == 3200
