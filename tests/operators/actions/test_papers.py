"""Papers: handed in, refused, announced before they run out."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from operators.actions import fleet, papers, people
from operators.models import Paper
from operators.queries.companies import companies_to_warn
from operators.states import PaperKind, Role
from rally.errors import BadInput, NotAllowed
from rally.models import Notice, StaffAction, User
from tests.factories.operators import bus, company, member, owner_of, paper

pytestmark = pytest.mark.django_db


def given(**instead: Any) -> dict[str, Any]:
    return {
        "kind": "licence", "number": "MC 1", "valid_from": date(2026, 1, 1), "expires_on": date(2027, 1, 1), **instead,
    }  # fmt: skip


def test_one_paper_for_each_kind_of_owner(dee: User, now: datetime) -> None:
    operator = company()
    vehicle, driver = bus(operator, insured=False), member(operator, dee, licensed=False)
    told = {"operator_id": operator.id, "now": now, "by": owner_of(operator)}
    papers.add(**told, **given())
    papers.add(**told, **given(kind="insurance", vehicle_id=vehicle.id))
    papers.add(**told, **given(kind="driving", member_id=driver.id))
    assert list(Paper.objects.order_by("id").values_list("kind", "vehicle", "member")) == [
        ("licence", None, None),
        ("insurance", vehicle.id, None),
        ("driving", None, driver.id),
    ]


def test_the_same_paper_again_is_the_one_that_is_there(now: datetime) -> None:
    operator = company()
    told = {"operator_id": operator.id, "now": now, "by": owner_of(operator)}
    assert papers.add(**told, **given()) == papers.add(**told, **given())


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"kind": "love letter"}, "kind"),
        ({"kind": "insurance"}, "vehicle"),
        ({"kind": "driving"}, "member"),
        ({"number": ""}, "number"),
        ({"expires_on": date(2025, 12, 31)}, "expires_on"),
        ({"expires_on": date(2037, 1, 1)}, "expires_on"),
        ({"expires_on": date(2026, 11, 20)}, "expires_on"),
    ],
)
def test_bad_input_names_its_field(now: datetime, wrong: dict[str, Any], field: str) -> None:
    operator = company()
    with pytest.raises(BadInput) as refused:
        papers.add(operator_id=operator.id, now=now, by=owner_of(operator), **given(**wrong))
    assert refused.value.field == field


def test_nobody_hands_in_papers_for_somebody_else(now: datetime, max_: User) -> None:
    operator, other = company(), company()
    foreign = bus(other)
    with pytest.raises(BadInput):
        papers.add(
            operator_id=operator.id, now=now, by=owner_of(operator),
            **given(kind="insurance", vehicle_id=foreign.id),
        )  # fmt: skip
    with pytest.raises(NotAllowed):
        papers.add(operator_id=operator.id, now=now, by=max_, **given())


def test_staff_refuse_with_a_reason_and_the_office_is_told(sam: User, now: datetime) -> None:
    operator = company()
    one = paper(operator, PaperKind.LICENCE)
    with pytest.raises(NotAllowed):
        papers.refuse(paper_id=one.id, why="no", now=now, by=owner_of(operator))
    with pytest.raises(BadInput):
        papers.refuse(paper_id=one.id, why="", now=now, by=sam)
    for _twice in range(2):
        one = papers.refuse(paper_id=one.id, why="illegible", now=now, by=sam)
    assert (one.refused, one.refused_why, one.holds_on(date(2026, 12, 1))) == (True, "illegible", False)
    notice = Notice.objects.get(kind="operators.paper_refused")
    assert (notice.recipient, notice.facts["why"]) == (owner_of(operator), "illegible")
    with pytest.raises(NotAllowed):
        papers.accept(paper_id=one.id, now=now, by=owner_of(operator))
    for _twice in range(2):
        one = papers.accept(paper_id=one.id, now=now, by=sam)
    assert (one.refused, one.refused_why) == (False, "")
    notes = StaffAction.objects.filter(by=sam, subject=f"paper:{one.id}").values_list("what", "why")
    assert sorted(notes) == [("paper.accept", ""), ("paper.refuse", "illegible")]


def test_the_office_is_warned_once_thirty_days_ahead(otto: User, dee: User, now: datetime) -> None:
    operator = company()
    member(operator, otto, role=Role.DISPATCHER)
    member(operator, dee, licensed=False)
    paper(operator, PaperKind.LICENCE, last_day=date(2026, 12, 20))
    paper(
        operator, PaperKind.INSURANCE, last_day=date(2026, 12, 21), vehicle_id=bus(operator, insured=False).id
    )

    assert companies_to_warn(now) == [operator.id]
    assert papers.warn(operator_id=operator.id, now=now) == 1
    assert companies_to_warn(now) == []
    assert papers.warn(operator_id=operator.id, now=now) == 0
    told = Notice.objects.filter(kind="operators.paper_runs_out")
    assert sorted(n.recipient.email for n in told) == sorted([owner_of(operator).email, otto.email])

    assert papers.warn(operator_id=operator.id, now=now + timedelta(days=1)) == 1


def test_nobody_is_warned_of_what_has_a_successor_or_is_not_needed(now: datetime, dee: User) -> None:
    operator = company()
    soon = date(2026, 12, 1)
    old, gone = bus(operator), bus(operator, insured=False)
    one = member(operator, dee, licensed=False)
    paper(operator, PaperKind.LICENCE, last_day=soon)
    paper(operator, PaperKind.LICENCE)
    paper(operator, PaperKind.INSURANCE, last_day=soon, vehicle_id=old.id)
    paper(operator, PaperKind.INSURANCE, last_day=soon, vehicle_id=gone.id)
    paper(operator, PaperKind.DRIVING, last_day=soon, member_id=one.id)
    fleet.retire(vehicle_id=gone.id, by=owner_of(operator))
    people.deactivate(member_id=one.id, by=owner_of(operator))

    assert papers.warn(operator_id=operator.id, now=now) == 0
    assert companies_to_warn(now) == []
