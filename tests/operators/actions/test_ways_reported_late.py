"""A way that was not driven, of which we hear after the pay was booked: what was promised for it is not earned."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
import time_machine

from operators.actions import agreements, driving, failing
from operators.models import Run
from operators.queries.statements import statement
from payments import queries as money
from payments.actions import corrections, earnings, operations, payees
from payments.models import LedgerTransfer, Transfer
from payments.queries.statements import group_money
from payments.sandbox import runtime
from payments.states import TransferState
from rally.models import User
from rally.money import Money
from tests.factories import pledges as make
from tests.factories.operators import Company, ready
from tests.factories.trips import proposed
from trips.states import VehicleClass

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock(now: datetime) -> Any:
    """The wall clock stands still until it is moved."""
    with time_machine.travel(now, tick=False) as traveller:
        yield traveller


def driven(clock: Any, sam: User, now: datetime, kind: str, percent: int) -> tuple[Company, Run, datetime]:
    """A run on these terms that drove both ways, as it seemed; its pay is booked."""
    crew = ready()
    payee = crew.operator.payee
    payees.onboard(payee_id=payee.id, return_url="http://testserver/operator/", now=now)
    payee.refresh_from_db()
    runtime.current().finish_onboarding(payee.account)
    payees.refresh(payee_id=payee.id, now=now)
    agreements.agree(
        operator_id=crew.operator.id,
        kind=kind,
        percent=percent,
        applies_from=date(2026, 11, 1),
        now=now,
        by=sam,
    )
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    for seats in (7, 5):
        make.backed(trip, seats=seats, now=now)
    run = crew.commits(trip, now=now)
    back: datetime = trip.departs_at
    clock.move_to(back)
    for step in (driving.start, driving.arrive, driving.head_back, driving.complete):
        step(run_id=run.id, now=back, by=crew.driver.user)
    run.refresh_from_db()
    assert run.booked_at == back
    return crew, run, back


def sent(clock: Any, after: datetime) -> datetime:
    """What is due is sent."""
    late: datetime = after + timedelta(days=9)
    clock.move_to(late)
    runtime.current().see("tick")
    earnings.send_due(now=late)
    for each in operations.due(now=late):
        operations.run(each, now=late)
    return late


def adds_up(run: Run) -> None:
    """The books hold, and the statement of the month says what they say."""
    assert money.check_ledger() == {}
    found = statement(run.operator, date(2026, 12, 1))
    due = money.balance("operator:payable", payee=run.operator.payee)
    debt = -money.balance("operator:receivable", payee=run.operator.payee)
    assert found.extract.closing_balance.minor == due - debt
    group = f"trip:{run.trip_id}"
    where = group_money([group], before=datetime.max.replace(tzinfo=run.committed_at.tzinfo))[group]
    assert where.gross - where.refunds + where.added == where.earned + where.partner + where.tax + where.fee
    assert where.earned == due - debt + sum(
        each.to_send_minor - each.reversed_minor
        for each in Transfer.objects.filter(payee=run.operator.payee, state=TransferState.PAID)
    )


@pytest.mark.parametrize(("kind", "percent"), [("fixed", 100), ("fixed", 190), ("guarantee", 90)])
def test_before_it_is_sent_it_is_sent_less(
    clock: Any, sam: User, now: datetime, kind: str, percent: int
) -> None:
    crew, run, then = driven(clock, sam, now, kind, percent)
    price = run.trip.cost_minor * percent // 100
    booked, parts = run.pay_minor, run.pay_minor - price

    for _twice in range(2):
        failing.leg_failed(run_id=run.id, leg="return", now=then, by=crew.owner)

    run.refresh_from_db()
    half = run.trip.cost_minor * percent * 50 // 10_000
    assert (run.legs_percent, booked - run.pay_minor) == (50, price - half)
    # The parts of riders' payments have borne what riders got back, as any refund.
    assert 0 <= money.balance("operator:payable", payee=run.operator.payee) - half <= parts
    assert money.balance("operator:receivable") == 0
    adds_up(run)
    [line] = [each for each in statement(run.operator, date(2026, 12, 1)).events if "not driven" in each.what]
    assert line.change == Money(half - price, "USD")


def test_after_it_was_sent_it_is_owed(clock: Any, sam: User, now: datetime) -> None:
    crew, run, then = driven(clock, sam, now, "fixed", 100)
    late = sent(clock, then)
    assert money.balance("operator:payable") == 0
    booked = run.pay_minor

    failing.leg_failed(run_id=run.id, leg="return", now=late, by=sam)
    failing.leg_failed(run_id=run.id, leg="return", percent=80, now=late, by=sam)

    run.refresh_from_db()
    owed = booked - run.trip.cost_minor * 50 // 100
    assert -money.balance("operator:receivable", payee=run.operator.payee) == owed == booked - run.pay_minor
    adds_up(run)

    failing.leg_failed(run_id=run.id, leg="outbound", now=late, by=crew.owner)
    run.refresh_from_db()
    assert (run.pay_minor, run.legs_percent) == (0, 0)
    assert -money.balance("operator:receivable", payee=run.operator.payee) == booked
    adds_up(run)


def test_a_share_bears_it_by_the_refunds_alone(clock: Any, sam: User, now: datetime) -> None:
    crew, run, then = driven(clock, sam, now, "share", 100)
    failing.leg_failed(run_id=run.id, leg="return", now=then, by=crew.owner)
    assert not LedgerTransfer.objects.filter(event_key__startswith="lowered:").exists()
    adds_up(run)


def test_no_more_than_was_booked(clock: Any, sam: User, now: datetime) -> None:
    _crew, run, then = driven(clock, sam, now, "fixed", 100)
    facts: dict[str, Any] = {"group": f"trip:{run.trip_id}", "payee_id": run.operator.payee_id, "now": then}
    most = Money(run.pay_minor, "USD")
    for _twice in range(2):
        assert corrections.lower_firm(amount=most + most, reference="a", **facts) == most
    assert corrections.lower_firm(amount=most, reference="b", **facts) == Money(0, "USD")
    assert money.balance("operator:payable") == 0
    assert money.check_ledger() == {}
