"""Staff screens: every change goes through an action."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse

from operators.models import Agreement, Boarding, HoldBack, Member, Operator, Paper, Run, Vehicle
from operators.states import OperatorState, PaperKind
from payments.queries import balance
from rally.models import Notice, StateChange, User
from tests.factories.operators import company, confirmed_run, paper
from tests.seeing import text

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


def test_agreements_are_made_by_staff_and_stay(desk: Client, now: datetime) -> None:
    operator = company()
    address = reverse("admin:operators_agreement_add")
    assert desk.get(address).status_code == 200
    given = {"operator": operator.id, "kind": "guarantee", "percent": 80, "applies_from": "2026-12-01"}
    assert desk.post(address, {**given, "applies_until": "2026-11-01"}).status_code == 200
    assert desk.post(address, given).status_code == 302
    assert desk.post(address, given).status_code == 200  # one a day
    made = Agreement.objects.get()
    assert (made.kind, made.percent) == ("guarantee", 80)
    assert desk.get(reverse("admin:operators_agreement_changelist")).status_code == 200
    changed = desk.post(reverse("admin:operators_agreement_change", args=[made.id]), {**given, "percent": 90})
    assert changed.status_code == 403


def test_pay_is_held_back_and_lifted_by_staff(desk: Client, sam: User) -> None:
    run = confirmed_run()
    address = reverse("admin:operators_holdback_add")
    assert desk.get(address).status_code == 200
    assert desk.post(address, {"run": run.id, "amount": "-1", "why": "A complaint."}).status_code == 200
    assert desk.post(address, {"run": run.id, "amount": "12.50", "why": "A complaint."}).status_code == 302
    back = HoldBack.objects.get()
    assert (back.amount_minor, back.held_by) == (1250, sam)
    one = reverse("admin:operators_holdback_change", args=[back.id])
    assert desk.get(one).status_code == 200
    desk.post(one, {"kept": "99.00"})  # the pay is not booked: nothing can be kept
    back.refresh_from_db()
    assert back.lifted_at is None
    assert desk.post(one, {"kept": ""}).status_code == 302
    back.refresh_from_db()
    assert back.lifted_by == sam
    assert desk.post(one, {"kept": ""}).status_code == 403
    assert desk.get(reverse("admin:operators_holdback_changelist")).status_code == 200


def mark(desk: Client, operator: Operator) -> str:
    """What the form of a company hides, as it is opened now."""
    page = desk.get(reverse("admin:operators_operator_change", args=[operator.id])).content.decode()
    return re.findall(r'<input type="hidden" name="reference" value="([^"]+)"', page)[0]


def charge(desk: Client, operator: Operator, reference: str, why: str = "Came late.") -> str:
    """The words of the page after the form with this mark was sent."""
    typed = {"state": "active", "penalty": "50.25", "why": why, "reference": reference}
    address = reverse("admin:operators_operator_change", args=[operator.id])
    return text(desk.post(address, typed, follow=True))


def test_a_company_is_charged_with_a_reason(desk: Client) -> None:
    operator = company()
    assert "Say why." in charge(desk, operator, mark(desk, operator), why="")
    assert balance("operator:receivable", payee=operator.payee) == 0
    charge(desk, operator, mark(desk, operator))
    assert balance("operator:receivable", payee=operator.payee) == -5025


def test_a_form_charges_a_company_once(desk: Client) -> None:
    operator = company()
    opened = mark(desk, operator)
    assert "was charged already" not in charge(desk, operator, opened)
    assert "was charged already" in charge(desk, operator, opened)
    assert balance("operator:receivable", payee=operator.payee) == -5025
    # Another form is another charge, of the same sum too.
    charge(desk, operator, mark(desk, operator))
    assert balance("operator:receivable", payee=operator.payee) == -2 * 5025


@pytest.mark.parametrize("reference", ["", "late:ABC"])
def test_a_charge_without_the_mark_of_its_form_is_none(desk: Client, reference: str) -> None:
    operator = company()
    assert "Open this page again" in charge(desk, operator, reference)
    assert balance("operator:receivable", payee=operator.payee) == 0
