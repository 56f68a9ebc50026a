"""Registering a company, changing it, suspending it."""

from __future__ import annotations

from datetime import datetime

import pytest

from operators.actions import companies
from operators.models import Operator
from operators.states import OperatorState, Role
from payments.models import Payee
from rally.errors import BadInput, NotAllowed
from rally.models import StaffAction, StateChange, User
from tests.factories.events import place
from tests.factories.operators import company, member, owner_of

pytestmark = pytest.mark.django_db


def register(by: User, now: datetime, **fields: object) -> Operator:
    return companies.register(
        by=by,
        now=now,
        **{  # type: ignore[arg-type]
            "name": "Lakeland  Coaches",
            "email": "office@lakeland.example",
            "phone": "+1 (414) 555-0100",
            "base_name": "milwaukee, wi",
            "usdot": "USDOT 1234567",
            **fields,
        },
    )


def test_the_person_becomes_owner_and_a_payee_is_opened(otto: User, now: datetime) -> None:
    place()
    operator = register(otto, now)
    assert (operator.name, operator.base_name) == ("Lakeland Coaches", "Milwaukee, WI")
    assert (operator.usdot, operator.time_zone) == ("1234567", "America/Chicago")
    assert operator.state == OperatorState.ACTIVE
    assert [(m.user, m.role, m.active) for m in operator.members.all()] == [(otto, Role.OWNER, True)]
    assert operator.payee.name == "Lakeland Coaches"
    assert list(StateChange.objects.values_list("noun", "old", "new", "by")) == [
        ("operator", "", "active", otto.id)
    ]


def test_pressing_twice_makes_one_company(otto: User, now: datetime) -> None:
    place()
    assert register(otto, now) == register(otto, now, name="LAKELAND COACHES")
    assert (Operator.objects.count(), Payee.objects.count()) == (1, 1)


def test_a_depot_by_coordinates_may_be_called_anything(otto: User, now: datetime) -> None:
    place()
    operator = register(otto, now, base_name="The old brewery", latitude=43.1, longitude=-87.9)
    assert (operator.base_name, operator.latitude, operator.time_zone) == (
        "The old brewery",
        43.1,
        "America/Chicago",
    )


def test_of_towns_with_one_name_the_largest_is_meant(otto: User, now: datetime) -> None:
    place("Springfield", state="IL", slug="springfield-il", population=114_000)
    larger = place("Springfield", state="MO", slug="springfield-mo", population=166_000)
    assert register(otto, now, base_name="springfield").base_name == str(larger)
    assert register(otto, now, name="Other", base_name="Springfield, IL").base_name == "Springfield, IL"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": " \t "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"email": "nobody"}, "email"),
        ({"phone": "call me"}, "phone"),
        ({"phone": "+ ( ) - / ."}, "phone"),
        ({"base_name": ""}, "base_name"),
        ({"base_name": "Atlantis"}, "base_name"),
        ({"base_name": "Milwaukee, IL"}, "base_name"),
        ({"latitude": 43.0}, "latitude"),
        ({"latitude": 91.0, "longitude": 0.0}, "latitude"),
        ({"latitude": float("nan"), "longitude": 0.0}, "latitude"),
        ({"latitude": 0.0, "longitude": 0.0}, "latitude"),
        ({"usdot": "123456789"}, "usdot"),
        ({"usdot": "12a"}, "usdot"),
    ],
)
def test_bad_input_names_its_field(otto: User, now: datetime, wrong: dict[str, object], field: str) -> None:
    place()
    with pytest.raises(BadInput) as refused:
        register(otto, now, **wrong)
    assert refused.value.field == field
    assert Operator.objects.count() == 0


def test_control_characters_do_not_get_in(otto: User, now: datetime) -> None:
    place()
    assert register(otto, now, name="Lake\x00land\u2028 \N{BUS} عربي").name == "Lake land \N{BUS} عربي"


def change(operator: Operator, by: User, **fields: object) -> Operator:
    return companies.change(
        operator_id=operator.id,
        by=by,
        **{  # type: ignore[arg-type]
            "name": "New name",
            "email": "new@lakeland.example",
            "phone": "414 555 0199",
            "base_name": operator.base_name,
            **fields,
        },
    )


def test_an_owner_changes_it_and_the_depot_stays() -> None:
    operator = company(latitude=43.1, longitude=-87.9, base_name="The old brewery")
    changed = change(operator, owner_of(operator))
    assert (changed.name, changed.base_name, changed.latitude) == ("New name", "The old brewery", 43.1)


def test_what_is_corrected_is_told_to_the_payment_service_until_it_knows() -> None:
    operator = company()
    change(operator, owner_of(operator))
    operator.payee.refresh_from_db()
    assert (operator.payee.name, operator.payee.email) == ("New name", "new@lakeland.example")
    Payee.objects.update(account="acct_1")
    change(operator, owner_of(operator), email="newer@lakeland.example")
    operator.payee.refresh_from_db()
    assert operator.payee.email == "new@lakeland.example"


def test_an_owner_moves_the_depot() -> None:
    operator = company()
    place("Madison", state="WI", slug="madison-wi", latitude=43.07305, longitude=-89.40123)
    assert change(operator, owner_of(operator), base_name="Madison, WI").longitude == -89.40123


def test_a_dispatcher_does_not_change_it(otto: User) -> None:
    operator = company()
    member(operator, otto, role=Role.DISPATCHER)
    with pytest.raises(NotAllowed):
        change(operator, otto)


def test_staff_suspend_and_activate(sam: User, now: datetime) -> None:
    operator = company()
    for _twice in range(2):
        companies.suspend(operator_id=operator.id, why="no insurance", now=now, by=sam)
    operator.refresh_from_db()
    assert operator.state == OperatorState.SUSPENDED
    companies.activate(operator_id=operator.id, why="insured again", now=now, by=sam)
    operator.refresh_from_db()
    assert operator.state == OperatorState.ACTIVE
    moves = StateChange.objects.filter(subject=operator.id).order_by("id")
    assert [(m.old, m.new, m.why) for m in moves] == [
        ("", "active", "registered"),
        ("active", "suspended", "no insurance"),
        ("suspended", "active", "insured again"),
    ]
    notes = StaffAction.objects.filter(by=sam, subject=f"operator:{operator.id}").values_list("what", "why")
    assert sorted(notes) == [
        ("operator.activate", "insured again"),
        ("operator.suspend", "no insurance"),
    ]


def test_only_staff_suspend_and_only_with_a_reason(sam: User, now: datetime) -> None:
    operator = company()
    with pytest.raises(NotAllowed):
        companies.suspend(operator_id=operator.id, why="spite", now=now, by=owner_of(operator))
    with pytest.raises(BadInput):
        companies.suspend(operator_id=operator.id, why=" ", now=now, by=sam)
