"""The share of a way that was not driven: of who has paid at once, of everybody else once their money is with us."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from payments.actions import payments, sightings
from payments.models import Payment
from payments.queries import credit_of
from payments.states import PaymentState
from rally import rules
from rally.models import Notice, User
from rally.money import Money
from tests.factories import pledges as make
from tests.factories.disputes import complain, decide
from tests.factories.promotions import promotion
from tests.factories.trips import proposed
from tests.seeing import given_back
from trips import tasks
from trips.actions import backing, covering, failures, pledges, resale, rewards
from trips.errors import TooMuchAlone
from trips.models import Pledge, Trip
from trips.states import PledgeState, TripState, VehicleClass

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("books")]


@pytest.fixture
def van(at: Any, cleo: User, now: datetime) -> Trip:
    """Cleo's van for 14, which is certain: riders have paid for nine seats."""
    trip = proposed(vehicle_class=VehicleClass.VAN, captain=cleo, now=now)
    make.backed(trip, seats=9, now=now)
    return make.bound(trip, seats=14, now=now)


def decided(dispute: str, now: datetime, *, won: bool) -> None:
    """The bank decides, and we hear of it twice."""
    decide(dispute, now, won=won)
    for _twice in range(2):
        sightings.look("dispute", dispute, now=now)
        payments.announce_again(now=now)


def not_driven(trip: Trip, now: datetime, percent: int | None = None, leg: str = "return") -> Money:
    return failures.refund_leg(trip_id=trip.id, leg=leg, percent=percent, now=now, by=None)


def told(rider: User) -> list[str]:
    """What comes back, as the rider was told, the first first."""
    notices = Notice.objects.filter(kind="trips.leg_failed", recipient=rider).order_by("created_at", "id")
    return [notice.facts["back"] for notice in notices]


def half(pledge: Pledge) -> int:
    return pledge.charge.minor - pledge.charge.minor // 2


# ---- who has not paid yet, or whose money a bank has


@pytest.mark.parametrize("won", [True, False])
def test_a_dispute_only_puts_it_off(van: Trip, at: Any, now: datetime, won: bool) -> None:
    rider = make.backed(van, seats=2, now=now)
    dispute = complain(rider, now)
    not_driven(van, now)
    assert (given_back(rider), told(rider.rider)) == (0, [])

    at.move_to(then := now + timedelta(days=1))
    decided(dispute, then, won=won)
    for _twice in range(2):
        backing.follow(payment_id=rider.payment_id, now=then)

    share = half(rider) if won else 0
    assert given_back(rider) == share
    assert told(rider.rider) == ([str(Money(share, "USD"))] if won else [])
    assert not_driven(van, then) == Money(0, "USD")


def test_what_was_raised_meanwhile_is_given_at_once(van: Trip, now: datetime) -> None:
    rider = make.backed(van, seats=2, now=now)
    dispute = complain(rider, now)
    for percent in (None, 80, 50):
        not_driven(van, now, percent)
    not_driven(van, now, 10, "outbound")

    decided(dispute, now, won=True)

    assert given_back(rider) == rider.charge.minor - rider.charge.minor * 10 // 100
    assert len(told(rider.rider)) == 2


@pytest.mark.parametrize(
    ("pledged", "paid"),
    [(PledgeState.CAPTURING, PaymentState.CAPTURING), (PledgeState.PAYMENT_DUE, PaymentState.DUE)],
)
def test_who_pays_later_gets_it_then(
    van: Trip, now: datetime, pledged: PledgeState, paid: PaymentState
) -> None:
    rider = make.backed(van, seats=2, now=now)
    Pledge.objects.filter(id=rider.id).update(state=pledged, card_asked_at=now, card_due_at=now)
    Payment.objects.filter(id=rider.payment_id).update(state=paid)
    not_driven(van, now)
    assert given_back(rider) == 0

    Payment.objects.filter(id=rider.payment_id).update(state=PaymentState.PAID)
    for _twice in range(2):
        backing.follow(payment_id=rider.payment_id, now=now)

    assert (given_back(rider), told(rider.rider)) == (half(rider), [str(Money(half(rider), "USD"))])


def test_nobody_gets_a_share_of_a_way_that_was_driven(van: Trip, now: datetime) -> None:
    rider = make.backed(van, seats=2, now=now)
    decided(complain(rider, now), now, won=True)
    assert given_back(rider) == 0


def test_who_has_not_paid_yet_counts_for_what_one_person_gives(van: Trip, now: datetime, sam: User) -> None:
    rider = make.backed(van, seats=4, now=now)
    Pledge.objects.filter(id=rider.id).update(
        state=PledgeState.PAYMENT_DUE, card_asked_at=now, card_due_at=now
    )
    others = sum(each.charge.minor for each in Pledge.objects.exclude(id=rider.id))
    rules.change("by_hand_most", others // 2, now=now, by=None)
    with pytest.raises(TooMuchAlone):
        failures.refund_leg(trip_id=van.id, leg="return", percent=100, now=now, by=sam)
    assert not van.failed_legs.exists()


def test_what_waits_for_a_bank_counts_on_both_ways(van: Trip, now: datetime, sam: User) -> None:
    for rider in Pledge.objects.all():
        complain(rider, now)
    whole = sum(each.charge.minor for each in Pledge.objects.all())
    rules.change("by_hand_most", whole // 4, now=now, by=None)
    rules.change("one_leg_percent", 30, now=now, by=None)
    failures.refund_leg(trip_id=van.id, leg="return", percent=50, now=now, by=sam)
    with pytest.raises(TooMuchAlone):
        failures.refund_leg(trip_id=van.id, leg="outbound", percent=50, now=now, by=sam)


def test_a_seat_sold_again_while_a_bank_has_its_money_is_not_ridden(
    van: Trip, at: Any, now: datetime
) -> None:
    rider = make.backed(van, seats=3, now=now)
    late = van.departs_at - timedelta(hours=10)
    at.move_to(late)
    stays = [pledges.Passenger(seat.name, (), seat.id) for seat in rider.passengers.all()][:1]
    pledges.change_seats(pledge_id=rider.id, passengers=stays, by=rider.rider, now=late)
    dispute = complain(rider, late)
    make.backed(van, seats=4, now=late)
    resale.resell(trip_id=van.id, now=late)
    assert not rider.freed_seats.filter(resold_at=None).exists()
    not_driven(van, late)

    decided(dispute, late, won=True)
    tasks.settle_due()

    assert given_back(rider) == 2 * rider.price.minor + rider.price.minor - rider.price.minor // 2


# ---- the captain


def rewarded(trip: Trip, captain: User, now: datetime) -> None:
    """The bus is back, and the captain was on it."""
    Trip.objects.filter(id=trip.id).update(state=TripState.COMPLETED)
    for _twice in range(2):
        rewards.reward_captain(trip_id=trip.id, rode=[captain.id], now=now)


@pytest.mark.parametrize("reward_after", [0, 1, 2])
def test_a_captain_has_no_more_back_than_was_paid(
    van: Trip, cleo: User, now: datetime, reward_after: int
) -> None:
    mine = make.backed(van, cleo, now=now)
    steps = [lambda: not_driven(van, now), lambda: not_driven(van, now, 80)]
    steps.insert(reward_after, lambda: rewarded(van, cleo, now))
    for step in steps:
        step()
    assert given_back(mine) + credit_of(cleo).minor == mine.charge.minor


@pytest.mark.parametrize("reward_first", [True, False])
def test_only_the_own_seat_of_a_captain_is_rewarded(
    van: Trip, cleo: User, now: datetime, reward_first: bool
) -> None:
    mine = make.backed(van, cleo, seats=3, now=now)
    steps = [lambda: not_driven(van, now), lambda: rewarded(van, cleo, now)]
    for step in reversed(steps) if reward_first else steps:
        step()
    assert (given_back(mine), credit_of(cleo)) == (half(mine), mine.price)


@pytest.mark.parametrize("percent", [30, 80])
@pytest.mark.parametrize("reward_after", [0, 1, 2])
def test_of_seats_with_a_code_no_more_comes_back_than_was_paid(
    van: Trip, cleo: User, now: datetime, reward_after: int, percent: int
) -> None:
    promotion(percent=50)
    draft = make.draft(van, cleo, seats=2, now=now)
    covering.cover(pledge_id=draft.id, promotion="GAMEDAY", now=now)
    mine = make.pay(draft, now=now)
    paid = Payment.objects.get(id=mine.payment_id).captured_minor
    assert paid == mine.price.minor  # of two seats
    steps = [lambda: not_driven(van, now, 20), lambda: not_driven(van, now, percent)]
    steps.insert(reward_after, lambda: rewarded(van, cleo, now))
    for step in steps:
        step()
    own, share = -(-paid // 2), paid - paid * (100 - percent) // 100
    assert given_back(mine) + credit_of(cleo).minor == min(paid, own + share)


# ---- told of each


def test_each_step_is_told_also_if_it_is_as_much_as_the_one_before(van: Trip, now: datetime) -> None:
    rider = Pledge.objects.get()
    for percent in (50, 50, 100, 100):
        not_driven(van, now, percent)
    assert given_back(rider) == rider.charge.minor
    assert told(rider.rider) == [str(Money(each, "USD")) for each in (half(rider), rider.charge.minor // 2)]
