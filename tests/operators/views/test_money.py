"""Statements as pages and files, the way to being paid, and who sees none of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pypdf import PdfReader
from pytest_django import DjangoAssertNumQueries

from operators.actions import holding
from operators.models import Run
from operators.queries.statements import statement
from payments.models import LedgerTransfer, Payee, Transfer
from payments.queries import balance
from rally.models import User
from rally.money import Money
from tests.factories.operators import Company, booked, confirmed_run, ready

pytestmark = pytest.mark.django_db

As = Callable[..., Client]
MONTH = [2026, 11]


@pytest.fixture
def earned(crew: Company, run: Run, now: datetime) -> Run:
    """A run with a fixed price, booked; one of the riders has a Greek name, the company a Polish one."""
    crew.operator.name = "Łódź & Ελλάς Коач"
    crew.operator.save(update_fields=["name"])
    return booked(run, now=now)


def addresses() -> list[str]:
    names = ("statement", "statement_paper", "statement_csv")
    return [reverse(f"operators:{name}", args=MONTH) for name in names] + [reverse("operators:payouts")]


def test_a_statement_says_what_the_ledger_says(
    earned: Run, crew: Company, otto: User, sam: User, as_: As, now: datetime
) -> None:
    holding.hold_back(run_id=earned.id, amount=None, why="A rider was hurt.", now=now, by=sam)
    holding.penalise(
        operator_id=crew.operator.id, amount=Money(4321, "USD"), why="Came an hour late.", now=now, by=sam
    )
    found = statement(crew.operator, now.date().replace(day=1))
    payee = crew.operator.payee_id
    assert found.extract.opening_balance.minor == 0
    assert found.extract.closing_balance.minor == earned.pay_minor - 4321
    assert found.due_then.minor == balance("operator:payable", payee=payee) == earned.pay_minor
    assert found.debt_then.minor == -balance("operator:receivable", payee=payee) == 4321
    assert found.lines[0].our_part.minor == -earned.pay_minor

    paper = as_(otto).get(reverse("operators:statement_paper", args=MONTH)).content
    text = "\n".join(sheet.extract_text() for sheet in PdfReader(io.BytesIO(paper)).pages)
    assert "because: A rider was hurt." in text
    assert "Ana Lund" not in text

    page = as_(otto).get(reverse("operators:statement", args=MONTH)).content.decode()
    for words in (
        str(earned.pay),
        "A rider was hurt.",
        "Came an hour late.",
        "-$43.21",
        str(found.extract.closing_balance),
    ):
        assert words in page
    assert "Ana Lund" not in page

    money = as_(otto).get(reverse("operators:money")).content.decode()
    assert "held back" in money
    assert "you owe" in money
    assert "November 2026" in money
    assert "A rider was hurt." in as_(otto).get(reverse("operators:run", args=[earned.code])).content.decode()


def test_the_files_say_the_same(earned: Run, crew: Company, otto: User, as_: As) -> None:
    paper = as_(otto).get(reverse("operators:statement_paper", args=MONTH))
    assert paper.headers["Content-Type"] == "application/pdf"
    text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(paper.content)).pages)
    for words in (
        "Łódź & Ελλάς Коач",
        "Rally (test)",
        f"{crew.operator.code}-2026-11",
        "Page 1",
        earned.code,
    ):
        assert words in text, words
    assert f"${earned.pay_minor // 100:,}.{earned.pay_minor % 100:02d}" in text

    sheet = as_(otto).get(reverse("operators:statement_csv", args=MONTH))
    rows = list(csv.reader(io.StringIO(sheet.content.decode("utf-8-sig"))))
    assert len({len(row) for row in rows}) == 1
    head = {name: at for at, name in enumerate(rows[0])}
    line = next(row for row in rows if row[0] == earned.code)
    pay_ = f"{earned.pay_minor // 100}.{earned.pay_minor % 100:02d}"
    assert (line[head["your pay"]], line[head["our part"]]) == (pay_, f"-{pay_}")
    assert rows[-1][-1] == pay_
    assert rows[1][-1] == "0.00"


def test_a_later_month_begins_where_the_last_one_ended(
    earned: Run, crew: Company, otto: User, sam: User, as_: As, now: datetime, clock_at: Any
) -> None:
    clock_at.shift(timedelta(days=20))
    holding.penalise(operator_id=crew.operator.id, amount=Money(100, "USD"), why="Late.", now=now + timedelta(days=20), by=None, reference="late:7")  # fmt: skip
    Transfer.objects.update(state="paid", transfer="tr_1")
    december = as_(otto).get(reverse("operators:statement", args=[2026, 12])).content.decode()
    assert "late:7" in december
    assert str(earned.pay) in december
    assert "No run was booked or paid in this month." in december
    sheet = as_(otto).get(reverse("operators:statement_csv", args=[2026, 12])).content.decode()
    assert "besides" in sheet
    assert (
        "No run was booked" not in as_(otto).get(reverse("operators:statement", args=MONTH)).content.decode()
    )
    assert PdfReader(
        io.BytesIO(as_(otto).get(reverse("operators:statement_paper", args=[2026, 12])).content)
    ).pages


@pytest.mark.parametrize("when", [(2026, 10), (2026, 13), (2026, 0), (0, 5), (2031, 1)])
def test_there_is_no_statement_of_a_time_without_one(
    earned: Run, otto: User, as_: As, when: tuple[int, int]
) -> None:
    for name in ("statement", "statement_paper", "statement_csv"):
        assert as_(otto).get(reverse(f"operators:{name}", args=when)).status_code == 404


def test_nobody_else_sees_it(earned: Run, dee: User, max_: User, as_: As) -> None:
    rival = ready().owner
    for address in addresses():
        assert as_(max_).get(address).status_code == 404, address
        assert as_(dee).get(address).status_code == 404, address
        assert Client().get(address).status_code == 302, address
        # Another company has no statement of its own for that month, and never sees this one.
        assert as_(rival).get(address).status_code == (200 if "payouts" in address else 404), address


def test_a_statement_asks_no_more_for_more_runs(
    earned: Run,
    crew: Company,
    otto: User,
    as_: As,
    now: datetime,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    browser, address = as_(otto), reverse("operators:statement", args=MONTH)
    browser.get(address)
    with CaptureQueriesContext(
        connection,
    ) as few:
        browser.get(address)
    other = confirmed_run(ready())
    Run.objects.filter(id=other.id).update(operator=crew.operator)
    other.refresh_from_db()
    booked(other, now=now)
    assert LedgerTransfer.objects.filter(payee=crew.operator.payee_id).count() == 2
    with django_assert_num_queries(len(few)):
        assert other.code in browser.get(address).content.decode() or other.trip.code


@pytest.mark.django_db(transaction=True)
def test_the_way_to_being_paid(crew: Company, run: Run, otto: User, as_: As, now: datetime) -> None:
    booked(run, now=now)
    owner, page = as_(crew.owner), reverse("operators:payouts")
    begun = owner.get(page).content.decode()
    assert "<strong>Not begun</strong>" in begun
    assert "waits for it" in begun
    Payee.objects.update(email="nobody")
    refused = owner.post(reverse("operators:onboard"), follow=True)
    assert "refused the e-mail address nobody" in refused.content.decode()
    assert refused.redirect_chain[-1][0] == reverse("operators:company")  # where it is corrected
    Payee.objects.update(email="office@lakeland.example")
    assert owner.post(reverse("operators:onboard")).status_code == 303
    assert "<strong>More is needed</strong>" in owner.get(page).content.decode()
    assert owner.get(reverse("operators:onboard_again")).status_code == 303
    assert as_(otto).get(reverse("operators:onboard_again")).status_code == 403
    assert "An owner of the company does this." in as_(otto).get(page).content.decode()
    assert "once payouts are set up" in as_(otto).get(reverse("operators:money")).content.decode()
    Payee.objects.update(can_be_paid=True)
    assert "<strong>Ready</strong>" in owner.get(page).content.decode()
