"""Statements of companies: each row adds up, and all rows are what the ledger moved, whatever happened to the pay."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from operators.documents.statements import statement_table
from operators.models import Run
from operators.queries.statements import Statement, statement
from payments import queries as money
from payments.actions import corrections, earnings, holding, payments
from payments.actions.earnings import Due
from payments.models import Checkout, Payment
from payments.queries.statements import Moves, group_money, months_of, moves_of
from payments.sandbox import runtime
from rally import clock
from rally.models import User
from tests.factories.operators import Company, ready, van_trip
from tests.factories.payments import at_page, onboarded, payee, payment, usd

pytestmark = pytest.mark.django_db(transaction=True)

PLUS, MINUS = ("your pay", "forgiven", "taken back"), ("kept back", "charged", "sent")


@pytest.fixture
def time(now: Any) -> Any:
    """A clock that everything follows."""
    with time_machine.travel(now, tick=False) as travel:
        runtime.current().now = clock.now
        yield travel


@pytest.fixture
def crew(time: Any) -> Company:
    """A company that can be paid."""
    found = ready()
    onboarded(found.operator.payee, now=clock.now())
    return found


def a_run(crew: Company) -> Run:
    """A run of the company, whatever else its bus does that day."""
    made = ready().commits(van_trip())
    Run.objects.filter(id=made.id).update(operator=crew.operator)
    return Run.objects.get(id=made.id)


def paid(run: Run, payer: User, amount: int) -> Payment:
    opened = payment(payer, now=clock.now(), amount=amount, group=f"trip:{run.trip_id}")
    return at_page(opened, Checkout.Mode.CHARGE, now=clock.now())


def worth(run: Run, percent: int) -> dict[UUID, int]:
    """So much of each payment for the trip."""
    every = Payment.objects.filter(group=f"trip:{run.trip_id}")
    return {each.id: money.worth(each).minor * percent // 100 for each in every}


def book(run: Run, *operators: Due, **more: Any) -> None:
    group, now = f"trip:{run.trip_id}", clock.now()
    due_at = now + timedelta(days=1)
    ids = list(worth(run, 100))
    earnings.book(group=group, payment_ids=ids, operators=operators, due_at=due_at, now=now, by=None, **more)


def back(of: Payment, amount: int, reason: str) -> None:
    payments.refund(payment_id=of.id, amount=usd(amount), reason=reason, now=clock.now(), by=None)


def check(found: Statement) -> None:
    """Each row of the table adds up, and together they are what the ledger moved."""
    head, *rows = statement_table(found)

    def amount(row: list[str], *names: str) -> Decimal:
        return sum((Decimal(row[head.index(name)] or 0) for name in names), Decimal(0))

    by_code = {row[0]: row for row in rows}
    for line in found.lines:
        row = by_code[line.run.code]
        parts = amount(row, "tax", "partner", "our part", "other companies", "your pay")
        assert amount(row, "riders paid", "given back") == parts, row
    [together] = [row for row in rows if row[0] == "together"]
    for name in (*PLUS, *MINUS):
        assert amount(together, name) == sum(amount(row, name) for row in rows if row is not together), name
    moved = found.extract.closing.net - found.extract.opening.net
    assert (amount(together, *PLUS) - amount(together, *MINUS)) * 100 == moved


@pytest.mark.parametrize("seed", range(3))
def test_rows_add_up_and_are_what_the_ledger_moved(time: Any, crew: Company, ana: User, seed: int) -> None:
    chance, to = random.Random(seed), crew.operator.payee
    club, other = payee(now=clock.now()).id, payee(now=clock.now()).id
    runs = [a_run(crew) for _ in range(3)]

    def now_and_then() -> bool:
        return chance.random() < 0.4

    for run in runs:
        group = f"trip:{run.trip_id}"
        of = [paid(run, ana, chance.randint(3000, 9000)) for _ in range(2)]
        if now_and_then():
            back(of[0], 900, "before")
        time.shift(timedelta(days=chance.choice([0, 12])))
        dues = [Due(to.id, worth(run, 70), chance.choice([0, 800, 9000]))]
        dues += [Due(other, worth(run, 5))] if now_and_then() else []
        book(run, *dues, partner=Due(club, worth(run, 5)), taxes=worth(run, 3))
        if now_and_then():
            holding.hold(group=group, payee_id=to.id, amount=usd(500), reference=run.code, now=clock.now())
        for n in range(2):
            if now_and_then():
                back(of[n], chance.randint(1, 1500), "after")
            if now_and_then():
                corrections.lower_firm(group=group, payee_id=to.id, amount=usd(300), reference=f"{run.code}:{n}", now=clock.now())  # fmt: skip
            time.shift(timedelta(days=chance.choice([2, 17])))
            runtime.current().see("tick")
            earnings.send_due(now=clock.now())
        kept = money.waits(group, to.id).minor // 3
        holding.lift(group=group, payee_id=to.id, kept=usd(kept), reference=run.code, now=clock.now())
        if now_and_then():
            holding.penalise(payee_id=to.id, amount=usd(700), reference=run.code, now=clock.now())
    assert money.check_ledger() == {}

    months = months_of(to.id, crew.operator.time_zone, clock.now())[::-1]
    every = [statement(crew.operator, month) for month in months]
    for found in every:
        check(found)
    left = [money.balance(name, payee=to) for name in ("operator:payable", "operator:receivable")]
    assert every[-1].extract.closing.net == sum(left)
    for run in runs:
        lines = [line for found in every for line in found.lines if line.run == run]
        group = f"trip:{run.trip_id}"
        whole = group_money([group], before=clock.now() + timedelta(days=1))[group]
        theirs = moves_of(other, [group]).get(group, Moves()).pay
        assert [line.booked for line in lines].count(True) == 1
        assert sum(line.paid.minor for line in lines) == whole.gross
        assert sum(line.given_back.minor for line in lines) == whole.refunds
        assert sum(line.others.minor for line in lines) == theirs
        assert sum(line.pay.minor for line in lines) == whole.earned - theirs


def test_a_page_and_a_paper_add_up_in_each_month(time: Any, crew: Company, ana: User) -> None:
    """Of $100 riders get $20 back in the month of the booking, and $10 in the next."""
    run = a_run(crew)
    of = paid(run, ana, 10_000)
    book(run, Due(crew.operator.payee_id, {of.id: 8000}))
    back(of, 2000, "left")

    def told(month: date) -> tuple[list[str], str]:
        office = Client()
        office.force_login(crew.owner)
        [line] = statement(crew.operator, month).lines
        amounts = (line.paid, line.given_back, line.our_part, line.pay)
        page = office.get(reverse("operators:statement", args=[month.year, month.month])).content.decode()
        for label, amount in zip(("Riders paid", "Given back", "Our part", "Your pay"), amounts, strict=True):
            assert f'data-label="{label}" class="num">{amount}</td>' in page
        assert "Other companies" not in page
        return list(map(str, amounts)), page

    assert told(date(2026, 11, 1))[0] == ["$100", "$20", "$20", "$60"]
    # At half past seven in the evening there.
    type(run.trip).objects.filter(id=run.trip_id).update(departs_at=datetime(2026, 12, 13, 1, 30, tzinfo=UTC))
    [line] = [row for row in statement_table(statement(crew.operator, date(2026, 11, 1))) if run.code in row]
    assert line[2] == "2026-12-12"
    time.shift(timedelta(days=20))
    back(of, 1000, "again")
    amounts, page = told(date(2026, 12, 1))
    assert amounts == ["$0", "$10", "$0", "-$10"]
    assert "booked in an earlier month" in page
    assert told(date(2026, 11, 1))[0] == ["$100", "$20", "$20", "$60"]
