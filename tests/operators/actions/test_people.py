"""Who works in a company."""

from __future__ import annotations

from datetime import datetime

import pytest

from operators.actions import people
from operators.errors import AlreadyMember, LastOwner, MemberHasRuns
from operators.states import Role
from rally.errors import BadInput, NotAllowed
from rally.models import Notice, User
from tests.factories.operators import company, member, owner_of, ready, van_trip

pytestmark = pytest.mark.django_db


def test_somebody_new_gets_an_account_and_a_mail(now: datetime) -> None:
    operator = company()
    added = people.add(
        operator_id=operator.id,
        email="New.Driver@Test.example",
        role="driver",
        name="Nell Ortiz",
        phone="414 555 0111",
        now=now,
        by=owner_of(operator),
    )
    assert (added.user.email, added.user.name, added.user.phone) == (
        "new.driver@test.example",
        "Nell Ortiz",
        "414 555 0111",
    )
    assert not added.user.has_usable_password()
    notice = Notice.objects.get(kind="operators.invited")
    assert notice.recipient == added.user
    assert notice.facts["url"].endswith("/accounts/login/code/")


def test_an_account_keeps_its_own_name_and_gains_a_phone(dee: User, now: datetime) -> None:
    operator = company()
    people.add(
        operator_id=operator.id, email=dee.email, role="driver", name="Other", phone="414 555 0111", now=now,
        by=owner_of(operator),
    )  # fmt: skip
    dee.refresh_from_db()
    assert (dee.name, dee.phone) == ("Dee", "414 555 0111")


def test_an_account_without_a_name_is_given_one(now: datetime) -> None:
    operator, quiet = company(), User.objects.create_user("quiet@test.example")
    people.add(
        operator_id=operator.id,
        email=quiet.email,
        role="driver",
        name="Quinn",
        now=now,
        by=owner_of(operator),
    )
    quiet.refresh_from_db()
    assert quiet.name == "Quinn"


def test_twice_is_refused_and_a_leaver_comes_back(dee: User, now: datetime) -> None:
    operator = company()
    owner = owner_of(operator)
    one = member(operator, dee)
    with pytest.raises(AlreadyMember):
        people.add(operator_id=operator.id, email=dee.email, role="driver", now=now, by=owner)
    people.deactivate(member_id=one.id, by=owner)
    again = people.add(operator_id=operator.id, email=dee.email, role="dispatcher", now=now, by=owner)
    assert (again.id, again.role, again.active) == (one.id, Role.DISPATCHER, True)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"role": "king"}, "role"),
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"phone": "ring"}, "phone"),
    ],
)
def test_bad_input_names_its_field(now: datetime, wrong: dict[str, str], field: str) -> None:
    operator = company()
    given = {"email": "n@test.example", "role": "driver", "name": "Nell", **wrong}
    with pytest.raises(BadInput) as refused:
        people.add(operator_id=operator.id, now=now, by=owner_of(operator), **given)
    assert refused.value.field == field
    assert not User.objects.filter(email="n@test.example").exists()


def test_a_closed_account_is_not_employed(dee: User, now: datetime) -> None:
    operator = company()
    dee.is_active = False
    dee.save()
    with pytest.raises(BadInput):
        people.add(operator_id=operator.id, email=dee.email, role="driver", now=now, by=owner_of(operator))


def test_only_owners_decide_about_people(otto: User, dee: User, now: datetime) -> None:
    operator = company()
    dispatcher = member(operator, otto, role=Role.DISPATCHER)
    with pytest.raises(NotAllowed):
        people.add(operator_id=operator.id, email=dee.email, role="driver", now=now, by=otto)
    with pytest.raises(NotAllowed):
        people.change_role(member_id=dispatcher.id, role="owner", by=otto)
    with pytest.raises(NotAllowed):
        people.deactivate(member_id=dispatcher.id, by=otto)


def test_the_last_owner_stays(otto: User) -> None:
    operator = company()
    owner = owner_of(operator)
    first = operator.members.get()
    with pytest.raises(LastOwner):
        people.change_role(member_id=first.id, role="driver", by=owner)
    with pytest.raises(LastOwner):
        people.deactivate(member_id=first.id, by=owner)
    member(operator, otto, role=Role.OWNER)
    assert people.deactivate(member_id=first.id, by=otto).active is False


def test_a_role_changes_and_twice_is_once(dee: User) -> None:
    operator = company()
    one = member(operator, dee)
    for _twice in range(2):
        assert people.change_role(member_id=one.id, role="owner", by=owner_of(operator)).role == Role.OWNER


def test_a_driver_with_runs_ahead_stays(dee: User) -> None:
    crew = ready(driver=dee)
    run = crew.commits(van_trip())
    with pytest.raises(MemberHasRuns) as refused:
        people.deactivate(member_id=crew.driver.id, by=crew.owner)
    assert run.code in refused.value.message


def test_leaving_twice_is_once(dee: User) -> None:
    operator = company()
    one = member(operator, dee)
    for _twice in range(2):
        assert people.deactivate(member_id=one.id, by=owner_of(operator)).active is False
