"""Who had left before a trip was called off, and whose payment a bank had at that moment."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine

from payments.actions import audits, operations, payments, sightings
from payments.models import Payment, Refund
from payments.queries import credit_of
from payments.sandbox import runtime
from payments.states import PaymentState
from rally.models import Notice, User
from tests.factories import pledges as make
from tests.factories.disputes import complain, decide
from tests.factories.people import person
from tests.factories.promotions import credited
from tests.factories.trips import proposed
from tests.seeing import fresh
from trips import tasks
from trips.actions import covering, pledges, trips
from trips.actions.backing import payment_id_of
from trips.models import FreedSeat, Pledge
from trips.states import VehicleClass

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock(now: datetime) -> Any:
    """The wall clock stands still until it is moved."""
    with time_machine.travel(now, tick=False) as traveller:
        yield traveller


def work(now: datetime) -> None:
    """What workers and sweeps do."""
    for each in operations.due(now=now):
        operations.run(each, now=now)
    payments.announce_again(now=now)
    tasks.settle_due()


def decided(dispute: str, now: datetime, *, won: bool) -> None:
    """The bank decides, and we hear of it; a second time changes nothing."""
    decide(dispute, now, won=won)
    for _twice in range(2):
        sightings.look("dispute", dispute, now=now)
        work(now)


@pytest.fixture
def left(clock: Any, now: datetime) -> tuple[Pledge, str, datetime]:
    """A leaver who got half back two days before, then complained at the bank; and when that was."""
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    mine = make.backed(trip, seats=4, now=now)
    make.backed(trip, seats=9, now=now)
    make.bound(trip, seats=14, now=now)
    then: datetime = trip.departs_at - timedelta(days=2)
    clock.move_to(then)
    pledges.withdraw(pledge_id=mine.id, by=mine.rider, now=then)
    work(then)
    mine = Pledge.objects.select_related("payment", "trip").get(id=mine.id)
    assert mine.state == "refunded"
    dispute = complain(mine, then)
    return mine, dispute, then


@pytest.mark.parametrize("won", [True, False])
def test_what_was_kept_goes_back_when_the_bank_has_decided(
    left: tuple[Pledge, str, datetime], sam: User, won: bool
) -> None:
    mine, dispute, then = left
    kept = sum(FreedSeat.objects.filter(pledge=mine).values_list("kept_minor", flat=True))
    trips.cancel(trip_id=mine.trip_id, now=then, by=sam)
    work(then)
    assert not Refund.objects.filter(attempt__payment=mine.payment, reason__startswith="cancelled").exists()

    decided(dispute, then, won=won)

    paid = Payment.objects.get(id=payment_id_of(mine))
    back = Refund.objects.filter(attempt__payment=paid, reason__startswith="cancelled")
    assert [each.amount_minor for each in back] == ([kept] if won else [])
    assert paid.state == (PaymentState.REFUNDED if won else PaymentState.PAID)
    assert payments.left_to_refund(paid).minor == 0
    assert not Notice.objects.filter(kind="trips.came_late").exists()
    assert Notice.objects.filter(kind="trips.rest_back", recipient=mine.rider).count() == won
    assert audits.check(now=then) == {}


def test_lost_and_won_after_all_it_goes_back_as_well(left: tuple[Pledge, str, datetime], sam: User) -> None:
    mine, dispute, then = left
    trips.cancel(trip_id=mine.trip_id, now=then, by=sam)
    decided(dispute, then, won=False)

    runtime.current().reconsider_dispute(dispute)
    sightings.look("dispute", dispute, now=then)
    work(then)

    paid = Payment.objects.get(id=payment_id_of(mine))
    assert (paid.state, paid.refunded_minor) == (PaymentState.REFUNDED, paid.captured_minor)
    assert audits.check(now=then) == {}


def test_of_a_trip_that_runs_what_is_kept_stays(left: tuple[Pledge, str, datetime]) -> None:
    mine, dispute, then = left
    before = Payment.objects.get(id=payment_id_of(mine)).refunded_minor

    decided(dispute, then, won=True)

    assert Payment.objects.get(id=payment_id_of(mine)).refunded_minor == before
    assert audits.check(now=then) == {}


def test_the_news_that_got_lost_is_told_again(
    left: tuple[Pledge, str, datetime], sam: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, dispute, then = left
    trips.cancel(trip_id=mine.trip_id, now=then, by=sam)
    with monkeypatch.context() as dying:
        dying.setattr("payments.actions.standings.announce", lambda _payment: None)
        decide(dispute, then, won=True)
    assert Payment.objects.get(id=payment_id_of(mine)).state == PaymentState.PAID

    work(then)
    work(then)

    assert Payment.objects.get(id=payment_id_of(mine)).state == PaymentState.REFUNDED
    assert audits.check(now=then) == {}


def test_what_a_bank_took_before_the_trip_was_called_off_is_not_given_twice(
    clock: Any, now: datetime, sam: User
) -> None:
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    mine = make.backed(trip, seats=10, now=now)
    make.bound(trip, seats=14, now=now)
    decide(complain(fresh(mine), now), now, won=False)

    trips.cancel(trip_id=trip.id, now=now, by=sam)
    work(now)

    assert not Refund.objects.exists()
    assert Pledge.objects.get(id=mine.id).state == "refunded"  # by the bank
    assert audits.check(now=now) == {}


def test_who_paid_by_credit_besides_keeps_to_the_ladder_too(clock: Any, now: datetime) -> None:
    """A bank took all that the card paid; half of the rest comes back, as credit, and not the other half as well."""
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    draft = make.draft(trip, credited(person("rich"), 3000, now), seats=4, now=now)
    covering.cover(pledge_id=draft.id, use_credit=True, now=now)
    mine = make.pay(draft, now=now)
    make.backed(trip, seats=9, now=now)
    make.bound(trip, seats=14, now=now)
    mine = Pledge.objects.select_related("payment", "trip").get(id=mine.id)
    decided(complain(mine, now), now, won=False)
    then: datetime = trip.departs_at - timedelta(days=2)
    clock.move_to(then)

    pledges.withdraw(pledge_id=mine.id, by=mine.rider, now=then)
    for _twice in range(2):
        work(then)

    assert credit_of(mine.rider).minor == 1500
    assert not Refund.objects.exists()
    assert Pledge.objects.get(id=mine.id).state == "refunded"
