"""Whoever holds a seat that somebody else pays for: told what becomes of it, without money, each once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from payments.actions import payments
from payments.states import PaymentState
from rally import outbox
from rally.models import Notice, User
from tests.factories import pledges as make
from tests.factories.payments import SAVES_THEN_DECLINES
from tests.seeing import fresh
from tests.trips.actions.test_moving import moves
from tests.trips.actions.test_pledges import as_they_are, change
from trips import tasks
from trips.actions import backing, failures, pledges, trips
from trips.models import Pledge, Seat, Trip
from trips.states import TripState

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("books")]


def hand(pledge: Pledge, to: User, now: datetime, *, which: int = 0, by: User | None = None) -> Seat:
    """One seat of the pledge is handed to this person."""
    seat = list(pledge.passengers.all())[which]
    by = by or pledge.rider
    return pledges.hand_over(seat_id=seat.id, email=to.email, name=to.short_name, by=by, now=now)


def goes(van: Trip, mine: Pledge, now: datetime) -> None:
    """Others join, a bus is bound, the trip is certain."""
    make.backed(van, seats=9, now=now)
    make.bound(van, seats=14, now=now)
    assert fresh(mine).state == "paid"


def told(user: User) -> list[str]:
    """What this person was told after the seat was handed over, and that no mail of it speaks of money."""
    news = (
        Notice.objects.filter(recipient=user).exclude(kind="trips.handed_over").order_by("created_at", "kind")
    )
    for notice in news:
        assert "amount" not in notice.facts
        written = outbox.message(notice)
        for words in (written.subject, str(written.body), str(written.alternatives[0][0]).split("<body")[-1]):
            assert words.strip()
            assert "$" not in words
            assert "{" not in words
            assert "None" not in words
    return [notice.kind.removeprefix("trips.") for notice in news]


def test_a_bus_that_is_lost_and_a_trip_called_off(van: Trip, now: datetime, ana: User, ben: User) -> None:
    mine = make.backed(van, ana, now=now)
    goes(van, mine, now)
    hand(mine, ben, now)

    trips.lose_bus(trip_id=van.id, now=now, by=None)
    trips.bind_bus(trip_id=van.id, seats=14, operator_name="Other Lines", now=now, by=None)
    for _twice in range(2):
        trips.cancel(trip_id=van.id, now=now + timedelta(hours=1), by=None)

    assert told(ben) == ["bus_lost", "run_changed", "cancelled"]


def test_an_event_that_moves(van: Trip, now: datetime, ana: User, ben: User) -> None:
    hand(make.backed(van, ana, now=now), ben, now)

    moves(van, now, timedelta(hours=1))
    moves(van, now + timedelta(hours=1), timedelta(days=1))

    assert told(ben) == ["times_moved", "event_moved"]


def test_a_captain_who_holds_a_seat_is_told_once(van: Trip, now: datetime, ana: User) -> None:
    hand(make.backed(van, ana, now=now), van.captain, now)

    moves(van, now, timedelta(hours=1))

    assert Notice.objects.filter(kind="trips.times_moved", recipient=van.captain).count() == 1


def test_a_way_that_was_not_driven(van: Trip, now: datetime, ana: User, ben: User) -> None:
    mine = make.backed(van, ana, seats=2, now=now)
    goes(van, mine, now)
    for which in range(2):
        hand(mine, ben, now, which=which)

    failures.refund_leg(trip_id=van.id, leg="return", now=now, by=None)
    failures.refund_leg(trip_id=van.id, leg="return", percent=80, now=now, by=None)

    assert told(ben) == ["leg_failed"]


def test_a_trip_that_lapses(van: Trip, at: Any, now: datetime, ana: User, ben: User) -> None:
    hand(make.backed(van, ana, now=now), ben, now)

    at.move_to(van.decides_at)
    tasks.settle_due()

    assert fresh(van).state == TripState.LAPSED
    assert told(ben) == ["lapsed"]


def test_who_rides_as_well_is_told_as_a_rider(van: Trip, now: datetime, ana: User, ben: User) -> None:
    mine = make.backed(van, ana, now=now)
    make.backed(van, ben, now=now)
    goes(van, mine, now)
    hand(mine, ben, now)

    trips.lose_bus(trip_id=van.id, now=now, by=None)

    assert [
        notice.facts["seats"] for notice in Notice.objects.filter(kind="trips.bus_lost", recipient=ben)
    ] == [1]


def test_a_draft_of_ones_own_hides_no_news(van: Trip, now: datetime, ana: User, ben: User) -> None:
    mine = make.backed(van, ana, now=now)
    goes(van, mine, now)
    hand(mine, ben, now)
    make.draft(van, ben, now=now)

    trips.cancel(trip_id=van.id, now=now, by=None)

    assert told(ben) == ["cancelled"]


def test_one_look_finds_all_holders(van: Trip, now: datetime, ana: User, ben: User, cleo: User) -> None:
    mine = make.backed(van, ana, seats=2, now=now)
    goes(van, mine, now)
    hand(mine, ben, now)
    hand(Pledge.objects.get(seats=9), cleo, now)

    with CaptureQueriesContext(connection) as seen:
        trips.lose_bus(trip_id=van.id, now=now, by=None)

    assert sum('FROM "trips_seat"' in query["sql"] for query in seen) == 1
    assert (told(ben), told(cleo)) == (["bus_lost"], ["bus_lost"])


# --- the seat itself goes


def test_whoever_pays_leaves(van: Trip, now: datetime, ana: User, ben: User) -> None:
    mine = make.backed(van, ana, seats=2, now=now)
    goes(van, mine, now)
    for which in range(2):
        hand(mine, ben, now, which=which)

    for _twice in range(2):
        pledges.withdraw(pledge_id=mine.id, by=ana, now=now)
    backing.follow(payment_id=mine.payment_id, now=now)

    assert told(ben) == ["seat_gone"]
    facts = Notice.objects.get(kind="trips.seat_gone").facts
    assert (facts["names"], facts["taken_back"]) == (["Ben", "Ben"], False)


@pytest.mark.parametrize("certain", [True, False])
def test_exactly_that_seat_is_given_up(van: Trip, now: datetime, ana: User, ben: User, certain: bool) -> None:
    mine = make.backed(van, ana, seats=2, now=now)
    if certain:
        goes(van, mine, now)
    theirs = hand(mine, ben, now, which=1)

    change(fresh(mine), [each for each in as_they_are(mine) if each.seat != theirs.id], now)

    assert told(ben) == ["seat_gone"]


def test_another_seat_is_given_up(van: Trip, now: datetime, ana: User, ben: User) -> None:
    mine = make.backed(van, ana, seats=2, now=now)
    goes(van, mine, now)
    theirs = hand(mine, ben, now, which=1)

    change(fresh(mine), [each for each in as_they_are(mine) if each.seat == theirs.id], now)

    assert told(ben) == []


def test_it_is_taken_back_or_given_to_somebody_else(
    van: Trip, now: datetime, ana: User, ben: User, cleo: User
) -> None:
    mine = make.backed(van, ana, seats=2, now=now)

    for which, after in enumerate((ana, cleo)):
        hand(mine, ben, now, which=which)
        hand(mine, after, now, which=which)

    assert told(ben) == ["seat_gone", "seat_gone"]
    assert all(notice.facts["taken_back"] for notice in Notice.objects.filter(kind="trips.seat_gone"))
    assert not Notice.objects.filter(kind="trips.seat_gone").exclude(recipient=ben).exists()


def test_who_hands_it_on_is_told_nothing(van: Trip, now: datetime, ana: User, ben: User, cleo: User) -> None:
    mine = make.backed(van, ana, now=now)
    hand(mine, ben, now)

    hand(mine, cleo, now, by=ben)

    assert told(ben) == []


def test_no_card_comes_in_time(van: Trip, at: Any, now: datetime, ana: User, ben: User) -> None:
    make.bound(van, seats=14, now=now)
    poor = make.backed(van, ana, card=SAVES_THEN_DECLINES, now=now)
    make.backed(van, seats=9, now=now)
    hand(poor, ben, now)
    due = fresh(poor).card_due_at
    assert due is not None

    backing.drop(pledge_id=poor.id, now=due)

    assert told(ben) == ["seat_gone"]


def test_staff_give_all_of_it_back(van: Trip, now: datetime, ana: User, ben: User, sam: User) -> None:
    mine = make.backed(van, ana, now=now)
    goes(van, mine, now)
    hand(mine, ben, now)

    payments.refund(payment_id=fresh(mine).payment_id, amount=mine.charge, reason="by hand", now=now, by=sam)
    backing.follow(payment_id=mine.payment_id, now=now)

    assert fresh(mine.payment).state == PaymentState.REFUNDED
    assert (fresh(mine).state, told(ben)) == ("refunded", ["seat_gone"])
