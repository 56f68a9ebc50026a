"""A run that is given up late costs its company what it agreed to when it took the trip."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from operators.actions import failing
from operators.models import Run
from operators.queries import agreements
from operators.queries.statements import statement
from payments import queries as money
from rally import rules
from rally.models import User
from tests.factories import pledges as make
from tests.factories.operators import Company, ready
from tests.factories.trips import proposed
from trips.states import VehicleClass

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock(now: datetime) -> Any:
    """The wall clock stands still until it is moved."""
    with time_machine.travel(now, tick=False) as traveller:
        yield traveller


def going(now: datetime) -> tuple[Company, Run]:
    """A certain run."""
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    make.backed(trip, seats=10, now=now)
    crew = ready()
    run = crew.commits(trip, now=now)
    run.refresh_from_db()
    assert run.state == "confirmed"
    return crew, run


def owed(run: Run) -> int:
    """What the company owes us."""
    assert money.check_ledger() == {}
    return -money.balance("operator:receivable", payee=run.operator.payee)


@pytest.mark.parametrize(("hours", "cost"), [(169, 0), (168, 0), (167, 10_000), (1, 10_000)])
def test_what_it_costs_depends_on_the_time(clock: Any, now: datetime, hours: int, cost: int) -> None:
    crew, run = going(now)
    then = run.trip.departs_at - timedelta(hours=hours)
    clock.move_to(then)

    client = Client()
    client.force_login(crew.owner)
    page = client.get(reverse("operators:run", args=[run.code])).content.decode()
    assert ("So late it costs $100" in page) == bool(cost)
    assert "owes $100" in page  # what was agreed to

    for _twice in range(2):
        failing.give_up(run_id=run.id, why="No driver.", now=then, by=crew.owner)
    assert owed(run) == cost
    assert money.balance("platform:retained") == cost


def test_the_company_reads_why(clock: Any, now: datetime, sam: User) -> None:
    _crew, run = going(now)
    then = run.trip.departs_at - timedelta(hours=5)
    clock.move_to(then)
    failing.give_up(run_id=run.id, why="The engine is broken.", now=then, by=sam)

    [line] = statement(run.operator, date(2026, 12, 1)).events
    assert line.what == f"Charged to you: run {run.code} was given up late"
    assert line.change.minor == -10_000


def test_it_is_what_was_agreed_when_the_trip_was_taken(clock: Any, now: datetime, sam: User) -> None:
    rules.change("given_up_late_cost", 2_500, now=now, by=sam)
    crew, run = going(now)
    rules.change("given_up_late_cost", 90_000, now=now, by=sam)
    other = ready()
    then = run.trip.departs_at - timedelta(hours=5)
    clock.move_to(then)

    failing.give_up(run_id=run.id, why="No driver.", now=then, by=crew.owner)
    assert owed(run) == 2_500

    rules.change("given_up_late_cost", 0, now=then, by=sam)
    assert "owes" not in agreements.in_words(agreements.snapshot(other.operator, then.date()), run.trip)
    relief = other.commits(run.trip, now=then)
    failing.give_up(run_id=relief.id, why="No driver either.", now=then, by=other.owner)
    assert owed(relief) == 0
