"""Following the money in corners that a normal day does not reach; the payment's rows are put there by hand."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest
import time_machine

from payments.actions import checkouts, payments
from payments.models import Attempt, Checkout, Payment, Refund
from payments.states import AttemptState, PaymentState
from rally import clock
from rally.models import Notice, User
from rally.money import Money
from tests.factories import pledges as make
from tests.factories.payments import type_card
from tests.seeing import fresh
from trips.actions import backing, pledges, reminders, settlement, trips
from trips.actions.pledges import Passenger
from trips.errors import AmountChanged, NotChangeable
from trips.models import Pledge, Trip
from trips.models.pledges import Instrument
from trips.states import PledgeState, TripState


@pytest.fixture
def pledge(van: Trip, now: datetime) -> Pledge:
    """A draft of two seats whose rider went to the checkout."""
    found = make.draft(van, seats=2, now=now)
    pledges.open_payment(pledge_id=found.id, now=now)
    return fresh(found)


def put(
    pledge: Pledge, state: str = "", payment: str = "", trip: str = "", now: datetime | None = None
) -> Pledge:
    """Set states by hand, with the facts that their constraints ask for."""
    if payment:
        taken = pledge.amount.minor if payment in {PaymentState.PAID, PaymentState.REFUNDED} else 0
        facts = {"state": payment, "captured_minor": taken, "card": "pm_1", "customer": "cus_1"}
        Payment.objects.filter(id=pledge.payment_id).update(**facts)
        if taken and not Attempt.objects.filter(payment_id=pledge.payment_id).exists():
            Attempt.objects.create(
                payment_id=pledge.payment_id,
                n=1,
                state=AttemptState.CAPTURED,
                amount_minor=taken,
                captured_minor=taken,
                captures_at_once=True,
                intent="pi_1",
                created_at=pledge.created_at,
            )
    if state:
        asked = pledge.created_at
        Pledge.objects.filter(id=pledge.id).update(
            state=state, card_asked_at=asked, card_due_at=asked + timedelta(hours=30)
        )
    if trip:
        Trip.objects.filter(id=pledge.trip_id).update(
            state=trip, decided_at=now, settling_since=now, grace_ends_at=now and now + timedelta(hours=9)
        )
    return fresh(pledge)


def follow(pledge: Pledge, now: datetime) -> Pledge:
    """What the receiver does."""
    backing.follow(payment_id=pledge.payment_id, now=now)
    return fresh(pledge)


def test_a_payment_that_nobody_waits_for(ana: User, now: datetime) -> None:
    lost = payments.open(
        payer=ana,
        reference=f"pledge:{uuid.uuid4()}",
        group="trip:gone",
        description="x",
        amount=Money(4200, "USD"),
        now=now,
    )
    Payment.objects.filter(id=lost.id).update(followed=False)

    backing.follow(payment_id=lost.id, now=now)

    assert fresh(lost).followed


@pytest.mark.parametrize(
    ("state", "payment", "ends"),
    [
        ("draft", PaymentState.RELEASED, "expired"),
        ("draft", PaymentState.DUE, "payment_due"),
        ("backed", PaymentState.PAID, "paid"),
        ("backed", PaymentState.DECLINED, "needs_card"),
        ("authorizing", PaymentState.RELEASED, "released"),
        ("held", PaymentState.NEW, "held"),
        ("paid", PaymentState.HELD, "paid"),
        ("paid", PaymentState.REFUNDED, "refunded"),
    ],
)
def test_catches_up_over_several_steps(
    pledge: Pledge, now: datetime, state: str, payment: str, ends: str
) -> None:
    assert follow(put(pledge, state, payment), now).state == ends


@pytest.mark.parametrize("over", [TripState.LAPSED, TripState.CANCELLED])
@pytest.mark.parametrize(
    ("payment", "ends"), [(PaymentState.CARD_SAVED, "released"), (PaymentState.PAID, "withdrawing")]
)
def test_a_card_for_a_trip_that_ended(
    pledge: Pledge, now: datetime, over: str, payment: str, ends: str
) -> None:
    after = follow(put(pledge, "draft", payment, over, now), now)

    assert after.state == ends
    if ends == "withdrawing":
        assert Refund.objects.get().amount_minor == pledge.amount.minor


def test_money_being_taken_is_waited_for(pledge: Pledge, now: datetime) -> None:
    put(pledge, "capturing", PaymentState.CAPTURING, TripState.CANCELLED, now)

    assert follow(pledge, now).state == "capturing"


@pytest.mark.parametrize("ended", ["expired", "released", "withdrawn"])
@pytest.mark.parametrize("payment", [PaymentState.CARD_SAVED, PaymentState.PAID])
def test_what_comes_late_goes_back(pledge: Pledge, now: datetime, ended: str, payment: str) -> None:
    for _twice in range(2):
        assert follow(put(pledge, ended, payment if _twice == 0 else ""), now).state == ended

    assert Notice.objects.filter(kind="trips.came_late").count() == 1
    if payment == PaymentState.PAID:
        assert Refund.objects.get().amount_minor == pledge.amount.minor
    else:
        assert fresh(pledge).payment.state == PaymentState.RELEASED


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ends", ["expired", "released"])
def test_a_page_completed_too_late_is_answered(van: Trip, now: datetime, ends: str) -> None:
    with time_machine.travel(now, tick=False) as wall:
        late = make.draft(van, now=now)
        to_pay = pledges.open_payment(pledge_id=late.id, now=now)
        url = checkouts.go(
            payment_id=to_pay.payment_id,
            mode=to_pay.mode,
            success_url="http://x/",
            cancel_url="http://x/",
            now=now,
        )
        wall.shift(timedelta(minutes=30))
        type_card(url)
        if ends == "expired":
            wall.shift(timedelta(minutes=1))
            backing.expire(pledge_id=late.id, now=clock.now())
        else:
            trips.cancel(trip_id=van.id, now=clock.now(), by=van.captain)

    assert (fresh(late).state, fresh(late).payment.state) == (ends, PaymentState.RELEASED)
    assert Notice.objects.get(recipient=late.rider).kind == "trips.came_late"


def test_who_pays_after_being_dropped_is_told_that_it_goes_back(pledge: Pledge, now: datetime) -> None:
    """The page was still open when the time was over: what came in then was wanted by nobody."""
    put(pledge, "released", PaymentState.RELEASED)
    follow(pledge, now)
    assert not Notice.objects.exists()
    Attempt.objects.create(
        payment_id=pledge.payment_id,
        n=9,
        state=AttemptState.CAPTURED,
        intent="pi_late",
        amount_minor=100,
        captured_minor=100,
        captures_at_once=True,
        unwanted=True,
        created_at=now,
    )
    for _twice in range(2):
        follow(pledge, now)
    assert [each.kind for each in Notice.objects.all()] == ["trips.came_late"]


@pytest.mark.parametrize(
    ("payment", "ends"), [(PaymentState.RELEASED, "withdrawn"), (PaymentState.REFUNDED, "refunded")]
)
def test_leaving_ends(pledge: Pledge, now: datetime, payment: str, ends: str) -> None:
    assert follow(put(pledge, "withdrawing", payment), now).state == ends
    assert follow(pledge, now).state == ends


def test_leaving_and_paid_at_the_same_moment(pledge: Pledge, now: datetime) -> None:
    after = follow(put(pledge, "withdrawing", PaymentState.PAID), now)

    assert after.state == "withdrawing"
    assert Refund.objects.get().amount_minor == pledge.amount.minor
    assert not Notice.objects.filter(kind="trips.came_late").exists()


def test_an_outstanding_hold_is_let_go(pledge: Pledge, now: datetime) -> None:
    follow(put(pledge, "withdrawing", PaymentState.DECLINED), now)

    assert fresh(pledge).payment.state == PaymentState.RELEASED


def test_only_holds_placed_for_the_decision_rest(pledge: Pledge, now: datetime) -> None:
    pledge.instrument = Instrument.HOLD
    pledge.state = PledgeState.HELD

    backing.let_card_rest(trip=pledge.trip, pledge=pledge, now=now)

    assert pledge.state == PledgeState.HELD


# --- until when a card is waited for


def test_a_hold_that_comes_after_the_decision_was_put_off_rests_too(pledge: Pledge, now: datetime) -> None:
    put(pledge, "authorizing", PaymentState.HELD)

    after = follow(pledge, now)

    assert (after.state, fresh(pledge).payment.state) == ("backed", PaymentState.CARD_SAVED)


def test_how_long_a_card_is_waited_for(pledge: Pledge, now: datetime) -> None:
    Pledge.objects.filter(id=pledge.id).update(state="held")
    Payment.objects.filter(id=pledge.payment_id).update(state=PaymentState.DECLINED)
    assert follow(pledge, now).card_due_at == now + timedelta(hours=72)


def test_at_the_latest_at_the_decision(pledge: Pledge, now: datetime) -> None:
    late = pledge.trip.decides_at - timedelta(hours=1)
    Pledge.objects.filter(id=pledge.id).update(state="held")
    Payment.objects.filter(id=pledge.payment_id).update(state=PaymentState.DECLINED)
    assert follow(pledge, late).card_due_at == pledge.trip.decides_at


def test_a_day_once_the_money_is_due(pledge: Pledge, now: datetime) -> None:
    Trip.objects.filter(id=pledge.trip_id).update(
        state=TripState.CONFIRMED, decided_at=now, seats_supplied=14
    )
    Pledge.objects.filter(id=pledge.id).update(state="capturing")
    Payment.objects.filter(id=pledge.payment_id).update(state=PaymentState.DUE)

    after = follow(pledge, now)

    assert (after.state, after.card_due_at) == ("payment_due", now + timedelta(hours=24))
    assert pledges.open_payment(pledge_id=pledge.id, now=now).mode == Checkout.Mode.CHARGE


# --- time runs out, but not for this one


def test_a_card_at_the_last_moment(pledge: Pledge, now: datetime) -> None:
    put(pledge, "draft", PaymentState.CARD_SAVED)
    backing.expire(pledge_id=pledge.id, now=now + timedelta(hours=2))
    assert fresh(pledge).state == "backed"

    put(pledge, "needs_card", PaymentState.CARD_SAVED)
    backing.drop(pledge_id=pledge.id, now=now + timedelta(hours=31))
    assert fresh(pledge).state == "backed"


def test_not_due_or_not_ours(pledge: Pledge, now: datetime) -> None:
    put(pledge, "needs_card", PaymentState.DECLINED)
    backing.drop(pledge_id=pledge.id, now=now)
    backing.try_again(pledge_id=pledge.id, now=now)  # gathering: nobody is asked yet
    backing.remind_of_card(pledge_id=pledge.id, now=now + timedelta(hours=31))
    backing.remind_of_card(pledge_id=pledge.id, now=now)
    assert fresh(pledge).state == "needs_card"
    put(pledge, "", "", TripState.SETTLING, now)
    backing.drop(pledge_id=pledge.id, now=now + timedelta(hours=31))
    backing.try_again(pledge_id=pledge.id, now=now)
    assert fresh(pledge).state == "needs_card"
    put(pledge, "held", PaymentState.HELD)
    backing.remind_of_card(pledge_id=pledge.id, now=now)
    assert not Notice.objects.filter(kind="trips.card_reminder").exists()


def test_one_more_try_where_the_bank_said_not_now(pledge: Pledge, now: datetime) -> None:
    put(pledge, "needs_card", PaymentState.DECLINED, TripState.SETTLING, now)
    Payment.objects.filter(id=pledge.payment_id).update(decline_code="insufficient_funds", automatic_tries=1)

    backing.try_again(pledge_id=pledge.id, now=now + timedelta(hours=23))
    assert fresh(pledge).state == "needs_card"
    backing.try_again(pledge_id=pledge.id, now=now + timedelta(hours=24))

    assert (fresh(pledge).state, fresh(pledge).payment.state) == ("authorizing", PaymentState.AUTHORIZING)


# --- settling


def test_waits_for_a_hold_that_is_still_being_let_go(pledge: Pledge, now: datetime) -> None:
    put(pledge, "backed", PaymentState.RELEASING)

    settlement.settle(trip_id=pledge.trip_id, now=pledge.trip.decides_at)

    assert fresh(pledge.trip).state == TripState.GATHERING


def test_a_hold_that_cannot_be_let_go_does_not_hold_up_the_trip_for_ever(
    pledge: Pledge, now: datetime
) -> None:
    put(pledge, "backed", PaymentState.RELEASING)

    settlement.settle(trip_id=pledge.trip_id, now=pledge.trip.decides_at + timedelta(hours=12))

    assert fresh(pledge.trip).state == TripState.LAPSED


def test_waits_for_an_answer_that_nobody_followed_yet(pledge: Pledge, now: datetime) -> None:
    put(pledge, "backed", PaymentState.AUTHORIZING, TripState.SETTLING, now)

    settlement.settle(trip_id=pledge.trip_id, now=now)

    assert fresh(pledge.trip).state == TripState.SETTLING
    assert fresh(pledge).state == "authorizing"


def test_a_bank_that_never_answers_does_not_hold_up_the_trip_for_ever(pledge: Pledge, now: datetime) -> None:
    put(pledge, "authorizing", PaymentState.AUTHORIZING, TripState.SETTLING, now)
    Attempt.objects.create(
        payment=pledge.payment, n=1, amount_minor=pledge.amount.minor, captures_at_once=False, created_at=now
    )
    Trip.objects.filter(id=pledge.trip_id).update(decides_at=now)

    settlement.settle(trip_id=pledge.trip_id, now=now + timedelta(hours=20))
    assert fresh(pledge.trip).state == TripState.SETTLING
    settlement.settle(trip_id=pledge.trip_id, now=now + timedelta(hours=21))

    assert fresh(pledge.trip).state == TripState.LAPSED
    assert (fresh(pledge).state, fresh(pledge).payment.state) == ("released", PaymentState.RELEASING)


def test_reminders_of_a_trip_that_moved_on(van: Trip, now: datetime) -> None:
    Trip.objects.filter(id=van.id).update(state=TripState.LAPSED, decided_at=now)

    reminders.still_needed(trip_id=van.id, now=now)
    reminders.send_passes(trip_id=van.id, now=now)

    assert fresh(van).told_passes_at is None
    assert fresh(van).told_tentative_at is None


def test_proposed_within_two_weeks_nobody_is_reminded(van: Trip, now: datetime) -> None:
    Trip.objects.filter(id=van.id).update(created_at=van.departs_at - timedelta(days=10))

    reminders.still_needed(trip_id=van.id, now=now)

    assert fresh(van).told_tentative_at == now


# --- what cannot be changed where the money now stands


@pytest.mark.parametrize(
    ("state", "payment", "trip"),
    [
        ("withdrawn", PaymentState.RELEASED, TripState.GATHERING),
        ("authorizing", PaymentState.AUTHORIZING, TripState.CONFIRMED),
        ("needs_card", PaymentState.DECLINED, TripState.CONFIRMED),
        ("backed", PaymentState.RELEASING, TripState.GATHERING),
    ],
)
def test_seats_that_cannot_be_changed_now(
    pledge: Pledge, now: datetime, state: str, payment: str, trip: str
) -> None:
    put(pledge, state, payment, trip, now)

    with pytest.raises(NotChangeable):
        pledges.change_seats(pledge_id=pledge.id, passengers=[Passenger("One")], by=pledge.rider, now=now)


def test_fewer_seats_give_back_what_was_shown_or_nothing_happens(pledge: Pledge, now: datetime) -> None:
    put(pledge, "paid", PaymentState.PAID, TripState.CONFIRMED, now)
    late = pledge.trip.departs_at - timedelta(hours=1)

    with pytest.raises(AmountChanged):
        pledges.change_seats(
            pledge_id=pledge.id, passengers=[Passenger("One")], by=pledge.rider, now=late, agreed=pledge.fare
        )
    pledges.change_seats(pledge_id=pledge.id, passengers=[Passenger("One")], by=pledge.rider, now=late)
    assert fresh(pledge).seats == 1
    assert not Refund.objects.exists()


def test_fewer_seats_before_going_to_pay(van: Trip, ana: User, now: datetime) -> None:
    pledge = make.draft(van, ana, seats=2, now=now)

    pledges.change_seats(pledge_id=pledge.id, passengers=[Passenger("One")], by=ana, now=now)

    assert fresh(pledge).amount == pledge.fare


@pytest.mark.parametrize("state", ["capturing", "held"])
def test_nobody_leaves_while_the_money_is_taken(pledge: Pledge, now: datetime, state: str) -> None:
    payment = PaymentState.CAPTURING if state == "capturing" else PaymentState.HELD
    put(pledge, state, payment, TripState.CONFIRMED, now)

    with pytest.raises(NotChangeable):
        pledges.withdraw(pledge_id=pledge.id, by=pledge.rider, now=now)


@pytest.mark.parametrize(
    ("state", "trip"),
    [
        ("authorizing", TripState.SETTLING),
        ("withdrawn", TripState.GATHERING),
        ("draft", TripState.UNDER_WAY),
    ],
)
def test_nothing_to_pay(pledge: Pledge, now: datetime, state: str, trip: str) -> None:
    put(pledge, state, "", trip, now)

    with pytest.raises(NotChangeable):
        pledges.open_payment(pledge_id=pledge.id, now=now)


def test_a_trip_that_became_certain_is_paid_at_once(pledge: Pledge, now: datetime) -> None:
    put(pledge, "draft", "", TripState.CONFIRMED, now)
    Trip.objects.filter(id=pledge.trip_id).update(seats_supplied=14)

    assert pledges.open_payment(pledge_id=pledge.id, now=now).mode == Checkout.Mode.CHARGE
    assert pledges.pay_link(pledge).startswith("http")
