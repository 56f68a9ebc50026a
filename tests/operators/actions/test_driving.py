"""The day, step by step."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from operators.actions import driving
from operators.errors import RunNotChangeable
from operators.models import Run
from operators.states import RunState
from rally.errors import NotAllowed
from rally.models import StateChange, User
from tests.factories.operators import Company, decided, ready, riders, van_trip
from trips.states import TripState

pytestmark = pytest.mark.django_db


@pytest.fixture
def leaving(run: Run) -> datetime:
    return run.trip.departs_at


def test_a_whole_day(run: Run, dee: User, leaving: datetime) -> None:
    first, second = run.trip.stops.order_by("position")
    hour = timedelta(hours=1)
    told = {"run_id": run.id, "by": dee}

    started = driving.start(**told, now=leaving)
    assert (started.state, started.started_at, started.next_stop) == (RunState.OUTBOUND, leaving, second)
    run.trip.refresh_from_db()
    assert run.trip.state == TripState.UNDER_WAY

    assert driving.leave_stop(**told, stop_id=second.id, now=leaving + hour).next_stop is None
    arrived = driving.arrive(**told, now=leaving + 2 * hour)
    assert (arrived.state, arrived.arrived_at) == (RunState.AT_EVENT, leaving + 2 * hour)

    back = driving.head_back(**told, now=leaving + 8 * hour)
    assert (back.state, back.next_stop, back.return_started_at) == (
        RunState.RETURNING,
        second,
        leaving + 8 * hour,
    )
    assert driving.leave_stop(**told, stop_id=second.id, now=leaving + 9 * hour).next_stop == first
    assert driving.leave_stop(**told, stop_id=first.id, now=leaving + 10 * hour).next_stop is None

    done = driving.complete(**told, now=leaving + 10 * hour)
    assert (done.state, done.completed_at) == (RunState.COMPLETED, leaving + 10 * hour)
    run.trip.refresh_from_db()
    assert run.trip.state == TripState.COMPLETED
    moves = StateChange.objects.filter(subject=run.id).order_by("id")
    assert [m.new if m.old != m.new else m.why for m in moves] == [
        "committed",
        "confirmed",
        "boarding",
        "outbound",
        f"left {second}",
        "at_event",
        "returning",
        f"left {second}",
        f"left {first}",
        "completed",
    ]


def test_each_step_twice_is_once(run: Run, dee: User, leaving: datetime) -> None:
    _first, second = run.trip.stops.order_by("position")
    told = {"run_id": run.id, "by": dee, "now": leaving}
    for step in (driving.start, driving.arrive, driving.head_back, driving.complete):
        once = step(**told)
        lines = StateChange.objects.count()
        assert step(**{**told, "now": leaving + timedelta(minutes=1)}).state == once.state
        assert StateChange.objects.count() == lines
        if step == driving.start:
            driving.leave_stop(**told, stop_id=second.id)
            lines = StateChange.objects.count()
            assert driving.leave_stop(**told, stop_id=second.id).next_stop is None
            assert StateChange.objects.count() == lines
    run.refresh_from_db()
    assert run.started_at == run.arrived_at == run.completed_at == leaving


def test_steps_out_of_order_are_refused(run: Run, dee: User, leaving: datetime) -> None:
    first, _second = run.trip.stops.order_by("position")
    told = {"run_id": run.id, "by": dee, "now": leaving}

    def refused(*steps: object) -> None:
        for step in steps:
            with pytest.raises(RunNotChangeable):
                step(**told)  # type: ignore[operator]

    refused(driving.arrive, driving.head_back, driving.complete)
    with pytest.raises(RunNotChangeable):
        driving.leave_stop(**told, stop_id=first.id)
    driving.start(**told)
    refused(driving.head_back, driving.complete)
    driving.arrive(**told)
    refused(driving.start, driving.complete)
    driving.head_back(**told)
    refused(driving.start, driving.arrive)
    driving.complete(**told)
    refused(driving.start, driving.arrive, driving.head_back)


def test_only_the_next_stop_is_left(run: Run, dee: User, leaving: datetime) -> None:
    first, second = run.trip.stops.order_by("position")
    foreign = van_trip().stops.first()
    told = {"run_id": run.id, "by": dee, "now": leaving}
    driving.start(**told)
    assert foreign is not None
    with pytest.raises(RunNotChangeable):
        driving.leave_stop(**told, stop_id=foreign.id)
    assert driving.leave_stop(**told, stop_id=first.id).next_stop == second
    driving.arrive(**told)
    driving.head_back(**told)
    with pytest.raises(RunNotChangeable) as refused:
        driving.leave_stop(**told, stop_id=first.id)
    assert second.name in refused.value.message


def test_the_bus_does_not_leave_before_boarding_opens(run: Run, dee: User, leaving: datetime) -> None:
    with pytest.raises(RunNotChangeable):
        driving.start(run_id=run.id, by=dee, now=leaving - timedelta(minutes=61))
    assert (
        driving.start(run_id=run.id, by=dee, now=leaving - timedelta(minutes=60)).state == RunState.OUTBOUND
    )


def test_an_unconfirmed_trip_does_not_start(crew: Company, dee: User) -> None:
    trip = van_trip()
    run = crew.commits(trip)
    with pytest.raises(RunNotChangeable):
        driving.start(run_id=run.id, by=dee, now=trip.departs_at)


def test_a_driver_need_not_wait_for_the_news(crew: Company, dee: User) -> None:
    trip = van_trip()
    run = crew.commits(trip)
    riders(trip, *"ABCDEF")
    decided(trip)
    assert driving.start(run_id=run.id, by=dee, now=trip.departs_at).state == RunState.OUTBOUND


def test_a_withdrawn_run_goes_nowhere(run: Run, dee: User, leaving: datetime) -> None:
    Run.objects.filter(id=run.id).update(state=RunState.WITHDRAWN)
    with pytest.raises(RunNotChangeable):
        driving.start(run_id=run.id, by=dee, now=leaving)


def test_the_office_may_press_for_the_driver_and_strangers_may_not(
    crew: Company, run: Run, max_: User, leaving: datetime
) -> None:
    stop = run.trip.stops.first()
    assert stop is not None
    told = {"run_id": run.id, "by": max_, "now": leaving}
    for step in (driving.start, driving.arrive, driving.head_back, driving.complete):
        with pytest.raises(NotAllowed):
            step(**told)
    with pytest.raises(NotAllowed):
        driving.leave_stop(**told, stop_id=stop.id)
    other = ready().driver.user
    with pytest.raises(NotAllowed):
        driving.start(run_id=run.id, by=other, now=leaving)
    assert driving.start(run_id=run.id, by=crew.owner, now=leaving).state == RunState.OUTBOUND
