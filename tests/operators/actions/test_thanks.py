"""After a trip: the captain's reward, and credit for who brought a friend."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from operators import tasks
from operators.actions import boardings, thanks
from operators.models import Boarding
from payments import queries
from payments.actions import payments
from payments.models import Account, Payment
from payments.states import PaymentState
from rally import clock, rules
from rally.models import Notice, User
from tests.factories import pledges as make
from tests.factories.disputes import complain, decide
from tests.factories.operators import confirmed_run, drive, ready
from tests.factories.payments import MASTERCARD, VISA, usd
from tests.factories.promotions import promotion
from tests.factories.trips import proposed
from tests.racing import at_once
from trips.actions import backing, covering, invitations, pledges, rewards, trips
from trips.actions.backing import payment_id_of
from trips.models import Friend, Pledge, Trip
from trips.queries import credit
from trips.states import PledgeState, TripState, VehicleClass

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def van(at: Any, cleo: User, now: datetime) -> Trip:
    """Cleo's van for 14 that goes at 9."""
    return proposed(vehicle_class=VehicleClass.VAN, captain=cleo, now=now)


def ran(trip: Trip, at: Any) -> Trip:
    """It was filled, went and is back."""
    make.backed(trip, seats=9, now=clock.now())
    make.bound(trip, seats=14, now=clock.now())
    at.move_to(trip.departs_at)
    trips.set_off(trip_id=trip.id, now=clock.now(), by=None)
    at.move_to(trip.returns_at)
    trips.complete(trip_id=trip.id, now=clock.now(), by=None)
    trip.refresh_from_db()
    return trip


def thank(trip: Trip) -> None:
    """What the task does."""
    thanks.thank(trip_id=trip.id, now=clock.now())


def waiting() -> list[Trip]:
    """The trips that have run and at which a sweep looks once more."""
    return list(Trip.objects.filter(state__in=rewards.RAN, thanked_at=None))


def told(kind: str) -> list[str]:
    """To whom."""
    return sorted(Notice.objects.filter(kind=f"trips.{kind}").values_list("recipient__email", flat=True))


# ---- the captain


def test_the_captain_gets_the_own_fare_back_once(van: Trip, cleo: User, at: Any) -> None:
    pledge = make.backed(van, cleo, seats=2, now=clock.now())
    ran(van, at)
    assert waiting() == [van]
    for _ in range(2):
        tasks.thank(str(van.id))
        tasks.sweep_runs()
    assert queries.credit_of(cleo) == pledge.price
    assert queries.balance(Account.REWARD) == -pledge.price.minor
    assert told("captain_rewarded") == [cleo.email]
    assert waiting() == []
    (move,) = credit.history(cleo)
    assert (move.kind, move.trip, move.why) == (
        "captain",
        van.code,
        f"Your own seat, for being the captain: {van}",
    )
    assert queries.check_ledger() == {}


def test_no_more_than_the_captain_paid(van: Trip, cleo: User, at: Any) -> None:
    promotion(percent=75)
    draft = make.draft(van, cleo, now=clock.now())
    covering.cover(pledge_id=draft.id, promotion="GAMEDAY", now=clock.now())
    pledge = make.pay(draft, now=clock.now())
    ran(van, at)
    thank(van)
    assert queries.credit_of(cleo) == pledge.price - pledge.price.percent(75)


def test_the_own_seat_is_a_part_of_what_was_paid_for_all(van: Trip, cleo: User, at: Any) -> None:
    promotion(percent=50)
    draft = make.draft(van, cleo, seats=3, now=clock.now())
    covering.cover(pledge_id=draft.id, promotion="GAMEDAY", now=clock.now())
    pledge = make.pay(draft, now=clock.now())
    ran(van, at)
    thank(van)
    paid = Payment.objects.get(id=payment_id_of(pledge)).captured_minor
    assert queries.credit_of(cleo) == usd(-(-paid // 3))
    assert queries.credit_of(cleo) < pledge.price


@pytest.mark.parametrize("won", [True, False])
def test_a_captain_whose_money_a_bank_has_is_thanked_once_it_is_ours(
    van: Trip, cleo: User, ana: User, ben: User, at: Any, now: datetime, won: bool
) -> None:
    brought(ana, ben)
    make.backed(van, ana, now=now)
    pledge = make.backed(van, cleo, now=now)
    ran(van, at)
    dispute = complain(pledge, clock.now())
    for _twice in range(2):
        tasks.sweep_runs()
    assert (queries.credit_of(cleo), told("friend_rode")) == (usd(0), [ben.email])
    assert waiting() == [van]

    decide(dispute, clock.now(), won=won)
    for _twice in range(2):
        tasks.sweep_runs()

    assert queries.credit_of(cleo) == (pledge.price if won else usd(0))
    assert told("captain_rewarded") == ([cleo.email] if won else [])
    assert waiting() == []


@pytest.mark.parametrize(
    ("pledged", "paid"),
    [(PledgeState.CAPTURING, PaymentState.CAPTURING), (PledgeState.PAYMENT_DUE, PaymentState.DUE)],
)
def test_who_pays_later_is_thanked_then(
    van: Trip, cleo: User, ben: User, at: Any, now: datetime, pledged: PledgeState, paid: PaymentState
) -> None:
    brought(cleo, ben)
    pledge = make.backed(van, cleo, now=now)
    ran(van, at)
    Pledge.objects.filter(id=pledge.id).update(state=pledged, card_asked_at=now, card_due_at=clock.now())
    Payment.objects.filter(id=pledge.payment_id).update(state=paid)
    tasks.sweep_runs()
    Payment.objects.filter(id=pledge.payment_id).update(state=PaymentState.PAID)
    tasks.sweep_runs()  # before the pledge has heard of it
    assert (queries.credit_of(cleo), queries.credit_of(ben)) == (usd(0), usd(0))

    backing.follow(payment_id=payment_id_of(pledge), now=clock.now())
    for _twice in range(2):
        tasks.sweep_runs()

    assert (queries.credit_of(cleo), queries.credit_of(ben)) == (pledge.price, usd(500))
    assert (told("captain_rewarded"), told("friend_rode")) == ([cleo.email], [ben.email])
    assert waiting() == []


def test_others_are_thanked_while_somebody_may_still_pay(
    van: Trip, cleo: User, ana: User, at: Any, now: datetime
) -> None:
    mine, late = make.backed(van, cleo, now=now), make.backed(van, ana, now=now)
    ran(van, at)
    Pledge.objects.filter(id=late.id).update(
        state=PledgeState.PAYMENT_DUE, card_asked_at=now, card_due_at=clock.now()
    )
    thank(van)
    assert (queries.credit_of(cleo), waiting()) == (mine.price, [van])


def test_trips_that_wait_hold_up_no_others(van: Trip, cleo: User, at: Any, now: datetime) -> None:
    other = proposed(vehicle_class=VehicleClass.VAN, captain=cleo, now=now)
    Trip.objects.update(state=TripState.COMPLETED)
    first, second, third = (thanks.to_thank(now=now, limit=1) for _ in range(3))
    assert sorted(first + second) == sorted([van.id, other.id])
    assert third == first


@pytest.mark.parametrize("how", ["no seat", "refunded", "not aboard", "not back yet"])
def test_a_captain_who_did_not_ride_or_pay_gets_nothing(van: Trip, cleo: User, at: Any, how: str) -> None:
    pledge = None if how == "no seat" else make.backed(van, cleo, now=clock.now())
    ran(van, at)
    if how == "refunded":
        assert pledge is not None
        payments.refund(
            payment_id=pledge.payment_id,
            amount=pledge.amount,
            reason="sorry",
            now=clock.now(),
            by=None,  # type: ignore[arg-type]
        )
    if how == "not back yet":
        Trip.objects.update(state="under_way")
    rode = set() if how == "not aboard" else thanks.who_rode(van.id)
    assert rewards.reward_captain(trip_id=van.id, rode=rode, now=clock.now()) is False
    assert (queries.credit_of(cleo), told("captain_rewarded")) == (usd(0), [])


@pytest.mark.race
def test_two_workers_thank_once(van: Trip, cleo: User, at: Any) -> None:
    pledge = make.backed(van, cleo, now=clock.now())
    ran(van, at)
    rode, moment = thanks.who_rode(van.id), clock.now()
    answers = at_once(*[lambda: rewards.reward_captain(trip_id=van.id, rode=rode, now=moment)] * 3)
    assert sorted(answers) == [False, False, True]
    assert queries.credit_of(cleo) == pledge.price


# ---- who rode


def test_who_was_checked_in_rode(at: Any, ben: User) -> None:
    run = confirmed_run()
    everybody = set(run.trip.pledges.values_list("rider_id", flat=True))
    assert thanks.who_rode(run.trip_id) == everybody  # nobody was checked in at all
    seat = run.trip.pledges.order_by("id")[0].passengers.order_by("position")[0]
    Boarding.objects.create(
        run=run, seat=seat, leg="outbound", at=clock.now(), received_at=clock.now(), by=ben, device="x"
    )
    assert thanks.who_rode(run.trip_id) == thanks.who_rode_on_own_seats(run.trip_id) == {seat.pledge.rider_id}
    seat.holder = ben
    seat.save(update_fields=["holder"])
    assert thanks.who_rode(run.trip_id) == {ben.id}
    assert thanks.who_rode_on_own_seats(run.trip_id) == set()


@pytest.mark.parametrize("lost", [False, True])
def test_a_check_in_that_reaches_us_after_the_end_counts(
    van: Trip, cleo: User, ana: User, ben: User, at: Any, now: datetime, lost: bool, monkeypatch: Any
) -> None:
    """Also where the worker never hears of it."""
    brought(ana, ben)
    mine, hers = make.backed(van, cleo, now=now), make.backed(van, ana, now=now)
    other = make.backed(van, seats=7, now=now)
    crew = ready()
    run = crew.commits(van, now=now)
    at.move_to(van.departs_at)
    told_then: dict[str, Any] = {"run_id": run.id, "leg": "outbound", "at": clock.now(), "by": crew.owner}
    boardings.board(code=other.passengers.all()[0].code, now=clock.now(), **told_then)
    drive(run, crew.owner)
    tasks.sweep_runs()
    assert (queries.credit_of(cleo), queries.credit_of(ben), waiting()) == (usd(0), usd(0), [])

    at.move_to(van.returns_at)
    if lost:
        monkeypatch.setattr("operators.actions.boardings.later", lambda *_args, **_ids: None)
    boardings.board(code=hers.passengers.get().code, now=clock.now(), **told_then)
    boardings.board_seat(seat_id=mine.passengers.get().id, now=clock.now(), **told_then)
    if lost:
        tasks.sweep_runs()

    assert (queries.credit_of(cleo), queries.credit_of(ben)) == (mine.price, usd(500))
    tasks.sweep_runs()
    assert waiting() == []
    assert queries.check_ledger() == {}


# ---- friends


def brought(friend: User, by: User) -> Friend | None:
    """The friend signed up through the other's link."""
    code = invitations.code_of(inviter=by, now=clock.now())
    return invitations.accept(code=code, friend=friend, now=clock.now())


def test_a_friend_who_rides_brings_credit_once(
    van: Trip, ana: User, ben: User, at: Any, now: datetime
) -> None:
    assert brought(ana, ben) is not None
    make.backed(van, ana, now=now)
    ran(van, at)
    thank(van)
    thank(van)
    assert queries.credit_of(ben) == usd(500)
    assert (told("friend_rode"), told("first_ride")) == ([ben.email], [ana.email])
    assert credit.history(ben)[0].why == "A friend you brought has ridden with us"
    assert invitations.has_ridden(rider_id=ana.id, now=clock.now()) is False
    assert queries.check_ledger() == {}


def test_seats_that_the_inviter_paid_for_bring_nothing(
    van: Trip, ana: User, ben: User, otto: User, at: Any, now: datetime
) -> None:
    """Also of friends who were given seats: they have no payment of their own, so no card to compare."""
    brought(ben, ana)
    brought(otto, ana)
    seats = make.backed(van, ana, seats=2, now=now).passengers.order_by("position")
    pledges.hand_over(seat_id=seats[1].id, email=ben.email, name="Ben", by=ana, now=now)
    make.backed(van, otto, card=MASTERCARD, now=now)
    ran(van, at)
    thank(van)
    assert queries.credit_of(ana) == usd(500)  # for Otto, who paid for a seat
    assert dict(Friend.objects.values_list("friend__name", "outcome")) == {
        ben.name: "waiting",
        otto.name: "rewarded",
    }


def test_nobody_is_brought_twice_or_by_themselves(at: Any, ana: User, ben: User, cleo: User) -> None:
    assert brought(ana, ana) is None
    assert invitations.accept(code="NOSUCHCODE", friend=ana, now=clock.now()) is None
    first = brought(ana, ben)
    assert first is not None
    assert brought(ana, cleo) == first
    assert Friend.objects.get().inviter == ben
    assert invitations.code_of(inviter=ben, now=clock.now()) == invitations.code_of(
        inviter=ben, now=clock.now()
    )


@pytest.mark.parametrize(("card", "credit_then"), [(MASTERCARD, 500), (VISA, 0)])
def test_the_same_card_brings_nothing(
    van: Trip, ana: User, ben: User, at: Any, now: datetime, card: str, credit_then: int
) -> None:
    brought(ana, ben)
    make.backed(van, ben, now=now)
    make.backed(van, ana, card=card, now=now)
    ran(van, at)
    thank(van)
    assert queries.credit_of(ben) == usd(credit_then)
    assert Friend.objects.get().outcome == ("rewarded" if credit_then else "same_card")


def test_a_rule_of_nothing_gives_nothing(van: Trip, ana: User, ben: User, sam: User, at: Any) -> None:
    rules.change("referral", 0, now=clock.now(), by=sam)
    brought(ana, ben)
    assert invitations.has_ridden(rider_id=ana.id, now=clock.now()) is False
    assert (queries.credit_of(ben), told("friend_rode")) == (usd(0), [])


def test_who_leaves_has_not_ridden(van: Trip, ana: User, ben: User, at: Any, now: datetime) -> None:
    brought(ana, ben)
    pledge = make.backed(van, ana, now=now)
    Pledge.objects.filter(id=pledge.id).update(state=PledgeState.WITHDRAWN)
    ran(van, at)
    thank(van)
    assert Friend.objects.get().outcome == "waiting"


@pytest.mark.race
def test_two_first_rides_at_once_are_one(at: Any, ana: User, ben: User) -> None:
    brought(ana, ben)
    moment = clock.now()
    answers = at_once(*[lambda: invitations.has_ridden(rider_id=ana.id, now=moment)] * 3)
    assert sorted(answers) == [False, False, True]
    assert queries.credit_of(ben) == usd(500)


def test_a_captain_who_has_no_seat_has_nothing_back(van: Trip, at: Any, cleo: User) -> None:
    ran(van, at)
    assert rewards.reward_captain(trip_id=van.id, rode=[cleo.id], now=clock.now()) is False
