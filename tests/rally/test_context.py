"""What every page is told."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory

from operators.actions import papers
from operators.states import PaperKind, Role
from rally.context import page
from rally.models import User
from tests.factories.events import partner
from tests.factories.operators import NOW, company, member, owner_of, paper
from tests.factories.people import person

pytestmark = pytest.mark.django_db


def areas(user: Any) -> set[str]:
    """The areas offered to this person."""
    request = RequestFactory().get("/")
    request.user = user
    return set(page(request)["areas"])


def test_each_role_has_its_area(dee: User, otto: User, sam: User, max_: User) -> None:
    operator = company()
    member(operator, dee, role=Role.DRIVER)
    member(operator, otto, role=Role.DISPATCHER)

    assert areas(dee) == {"drive"}
    assert areas(otto) == areas(owner_of(operator)) == {"operator"}
    assert areas(sam) == {"desk"}
    assert areas(max_) == areas(AnonymousUser()) == set()


def test_who_does_two_things_has_both(otto: User) -> None:
    member(company(), otto, role=Role.DISPATCHER)
    member(company(), otto, role=Role.DRIVER)

    assert areas(otto) == {"operator", "drive"}


def test_an_owner_with_a_driving_licence_drives(otto: User) -> None:
    owns = member(company(), otto, role=Role.OWNER)
    licence = paper(owns.operator, PaperKind.DRIVING, member_id=owns.id)
    assert areas(otto) == {"operator", "drive"}

    papers.refuse(paper_id=licence.id, why="A copy of a copy.", now=NOW, by=person("sam", is_staff=True))
    assert areas(otto) == {"operator"}


def test_who_works_for_a_partner(otto: User, max_: User) -> None:
    partner().members.add(otto)
    assert areas(otto) == {"partner"}
    assert areas(max_) == set()
    member(company(), otto, role=Role.DISPATCHER)
    assert areas(otto) == {"operator", "partner"}


def test_who_left_has_none(dee: User) -> None:
    one = member(company(), dee)
    type(one).objects.filter(pk=one.pk).update(active=False)

    assert areas(dee) == set()


def test_a_page_of_an_error_knows_nobody(settings: Any) -> None:
    request = RequestFactory().get("/")  # what failed may have failed before anybody was signed in

    assert set(page(request)["areas"]) == set()


def test_nothing_is_asked_for_areas_nobody_shows(dee: User, django_assert_num_queries: Any) -> None:
    request = RequestFactory().get("/")
    request.user = dee
    with django_assert_num_queries(0):
        told = page(request)
    with django_assert_num_queries(1):
        list(told["areas"])
        list(told["areas"])


def test_outside_the_demo_there_is_no_bar(settings: Any) -> None:
    settings.DEMO = False

    assert page(RequestFactory().get("/"))["demo"] is None
