"""Staff screens: every change goes through an action."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse

from operators.models import Boarding, Member, Operator, Paper, Run, Vehicle
from operators.states import OperatorState, PaperKind
from rally.models import Notice, StateChange, User
from tests.factories.operators import company, confirmed_run, paper

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(sam: User) -> Client:
    client = Client()
    client.force_login(sam)
    return client


def test_every_list_opens(desk: Client) -> None:
    confirmed_run()
    for model in (Operator, Paper, Member, Vehicle, Run, Boarding):
        name = model._meta.model_name
        assert desk.get(reverse(f"admin:operators_{name}_changelist")).status_code == 200


def test_suspending_needs_a_reason_and_is_journalled(desk: Client, sam: User) -> None:
    operator = company()
    address = reverse("admin:operators_operator_change", args=[operator.id])
    assert desk.post(address, {"state": "suspended", "why": ""}).status_code == 200
    operator.refresh_from_db()
    assert operator.state == OperatorState.ACTIVE
    assert desk.post(address, {"state": "suspended", "why": "accident"}).status_code == 302
    operator.refresh_from_db()
    assert operator.state == OperatorState.SUSPENDED
    assert StateChange.objects.filter(subject=operator.id, by=sam, why="accident").count() == 1
    assert desk.post(address, {"state": "suspended", "why": ""}).status_code == 302
    assert desk.post(address, {"state": "active", "why": "cleared"}).status_code == 302
    operator.refresh_from_db()
    assert operator.state == OperatorState.ACTIVE


def test_refusing_a_paper_tells_the_company(desk: Client, now: datetime) -> None:
    one = paper(company(), PaperKind.LICENCE)
    address = reverse("admin:operators_paper_change", args=[one.id])
    assert desk.post(address, {"refused": "on", "refused_why": " "}).status_code == 200
    assert desk.post(address, {"refused": "on", "refused_why": "illegible"}).status_code == 302
    one.refresh_from_db()
    assert (one.refused, one.refused_why) == (True, "illegible")
    assert Notice.objects.filter(kind="operators.paper_refused").count() == 1
    assert desk.post(address, {"refused_why": ""}).status_code == 302
    one.refresh_from_db()
    assert one.refused is False
    desk.post(address, {"refused": "on", "refused_why": "again"})
    desk.post(
        reverse("admin:operators_paper_changelist"),
        {"action": "accept_again", "_selected_action": [str(one.id)]},
    )
    one.refresh_from_db()
    assert one.refused is False


def test_the_rest_is_only_looked_at(desk: Client) -> None:
    run = confirmed_run()
    assert desk.get(reverse("admin:operators_run_change", args=[run.id])).status_code == 200
    assert desk.post(reverse("admin:operators_run_change", args=[run.id]), {}).status_code == 403
    assert desk.get(reverse("admin:operators_run_add")).status_code == 403
    assert desk.get(reverse("admin:operators_operator_add")).status_code == 403
    assert desk.get(reverse("admin:operators_paper_add")).status_code == 403
    assert desk.get(reverse("admin:operators_run_delete", args=[run.id])).status_code == 403
