"""What a run earned: booked, sent, closed. With riders who really pay, in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine

from operators import tasks
from operators.actions import driving, holding, pay
from operators.models import Run
from operators.states import RunState
from payments import queries as money
from payments.actions import checkouts, earnings, payments
from payments.models import Payment, Transfer
from payments.sandbox import runtime
from payments.states import PaymentState, TransferState
from rally import clock
from rally.models import Notice, User
from rally.money import Money
from tests.factories.events import partner
from tests.factories.operators import Company, confirmed_run, drive, ready, riders, van_trip
from tests.factories.payments import onboarded, type_card
from tests.factories.people import person
from trips.actions import pledges
from trips.actions.pledges import Passenger
from trips.models import Pledge, Trip
from trips.states import PledgeState, TripState

DAY = timedelta(days=1)


@dataclass
class World:
    """A clock that everything follows."""

    travel: Any

    def to(self, moment: datetime) -> None:
        """Move on to this moment."""
        self.travel.move_to(moment, tick=False)


@pytest.fixture
def world(transactional_db: None, now: datetime) -> Iterator[World]:
    with time_machine.travel(now, tick=False) as travel:
        found = runtime.current()
        found.now = clock.now
        yield World(travel)


def joins(trip: Trip, rider: User, *names: str) -> Pledge:
    """A rider goes through the checkout."""
    pledge = pledges.make(
        trip_id=trip.id,
        rider=rider,
        stop_id=trip.stops.get(position=1).id,
        passengers=[Passenger(name) for name in names],
        consent_text="I agree.",
        consent_version="1",
        consented=True,
        now=clock.now(),
    )
    to_pay = pledges.open_payment(pledge_id=pledge.id, now=clock.now())
    url = checkouts.go(
        payment_id=to_pay.payment_id,
        mode=to_pay.mode,
        success_url="http://testserver/paid/",
        cancel_url="http://testserver/back/",
        now=clock.now(),
    )
    type_card(url)
    checkouts.come_back(payment_id=to_pay.payment_id, now=clock.now())
    pledge.refresh_from_db()
    return pledge


def settled_run(crew: Company) -> Run:
    """Seven seats through the checkout, a bus, and the trip confirms by itself."""
    trip = van_trip()
    joins(trip, person("ana"), "Ana", "Abe", "Ada", "Al")
    joins(trip, person("ben"), "Ben", "Bea", "Bo")
    run = crew.commits(trip)
    trip.refresh_from_db()
    run.refresh_from_db()
    assert (trip.state, run.state) == (TripState.CONFIRMED, RunState.CONFIRMED)
    return run


def test_a_trip_confirms_drives_and_is_paid_out(world: World) -> None:
    crew = ready()
    onboarded(crew.operator.payee, now=clock.now())
    run = settled_run(crew)
    trip = run.trip
    assert set(trip.pledges.values_list("state", flat=True)) == {PledgeState.PAID}

    world.to(trip.departs_at)
    drive(run, crew.driver.user)
    taken = 7 * trip.stops.get(position=1).fare_minor
    assert run.pay == Money(taken * 100 // 112, "USD")
    assert run.booked_at == trip.departs_at
    transfers = Transfer.objects.filter(payee=crew.operator.payee)
    assert sum(transfer.amount_minor for transfer in transfers) == run.pay.minor
    assert {transfer.due_at for transfer in transfers} == {trip.departs_at + timedelta(hours=72)}

    earnings.send_due(now=clock.now())
    trip.refresh_from_db()
    assert trip.state == TripState.COMPLETED

    world.to(trip.departs_at + 3 * DAY)
    assert earnings.send_due(now=clock.now()) == 2
    trip.refresh_from_db()
    assert trip.state == TripState.CLOSED
    assert set(transfers.values_list("state", flat=True)) == {TransferState.PAID}
    notice = Notice.objects.get(kind="operators.paid_out")
    assert (notice.recipient, notice.facts["pay"]) == (crew.owner, str(run.pay))
    assert not any(money.check_ledger().values())


def test_what_riders_got_back_is_not_shared(world: World) -> None:
    crew = ready()
    run = settled_run(crew)
    ben = Pledge.objects.get(rider__name="Ben")
    assert ben.payment is not None
    payments.refund(
        payment_id=ben.payment.id,
        amount=Money(ben.payment.captured_minor // 2, "USD"),
        reason="half of it",
        now=clock.now(),
        by=None,
    )
    world.to(run.trip.departs_at)
    drive(run, crew.driver.user)
    fare = run.trip.stops.get(position=1).fare_minor
    kept = 7 * fare - 3 * fare // 2
    assert run.pay.minor == kept * 100 // 112
    assert not any(money.check_ledger().values())


def test_booking_waits_for_what_is_unknown_and_happens_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = ready()
    run = settled_run(crew)
    world.to(run.trip.departs_at)
    with monkeypatch.context() as unknown:
        unknown.setattr(money, "outstanding", lambda _group: True)
        drive(run, crew.driver.user)
    assert run.booked_at is None
    for _twice in range(2):
        tasks.sweep_runs()
    run.refresh_from_db()
    assert run.booked_at is not None
    assert Transfer.objects.count() == 2


def test_booking_waits_for_a_rider_who_may_still_pay(world: World) -> None:
    crew = ready()
    run = settled_run(crew)
    ben = Payment.objects.get(payer__name="Ben")
    Payment.objects.filter(id=ben.id).update(state=PaymentState.DUE)
    world.to(run.trip.departs_at)
    drive(run, crew.driver.user)
    assert run.booked_at is None

    Payment.objects.filter(id=ben.id).update(state=PaymentState.PAID)
    tasks.sweep_runs()
    run.refresh_from_db()
    assert run.booked_at is not None
    assert Transfer.objects.count() == 2


def test_a_run_that_earned_nothing_closes_its_trip(world: World) -> None:
    crew = ready()
    run = confirmed_run(crew, trip=None)
    for pledge in run.trip.pledges.all():
        assert pledge.payment is not None
        type(pledge.payment).objects.filter(id=pledge.payment.id).update(
            state="refunded", refunded_minor=pledge.payment.captured_minor
        )
    world.to(run.trip.departs_at)
    drive(run, crew.driver.user)
    run.trip.refresh_from_db()
    assert (run.pay.minor, run.trip.state) == (0, TripState.CLOSED)
    assert pay.close(run_id=run.id, now=clock.now()) is True


def test_nothing_is_booked_or_closed_before_its_time(world: World) -> None:
    run = confirmed_run()
    assert pay.book(run_id=run.id, now=clock.now()).booked_at is None
    assert pay.close(run_id=run.id, now=clock.now()) is False


def test_a_trip_that_lapses_frees_the_bus(world: World) -> None:
    from trips.actions import settlement

    crew, trip = ready(), van_trip()
    joins(trip, person("ana"), "Ana")
    run = crew.commits(trip)
    world.to(trip.decides_at)
    settlement.settle(trip_id=trip.id, now=clock.now())
    run.refresh_from_db()
    assert run.state == RunState.WITHDRAWN
    assert Notice.objects.filter(kind="operators.bus_free").count() == 1


def test_the_sweep_repairs_what_lost_news_left_behind(world: World) -> None:
    from tests.factories.operators import decided

    sure, off, broken = ready(), ready(), ready()
    first, second, third = van_trip(), van_trip(), van_trip()
    going, ended, stays = sure.commits(first), off.commits(second), broken.commits(third)
    riders(first, *"ABCDEF")
    decided(first)
    decided(second, TripState.LAPSED)
    tasks.sweep_runs()
    for run, state in ((going, "confirmed"), (ended, "withdrawn"), (stays, "committed")):
        run.refresh_from_db()
        assert run.state == state


def test_one_failure_does_not_hold_up_the_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from operators.actions import runs
    from tests.factories.operators import decided

    crew, other = ready(), ready()
    first, second = van_trip(), van_trip()
    crew.commits(first)
    ended = other.commits(second)
    decided(first)
    decided(second, TripState.LAPSED)

    def trouble(**_about: Any) -> None:
        raise RuntimeError("trouble")

    monkeypatch.setattr(runs, "confirm", trouble)
    tasks.sweep_runs()
    ended.refresh_from_db()
    assert ended.state == RunState.WITHDRAWN
    assert "sweep_runs.failed" in caplog.text


# ---- by other terms, with a partner, with two buses


def test_a_bus_that_took_over_halfway_shares_the_pay(world: World) -> None:
    first, second = ready(), ready()
    run = settled_run(first)
    world.to(run.trip.departs_at)
    for step in (driving.start, driving.arrive, driving.head_back):
        step(run_id=run.id, now=clock.now(), by=first.driver.user)
    Run.objects.filter(id=run.id).update(state=RunState.REPLACED, legs_percent=50)
    relief = Run.objects.create(
        trip=run.trip,
        operator=second.operator,
        vehicle=second.vehicle,
        driver=second.driver,
        person=second.driver.user,
        state=RunState.RETURNING,
        period=run.period,
        drive_minutes=run.drive_minutes,
        seats=run.seats,
        legs_percent=50,
        committed_at=clock.now(),
        started_at=clock.now(),
    )
    driving.complete(run_id=relief.id, now=clock.now(), by=second.driver.user)
    run.refresh_from_db()
    relief.refresh_from_db()
    taken = 7 * run.trip.stops.get(position=1).fare_minor
    assert run.pay_minor == relief.pay_minor == taken * 100 // 112 * 50 // 100
    assert run.booked_at == relief.booked_at == clock.now()
    for crew in (first, second):
        onboarded(crew.operator.payee, now=clock.now())
    world.to(run.trip.departs_at + 4 * DAY)
    assert earnings.send_due(now=clock.now()) == 4
    assert pay.close(run_id=run.id, now=clock.now()) is True
    assert Notice.objects.filter(kind="operators.paid_out").count() == 2
    assert not any(money.check_ledger().values())


def test_the_partner_of_the_event_has_a_part_of_our_fee(world: World) -> None:
    club = partner(share_percent=20)
    pat = person("pat")
    club.members.add(pat)
    crew = ready()
    onboarded(crew.operator.payee, now=clock.now())
    run = settled_run(crew)
    Trip.objects.filter(id=run.trip_id).update(partner=club, partner_percent=20)
    world.to(run.trip.departs_at)
    drive(run, crew.driver.user)
    taken = 7 * run.trip.stops.get(position=1).fare_minor
    share = (taken - taken * 100 // 112) * 20 // 100
    assert money.balance("partner:payable") == share
    club.refresh_from_db()
    assert club.payee is not None
    assert (club.payee.email, club.payee.can_be_paid) == (pat.email, False)
    world.to(run.trip.departs_at + 9 * DAY)
    runtime.current().see("tick")
    assert earnings.send_due(now=clock.now()) == 2  # the operator is; the partner waits
    run.trip.refresh_from_db()
    assert run.trip.state == TripState.CLOSED
    onboarded(club.payee, now=clock.now())
    assert earnings.send_due(now=clock.now()) == 1
    assert money.balance("partner:payable") == 0
    assert not any(money.check_ledger().values())


def test_what_is_held_back_waits_from_the_booking_on(world: World) -> None:
    crew = ready()
    onboarded(crew.operator.payee, now=clock.now())
    run = settled_run(crew)
    sam = person("sam", is_staff=True)
    back = holding.hold_back(
        run_id=run.id, amount=Money(900, "USD"), why="A complaint.", now=clock.now(), by=sam
    )
    world.to(run.trip.departs_at)
    drive(run, crew.driver.user)
    assert pay.pay_left(run) == Money(900, "USD")
    world.to(run.trip.departs_at + 9 * DAY)
    runtime.current().see("tick")
    earnings.send_due(now=clock.now())
    run.trip.refresh_from_db()
    assert run.trip.state == TripState.COMPLETED
    holding.lift(hold_back_id=back.id, kept=Money(900, "USD"), now=clock.now(), by=sam)
    tasks.sweep_runs()
    run.trip.refresh_from_db()
    assert run.trip.state == TripState.CLOSED
    assert not any(money.check_ledger().values())
