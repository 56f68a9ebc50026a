"""The ways in which companies are paid, from the agreement to the statement: what was promised arrives, to the cent."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from django.urls import reverse

from operators.actions import agreements, holding
from operators.models import Run
from operators.queries.statements import statement
from payments import queries as money
from payments.actions import payments
from payments.models import Payment, Transfer
from payments.sandbox import runtime
from rally import clock
from rally.demo import clock as moving
from rally.money import Money
from tests.factories.events import event, partner
from tests.factories.operators import Company, drive, van_trip
from tests.factories.payments import onboarded
from tests.factories.people import person
from tests.factories.pledges import backed
from tests.journeys.visitor import Visitor
from tests.journeys.world import World

NEW_YEARS_GAME = datetime(2027, 1, 10, 18, 0, tzinfo=UTC)


def on_terms(crew: Company, kind: str, percent: int) -> None:
    agreements.agree(
        operator_id=crew.operator.id,
        kind=kind,
        percent=percent,
        applies_from=date(2026, 11, 1),
        now=clock.now(),
        by=person("sam", is_staff=True),
    )


def a_run(crew: Company, **to: Any) -> Run:
    """Seven seats paid for, and the bus is bound."""
    trip = van_trip(**to)
    for seats in (4, 3):
        backed(trip, seats=seats, now=clock.now())
    run = crew.commits(trip, now=clock.now())
    moving.work()
    run.refresh_from_db()
    assert run.state == "confirmed"
    return run


def driven(world: World, crew: Company, run: Run) -> Run:
    """The day passes and everybody is home."""
    moving.forward(to=run.trip.departs_at)
    drive(run, crew.driver.user)
    moving.work()
    run.refresh_from_db()
    assert run.booked_at is not None
    return run


def paid_out(world: World, crew: Company) -> int:
    """What the company was sent, once every delay is over."""
    world.pass_time(days=9)
    runtime.current().see("tick")
    world.pass_time(hours=7)
    sent = Transfer.objects.filter(payee=crew.operator.payee, state="paid")
    return sum(each.to_send_minor - each.reversed_minor for each in sent)


def in_the_end(crew: Company) -> None:
    """The books hold, and every statement says what they say."""
    assert money.check_ledger() == {}
    payee, operator = crew.operator.payee_id, crew.operator
    before = 0
    months = money_months(operator)
    for month in months:
        found = statement(operator, month)
        assert found.extract.opening.net == before
        before = found.extract.closing.net
        assert (
            sum(each.change.minor for each in found.events)
            == found.extract.closing.net - found.extract.opening.net
        )
    due = money.balance("operator:payable", payee=payee)
    debt = -money.balance("operator:receivable", payee=payee)
    assert before == due - debt


def money_months(operator: Any) -> list[date]:
    from payments.queries.statements import months_of

    return months_of(operator.payee_id, operator.time_zone, clock.now())[::-1]


def taken() -> int:
    return sum(each.captured_minor - each.refunded_minor for each in Payment.objects.all())


def test_a_fixed_price_whatever_riders_paid(world: World, crew: Company) -> None:
    on_terms(crew, "fixed", 120)
    office = Visitor().sign_in(crew.owner.email)
    trip = van_trip()
    office.open(reverse("operators:trip", args=[trip.code]))
    assert "for the bus, whatever riders pay" in office.text
    run = driven(world, crew, a_run(crew))
    assert run.pay_minor == run.trip.cost_minor * 120 // 100
    assert paid_out(world, crew) == run.pay_minor
    assert money.balance("platform:fee") + money.balance("expense:guarantee") == taken() - run.pay_minor
    run.trip.refresh_from_db()
    assert run.trip.state == "closed"
    in_the_end(crew)


def test_a_guarantee_holds_when_too_few_riders_paid(world: World, crew: Company) -> None:
    on_terms(crew, "guarantee", 90)
    run = a_run(crew)
    first = Payment.objects.filter(captured_minor__gt=0).order_by("-captured_minor")[0]
    payments.refund(
        payment_id=first.id,
        amount=Money(first.captured_minor, "USD"),
        reason="goodwill",
        now=clock.now(),
        by=None,
    )
    run = driven(world, crew, run)
    assert run.pay_minor == run.trip.cost_minor * 90 // 100 > taken() * 100 // 112
    backed(
        van_trip(to=event(starts_at=NEW_YEARS_GAME)), seats=10, now=clock.now()
    )  # our balance has other money
    assert paid_out(world, crew) == run.pay_minor or money.balance("operator:payable") > 0
    assert -money.balance("expense:guarantee") == max(0, run.pay_minor - taken())
    office = Visitor().sign_in(crew.owner.email)
    office.open(reverse("operators:run", args=[run.code]))
    assert str(run.pay) in office.text
    in_the_end(crew)


def test_a_reseller_is_paid_for_seats_and_the_partner_for_fans(world: World, crew: Company) -> None:
    on_terms(crew, "reseller", 80)
    club, pat = partner(share_percent=20), person("pat")
    club.members.add(pat)
    run = driven(world, crew, a_run(crew, to=event(partner=club)))
    fares = 7 * run.trip.stops.get(position=1).fare_minor
    assert run.pay_minor == fares * 80 // 100
    share = (fares - run.pay_minor) * 20 // 100
    assert money.balance("partner:payable") == share
    assert paid_out(world, crew) == run.pay_minor
    visitor = Visitor().sign_in(pat.email).open("/partner/")
    assert str(Money(share, "USD")) in visitor.text
    assert "waits for you" in visitor.text
    club.refresh_from_db()
    onboarded(club.payee, now=clock.now())  # type: ignore[arg-type]
    world.pass_time(hours=1)
    assert money.balance("partner:payable") == 0
    in_the_end(crew)


def test_a_refund_after_the_payout_is_kept_from_the_next_months_pay(world: World, crew: Company) -> None:
    run = driven(world, crew, a_run(crew))
    assert paid_out(world, crew) == run.pay_minor
    world.pass_time(days=8)  # it has gone to their bank
    runtime.current().see("tick")
    first = Payment.objects.filter(captured_minor__gt=0).order_by("id")[0]
    payments.refund(
        payment_id=first.id,
        amount=Money(first.captured_minor, "USD"),
        reason="no heating",
        now=clock.now(),
        by=None,
    )
    moving.work()
    debt = -money.balance("operator:receivable", payee=crew.operator.payee_id)
    assert debt > 0
    first.refresh_from_db()
    assert first.state == "refunded"
    holding.penalise(
        operator_id=crew.operator.id,
        amount=Money(777, "USD"),
        why="The heating was broken.",
        now=clock.now(),
        by=person("sam", is_staff=True),
    )
    office = Visitor().sign_in(crew.owner.email).open("/operator/money/")
    assert str(Money(debt + 777, "USD")) in office.text

    second = driven(world, crew, a_run(crew, to=event(starts_at=NEW_YEARS_GAME)))
    assert paid_out(world, crew) == run.pay_minor + second.pay_minor - debt - 777
    assert money.balance("operator:receivable") == money.balance("operator:payable") == 0
    office.open(reverse("operators:statement", args=[2027, 1]))
    assert "Kept from a payment against what you owed" in office.text
    in_the_end(crew)
