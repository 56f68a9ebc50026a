"""Checking seats in, and taking it back."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from operators.actions import boardings, driving
from operators.errors import AlreadyBoarded, RunNotChangeable, UnknownBoardingCode
from operators.models import Boarding, Run
from operators.states import Leg, RunState
from rally.errors import BadInput, NotAllowed
from rally.models import User
from tests.factories.operators import Company, riders, van_trip
from trips.models import Seat
from trips.states import PledgeState

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture
def leaving(run: Run) -> datetime:
    return run.trip.departs_at


@pytest.fixture
def seat(run: Run) -> Seat:
    return Seat.objects.get(name="Ana Lund")


def test_a_seat_is_checked_in_by_its_code_and_boarding_begins(
    run: Run, seat: Seat, dee: User, leaving: datetime
) -> None:
    boarding = boardings.board(
        run_id=run.id,
        code=seat.code,
        leg="outbound",
        at=leaving - MINUTE,
        device="phone 1",
        now=leaving,
        by=dee,
    )
    assert (boarding.seat, boarding.leg, boarding.at, boarding.received_at, boarding.by, boarding.device) == (
        seat,
        Leg.OUTBOUND,
        leaving - MINUTE,
        leaving,
        dee,
        "phone 1",
    )
    run.refresh_from_db()
    assert run.state == RunState.BOARDING


@pytest.mark.parametrize(
    "form",
    ["{}", " {} ", "https://rally.example/pass/{}/", "HTTPS://RALLY.EXAMPLE/PASS/{}", "/pass/{}/?x=1"],
)
def test_what_is_on_a_pass_and_what_people_type_is_understood(
    run: Run, seat: Seat, dee: User, leaving: datetime, form: str
) -> None:
    typed = form.format(
        f"{seat.code[:4]}-{seat.code[4:].lower()}" if "pass" not in form.lower() else seat.code
    )
    done = boardings.board(run_id=run.id, code=typed, leg="outbound", at=leaving, now=leaving, by=dee)
    assert done.seat == seat


def test_a_second_time_is_told_when_and_by_whom(run: Run, seat: Seat, dee: User, leaving: datetime) -> None:
    told = {"run_id": run.id, "code": seat.code, "leg": "outbound", "by": dee}
    boardings.board(**told, at=leaving, device="phone 1", now=leaving)
    with pytest.raises(AlreadyBoarded) as refused:
        boardings.board(**told, at=leaving + MINUTE, device="phone 1", now=leaving + MINUTE)
    there = seat.pledge.stop
    assert refused.value.facts["name"] == "Ana Lund"
    assert refused.value.facts["by"] == "Dee"
    assert there.time_zone == "America/Chicago"
    with pytest.raises(AlreadyBoarded):
        boardings.board(**told, at=leaving, device="phone 2", now=leaving)
    assert Boarding.objects.count() == 1


def test_the_same_device_repeating_itself_gets_the_same_row(
    run: Run, seat: Seat, dee: User, leaving: datetime
) -> None:
    told = {
        "run_id": run.id,
        "code": seat.code,
        "leg": "outbound",
        "at": leaving,
        "device": "phone 1",
        "by": dee,
    }
    once = boardings.board(**told, now=leaving)
    assert boardings.board(**told, now=leaving + MINUTE) == once
    boardings.undo(run_id=run.id, seat_id=seat.id, leg="outbound", now=leaving + MINUTE, by=dee)
    # An outbox that delivers late must not bring back what was taken back since.
    again = boardings.board(**told, now=leaving + 2 * MINUTE)
    assert (again, again.undone_at) == (once, leaving + MINUTE)
    assert Boarding.objects.filter(undone_at=None).count() == 0


def test_each_leg_on_its_own(run: Run, seat: Seat, dee: User, leaving: datetime) -> None:
    told = {"run_id": run.id, "by": dee}
    boardings.board(**told, code=seat.code, leg="outbound", at=leaving, now=leaving)
    with pytest.raises(RunNotChangeable):
        boardings.board(**told, code=seat.code, leg="return", at=leaving, now=leaving)
    driving.start(**told, now=leaving)
    driving.arrive(**told, now=leaving + 60 * MINUTE)
    back = boardings.board(
        **told, code=seat.code, leg="return", at=leaving + 90 * MINUTE, now=leaving + 90 * MINUTE
    )
    assert back.leg == Leg.RETURN


def test_late_delivery_counts_by_when_it_happened(run: Run, seat: Seat, dee: User, leaving: datetime) -> None:
    ben = Seat.objects.get(name="Ben Ito")
    told = {"run_id": run.id, "by": dee}
    driving.start(**told, now=leaving)
    driving.arrive(**told, now=leaving + 60 * MINUTE)
    late = leaving + 70 * MINUTE
    assert boardings.board(**told, code=seat.code, leg="outbound", at=leaving, now=late).seat == seat
    with pytest.raises(RunNotChangeable):
        boardings.board(**told, code=ben.code, leg="outbound", at=late, now=late)
    driving.head_back(**told, now=leaving + 300 * MINUTE)
    driving.complete(**told, now=leaving + 400 * MINUTE)
    after = leaving + 500 * MINUTE
    assert boardings.board(**told, code=seat.code, leg="return", at=late, now=after).leg == Leg.RETURN
    with pytest.raises(RunNotChangeable):
        boardings.board(**told, code=ben.code, leg="return", at=after, now=after)


def test_boarding_opens_an_hour_before_departure(run: Run, seat: Seat, dee: User, leaving: datetime) -> None:
    early = leaving - 61 * MINUTE
    with pytest.raises(RunNotChangeable):
        boardings.board(run_id=run.id, code=seat.code, leg="outbound", at=early, now=early, by=dee)


def test_codes_of_other_trips_and_of_people_who_left_are_unknown(
    run: Run, dee: User, leaving: datetime
) -> None:
    stranger = riders(van_trip(), "Zoe")[0]
    unpaid = riders(run.trip, "Gus", state=PledgeState.BACKED)[0]
    for code in (stranger.code, unpaid.code, "NONSENSE", "", "' OR 1=1", "\x00", "x" * 300):
        with pytest.raises(UnknownBoardingCode):
            boardings.board(run_id=run.id, code=code, leg="outbound", at=leaving, now=leaving, by=dee)
    with pytest.raises(UnknownBoardingCode):
        boardings.board_seat(
            run_id=run.id, seat_id=stranger.id, leg="outbound", at=leaving, now=leaving, by=dee
        )


def test_who_still_owes_rides(run: Run, seat: Seat, dee: User, leaving: datetime) -> None:
    type(seat.pledge).objects.filter(id=seat.pledge_id).update(
        state=PledgeState.PAYMENT_DUE, card_asked_at=leaving, card_due_at=leaving
    )
    assert boardings.board(run_id=run.id, code=seat.code, leg="outbound", at=leaving, now=leaving, by=dee)


def test_bad_input_names_its_field(run: Run, seat: Seat, dee: User, leaving: datetime) -> None:
    told = {"run_id": run.id, "code": seat.code, "now": leaving, "by": dee}
    wrong = [
        ("leg", {"leg": "sideways", "at": leaving}),
        ("at", {"leg": "outbound", "at": leaving + 6 * MINUTE}),
        ("device", {"leg": "outbound", "at": leaving, "device": "x" * 61}),
    ]
    for field, given in wrong:
        with pytest.raises(BadInput) as refused:
            boardings.board(**told, **given)  # type: ignore[arg-type]
        assert refused.value.field == field


def test_before_confirmation_nobody_boards(crew: Company, dee: User) -> None:
    trip = van_trip()
    run = crew.commits(trip)
    seat = riders(trip, "Ana", state=PledgeState.BACKED)[0]
    with pytest.raises(RunNotChangeable):
        boardings.board(
            run_id=run.id, code=seat.code, leg="outbound", at=trip.departs_at, now=trip.departs_at, by=dee
        )


def test_a_tap_on_a_name_and_its_undoing(run: Run, seat: Seat, dee: User, leaving: datetime) -> None:
    told = {"run_id": run.id, "seat_id": seat.id, "leg": "outbound", "by": dee}
    once = boardings.board_seat(**told, at=leaving, now=leaving)
    undone = boardings.undo(**told, now=leaving + MINUTE)
    assert undone == once
    assert undone is not None
    assert (undone.undone_at, undone.undone_by) == (leaving + MINUTE, dee)
    assert boardings.undo(**told, now=leaving + MINUTE) is None
    with pytest.raises(BadInput):
        boardings.undo(**{**told, "leg": "\x00"}, now=leaving)
    again = boardings.board_seat(**told, at=leaving + 2 * MINUTE, now=leaving + 2 * MINUTE)
    assert again != once
    assert Boarding.objects.count() == 2


def test_after_the_run_the_list_stays(run: Run, seat: Seat, dee: User, leaving: datetime) -> None:
    told = {"run_id": run.id, "by": dee, "now": leaving}
    for step in (driving.start, driving.arrive, driving.head_back, driving.complete):
        step(**told)
    with pytest.raises(RunNotChangeable):
        boardings.undo(**told, seat_id=seat.id, leg="outbound")


def test_strangers_check_nobody_in(run: Run, seat: Seat, max_: User, leaving: datetime) -> None:
    told = {"run_id": run.id, "leg": "outbound", "now": leaving, "by": max_}
    with pytest.raises(NotAllowed):
        boardings.board(**told, code=seat.code, at=leaving)
    with pytest.raises(NotAllowed):
        boardings.board_seat(**told, seat_id=seat.id, at=leaving)
    with pytest.raises(NotAllowed):
        boardings.undo(**told, seat_id=seat.id)
