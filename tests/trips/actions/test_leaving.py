"""Leaving a bus that is certain: what comes back, what stays until the seat is sold again, seats added and given up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from payments import gateway
from payments.actions import inbox, sightings
from payments.errors import DisputeOpen
from payments.models import Attempt, Checkout, Refund
from payments.queries import credit_of
from payments.sandbox import runtime
from payments.states import RefundState
from rally.models import Notice
from rally.money import Money
from tests.factories import pledges as make
from tests.factories.disputes import complain, decide
from tests.factories.payments import REFUND_FAILS, type_card
from tests.factories.trips import proposed
from tests.racing import at_once
from tests.seeing import fresh, given_back
from tests.trips.actions.test_pledges import as_they_are, change
from trips import tasks
from trips.actions import backing, pledges, resale, trips
from trips.actions.pledges import Passenger
from trips.errors import AmountChanged, ConsentMissing, NotChangeable, PledgesClosed, TripFull
from trips.models import FreedSeat, Pledge, Trip
from trips.queries import leaving
from trips.states import TripState, VehicleClass

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("books")]


def going_van(now: datetime, *, mine: int = 2, others: int = 7) -> tuple[Trip, Pledge]:
    """A van that goes at 9 of 14, and one paid pledge on it."""
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    mine_, _others = make.backed(trip, seats=mine, now=now), make.backed(trip, seats=others, now=now)
    make.bound(trip, seats=14, now=now)
    assert fresh(trip).state == TripState.CONFIRMED
    return fresh(trip), fresh(mine_)


def leave(pledge: Pledge, now: datetime, **more: Any) -> Pledge:
    """The rider leaves, and the money follows."""
    pledges.withdraw(pledge_id=pledge.id, by=pledge.rider, now=now, **more)
    for part in Pledge.objects.filter(rider=pledge.rider, trip=pledge.trip).exclude(payment=None):
        backing.follow(payment_id=part.payment_id, now=now)
    return fresh(pledge)


# --- the policy and those who stay


@pytest.mark.parametrize(
    ("others", "hours", "percent"),
    [(9, 300, 100), (8, 300, 75), (7, 300, 75), (9, 100, 75), (7, 100, 75), (7, 30, 50), (10, 10, 0)],
)
def test_all_comes_back_only_while_the_others_pay_the_bus(
    at: Any, now: datetime, others: int, hours: int, percent: int
) -> None:
    trip, mine = going_van(now, others=others)
    then = trip.departs_at - timedelta(hours=hours)
    at.move_to(then)
    look = pledges.leaving(mine, then)

    assert look.percent == percent
    assert look.others_short is (hours == 300 and others < 9)
    assert look.refund + look.kept == mine.charge == look.if_resold == look.paid

    leave(mine, then, agreed=look.refund)

    assert (
        given_back(mine) == look.refund.minor == mine.charge.minor - mine.charge.percent(100 - percent).minor
    )
    assert fresh(mine).state == "refunded"
    kept = FreedSeat.objects.filter(pledge=mine)
    assert sum(seat.kept_minor for seat in kept) == look.kept.minor
    assert kept.count() == (2 if look.kept else 0)
    assert fresh(trip).state == TripState.CONFIRMED  # leaving does not undo the trip


def test_an_odd_cent_goes_to_the_rider_and_no_cent_is_lost(at: Any, now: datetime) -> None:
    trip, mine = going_van(now, mine=3)
    Pledge.objects.filter(id=mine.id).update(policy=[[168, 100], [0, 33]])
    then = trip.departs_at - timedelta(hours=20)
    at.move_to(then)
    look = pledges.leaving(fresh(mine), then)

    leave(fresh(mine), then)

    assert look.refund.minor == mine.charge.minor - mine.charge.minor * 67 // 100
    assert [seat.n for seat in FreedSeat.objects.order_by("n")] == [1, 2, 3]
    assert sum(FreedSeat.objects.values_list("kept_minor", flat=True)) == look.kept.minor


def test_what_was_agreed_to_is_the_least_that_comes_back(at: Any, now: datetime) -> None:
    trip, mine = going_van(now, others=9)
    then = trip.departs_at - timedelta(hours=300)
    shown = pledges.leaving(mine, then).refund
    other = trip.pledges.exclude(id=mine.id).get()
    pledges.withdraw(pledge_id=other.id, by=other.rider, now=then)

    with pytest.raises(AmountChanged):
        pledges.withdraw(pledge_id=mine.id, by=mine.rider, now=then, agreed=shown)
    assert fresh(mine).state == "paid"


# --- resale


def test_a_seat_that_is_sold_again_gives_the_rest_back(at: Any, now: datetime) -> None:
    trip, mine = going_van(now)
    then = trip.departs_at - timedelta(hours=100)
    at.move_to(then)
    leave(mine, then)
    before = given_back(mine)

    buyer = make.backed(fresh(trip), seats=1, now=then + timedelta(hours=1))

    first, second = FreedSeat.objects.order_by("n")
    assert (first.resold_to_id, second.resold_to_id) == (buyer.id, None)
    assert given_back(mine) == before + first.kept_minor
    assert Notice.objects.filter(kind="trips.resold", recipient=mine.rider).count() == 1
    assert resale.resell(trip_id=trip.id, now=then) == 0

    make.backed(fresh(trip), seats=3, now=then + timedelta(hours=2))

    assert given_back(mine) == mine.charge.minor
    assert {seat.resold_to.seats for seat in FreedSeat.objects.all() if seat.resold_to} == {1, 3}
    assert fresh(mine.payment).state == "refunded"


def test_who_was_there_before_resells_nothing(at: Any, now: datetime) -> None:
    trip, mine = going_van(now)
    then = trip.departs_at - timedelta(hours=100)
    at.move_to(then)
    early = make.draft(fresh(trip), seats=1, now=then - timedelta(minutes=5))

    leave(mine, then)
    make.pay(early, now=then)

    assert not FreedSeat.objects.exclude(resold_at=None).exists()


def test_the_oldest_freed_seat_is_sold_first(at: Any, now: datetime) -> None:
    trip, mine = going_van(now)
    other = trip.pledges.exclude(id=mine.id).get()
    then = trip.departs_at - timedelta(hours=100)
    at.move_to(then)
    leave(other, then)
    leave(mine, then + timedelta(minutes=1))

    make.backed(fresh(trip), seats=7, now=then + timedelta(minutes=2))

    assert given_back(other) == other.charge.minor
    assert not mine.freed_seats.exclude(resold_at=None).exists()


def test_a_buyer_who_leaves_frees_a_seat_of_their_own(at: Any, now: datetime) -> None:
    trip, mine = going_van(now)
    then = trip.departs_at - timedelta(hours=100)
    at.move_to(then)
    leave(mine, then)
    buyer = make.backed(fresh(trip), seats=2, now=then)
    leave(buyer, then)
    assert given_back(mine) == mine.charge.minor

    make.backed(fresh(trip), seats=2, now=then)

    assert given_back(buyer) == buyer.charge.minor
    assert FreedSeat.objects.filter(resold_at=None).count() == 0


@pytest.mark.race
def test_one_freed_seat_and_two_who_pay_at_the_same_moment(at: Any, now: datetime) -> None:
    trip, mine = going_van(now, mine=1, others=8)
    then = trip.departs_at - timedelta(hours=100)
    at.move_to(then)
    leave(mine, then)
    FreedSeat.objects.update(freed_at=then - timedelta(minutes=1))
    seat = FreedSeat.objects.get()
    one, two = (make.draft(fresh(trip), now=then) for _ in range(2))

    answers = at_once(lambda: make.pay(one, now=then), lambda: make.pay(two, now=then))

    assert [answer.state for answer in answers] == ["paid", "paid"]
    assert fresh(seat).resold_to_id in {one.id, two.id}
    assert Refund.objects.filter(reason="resold:1").count() == 1
    assert given_back(mine) == mine.charge.minor
    assert at_once(*[lambda: resale.resell(trip_id=trip.id, now=then)] * 3) == [0, 0, 0]


def test_news_that_was_lost_is_found_by_the_sweep(at: Any, now: datetime) -> None:
    trip, mine = going_van(now)
    then = trip.departs_at - timedelta(hours=100)
    at.move_to(then)
    leave(mine, then)
    make.backed(fresh(trip), seats=2, now=then)
    FreedSeat.objects.update(resold_at=None, resold_to=None)
    assert resale.open_trips() == [trip.id]
    assert resale.unpaid(then) == []

    tasks.settle_due()

    assert not FreedSeat.objects.filter(resold_at=None).exists()
    assert Refund.objects.filter(reason__startswith="resold").count() == 2  # nobody is paid twice
    assert given_back(mine) == mine.charge.minor


def test_a_dispute_holds_the_rest_up_until_it_is_decided(at: Any, now: datetime) -> None:
    trip, mine = going_van(now)
    then = trip.departs_at - timedelta(hours=100)
    at.move_to(then)
    leave(mine, then)
    dispute = complain(mine, then)

    make.backed(fresh(trip), seats=2, now=then)

    assert not FreedSeat.objects.filter(resold_at=None).exists()
    assert len(resale.unpaid(then)) == 2
    decide(dispute, then, won=True)
    tasks.settle_due()
    assert given_back(mine) == mine.charge.minor
    assert resale.unpaid(then) == []


def test_a_refund_that_comes_back_is_told_once(at: Any, now: datetime) -> None:
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    mine = make.backed(trip, card=REFUND_FAILS, now=now)
    make.backed(trip, seats=9, now=now)
    make.bound(trip, seats=14, now=now)
    assert given_back(leave(fresh(mine), now)) == mine.charge.minor
    later = now + timedelta(days=3)
    at.move_to(later)
    runtime.current().see("tick")
    inbox.poll(now=later)
    inbox.read_due(now=later)
    for _twice in range(2):
        backing.follow(payment_id=mine.payment_id, now=later)
    assert Refund.objects.get().state == RefundState.FAILED
    (told,) = Notice.objects.filter(kind="trips.refund_late")
    assert (told.recipient, told.facts["back"]) == (mine.rider, str(mine.charge))


# --- fewer and more after paying


def test_fewer_seats_free_the_others_by_the_same_rule(at: Any, now: datetime) -> None:
    trip, mine = going_van(now, mine=3)
    then = trip.departs_at - timedelta(hours=300)
    at.move_to(then)
    look = leaving.giving_up(mine, 1, then)
    assert (look.percent, look.paid) == (100, mine.price)
    assert leaving.giving_up(mine, 2, then).percent == 75

    after = change(mine, as_they_are(mine)[:1], then, agreed=leaving.giving_up(mine, 2, then).refund)

    assert (after.seats, fresh(mine).state) == (1, "paid")
    assert given_back(mine) == (mine.price * 2).percent(75).minor
    assert FreedSeat.objects.filter(pledge=mine).count() == 2
    rest = pledges.leaving(fresh(mine), then)
    assert rest.paid == mine.price
    leave(fresh(mine), then)
    assert FreedSeat.objects.filter(pledge=mine).count() == 3

    make.backed(fresh(trip), seats=3, now=then)
    assert given_back(mine) == (mine.price * 3).minor


def test_the_same_fewer_seats_twice_are_once(at: Any, now: datetime) -> None:
    trip, mine = going_van(now)
    then = trip.departs_at - timedelta(hours=100)
    at.move_to(then)
    look, stays = leaving.giving_up(mine, 1, then), as_they_are(mine)[:1]

    for _twice in range(2):
        after = change(mine, stays, then, agreed=look.refund, agreed_kept=look.kept)

    assert (after.seats, given_back(mine)) == (1, look.refund.minor)
    assert FreedSeat.objects.filter(pledge=mine).count() == 1
    assert Notice.objects.filter(kind="trips.fewer_seats").count() == 1


def test_more_seats_after_paying_are_paid_for_themselves(at: Any, now: datetime) -> None:
    trip, mine = going_van(now)
    then = trip.departs_at - timedelta(hours=300)
    at.move_to(then)

    added = change(mine, [*as_they_are(mine), Passenger("Gus")], then)

    assert (added.enlarges_id, added.seats, added.state) == (mine.id, 1, "draft")
    assert (fresh(mine).seats, fresh(trip).seats_taken) == (2, 10)
    with pytest.raises(NotChangeable):
        change(mine, [*as_they_are(mine), Passenger("Hal")], then)
    added = make.pay(added, now=then)
    assert (added.state, fresh(trip).seats_funded) == ("paid", 10)
    assert [part.id for part in leaving.ride(fresh(mine))] == [mine.id, added.id]

    look = pledges.leaving(fresh(mine), then)
    assert look.paid == mine.charge + added.charge
    leave(fresh(mine), then)
    assert {part.state for part in Pledge.objects.filter(rider=mine.rider)} == {"refunded"}
    assert given_back(mine) + given_back(added) == look.refund.minor
    assert fresh(trip).seats_taken == 7


def test_more_seats_need_consent_room_and_the_main_pledge(at: Any, now: datetime) -> None:
    trip, mine = going_van(now)
    then = trip.departs_at - timedelta(hours=300)
    at.move_to(then)
    with pytest.raises(ConsentMissing):
        change(mine, [*as_they_are(mine), Passenger("Gus")], then, consented=False)
    added = change(mine, [*as_they_are(mine), Passenger("Gus")], then)
    with pytest.raises(NotChangeable):
        change(added, [*as_they_are(added), Passenger("Hal")], then)
    added = make.pay(added, now=then)
    with pytest.raises(NotChangeable):
        change(added, [*as_they_are(added), Passenger("Hal")], then)
    make.draft(fresh(trip), seats=4, now=then)
    with pytest.raises(TripFull):
        change(mine, [*as_they_are(mine), *as_they_are(added), Passenger("Hal")], then)


def test_what_was_added_last_goes_first_and_passes_stay(at: Any, now: datetime) -> None:
    trip, mine = going_van(now)
    then = trip.departs_at - timedelta(hours=100)
    at.move_to(then)
    added = make.pay(change(mine, [*as_they_are(mine), Passenger("Gus"), Passenger("Hal")], then), now=then)
    everybody = [*as_they_are(fresh(mine)), *as_they_are(added)]
    codes = {seat.id: seat.code for part in (mine, added) for seat in part.passengers.all()}

    # The first of the main pledge goes, and so do both that were added but one.
    change(fresh(mine), [everybody[1], everybody[3]], then)
    backing.follow(payment_id=added.payment_id, now=then)

    after = list(fresh(mine).passengers.all())
    assert [seat.name for seat in after] == [everybody[1].name, "Hal"]
    assert all(codes[seat.id] == seat.code for seat in after)
    assert (fresh(mine).seats, fresh(mine).state, fresh(added).state) == (2, "paid", "refunded")
    assert given_back(mine) == 0
    assert given_back(added) == added.charge.percent(75).minor


def test_seats_added_but_not_paid_are_given_up_alone(at: Any, now: datetime) -> None:
    _trip, mine = going_van(now)
    added = change(mine, [*as_they_are(mine), Passenger("Gus")], now)

    leave(added, now)

    assert (fresh(added).state, fresh(mine).state) == ("withdrawn", "paid")
    again = change(fresh(mine), [*as_they_are(mine), Passenger("Ida")], now)
    backing.expire(pledge_id=again.id, now=now + timedelta(hours=2))
    assert fresh(again).state == "expired"


# --- banks, and trips that are called off


def test_a_lost_dispute_frees_the_seats_and_gives_nothing_back_twice(at: Any, now: datetime) -> None:
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    make.backed(trip, seats=9, now=now)
    make.bound(trip, seats=14, now=now)
    mine = make.backed(fresh(trip), seats=2, now=now)
    dispute = complain(mine, now)
    with pytest.raises(DisputeOpen):
        leave(mine, now)
    decide(dispute, now, won=False)
    look = pledges.leaving(fresh(mine), now)

    assert (look.refund.minor, look.kept.minor, look.by_the_bank) == (0, 0, True)
    after = leave(fresh(mine), now)

    assert (after.state, fresh(trip).seats_taken, given_back(mine)) == ("refunded", 9, 0)
    assert Notice.objects.get(kind="trips.withdrawn").facts["by_the_bank"] is True


def test_a_trip_that_is_called_off_keeps_nothing(at: Any, now: datetime, sam: Any) -> None:
    trip, mine = going_van(now)
    other = trip.pledges.exclude(id=mine.id).get()
    added = make.pay(change(other, [*as_they_are(other), Passenger("Gus")], now), now=now)
    late = make.draft(fresh(trip), now=now)
    then = trip.departs_at - timedelta(hours=100)
    at.move_to(then)
    leave(mine, then)
    before = given_back(mine)
    assert before < mine.charge.minor

    trips.cancel(trip_id=trip.id, now=then, by=sam, sorry=True)
    trips.cancel(trip_id=trip.id, now=then, by=sam, sorry=True)
    tasks.settle_due()

    for pledge in (mine, other, added):
        assert given_back(pledge) == pledge.charge.minor
        assert fresh(pledge).state == "refunded"
    assert fresh(late).state == "released"
    assert credit_of(other.rider) == Money(8 * 1000, "USD")
    assert credit_of(mine.rider) == Money(0, "USD")
    assert Notice.objects.filter(kind="trips.goodwill").count() == 2
    assert Notice.objects.filter(kind="trips.cancelled", recipient=other.rider).count() == 1
    whole = Notice.objects.get(kind="trips.cancelled", recipient=other.rider).facts["back"]
    assert whole == str(other.charge + added.charge)
    rest = Notice.objects.get(kind="trips.rest_back")
    assert (rest.recipient, rest.facts["back"]) == (mine.rider, str(Money(mine.charge.minor - before, "USD")))


def test_nothing_is_given_for_a_seat_that_is_not_sold_again(at: Any, now: datetime) -> None:
    trip, mine = going_van(now)
    then = trip.departs_at - timedelta(hours=100)
    at.move_to(then)
    leave(mine, then)
    before = given_back(mine)
    resale.pay_back(seat_id=FreedSeat.objects.filter(pledge=mine)[0].id, now=then)
    assert given_back(mine) == before


def test_what_somebody_gave_back_by_hand_is_not_given_back_with_a_bus_called_off(
    at: Any, now: datetime
) -> None:
    trip, mine = going_van(now)
    then = trip.departs_at - timedelta(hours=100)
    at.move_to(then)
    leave(mine, then)
    runtime.current().refund_in_dashboard(Attempt.objects.get(payment=mine.payment).charge)
    intent = Attempt.objects.get(payment=mine.payment).intent
    for seen in gateway.refunds_of(intent):
        sightings.refund(seen, now=then)
    trips.cancel(trip_id=trip.id, now=then, by=None)
    assert given_back(mine) == mine.charge.minor
    assert (
        not Refund.objects.filter(reason__startswith="cancelled")
        .filter(attempt__payment=mine.payment)
        .exists()
    )


def test_a_bus_is_lost_once_and_drafts_are_not_told(at: Any, now: datetime) -> None:
    trip, mine = going_van(now)
    draft = make.draft(trip, now=now)
    for _twice in range(2):
        trips.lose_bus(trip_id=trip.id, now=now, by=None)
    told = Notice.objects.filter(kind="trips.bus_lost").values_list("recipient_id", flat=True)
    assert mine.rider_id in told
    assert draft.rider_id not in told
    assert len(told) == 2


def test_nobody_pays_for_a_bus_that_was_lost(at: Any, now: datetime) -> None:
    trip, mine = going_van(now)
    slow, quick = make.draft(trip, now=now), make.draft(trip, now=now)
    added = change(mine, [*as_they_are(mine), Passenger("Gus")], now)
    there = {each.id: make.at_checkout(each, now=now) for each in (slow, quick, added)}
    type_card(there[quick.id])  # nobody comes back to tell of it

    for _twice in range(2):
        trips.lose_bus(trip_id=trip.id, now=now, by=None)

    for each in (slow, added):
        assert fresh(each).state == "draft"
        assert Checkout.objects.get(payment=fresh(each).payment).state == "expired"
        with pytest.raises(PledgesClosed, match="another bus is being found"):
            pledges.open_payment(pledge_id=each.id, now=now)
    # Who had paid by then is told what all riders were told.
    assert fresh(quick).state == "paid"
    kinds = Notice.objects.filter(recipient=quick.rider).values_list("kind", flat=True)
    assert sorted(kinds) == ["trips.bus_lost", "trips.pledged"]

    make.bound(trip, seats=14, now=now)
    assert [make.pay(each, now=now).state for each in (slow, added)] == ["paid", "paid"]
    told = Notice.objects.filter(kind="trips.bus_lost", recipient__in=[slow.rider, mine.rider])
    assert [notice.recipient for notice in told] == [mine.rider]
