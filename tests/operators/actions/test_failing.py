"""Runs that fail: given up before they leave, replaced by another company, a way that was not driven."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from operators.actions import boardings, driving, failing, runs
from operators.errors import RunNotChangeable
from operators.models import Run
from operators.queries.manifests import manifest
from operators.states import RunState
from payments.actions import sightings
from payments.models import Attempt, Refund
from payments.queries import credit_of, paid_by_payer
from payments.queries.shortfalls import stranded
from payments.sandbox import runtime
from rally import rules
from rally.errors import BadInput, NotAllowed
from rally.models import Notice, StaffAction, StateChange, User
from rally.money import Money
from rally.outbox import message
from tests.factories import pledges as make
from tests.factories.operators import Company, ready
from tests.factories.payments import type_card
from tests.factories.promotions import credited
from tests.factories.trips import proposed
from tests.racing import at_once
from tests.seeing import fresh, given_back, signed_in, text
from trips import tasks
from trips.actions import covering, failures, pledges, trips
from trips.errors import NotChangeable, PledgesClosed, TooMuchAlone
from trips.models import Pledge, Trip
from trips.permissions import NotTheStaff
from trips.states import VehicleClass

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("books")]


@pytest.fixture
def going(at: Any, now: datetime) -> tuple[Company, Run, list[Pledge]]:
    """A run of a certain trip, with riders who have paid for five and four seats."""
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    riders = [make.backed(trip, seats=5, now=now), make.backed(trip, seats=4, now=now)]
    crew = ready()
    run = crew.commits(trip, now=now)
    assert fresh(trip).state == "confirmed"
    assert fresh(run).state == RunState.CONFIRMED
    return crew, fresh(run), [fresh(each) for each in riders]


def left(crew: Company, run: Run, at: Any) -> datetime:
    """The bus has left its first stop."""
    then = fresh(run.trip).departs_at
    at.move_to(then)
    driving.start(run_id=run.id, now=then, by=crew.owner)
    return then


# --- given up


def test_given_up_and_taken_over(
    going: tuple[Company, Run, list[Pledge]], at: Any, now: datetime, max_: User
) -> None:
    crew, run, riders = going
    with pytest.raises(NotAllowed):
        failing.give_up(run_id=run.id, why="engine", now=now, by=max_)
    with pytest.raises(BadInput):
        failing.give_up(run_id=run.id, why=" ", now=now, by=crew.owner)

    failing.give_up(run_id=run.id, why="The engine is broken.", now=now, by=crew.owner)
    failing.give_up(run_id=run.id, why="The engine is broken.", now=now, by=crew.owner)

    trip: Trip = fresh(run.trip)
    assert (fresh(run).state, fresh(run).legs_percent) == (RunState.REPLACED, 0)
    assert (trip.state, trip.has_bus) == ("confirmed", False)
    assert Notice.objects.filter(kind="trips.bus_lost").count() == 2
    with pytest.raises(PledgesClosed):
        make.draft(trip, now=now)

    other = ready()
    mended = other.commits(trip, now=now)
    assert (mended.state, fresh(trip).operator_name) == (RunState.CONFIRMED, other.operator.name)
    assert [fresh(each).state for each in riders] == ["paid", "paid"]
    assert Refund.objects.count() == 0
    assert Notice.objects.filter(kind="trips.run_changed").count() == 2


def test_given_up_and_called_off_with_a_word_of_regret(
    going: tuple[Company, Run, list[Pledge]], now: datetime, sam: User
) -> None:
    _crew, run, riders = going
    failing.give_up(run_id=run.id, why="No driver.", now=now, by=sam)

    trips.cancel(trip_id=run.trip_id, now=now, by=sam, why="bus_failed", sorry=True)

    assert [given_back(each) for each in riders] == [each.charge.minor for each in riders]
    assert [credit_of(each.rider) for each in riders] == [Money(5000, "USD"), Money(4000, "USD")]
    assert StaffAction.objects.get(by=sam, what="run.give_up").why == "No driver."
    called_off = StaffAction.objects.get(by=sam, what="trip.call_off")
    assert (called_off.subject, called_off.why) == (f"trip:{run.trip_id}", "bus_failed")
    assert called_off.facts == {"sorry": True, "had_paid": 2}


def test_given_up_and_taken_over_by_nobody(
    going: tuple[Company, Run, list[Pledge]], at: Any, now: datetime, sam: User
) -> None:
    _crew, run, riders = going
    trip: Trip = run.trip
    failing.give_up(run_id=run.id, why="No driver.", now=now, by=sam)
    end = trip.departs_at - timedelta(hours=rules.current().another_bus_hours_before)
    (listed,) = stranded()
    assert (listed.url, listed.until) == (trip.get_absolute_url(), end)
    page = signed_in(sam).get(reverse("desk:money")).content.decode()
    assert "Confirmed trips without a bus" in page
    assert trip.get_absolute_url() in page

    early = end - timedelta(minutes=1)
    at.move_to(early)
    tasks.settle_due()
    tasks.remind()
    # A sweep that looked a moment too early is told so under the lock.
    assert trips.give_up_without_bus(trip_id=trip.id, now=early).state == "confirmed"
    at.move_to(end)
    for _twice in range(2):
        tasks.settle_due()
        tasks.remind()

    assert (fresh(trip).state, fresh(trip).why_ended) == ("cancelled", "bus_failed")
    assert stranded() == []
    assert [given_back(each) for each in riders] == [each.charge.minor for each in riders]
    assert [credit_of(each.rider) for each in riders] == [Money(5000, "USD"), Money(4000, "USD")]
    assert not Notice.objects.filter(kind="trips.boarding_pass").exists()
    told = Notice.objects.filter(kind="trips.cancelled")
    assert sorted(each.recipient.email for each in told) == sorted(each.rider.email for each in riders)
    assert "no other could take it over" in message(told[0]).body


@pytest.mark.race
@pytest.mark.parametrize("turn", range(3))
def test_a_bus_that_comes_at_the_last_moment_is_kept(
    turn: int, going: tuple[Company, Run, list[Pledge]], at: Any, now: datetime, sam: User
) -> None:
    _crew, run, _riders = going
    trip: Trip = run.trip
    failing.give_up(run_id=run.id, why="No driver.", now=now, by=sam)
    end = trip.departs_at - timedelta(hours=rules.current().another_bus_hours_before)
    at.move_to(end)
    other = ready()

    at_once(
        lambda: other.commits(trip, now=end),
        lambda: trips.give_up_without_bus(trip_id=trip.id, now=end),
    )

    bound = Run.objects.filter(trip=trip, state=RunState.CONFIRMED).exists()
    assert fresh(trip).state == ("confirmed" if bound else "cancelled")
    assert (fresh(trip).has_bus, stranded()) == (bound, [])


def test_passes_wait_for_the_other_bus(
    going: tuple[Company, Run, list[Pledge]], at: Any, now: datetime, sam: User
) -> None:
    _crew, run, riders = going
    trip: Trip = run.trip
    late = make.draft(trip, now=now)
    at.move_to(trip.departs_at - timedelta(hours=24))
    tasks.remind()
    assert Notice.objects.filter(kind="trips.boarding_pass").count() == len(riders)
    then = trip.departs_at - timedelta(hours=23)
    at.move_to(then)
    type_card(make.at_checkout(late, now=then))  # seen when the page is closed, because the bus is lost
    failing.give_up(run_id=run.id, why="No driver.", now=then, by=sam)
    tasks.remind()
    assert fresh(late).state == "paid"
    assert Notice.objects.filter(kind="trips.boarding_pass").count() == len(riders)

    ready().commits(trip, now=then)
    for _twice in range(2):
        tasks.remind()

    assert Notice.objects.filter(kind="trips.boarding_pass").count() == len(riders) + 1


def test_no_page_says_that_a_bus_goes_which_was_lost(
    going: tuple[Company, Run, list[Pledge]], now: datetime
) -> None:
    crew, run, riders = going
    pages = [(signed_in(riders[0].rider), riders[0]), (Client(), run.trip)]
    assert [
        ("Another bus is looked for" in text(who.get(what.get_absolute_url()))) for who, what in pages
    ] == [False] * 2
    failing.give_up(run_id=run.id, why="No driver.", now=now, by=crew.owner)
    ride, trip = (text(who.get(what.get_absolute_url())) for who, what in pages)
    assert "another one is looked for" in ride
    assert "Nothing more to do" not in ride
    assert "Another bus is looked for" in trip
    assert "The bus goes." not in trip


def test_what_is_not_certain_is_withdrawn_and_what_has_left_is_not_given_up(
    going: tuple[Company, Run, list[Pledge]], at: Any, now: datetime
) -> None:
    crew, run, _riders = going
    early = ready().commits(proposed(vehicle_class=VehicleClass.VAN, now=now), now=now)
    with pytest.raises(RunNotChangeable):
        failing.give_up(run_id=early.id, why="No driver.", now=now, by=runs_owner(early))
    with pytest.raises(RunNotChangeable):
        runs.withdraw(run_id=run.id, now=now, by=crew.owner)
    then = left(crew, run, at)
    with pytest.raises(RunNotChangeable):
        failing.give_up(run_id=run.id, why="No driver.", now=then, by=crew.owner)
    with pytest.raises(NotChangeable):
        trips.lose_bus(trip_id=run.trip_id, now=then, by=None)


def runs_owner(run: Run) -> User:
    """Whoever may speak for the company of this run."""
    owner: User = run.operator.members.get(role="owner").user
    return owner


# --- one way


def test_a_way_that_was_not_driven(
    going: tuple[Company, Run, list[Pledge]], at: Any, now: datetime, max_: User, sam: User
) -> None:
    crew, run, riders = going
    with pytest.raises(RunNotChangeable):
        failing.leg_failed(run_id=run.id, leg="return", now=now, by=crew.owner)
    then = left(crew, run, at)
    with pytest.raises(NotAllowed):
        failing.leg_failed(run_id=run.id, leg="return", now=then, by=max_)
    with pytest.raises(NotAllowed):
        failing.leg_failed(run_id=run.id, leg="return", percent=100, now=then, by=crew.owner)
    with pytest.raises(BadInput):
        failing.leg_failed(run_id=run.id, leg="sideways", now=then, by=crew.owner)

    back = failing.leg_failed(run_id=run.id, leg="return", why="snow", now=then, by=crew.owner)
    again = failing.leg_failed(run_id=run.id, leg="return", now=then, by=crew.owner)

    halves = [each.charge.minor - each.charge.minor // 2 for each in riders]
    assert [given_back(each) for each in riders] == halves
    assert (back.minor, again.minor) == (sum(halves), 0)
    assert fresh(run).legs_percent == 50
    assert Notice.objects.filter(kind="trips.leg_failed").count() == 2
    assert {each.reason for each in Refund.objects.all()} == {"leg:return"}
    assert not StaffAction.objects.exists()  # it was the office, by the rules

    failing.leg_failed(run_id=run.id, leg="return", percent=100, now=then, by=sam)
    assert [given_back(each) for each in riders] == [each.charge.minor for each in riders]
    assert fresh(run).legs_percent == 50
    failing.leg_failed(run_id=run.id, leg="outbound", now=then, by=sam)
    assert fresh(run).legs_percent == 0


def test_who_has_all_of_it_back_for_the_way_there_is_still_taken_home(
    going: tuple[Company, Run, list[Pledge]], at: Any, sam: User
) -> None:
    crew, run, riders = going
    then = left(crew, run, at)
    rules.change("by_hand_most", 10**6, now=then, by=None)
    failing.leg_failed(run_id=run.id, leg="outbound", percent=100, now=then, by=sam)

    assert [given_back(each) for each in riders] == [each.charge.minor for each in riders]
    assert {fresh(each.payment).state for each in riders} == {"refunded"}
    assert manifest(fresh(run)).total == 9
    seat = riders[0].passengers.first()
    assert seat is not None
    later = run.trip.returns_at
    at.move_to(later)
    driving.arrive(run_id=run.id, now=later, by=crew.owner)
    boardings.board(run_id=run.id, code=seat.code, leg="return", at=later, now=later, by=crew.owner)
    trips.complete(trip_id=run.trip_id, now=later, by=None)
    assert {fresh(each).state for each in riders} == {"refunded"}


def test_one_person_gives_only_so_much_beyond_the_usual_share(
    going: tuple[Company, Run, list[Pledge]], at: Any, sam: User
) -> None:
    crew, run, riders = going
    then = left(crew, run, at)
    whole = sum(each.charge.minor for each in riders)
    rules.change("by_hand_most", whole // 4, now=then, by=None)
    rules.change("one_leg_percent", 30, now=then, by=None)

    def fail(leg: str, percent: int | None) -> Money:
        return failing.leg_failed(run_id=run.id, leg=leg, percent=percent, now=then, by=sam)

    with pytest.raises(TooMuchAlone):
        fail("return", 100)
    assert not Refund.objects.exists()
    assert not StaffAction.objects.exists()
    fail("return", None)
    fail("return", 45)
    with pytest.raises(TooMuchAlone):  # the second step of 15 % is too much
        fail("return", 60)
    with pytest.raises(TooMuchAlone):  # also on the other way
        fail("outbound", 45)
    fail("outbound", None)
    share = sum(Refund.objects.values_list("amount_minor", flat=True)) / whole
    assert share == pytest.approx(0.75, abs=0.001)

    # Staff stand in the trail and with each refund.
    notes = StaffAction.objects.filter(by=sam, what="run.leg_failed", subject=f"run:{run.id}")
    told = {(each.facts["leg"], each.facts["percent"]) for each in notes}
    assert told == {("return", None), ("return", 45), ("outbound", None)}
    assert set(StateChange.objects.filter(noun="refund", old="").values_list("by", flat=True)) == {sam.id}


def test_refund_of_a_way_by_staff_alone(
    going: tuple[Company, Run, list[Pledge]], at: Any, now: datetime, ana: User, sam: User
) -> None:
    _crew, run, riders = going
    give = {"trip_id": run.trip_id, "leg": "outbound", "now": now}
    with pytest.raises(NotTheStaff):
        failures.refund_leg(**give, by=ana)
    for share in (0, 101):
        with pytest.raises(BadInput):
            failures.refund_leg(**give, percent=share, by=sam)
    other = proposed(now=now)
    with pytest.raises(NotChangeable):
        failures.refund_leg(trip_id=other.id, leg="return", now=now, by=sam)

    failures.refund_leg(**give, percent=25, by=sam)
    failures.refund_leg(trip_id=run.trip_id, leg="return", percent=25, now=now, by=sam)

    # The second way is a share of the whole price too, not of what was left after the first.
    quarters = [each.charge.minor - each.charge.minor * 75 // 100 for each in riders]
    assert [given_back(each) for each in riders] == [2 * each for each in quarters]
    left_over = pledges.leaving(Pledge.objects.get(id=riders[0].id), now)
    assert left_over.paid == riders[0].charge - Money(2 * quarters[0], "USD")


def test_what_credit_paid_of_a_way_goes_back_once_too(at: Any, now: datetime, ana: User, sam: User) -> None:
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    draft = make.draft(trip, credited(ana, 9000), now=now)
    covering.cover(pledge_id=draft.id, use_credit=True, now=now)
    mine = make.pay(draft, now=now)
    make.backed(trip, seats=8, now=now)
    ready().commits(trip, now=now)
    whole = fresh(mine).charge.minor
    assert 9000 < whole < 2 * 9000  # a half is more than the card has paid

    def given(leg: str, percent: int) -> int:
        failures.refund_leg(trip_id=trip.id, leg=leg, percent=percent, now=now, by=sam)
        left: Money = paid_by_payer(fresh(mine.payment))
        return whole - left.minor

    assert [given("return", percent) for percent in (50, 50, 60, 60)] == [
        whole - whole // 2,
        whole - whole // 2,
        whole - whole * 40 // 100,
        whole - whole * 40 // 100,
    ]
    told = Notice.objects.filter(kind="trips.leg_failed", recipient=ana)
    assert {notice.facts["back"] for notice in told} == {
        str(Money(whole - whole // 2, "USD")),
        str(Money(whole // 2 - whole * 40 // 100, "USD")),
    }
    assert [given("outbound", percent) for percent in (25, 40)] == [
        (whole - whole * 40 // 100) + (whole - whole * 75 // 100),
        whole,
    ]


def test_a_way_gives_back_nothing_for_seats_that_were_given_up(at: Any, now: datetime, sam: User) -> None:
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    mine = make.backed(trip, seats=3, now=now)
    make.backed(trip, seats=8, now=now)
    ready().commits(trip, now=now)
    late = trip.departs_at - timedelta(hours=10)
    at.move_to(late)
    stays = [pledges.Passenger(seat.name, (), seat.id) for seat in mine.passengers.all()][:1]
    pledges.change_seats(pledge_id=mine.id, passengers=stays, by=mine.rider, now=late)
    assert (fresh(mine).seats, given_back(mine)) == (1, 0)

    for _twice in range(2):
        failures.refund_leg(trip_id=trip.id, leg="return", now=late, by=sam)
    half = mine.price.minor - mine.price.minor // 2
    assert given_back(mine) == half

    for leg in ("return", "outbound"):
        failures.refund_leg(trip_id=trip.id, leg=leg, percent=100, now=late, by=sam)
    assert given_back(mine) == mine.price.minor


def test_whoever_does_not_come_gets_nothing_back(going: tuple[Company, Run, list[Pledge]], at: Any) -> None:
    crew, run, riders = going
    then = left(crew, run, at)
    driving.arrive(run_id=run.id, now=then + timedelta(hours=3), by=crew.owner)
    driving.head_back(run_id=run.id, now=then + timedelta(hours=9), by=crew.owner)
    driving.complete(run_id=run.id, now=then + timedelta(hours=12), by=crew.owner)

    assert [fresh(each).state for each in riders] == ["paid", "paid"]
    assert Refund.objects.count() == 0


def test_a_dispute_keeps_nobody_else_waiting(
    going: tuple[Company, Run, list[Pledge]], now: datetime, sam: User
) -> None:
    _crew, run, (complains, rides) = going
    dispute = runtime.current().open_dispute(Attempt.objects.get(payment=complains.payment).charge)
    sightings.look("dispute", dispute["id"], now=now)
    for _twice in range(2):
        failures.refund_leg(trip_id=run.trip_id, leg="return", now=now, by=sam)
    assert (given_back(complains), given_back(rides)) == (0, rides.charge.minor // 2)


def test_sorry_is_said_once_and_only_if_the_rule_says_so(
    going: tuple[Company, Run, list[Pledge]], now: datetime
) -> None:
    _crew, run, riders = going
    say = {"trip": run.trip, "pledges": riders, "now": now, "by": None}
    rules.change("goodwill", 0, now=now, by=None)
    failures.say_sorry(**say)
    assert credit_of(riders[0].rider) == Money(0, "USD")
    rules.change("goodwill", 500, now=now, by=None)
    for _twice in range(2):
        failures.say_sorry(**say)
    assert [credit_of(each.rider).minor for each in riders] == [2500, 2000]
