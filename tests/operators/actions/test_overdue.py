"""Runs that nobody starts or ends."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from operators.actions import driving, overdue
from operators.models import Run
from operators.queries import due
from operators.tasks import sweep_runs
from rally.models import Notice, User
from tests.factories.operators import confirmed_run, owner_of

pytestmark = pytest.mark.django_db

LEFT, BACK = "operators.run_not_started", "operators.run_not_completed"


@pytest.fixture
def run() -> Run:
    """A run of a confirmed trip."""
    return confirmed_run()


def asked(kind: str) -> list[str]:
    """Who was asked."""
    return list(Notice.objects.filter(kind=kind).values_list("recipient__email", flat=True))


def sweep(at: datetime) -> None:
    """What beat does at this time."""
    with time_machine.travel(at, tick=False):
        sweep_runs()


def test_a_bus_that_does_not_leave(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    late = run.trip.departs_at + timedelta(minutes=30)
    sweep(late - timedelta(seconds=1))
    assert asked(LEFT) == []

    with caplog.at_level(logging.WARNING):
        for moment in (late, late + timedelta(hours=5), run.trip.returns_at + timedelta(hours=13)):
            sweep(moment)

    assert (asked(LEFT), asked(BACK)) == ([owner_of(run.operator).email], [])
    assert [line for line in caplog.messages if "overdue" in line] == [
        f"run.overdue run={run.code} state=confirmed"
    ]
    run.refresh_from_db()
    run.trip.refresh_from_db()
    assert (run.state, run.trip.state) == ("confirmed", "confirmed")


def test_a_bus_that_never_came_back(run: Run) -> None:
    driving.start(run_id=run.id, now=run.trip.departs_at, by=run.person)
    late = run.trip.returns_at + timedelta(hours=12)
    sweep(late - timedelta(seconds=1))
    assert (asked(LEFT), asked(BACK)) == ([], [])

    sweep(late)
    sweep(late + timedelta(days=1))

    assert (asked(LEFT), asked(BACK)) == ([], [owner_of(run.operator).email])


def test_who_starts_while_the_sweep_runs_is_not_asked(run: Run) -> None:
    late = run.trip.departs_at + timedelta(minutes=31)
    assert due.runs_overdue(late) == [run.id]
    driving.start(run_id=run.id, now=late, by=run.person)

    overdue.ask(run_id=run.id, now=late)

    assert asked(LEFT) == asked(BACK) == []


def test_staff_find_them(run: Run, client: Client, sam: User) -> None:
    page = reverse("admin:operators_run_changelist")

    def listed(moment: datetime, **query: Any) -> bool:
        with time_machine.travel(moment, tick=False):
            client.force_login(sam)
            return run.code in client.get(page, query).content.decode()

    late = run.trip.departs_at + timedelta(minutes=30)
    assert [listed(late), listed(late, overdue="left"), listed(late, overdue="back")] == [True, True, False]
    assert not listed(late - timedelta(minutes=1), overdue="left")
    driving.start(run_id=run.id, now=late, by=run.person)
    late = run.trip.returns_at + timedelta(hours=12)
    assert [listed(late, overdue="left"), listed(late, overdue="back")] == [False, True]
