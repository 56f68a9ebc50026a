"""The office tells of a run that cannot be driven, and staff do it for them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.urls import reverse

from operators.actions import driving
from operators.models import Run
from operators.states import RunState
from rally.models import User
from tests.factories import pledges as make
from tests.factories.operators import Company, ready
from tests.factories.trips import proposed
from tests.seeing import fresh, signed_in
from trips.states import TripState, VehicleClass

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def going(at: Any, now: datetime) -> tuple[Company, Run]:
    """A run of a certain trip whose nine riders have paid."""
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    make.backed(trip, seats=9, now=now)
    crew = ready()
    return crew, crew.commits(trip, now=now)


def test_the_office_gives_a_run_up(going: tuple[Company, Run], max_: User) -> None:
    crew, run = going
    office, page = signed_in(crew.owner), reverse("operators:run", args=[run.code])
    give_up = reverse("operators:give_up_run", args=[run.code])
    assert "Give this run up" in office.get(page).content.decode()
    assert signed_in(max_).post(give_up, {"why": "mine"}).status_code == 404
    assert signed_in(ready().owner).post(give_up, {"why": "mine"}).status_code == 404
    assert office.get(give_up).status_code == 405

    assert "Please fill this in" in office.post(give_up, {"why": ""}, follow=True).content.decode()
    told = office.post(give_up, {"why": "The engine is broken."}, follow=True).content.decode()

    assert "The riders are told" in told
    assert "You gave it up." in told
    assert (fresh(run).state, fresh(run.trip).has_bus) == (RunState.REPLACED, False)


def test_the_office_reports_a_way_that_was_not_driven(
    going: tuple[Company, Run], at: Any, max_: User
) -> None:
    crew, run = going
    report = reverse("operators:leg_failed", args=[run.code])
    at.move_to(run.trip.departs_at)
    office = signed_in(crew.owner)
    driving.start(run_id=run.id, now=run.trip.departs_at, by=crew.owner)
    assert signed_in(max_).post(report, {"leg": "return"}).status_code == 404
    assert "Report a way" in office.get(reverse("operators:run", args=[run.code])).content.decode()

    told = office.post(report, {"leg": "return", "why": "Snow."}, follow=True).content.decode()

    assert "go back to the riders" in told
    assert fresh(run).legs_percent == 50


@pytest.mark.parametrize(
    ("action", "percent"),
    [("no_way_back", 50), ("no_way_there", 50), ("no_way_back_all", 50), ("no_way_there_all", 50)],
)
def test_staff_report_it(going: tuple[Company, Run], at: Any, sam: User, action: str, percent: int) -> None:
    crew, run = going
    at.move_to(run.trip.departs_at)
    driving.start(run_id=run.id, now=run.trip.departs_at, by=crew.owner)

    facts = {"action": action, "_selected_action": [str(run.id)]}
    page = signed_in(sam).post(reverse("admin:operators_run_changelist"), facts, follow=True)

    assert page.status_code == 200
    assert fresh(run).legs_percent == percent
    whole = sum(each.charge.minor for each in run.trip.pledges.all())
    back = sum(each.payment.refunded_minor for each in run.trip.pledges.select_related("payment"))
    assert back == (whole if action.endswith("all") else whole - whole // 2)


def test_staff_give_a_run_up_and_call_the_trip_off(going: tuple[Company, Run], sam: User) -> None:
    _crew, run = going
    staff = signed_in(sam)
    facts = {"action": "give_up", "_selected_action": [str(run.id)]}
    staff.post(reverse("admin:operators_run_changelist"), facts)
    again = staff.post(reverse("admin:operators_run_changelist"), facts, follow=True)
    assert again.status_code == 200
    assert fresh(run).state == RunState.REPLACED

    off = {"action": "call_off_sorry", "_selected_action": [str(run.trip_id)]}
    page = staff.post(reverse("admin:trips_trip_changelist"), off, follow=True).content.decode()

    assert "is called off" in page
    assert fresh(run.trip).state == TripState.CANCELLED
    other = proposed(vehicle_class=VehicleClass.VAN)
    off = {"action": "call_off", "_selected_action": [str(other.id)]}
    staff.post(reverse("admin:trips_trip_changelist"), off)
    assert fresh(other).state == TripState.CANCELLED
