"""A price that falls, against the sandbox: held at the most, locked by the decision, given back once."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError

from payments.actions import audits, payments, sightings
from payments.models import Attempt, Payment, Refund
from payments.states import PaymentState
from rally import rules
from rally.models import Notice
from tests.factories import pledges as make
from tests.factories.disputes import complain, decide
from tests.factories.payments import MASTERCARD, SAVES_THEN_DECLINES
from tests.factories.people import person
from tests.factories.trips import falling_van, proposed
from tests.racing import meanwhile, together
from tests.seeing import fresh, given_back, signed_in
from tests.trips.api.test_pledges import program
from tests.trips.views.test_leaving_pages import lines
from trips import tasks
from trips.actions import backing, fares, pledges, settlement, trips, waiting
from trips.actions.backing import payment_id_of
from trips.errors import FaresCannotFall, SeatsMadeThePrice
from trips.models import Pledge, Trip
from trips.queries import fares as prices
from trips.queries.shortfalls import shortfalls
from trips.states import PledgeState, TripState, VehicleClass

pytestmark = pytest.mark.django_db(transaction=True)

#: Of a van for 14 that goes at 9.
LADDER = [[9, 100], [11, 82], [13, 70], [14, 65]]


@pytest.fixture
def van(at: Any, now: datetime) -> Trip:
    """A van whose fare falls as it fills; Sheboygan is on the way and pays less than Milwaukee."""
    return falling_van(now=now)


def share(fare: int, percent: int) -> int:
    """That share of a fare, rounded up, reckoned in another way than the one under test."""
    whole, rest = divmod(fare * percent, 100)
    return whole + bool(rest)


def books_agree(now: datetime) -> None:
    """Ours with the provider's, and nobody paid more than they should."""
    assert audits.check(now=now) == {}
    assert prices.overcharged() == []


def confirmed(trip: Trip, now: datetime, *seats: int, at_stop: int = 1) -> list[Pledge]:
    """The trip with its bus and riders with so many seats each, decided at once."""
    settled = [make.backed(trip, seats=n, now=now, stop=at_stop) for n in seats]
    make.bound(trip, seats=14, now=now)
    assert fresh(trip).state == TripState.CONFIRMED
    return settled


def with_seats(pledge: Pledge, people: list[pledges.Passenger], now: datetime) -> Pledge:
    """These seats, agreed to."""
    return pledges.change_seats(
        pledge_id=pledge.id,
        passengers=people,
        by=pledge.rider,
        now=now,
        consent_text="I agree.",
        consent_version="test",
        consented=True,
    )


def close(trip: Trip, at: Any) -> datetime:
    """What the sweep does a day before departure, twice."""
    moment: datetime = trip.departs_at - timedelta(hours=24)
    at.move_to(moment)
    tasks.close_fares()
    tasks.close_fares()
    return moment


# --- proposing


def test_a_ladder_is_built_from_the_minimum_and_the_seats(van: Trip) -> None:
    assert van.ladder == LADDER
    assert (van.locked_percent, van.fares_closed_at) == (None, None)


def test_without_the_choice_the_fare_stands(now: datetime) -> None:
    assert proposed(now=now).ladder == []


def test_a_price_that_cannot_fall_is_refused(now: datetime) -> None:
    with pytest.raises(FaresCannotFall):
        proposed(vehicle_class=VehicleClass.VAN, threshold=14, falling_fares=True, now=now)
    assert not Trip.objects.exists()


# --- the decision


def test_everybody_is_asked_for_the_most_and_pays_the_locked_price(van: Trip, now: datetime) -> None:
    first, second, far = [make.backed(van, seats=n, now=now, stop=s) for n, s in ((5, 2), (4, 2), (3, 1))]
    make.bound(van, seats=14, now=now)

    trip = fresh(van)
    assert (trip.state, trip.seats_funded, trip.locked_percent) == ("confirmed", 12, 82)
    for pledge in (first, second, far):
        after = fresh(pledge)
        each = share(pledge.fare_minor, 82)
        held = Attempt.objects.get(payment=after.payment)
        assert (after.state, after.price_minor, after.fare_minor) == ("paid", each, pledge.fare_minor)
        assert held.amount_minor == pledge.fare_minor * pledge.seats
        assert held.captured_minor == each * pledge.seats == after.charge.minor
        assert fresh(after.payment).captured_minor == fresh(after.payment).amount_minor == after.charge.minor
    assert far.fare_minor > first.fare_minor
    assert sum(Payment.objects.values_list("captured_minor", flat=True)) >= sum(trip.cost_parts.values())
    books_agree(now)


def test_at_the_minimum_the_whole_fare_is_paid(van: Trip, now: datetime) -> None:
    [pledge] = confirmed(van, now, 9)

    assert (fresh(van).locked_percent, fresh(pledge).price) == (100, pledge.fare)
    assert fresh(pledge.payment).captured_minor == pledge.amount.minor


def test_a_trip_whose_fare_stands_locks_nothing(at: Any, now: datetime) -> None:
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    pledge, _other = confirmed(trip, now, 10, 2)
    close(trip, at)

    assert (fresh(trip).locked_percent, fresh(trip).fares_closed_at) == (None, None)
    assert (fresh(pledge).price_minor, fresh(pledge).charge) == (None, pledge.amount)
    books_agree(now)


def test_everybody_from_the_far_stop(van: Trip, now: datetime) -> None:
    riders = confirmed(van, now, 10, 4, at_stop=1)

    assert fresh(van).locked_percent == 65
    far = van.stops.get(position=1).fare_minor
    assert {fresh(paid).price_minor for paid in riders} == {share(far, 65)}
    assert 14 * share(far, 65) >= sum(van.cost_parts.values())
    books_agree(now)


def test_only_held_seats_make_the_price(van: Trip, now: datetime) -> None:
    """With 13 seats the price would be lower; two of them fail, so that the others must pay the bus."""
    poor = make.backed(van, seats=2, card=SAVES_THEN_DECLINES, now=now)
    make.draft(van, now=now)
    [good] = confirmed(van, now, 11)

    assert fresh(van).locked_percent == 82
    assert fresh(good).price_minor == share(good.fare_minor, 82)
    assert (fresh(poor).state, fresh(poor).price_minor) == ("needs_card", share(poor.fare_minor, 82))
    books_agree(now)


def test_a_hold_placed_early_is_captured_for_less(van: Trip, at: Any) -> None:
    near = van.decides_at - timedelta(days=2)
    at.move_to(near)
    [pledge] = confirmed(van, near, 11)

    attempt = Attempt.objects.get(payment=pledge.payment)
    assert (attempt.amount_minor, attempt.captured_minor) == (
        pledge.amount.minor,
        share(pledge.fare_minor, 82) * 11,
    )
    books_agree(near)


def test_settling_twice_locks_once(van: Trip, now: datetime) -> None:
    [pledge] = confirmed(van, now, 11)
    before = (fresh(van).locked_percent, fresh(pledge).price_minor, Attempt.objects.count())

    settlement.settle(trip_id=van.id, now=now)
    tasks.settle_due()

    assert (fresh(van).locked_percent, fresh(pledge).price_minor, Attempt.objects.count()) == before


@pytest.mark.race
def test_two_workers_lock_one_price(van: Trip, now: datetime) -> None:
    """The message that wakes them was lost; two sweeps find the trip at the same moment."""
    first, second = make.backed(van, seats=6, now=now), make.backed(van, seats=5, now=now)
    Trip.objects.filter(id=van.id).update(seats_supplied=14, operator_name="Lakeshore Lines")
    together(
        *[lambda: settlement.settle(trip_id=van.id, now=now)] * 2,
        lambda: fares.close(trip_id=van.id, now=now),
    )

    assert (fresh(van).state, fresh(van).locked_percent) == ("confirmed", 82)
    assert {fresh(one).price_minor for one in (first, second)} == {share(first.fare_minor, 82)}
    assert Attempt.objects.filter(captured_minor__gt=0).count() == 2
    books_agree(now)


def test_gathering_again_locks_nothing(van: Trip, at: Any, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    good = make.backed(van, seats=7, now=now)
    make.backed(van, seats=4, card=SAVES_THEN_DECLINES, now=now)
    over = fresh(van).grace_ends_at
    at.move_to(over)
    settlement.settle(trip_id=van.id, now=over)

    assert (fresh(van).state, fresh(van).locked_percent, fresh(good).price_minor) == ("gathering", None, None)
    make.backed(van, seats=6, now=over)

    assert (fresh(van).state, fresh(van).locked_percent) == ("confirmed", 70)
    assert fresh(good.payment).captured_minor == share(good.fare_minor, 70) * 7
    books_agree(over)


def test_the_database_knows_no_locked_price_without_a_decision(van: Trip) -> None:
    with pytest.raises(IntegrityError, match="trip_locked_by_its_decision"):
        Trip.objects.filter(id=van.id).update(locked_percent=82)


def test_the_mail_says_what_the_price_became(van: Trip, now: datetime) -> None:
    [pledge] = confirmed(van, now, 11)

    told = Notice.objects.get(kind="trips.confirmed", recipient=pledge.rider).facts
    after = fresh(pledge)
    assert told["fell"]
    assert (told["price"], told["fare"], told["amount"]) == (
        str(after.price),
        str(after.fare),
        str(after.charge),
    )


# --- a card that fails


def test_a_card_mended_after_the_decision_pays_the_locked_price(van: Trip, now: datetime) -> None:
    poor = make.backed(van, seats=2, card=SAVES_THEN_DECLINES, now=now)
    [good] = confirmed(van, now, 11)

    make.pay(fresh(poor), card=MASTERCARD, now=now)

    assert fresh(poor).state == PledgeState.PAID
    assert fresh(poor.payment).captured_minor == share(poor.fare_minor, 82) * 2
    assert fresh(van).locked_percent == 70  # 13 seats now; owed to both at the close
    assert fresh(good).price_minor == share(good.fare_minor, 82)
    books_agree(now)


def test_who_is_at_the_checkout_during_the_decision_pays_the_locked_price(van: Trip, now: datetime) -> None:
    undecided = make.draft(van, seats=1, now=now)
    pledges.open_payment(pledge_id=undecided.id, now=now)
    confirmed(van, now, 11)

    after = make.pay(fresh(undecided), now=now)

    assert (after.state, after.price_minor) == ("paid", share(undecided.fare_minor, 82))
    assert fresh(after.payment).captured_minor == after.charge.minor < undecided.amount.minor
    books_agree(now)


# --- later riders, and the one refund


def test_later_riders_pay_the_price_in_force_and_lower_it_for_everybody(
    van: Trip, at: Any, now: datetime
) -> None:
    first, second = confirmed(van, now, 6, 5)
    third = make.backed(van, seats=1, now=now, stop=2)
    assert (fresh(third).fare_minor, fresh(third).price_minor) == (share(third.stop.fare_minor, 82),) * 2
    assert fresh(van).locked_percent == 82

    fourth = make.backed(van, seats=2, now=now)  # the own seats reach the last step: 14 of 14
    assert fresh(fourth).fare_minor == share(fourth.stop.fare_minor, 65)
    assert fresh(van).locked_percent == 65
    assert not Refund.objects.exists()
    assert fresh(first).price_minor == share(first.fare_minor, 82)

    moment = close(van, at)

    refunds = {refund.attempt.payment_id: refund.amount_minor for refund in Refund.objects.all()}
    assert {refund.reason for refund in Refund.objects.all()} == {"fare_fell"}
    for pledge in (first, second, third):
        low = share(pledge.stop.fare_minor, 65)
        assert refunds.pop(payment_id_of(pledge)) == (share(pledge.stop.fare_minor, 82) - low) * pledge.seats
        assert fresh(pledge.payment).refundable.minor == low * pledge.seats == fresh(pledge).charge.minor
    assert refunds == {}
    assert fresh(van).fares_closed_at == moment
    told = Notice.objects.filter(kind="trips.fare_fell")
    assert {notice.recipient_id for notice in told} == {first.rider_id, second.rider_id, third.rider_id}
    facts = told.get(recipient=first.rider).facts
    assert facts["paid"] == str(fresh(first).fare.__class__(share(first.fare_minor, 82) * 6, "USD"))
    assert facts["price"] == str(fresh(first).price)
    books_agree(moment)
    kept = sum(payment.refundable.minor for payment in Payment.objects.all())
    assert kept >= sum(van.cost_parts.values())


@pytest.mark.parametrize("added", [False, True])
def test_fewer_seats_do_not_keep_the_price_that_more_would_have_made(
    van: Trip, now: datetime, added: bool
) -> None:
    first, _second = confirmed(van, now, 1, 8)
    if added:
        kept = [pledges.Passenger(seat.name, (), seat.id) for seat in first.passengers.all()]
        draft = with_seats(first, [*kept, *[pledges.Passenger(f"Friend {n}") for n in range(4)]], now)
    else:
        draft = make.draft(van, seats=4, now=now)
    full = draft.stop.fare_minor
    assert draft.price_minor == share(full, 70)
    seats = [pledges.Passenger(seat.name, (), seat.id) for seat in draft.passengers.all()]

    for fewer in (1, 2, 3):  # with 10, 11 and 12 seats it would be 100 and 82 %
        with pytest.raises(SeatsMadeThePrice, match=r"\$96.60 a seat is the price of all 4 seats"):
            with_seats(draft, seats[:fewer], now)
    assert (fresh(draft).seats, draft.passengers.count()) == (4, 4)
    with_seats(draft, [pledges.Passenger("Renamed", (), seats[0].seat), *seats[1:]], now)

    make.backed(van, seats=1, now=now)  # one more is in: with three the price is the same
    with_seats(draft, seats[:3], now)
    assert make.pay(fresh(draft), now=now).charge.minor == share(full, 70) * 3
    assert fresh(van).locked_percent == 70


def test_nothing_falls_once_the_fares_are_closed(van: Trip, at: Any, now: datetime) -> None:
    [pledge] = confirmed(van, now, 11)
    moment = close(van, at)
    assert not Refund.objects.exists()

    late = make.backed(van, seats=3, now=moment)

    assert fresh(van).locked_percent == 82
    assert fresh(late).price_minor == share(late.stop.fare_minor, 82)
    tasks.close_fares()
    assert not Refund.objects.exists()
    assert fresh(pledge).price_minor == share(pledge.fare_minor, 82)
    books_agree(moment)


def test_fares_close_at_the_latest_when_the_trip_is_over(van: Trip, now: datetime) -> None:
    [pledge] = confirmed(van, now, 11)
    make.backed(van, seats=2, now=now)
    trips.set_off(trip_id=van.id, now=van.departs_at, by=None)

    for _twice in range(2):
        trips.complete(trip_id=van.id, now=van.returns_at, by=None)

    refund = Refund.objects.get()
    assert refund.amount_minor == (share(pledge.fare_minor, 82) - share(pledge.fare_minor, 70)) * 11
    books_agree(van.returns_at)


def test_who_left_gets_nothing_and_who_gave_up_a_seat_gets_it_for_the_others(
    van: Trip, at: Any, now: datetime
) -> None:
    leaver, fewer, stayer = confirmed(van, now, 3, 4, 4)
    make.backed(van, seats=3, now=now)
    assert fresh(van).locked_percent == 65
    kept = [pledges.Passenger(seat.name, (), seat.id) for seat in fewer.passengers.all()][:3]
    pledges.withdraw(pledge_id=leaver.id, by=leaver.rider, now=now)
    pledges.change_seats(pledge_id=fewer.id, passengers=kept, by=fewer.rider, now=now)

    moment = close(van, at)

    fell = {r.attempt.payment_id: r.amount_minor for r in Refund.objects.filter(reason="fare_fell")}
    per_seat = share(stayer.fare_minor, 82) - share(stayer.fare_minor, 65)
    assert fell == {fewer.payment_id: per_seat * 3, stayer.payment_id: per_seat * 4}
    assert audits.check(now=moment) == {}


@pytest.mark.parametrize(
    ("held", "late", "percent", "refund"),
    [
        (12, 0, 82, 100),  # eleven stay, who pay the bus at 82 %
        (11, 0, 82, 75),
        (9, 2, 82, 75),
        (12, 1, 70, 75),
        (13, 1, 65, 75),
    ],
)
def test_all_comes_back_only_while_the_others_pay_the_bus_at_the_price_in_force(
    van: Trip, now: datetime, held: int, late: int, percent: int, refund: int
) -> None:
    mine, *_others = confirmed(van, now, 1, held - 1)
    if late:
        make.backed(van, seats=late, now=now)
    assert fresh(van).locked_percent == percent

    look = pledges.leaving(fresh(mine), now)

    assert (look.percent, look.others_short) == (refund, refund < 100)


def test_who_makes_the_price_fall_and_leaves_bears_the_next_step(van: Trip, now: datetime) -> None:
    first, _second = confirmed(van, now, 3, 6)
    kept = [pledges.Passenger(seat.name, (), seat.id) for seat in first.passengers.all()]
    rules.change("max_seats_per_pledge", 8, now=now, by=None)
    added = with_seats(first, [*kept, *[pledges.Passenger(f"Friend {n}") for n in range(5)]], now)
    added = make.pay(added, now=now)
    assert (fresh(van).locked_percent, shortfalls()) == (65, [])

    pledges.withdraw(pledge_id=added.id, by=first.rider, now=now)

    assert given_back(added) == added.charge.minor - added.charge.percent(25).minor
    assert sum(seat.kept_minor for seat in added.freed_seats.all()) == added.charge.percent(25).minor
    assert [(short.funded, short.needed) for short in shortfalls()] == [(9, 14)]  # the desk hears of it


@pytest.mark.race
@pytest.mark.parametrize("by", ["page", "program"])
def test_added_seats_cost_no_more_than_was_shown_although_others_leave_meanwhile(
    van: Trip, now: datetime, by: str
) -> None:
    mine, other, _rest = confirmed(van, now, 1, 2, 7)
    address, there = f"/p/{mine.code}/seats/", signed_in(mine.rider)
    seats = lines(mine, "Gus")
    page = there.post(address, {**seats, "do": "sum"}).content.decode()
    shown = re.search(r'name="shown" value="(\w+)"', page)
    assert shown

    def add() -> None:
        if by == "page":
            assert there.post(address, {**seats, "consent": "on", "shown": shown[1]}).status_code == 303
        else:
            people = [{"id": str(seat.id), "name": seat.name} for seat in mine.passengers.all()]
            body = {"passengers": [*people, {"name": "Gus"}], "consent": True}
            answer = program(mine.rider).post(f"/api/v1/pledges/{mine.code}/seats", body, format="json")
            assert answer.status_code == 200

    meanwhile(lambda: pledges.withdraw(pledge_id=other.id, by=other.rider, now=now), add)

    added = Pledge.objects.get(enlarges=mine)
    low = share(mine.fare_minor, 82)  # the eleventh seat reached this step; the eighth does not
    assert f"{added.fare} for each seat" in added.consent_text
    assert (fresh(van).seats_funded, added.fare_minor, added.price_minor) == (8, low, low)
    assert make.pay(added, now=now).payment.captured_minor == low


def test_who_waits_agrees_to_no_more_than_was_shown(van: Trip, now: datetime) -> None:
    _most, other = confirmed(van, now, 8, 2)
    undecided = make.draft(van, seats=4, now=now)
    stop = fresh(van).stops.get(position=1)
    shown = prices.to_agree(stop, 3)
    pledges.withdraw(pledge_id=other.id, by=other.rider, now=now)
    assert prices.to_agree(fresh(stop), 3) > shown

    patient = waiting.wait(
        trip_id=van.id,
        rider=person("patient"),
        stop=stop,
        passengers=[pledges.Passenger(f"Patient {n}") for n in range(3)],
        consented=True,
        fare=shown,
        now=now,
    )

    assert f"{shown} for each seat" in patient.consent_text
    pledges.withdraw(pledge_id=undecided.id, by=undecided.rider, now=now)
    assert (fresh(patient).state, fresh(patient).price) == ("draft", shown)


def test_never_more_than_is_left(van: Trip, at: Any, now: datetime, sam: Any) -> None:
    [pledge] = confirmed(van, now, 11)
    make.backed(van, seats=2, now=now)
    most = fresh(pledge.payment).captured
    by_hand = most - most.percent(1)
    payments.refund(payment_id=payment_id_of(pledge), amount=by_hand, reason="by hand", now=now, by=sam)

    moment = close(van, at)

    assert Refund.objects.get(reason="fare_fell").amount_minor == most.percent(1).minor
    assert fresh(pledge.payment).refunded_minor == most.minor
    assert audits.check(now=moment) == {}


def test_all_of_it_given_back_by_hand_leaves_nothing_to_give(
    van: Trip, at: Any, now: datetime, sam: Any
) -> None:
    gone, other = confirmed(van, now, 5, 6)
    make.backed(van, seats=2, now=now)
    Payment.objects.filter(id=payment_id_of(gone)).update(followed=True)
    payments.refund(
        payment_id=payment_id_of(gone), amount=fresh(gone.payment).captured, reason="by hand", now=now, by=sam
    )
    Pledge.objects.filter(id=gone.id).update(state=PledgeState.PAID, ended_at=None)  # its news is on the way

    close(van, at)

    assert [refund.attempt.payment_id for refund in Refund.objects.filter(reason="fare_fell")] == [
        other.payment_id
    ]


@pytest.mark.parametrize("won", [True, False])
def test_a_dispute_only_puts_it_off(van: Trip, at: Any, now: datetime, won: bool) -> None:
    disputed, other = confirmed(van, now, 5, 6)
    make.backed(van, seats=2, now=now)
    dispute = complain(disputed, now)
    fares.close(trip_id=van.id, now=now)
    assert [refund.attempt.payment_id for refund in Refund.objects.all()] == [other.payment_id]
    assert list(prices.owed()) == [disputed]
    assert len(prices.overcharged()) == 1

    if won:
        decide(dispute, now, won=True)
    moment = close(van, at)
    sightings.look("dispute", dispute, now=moment)  # nobody answered: the bank has given all of it back
    tasks.close_fares()

    refunds = Refund.objects.filter(attempt__payment=disputed.payment)
    assert [refund.reason for refund in refunds] == (["fare_fell"] if won else [])
    assert Notice.objects.filter(kind="trips.fare_fell", recipient=disputed.rider).count() == won
    assert list(prices.owed()) == []


def test_money_that_comes_after_the_close_gets_it_at_once(van: Trip, at: Any, now: datetime) -> None:
    poor = make.backed(van, seats=1, card=SAVES_THEN_DECLINES, now=now)
    confirmed(van, now, 11)
    make.backed(van, seats=2, now=now)
    due = van.departs_at - timedelta(hours=24)
    Pledge.objects.filter(id=poor.id).update(card_due_at=van.departs_at)
    moment = close(van, at)
    assert moment == due

    make.pay(fresh(poor), card=MASTERCARD, now=moment)

    after = fresh(poor)
    assert (after.state, after.price_minor) == ("paid", share(poor.fare_minor, 70))
    assert fresh(after.payment).refundable == after.charge
    books_agree(moment)


@pytest.mark.race
def test_closing_at_the_same_moment_refunds_once(van: Trip, at: Any, now: datetime) -> None:
    [pledge] = confirmed(van, now, 11)
    make.backed(van, seats=2, now=now)

    def once() -> None:
        fares.close(trip_id=van.id, now=now)
        fares.give_back(pledge_id=pledge.id, now=now)

    together(*[once] * 4)

    assert Refund.objects.filter(reason="fare_fell").count() == 1
    books_agree(now)


@pytest.mark.race
def test_a_rider_who_joins_while_the_fares_close(van: Trip, at: Any, now: datetime) -> None:
    """Whoever is first: the other one sees it, and in the end everybody paid the price in force or got it back."""
    [pledge] = confirmed(van, now, 11)
    late = make.draft(van, seats=2, now=now)
    together(lambda: make.pay(late, now=now), lambda: fares.close(trip_id=van.id, now=now))

    trip = fresh(van)
    assert fresh(late).state == PledgeState.PAID
    assert trip.fares_closed_at == now
    assert fresh(pledge).price_minor == share(pledge.fare_minor, trip.locked_percent)
    books_agree(now)


# --- what changes around it


def test_a_smaller_bus_promises_no_step_that_it_cannot_reach(van: Trip, now: datetime) -> None:
    make.bound(van, seats=12, now=now)
    make.backed(van, seats=8, now=now)

    trip = fresh(van)
    assert prices.next_step(trip) == prices.Step(seats=11, percent=82, missing=3)
    assert prices.lowest_percent(trip) == 82
    make.backed(van, seats=4, now=now)

    trip = fresh(van)
    assert (trip.state, trip.locked_percent, prices.next_step(trip)) == ("confirmed", 82, None)
    fares.close(trip_id=van.id, now=now)
    assert prices.lowest_percent(fresh(van)) == 82
    books_agree(now)


@pytest.mark.parametrize(("threshold", "seats", "percent"), [(6, 7, 100), (12, 12, 82)])
def test_another_minimum_leaves_the_bus_paid(
    van: Trip, now: datetime, threshold: int, seats: int, percent: int
) -> None:
    Trip.objects.filter(id=van.id).update(threshold=threshold)

    [pledge] = confirmed(van, now, seats)

    assert fresh(van).locked_percent == percent
    assert fresh(pledge).price_minor == share(pledge.fare_minor, percent)


def test_riders_who_leave_raise_nobodys_price(van: Trip, at: Any, now: datetime) -> None:
    first, second = confirmed(van, now, 8, 5)
    assert fresh(van).locked_percent == 70
    pledges.withdraw(pledge_id=second.id, by=second.rider, now=now)

    late = make.draft(van, seats=1, now=now)

    assert (fresh(van).locked_percent, late.fare_minor) == (70, share(late.stop.fare_minor, 70))
    assert prices.next_step(fresh(van)) == prices.Step(seats=14, percent=65, missing=6)
    close(van, at)
    assert not Refund.objects.filter(reason="fare_fell").exists()
    assert fresh(first).price_minor == share(first.fare_minor, 70)


def test_the_floor_is_a_rule(now: datetime) -> None:
    rules.change("ladder_least_percent", 80, now=now, by=None)
    assert proposed(vehicle_class=VehicleClass.VAN, falling_fares=True, now=now).ladder == [
        [9, 100],
        [11, 82],
    ]


def test_called_off_everything_comes_back(van: Trip, now: datetime, sam: Any) -> None:
    [pledge] = confirmed(van, now, 11)
    make.backed(van, seats=2, now=now)
    fares.close(trip_id=van.id, now=now)

    trips.cancel(trip_id=van.id, now=now, by=sam)
    tasks.settle_due()

    assert (fresh(pledge).state, fresh(pledge.payment).state) == ("refunded", PaymentState.REFUNDED)
    assert sum(payment.refundable.minor for payment in Payment.objects.all()) == 0
    books_agree(now)


def test_a_trip_that_does_not_run_closes_nothing(van: Trip, now: datetime) -> None:
    fares.close(trip_id=van.id, now=now)
    trips.cancel(trip_id=van.id, now=now, by=van.captain)
    fares.close(trip_id=van.id, now=now)

    assert fresh(van).fares_closed_at is None


def test_the_check_sees_who_was_charged_too_much(van: Trip, now: datetime) -> None:
    [pledge] = confirmed(van, now, 11)
    assert prices.overcharged() == []

    Pledge.objects.filter(id=pledge.id).update(price_minor=1)

    [complaint] = prices.overcharged(trip=van)
    assert str(pledge) in complaint


def test_the_database_takes_no_price_above_the_agreed_one(van: Trip, now: datetime) -> None:
    [pledge] = confirmed(van, now, 11)

    with pytest.raises(IntegrityError, match="pledge_price_agreed"):
        Pledge.objects.filter(id=pledge.id).update(price_minor=pledge.fare_minor + 1)


def test_following_again_gives_nothing_twice(van: Trip, now: datetime) -> None:
    [pledge] = confirmed(van, now, 11)
    make.backed(van, seats=2, now=now)
    fares.close(trip_id=van.id, now=now)

    for _twice in range(2):
        backing.follow(payment_id=pledge.payment_id, now=now)

    assert Refund.objects.filter(reason="fare_fell").count() == 1
