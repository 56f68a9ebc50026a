"""How companies are paid: agreed, kept with the run, put into words, held back, charged."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from operators.actions import agreements as action
from operators.actions import holding
from operators.errors import DayTaken, NothingWaits
from operators.models import HoldBack
from operators.queries import agreements
from payments import queries as money
from rally.errors import BadInput, NotAllowed
from rally.models import StaffAction, User
from rally.money import Money
from tests.factories.operators import Company, booked, company, confirmed_run, ready, van_trip

pytestmark = pytest.mark.django_db

TODAY = date(2026, 11, 21)


def agree(crew: Company, kind: str, percent: int, by: User, now: datetime, **more: Any) -> Any:
    given = {"applies_from": TODAY, **more}
    return action.agree(operator_id=crew.operator.id, kind=kind, percent=percent, now=now, by=by, **given)


def test_the_agreement_in_force_is_the_one_that_began_last(sam: User, now: datetime) -> None:
    crew = ready()
    assert agreements.in_force(crew.operator, TODAY) is None
    fixed = agree(crew, "fixed", 110, sam, now, applies_from=TODAY - timedelta(days=30))
    later = agree(crew, "guarantee", 80, sam, now, applies_until=TODAY + timedelta(days=5))
    assert agree(crew, "guarantee", 80, sam, now, applies_until=TODAY + timedelta(days=5)) == later
    assert agreements.in_force(crew.operator, TODAY - timedelta(days=1)) == fixed
    assert agreements.in_force(crew.operator, TODAY) == later
    assert agreements.in_force(crew.operator, TODAY + timedelta(days=6)) == fixed
    assert agreements.in_force(company(), TODAY) is None
    assert StaffAction.objects.filter(what="agreement.agree", by=sam).count() == 2


def test_what_makes_no_agreement(sam: User, max_: User, now: datetime) -> None:
    crew = ready()
    with pytest.raises(NotAllowed):
        agree(crew, "fixed", 100, max_, now)
    with pytest.raises(NotAllowed):
        agree(crew, "fixed", 100, crew.owner, now)
    for wrong in (("gift", 100), ("fixed", 0), ("fixed", 201)):
        with pytest.raises(BadInput):
            agree(crew, *wrong, sam, now)
    with pytest.raises(BadInput):
        agree(crew, "fixed", 100, sam, now, applies_until=TODAY - timedelta(days=1))
    agree(crew, "fixed", 100, sam, now)
    with pytest.raises(DayTaken):
        agree(crew, "fixed", 101, sam, now)


def test_a_run_keeps_the_terms_it_was_committed_on(sam: User, now: datetime) -> None:
    crew = ready()
    first = crew.commits(van_trip())
    assert first.terms == {"given_up_late": [168, 10_000]}
    from operators.actions import runs

    runs.withdraw(run_id=first.id, now=now, by=crew.owner)
    agree(crew, "reseller", 85, sam, now)
    second = crew.commits(van_trip())
    assert second.terms == {"kind": "reseller", "percent": 85, "given_up_late": [168, 10_000]}
    agree(crew, "fixed", 90, sam, now, applies_from=TODAY + timedelta(days=1))
    second.refresh_from_db()
    assert second.terms["kind"] == "reseller"


@pytest.mark.parametrize(
    ("terms", "words", "pays"),
    [
        ({}, "less our part of 12 %", lambda cost, gross: gross * 100 // 112),
        ({"kind": "share", "percent": 90}, "90 % of the usual share", lambda cost, gross: gross * 100 // 112 * 90 // 100),
        ({"kind": "fixed", "percent": 110}, "for the bus, whatever riders pay", lambda cost, gross: cost * 110 // 100),
        ({"kind": "guarantee", "percent": 80}, "and at least", lambda cost, gross: max(cost * 80 // 100, gross * 100 // 112)),
        ({"kind": "reseller", "percent": 85}, "85 % of the fare", lambda cost, gross: gross * 85 // 100),
    ],
)  # fmt: skip
def test_the_terms_in_words_and_in_money(terms: dict[str, Any], words: str, pays: Any) -> None:
    trip = van_trip()
    assert words in agreements.in_words(terms, trip)
    for gross in (0, 12_345, 200_000):
        assert agreements.pay_for(terms, trip, Money(gross, "USD")).minor == pays(trip.cost_minor, gross)


# ---- holding back


def test_pay_waits_and_is_released_less_what_is_kept(sam: User, now: datetime) -> None:
    run = booked(confirmed_run(), now=now)
    group, payee_id = f"trip:{run.trip_id}", run.operator.payee_id
    back = holding.hold_back(run_id=run.id, amount=None, why="A rider was hurt.", now=now, by=sam)
    assert holding.hold_back(run_id=run.id, amount=None, why="Again.", now=now, by=sam) == back
    assert money.waits(group, payee_id) == run.pay
    with pytest.raises(NothingWaits):
        holding.lift(hold_back_id=back.id, kept=run.pay + Money(1, "USD"), now=now, by=sam)
    for _twice in range(2):
        lifted = holding.lift(hold_back_id=back.id, kept=Money(5000, "USD"), now=now, by=sam)
    assert (lifted.kept_minor, lifted.lifted_by) == (5000, sam)
    assert money.balance("platform:retained") == 5000
    assert money.balance("operator:payable", payee=payee_id) == run.pay.minor - 5000
    assert [note.what for note in StaffAction.objects.order_by("id")] == ["holdback.hold", "holdback.lift"]


def test_a_part_is_held_back_before_the_pay_is_booked(sam: User, now: datetime) -> None:
    run = confirmed_run()
    back = holding.hold_back(run_id=run.id, amount=Money(700, "USD"), why="A complaint.", now=now, by=sam)
    with pytest.raises(NothingWaits):
        holding.lift(hold_back_id=back.id, kept=Money(1, "USD"), now=now, by=sam)
    assert holding.lift(hold_back_id=back.id, kept=None, now=now, by=sam).lifted_at == now


def test_what_was_sent_cannot_be_held_back(sam: User, now: datetime) -> None:
    from payments.models import Transfer

    run = booked(confirmed_run(), now=now)
    Transfer.objects.update(state="paid", transfer="tr_1")
    with pytest.raises(NothingWaits):
        holding.hold_back(run_id=run.id, amount=None, why="Too late.", now=now, by=sam)
    assert not HoldBack.objects.exists()


def test_only_staff_hold_back_and_say_why(sam: User, now: datetime) -> None:
    crew = ready()
    run = confirmed_run(crew)
    with pytest.raises(NotAllowed):
        holding.hold_back(run_id=run.id, amount=None, why="Mine.", now=now, by=crew.owner)
    with pytest.raises(BadInput):
        holding.hold_back(run_id=run.id, amount=None, why=" ", now=now, by=sam)
    with pytest.raises(BadInput):
        holding.hold_back(run_id=run.id, amount=Money(0, "USD"), why="Nothing.", now=now, by=sam)
    back = holding.hold_back(run_id=run.id, amount=None, why="Open.", now=now, by=sam)
    with pytest.raises(NotAllowed):
        holding.lift(hold_back_id=back.id, kept=None, now=now, by=crew.owner)


# ---- penalties


def test_a_penalty_is_owed_once_for_each_reason(sam: User, now: datetime) -> None:
    crew = ready()

    def charge(by: User | None, **more: Any) -> bool:
        given = {"amount": Money(10_000, "USD"), "why": "Gave the trip back a day ahead.", **more}
        return holding.penalise(operator_id=crew.operator.id, now=now, by=by, **given)

    assert charge(sam, reference="late:1")
    assert not charge(sam, reference="late:1")
    assert charge(None, reference="late:2")
    assert charge(sam)
    assert charge(sam)
    assert money.balance("operator:receivable", payee=crew.operator.payee_id) == -40_000
    assert StaffAction.objects.filter(what="operator.penalise").count() == 3
    with pytest.raises(NotAllowed):
        charge(crew.owner)
    for wrong in ({"amount": Money(0, "USD")}, {"why": ""}):
        with pytest.raises(BadInput):
            charge(sam, **wrong)
