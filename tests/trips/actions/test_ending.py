"""What ends a trip or a ride on it before it has gone: riders leave, the bus leaves, it is called off."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from payments.actions import checkouts, operations, payments, sightings
from payments.models import Attempt, Checkout, Payment, Refund
from payments.sandbox import runtime
from payments.sandbox.faults import Fault, Faults
from payments.states import PaymentState
from rally import clock, outbox, rules
from rally.models import Notice, StaffAction
from tests.factories import pledges as make
from tests.factories.payments import SAVES_THEN_DECLINES, type_card
from tests.seeing import fresh
from trips import tasks
from trips.actions import backing, pledges, trips
from trips.actions.backing import payment_id_of
from trips.errors import BusTooSmall, NotChangeable
from trips.models import Event, Pledge, Trip
from trips.permissions import NotTheCaptain
from trips.states import PledgeState, TripState

pytestmark = pytest.mark.django_db(transaction=True)


def test_leaving_while_the_cards_are_checked(van: Trip, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    good = make.backed(van, seats=5, now=now)
    make.backed(van, seats=4, card=SAVES_THEN_DECLINES, now=now)
    assert fresh(good).state == PledgeState.HELD

    pledges.withdraw(pledge_id=good.id, by=good.rider, now=now)

    assert (fresh(good).state, fresh(good.payment).state) == ("withdrawn", PaymentState.RELEASED)
    assert fresh(van).state == TripState.GATHERING  # five seats are gone, nothing to wait for


def test_seats_are_frozen_while_the_cards_are_checked(van: Trip, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    good = make.backed(van, seats=5, now=now)
    make.backed(van, seats=4, card=SAVES_THEN_DECLINES, now=now)
    fewer = [pledges.Passenger(seat.name, (), seat.id) for seat in good.passengers.all()][:2]

    with pytest.raises(NotChangeable):
        pledges.change_seats(pledge_id=good.id, passengers=fewer, by=good.rider, now=now)


def test_the_bus_leaves_while_the_cards_are_checked(van: Trip, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    good = make.backed(van, seats=5, now=now)
    make.backed(van, seats=4, card=SAVES_THEN_DECLINES, now=now)

    trips.unbind_bus(trip_id=van.id, now=now, by=None)

    assert fresh(van).state == TripState.GATHERING
    assert fresh(good).state == PledgeState.BACKED


def test_a_smaller_bus_lowers_the_capacity(van: Trip, now: datetime) -> None:
    make.draft(van, seats=5, now=now)

    with pytest.raises(BusTooSmall):
        make.bound(van, seats=8, now=now)
    make.bound(van, seats=12, now=now)
    make.bound(van, seats=12, now=now)
    assert fresh(van).capacity == 12
    trips.unbind_bus(trip_id=van.id, now=now, by=None)
    trips.unbind_bus(trip_id=van.id, now=now, by=None)
    assert (fresh(van).capacity, fresh(van).has_bus) == (14, False)


def test_another_bus_on_a_certain_trip_is_told(van: Trip, at: Any, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    mine = make.backed(van, seats=9, now=now)
    make.draft(van, now=now)  # tells nobody: whoever it is may never come
    trips.unbind_bus(trip_id=van.id, now=now, by=None)

    trips.bind_bus(trip_id=van.id, seats=14, operator_name="Other Lines", now=now, by=None)

    assert fresh(van).state == TripState.CONFIRMED
    assert Notice.objects.get(kind="trips.run_changed").recipient == mine.rider


def test_the_captain_calls_it_off(van: Trip, now: datetime) -> None:
    pledge = make.backed(van, seats=2, now=now)

    for _twice in range(2):
        trips.cancel(trip_id=van.id, now=now, by=van.captain)

    assert fresh(van).state == TripState.CANCELLED
    assert (fresh(pledge).state, fresh(pledge.payment).state) == ("released", PaymentState.RELEASED)
    assert Notice.objects.filter(kind="trips.cancelled").count() == 1
    assert not StaffAction.objects.exists()


def test_who_is_being_charged_when_it_is_called_off_is_not_told_that_they_pay_nothing(
    van: Trip, now: datetime
) -> None:
    make.bound(van, seats=14, now=now)
    pledge = make.backed(van, seats=9, now=now)
    Pledge.objects.update(state="capturing")  # taken at the bank, and we have not heard of it
    Payment.objects.update(state="capturing")

    trips.cancel(trip_id=van.id, now=now, by=None)

    mail = outbox.message(Notice.objects.get(kind="trips.cancelled", recipient=pledge.rider))
    assert "What it takes comes back by itself." in mail.body
    assert "You pay nothing." not in mail.body


def test_seats_without_a_payment_are_freed_when_it_is_called_off(van: Trip, now: datetime) -> None:
    undecided = make.draft(van, seats=2, now=now)

    trips.cancel(trip_id=van.id, now=now, by=van.captain)

    assert (fresh(undecided).state, fresh(van).seats_taken) == ("released", 0)
    assert not Notice.objects.filter(recipient=undecided.rider).exists()


def test_who_has_paid_a_moment_before_it_is_called_off_gets_all_of_it_back(
    van: Trip, at: Any, now: datetime, sam: Any
) -> None:
    make.bound(van, seats=14, now=now)
    make.backed(van, seats=9, now=now)
    quick = make.draft(van, now=now)
    type_card(make.at_checkout(quick, now=now))
    checkouts.come_back(payment_id=fresh(quick).payment_id, now=now)
    Pledge.objects.filter(id=quick.id).update(state="draft")  # seen, and not followed yet

    trips.cancel(trip_id=van.id, why="storm", now=now, by=sam)

    operations.run_due(now=now)
    assert (fresh(quick).state, fresh(fresh(quick).payment).state) == ("refunded", "refunded")


def test_what_was_given_back_by_hand_is_not_given_back_again(van: Trip, now: datetime, sam: Any) -> None:
    make.bound(van, seats=14, now=now)
    pledge = make.backed(van, seats=9, now=now)
    with transaction.atomic():  # the bank has not been asked when the trip is called off
        payments.refund(payment_id=pledge.payment_id, amount=pledge.amount, reason="by hand", now=now, by=sam)
        trips.cancel(trip_id=van.id, now=now, by=sam)

    assert Refund.objects.get().amount_minor == pledge.amount.minor
    assert (fresh(pledge).state, fresh(pledge.payment).refunded_minor) == ("refunded", pledge.amount.minor)


def test_who_has_all_of_it_back_before_the_bus_leaves_is_told(van: Trip, now: datetime, sam: Any) -> None:
    make.bound(van, seats=14, now=now)
    pledge, stays = make.backed(van, seats=5, now=now), make.backed(van, seats=9, now=now)
    for each, amount in ((pledge, pledge.amount), (stays, stays.amount.percent(50))):
        payments.refund(payment_id=payment_id_of(each), amount=amount, reason="by hand", now=now, by=sam)
    for _twice in range(2):
        backing.follow(payment_id=pledge.payment_id, now=now)
    assert [fresh(each).state for each in (pledge, stays)] == ["refunded", "paid"]
    assert [each.recipient for each in Notice.objects.filter(kind="trips.all_back")] == [pledge.rider]


def test_who_has_all_of_it_back_when_the_bus_leaves_is_not_on_its_list(van: Trip, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    pledge, stays = make.backed(van, seats=5, now=now), make.backed(van, seats=9, now=now)
    Payment.objects.filter(id=payment_id_of(pledge)).update(  # seen, and not followed yet
        state=PaymentState.REFUNDED, refunded_minor=pledge.amount.minor
    )
    for _twice in range(2):
        trips.set_off(trip_id=van.id, now=van.departs_at, by=None)
    assert [fresh(each).state for each in (pledge, stays)] == ["refunded", "paid"]
    assert Notice.objects.filter(kind="trips.all_back", recipient=pledge.rider).count() == 1


def test_who_had_not_paid_when_the_bus_is_back_was_not_on_it(van: Trip, at: Any, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    poor = make.backed(van, seats=2, card=SAVES_THEN_DECLINES, now=now)
    rode = make.backed(van, seats=9, now=now)
    late = make.draft(van, now=now)
    trips.set_off(trip_id=van.id, now=van.departs_at, by=None)

    for _twice in range(2):
        trips.complete(trip_id=van.id, now=van.returns_at, by=None)

    assert [fresh(one).state for one in (rode, late, poor)] == ["paid", "released", "released"]
    told = Notice.objects.filter(kind="trips.dropped")
    assert [notice.recipient for notice in told] == [poor.rider]
    assert fresh(van).seats_taken == 9


def test_who_pays_after_the_bus_has_left_gets_all_of_it_back(van: Trip, at: Any, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    make.backed(van, seats=9, now=now)
    moment = van.departs_at - timedelta(minutes=2)
    at.move_to(moment)
    slow, slower, seen = [make.draft(van, now=moment) for _ in range(3)]
    there = [make.at_checkout(each, now=moment) for each in (slow, slower, seen)]
    type_card(there[0])  # nobody comes back to tell of it
    type_card(there[2])
    checkouts.come_back(payment_id=fresh(seen).payment_id, now=moment)
    Pledge.objects.filter(id=seen.id).update(state="draft")  # seen before, and not followed yet

    at.move_to(van.departs_at)
    for _twice in range(2):
        trips.set_off(trip_id=van.id, now=van.departs_at, by=None)

    assert [fresh(each).state for each in (slow, slower, seen)] == ["released", "released", "paid"]
    page = Checkout.objects.get(payment=fresh(slower).payment)
    assert (page.state, fresh(page.payment).state) == ("expired", "released")
    given = Refund.objects.get()
    assert (given.attempt.payment.payer, given.amount_minor) == (slow.rider, slow.amount.minor)
    mail = outbox.message(Notice.objects.get(kind="trips.came_late"))
    assert mail.to == [slow.rider.email]
    assert "all of it is on its way back" in mail.body
    assert "you can take some again" not in mail.body


def test_whose_bank_answers_after_the_bus_has_left_is_not_charged(
    van: Trip, at: Any, now: datetime, ben: Any
) -> None:
    late, rest = make.backed(van, now=now), make.backed(van, seats=9, now=now)
    pledges.hand_over(seat_id=late.passengers.get().id, email=ben.email, name="Ben", by=late.rider, now=now)
    rules.change("settle_slack_hours", 3, now=now, by=None)
    runtime.current().faults = trouble = Faults(rates={Fault.DROP_AFTER: 1.0})
    make.bound(van, seats=14, now=now)
    trouble.stop()
    operations.run(rest.payment.operations.get(kind="authorize").id, now=now + timedelta(minutes=10))
    assert (fresh(late).state, fresh(rest).state) == ("authorizing", "held")
    at.move_to(fresh(van).grace_ends_at + timedelta(hours=3))
    tasks.settle_due()
    assert (fresh(van).state, fresh(late).state) == ("confirmed", "authorizing")

    at.move_to(van.departs_at)
    trips.set_off(trip_id=van.id, now=van.departs_at, by=None)
    for hours in (2, 3):  # the bank is away for two hours more
        at.move_to(van.departs_at + timedelta(hours=hours))
        operations.run_due(now=clock.now())

    assert (fresh(late).state, fresh(late.payment).state) == ("released", "released")
    [asked] = Attempt.objects.filter(payment=late.payment)
    assert (asked.state, asked.captured_minor) == ("canceled", 0)
    told = outbox.message(Notice.objects.get(kind="trips.dropped"))
    assert told.to == [late.rider.email]
    assert f"Your bank had not said yes to {late.amount} when the bus left" in told.body
    assert Notice.objects.get(kind="trips.seat_gone").recipient == ben


def test_nobody_else_calls_it_off(van: Trip, now: datetime, max_: Any) -> None:
    with pytest.raises(NotTheCaptain):
        trips.cancel(trip_id=van.id, now=now, by=max_)
    make.bound(van, seats=14, now=now)
    make.backed(van, seats=9, now=now)
    with pytest.raises(NotTheCaptain):
        trips.cancel(trip_id=van.id, now=now, by=van.captain)


def test_staff_call_off_a_certain_trip_and_everybody_is_paid_back(van: Trip, now: datetime, sam: Any) -> None:
    make.bound(van, seats=14, now=now)
    pledge = make.backed(van, seats=9, now=now)

    trips.cancel(trip_id=van.id, now=now, by=sam)
    tasks.settle_due()

    assert fresh(pledge).state == PledgeState.REFUNDED
    assert fresh(pledge.payment).refunded_minor == pledge.amount.minor


def test_one_dispute_does_not_keep_a_trip_from_being_called_off(
    van: Trip, at: Any, now: datetime, sam: Any
) -> None:
    make.bound(van, seats=14, now=now)
    pledge, disputed = make.backed(van, seats=9, now=now), make.backed(van, seats=1, now=now)
    dispute = runtime.current().open_dispute(Attempt.objects.get(payment=disputed.payment).charge)
    sightings.look("dispute", dispute["id"], now=now)

    trips.cancel(trip_id=van.id, now=now, by=sam)
    tasks.settle_due()

    assert (fresh(pledge).state, fresh(disputed).state) == ("refunded", "withdrawing")
    assert not Refund.objects.filter(attempt__payment=disputed.payment).exists()

    at.shift(timedelta(days=30))  # nobody answers: the dispute is lost, and the bank has given the money back
    sightings.look("dispute", dispute["id"], now=now + timedelta(days=30))
    tasks.settle_due()
    assert fresh(disputed).state == "refunded"
    assert not Refund.objects.filter(attempt__payment=disputed.payment).exists()


def test_who_had_not_paid_when_the_bus_was_back_is_let_go(van: Trip, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    riding = make.backed(van, seats=9, now=now)
    left = [make.backed(van, now=now) for _ in range(3)]
    for pledge, state, payment in zip(
        left,
        [PledgeState.HELD, PledgeState.BACKED, PledgeState.PAYMENT_DUE],
        [PaymentState.HELD, PaymentState.CARD_SAVED, PaymentState.DUE],
        strict=True,
    ):
        Attempt.objects.filter(payment=pledge.payment).delete()
        type(pledge.payment).objects.filter(id=pledge.payment_id).update(state=payment, captured_minor=0)
        Pledge.objects.filter(id=pledge.id).update(state=state, card_asked_at=now, card_due_at=now)
    trips.set_off(trip_id=van.id, now=now, by=None)

    trips.complete(trip_id=van.id, now=now, by=None)

    assert [fresh(each).state for each in [riding, *left]] == ["paid", "released", "released", "payment_due"]


def test_an_event_that_does_not_take_place(van: Trip, now: datetime) -> None:
    pledge = make.backed(van, seats=2, now=now)
    Event.objects.filter(id=van.event_id).update(state="cancelled")

    tasks.settle_due()
    tasks.settle_due()

    assert (fresh(van).state, fresh(van).why_ended) == ("cancelled", "event_cancelled")
    assert fresh(pledge).state == PledgeState.RELEASED


def test_the_life_of_a_trip(van: Trip, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    make.backed(van, seats=9, now=now)

    for step, state in ((trips.set_off, "under_way"), (trips.complete, "completed"), (trips.close, "closed")):
        step(trip_id=van.id, now=now, by=None)
        step(trip_id=van.id, now=now, by=None)
        assert fresh(van).state == state
    with pytest.raises(NotChangeable):
        trips.cancel(trip_id=van.id, now=now, by=None)
    with pytest.raises(NotChangeable):
        trips.unbind_bus(trip_id=van.id, now=now, by=None)
    with pytest.raises(NotChangeable):
        make.bound(van, seats=14, now=now)
