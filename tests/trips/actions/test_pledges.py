"""Taking seats, changing them, handing them over, leaving."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from payments.models import Payment
from payments.states import PaymentState
from rally.errors import BadInput
from rally.models import Notice, StateChange, User
from rally.money import Money
from tests.factories import pledges as make
from tests.factories.people import person, proven
from tests.factories.trips import proposed
from tests.racing import at_once
from tests.seeing import fresh
from trips.actions import backing, pledges, settlement, trips
from trips.actions.pledges import Passenger
from trips.errors import (
    AlreadyPledged,
    AmountChanged,
    ConsentMissing,
    NotChangeable,
    PledgesClosed,
    TooManySeats,
    TripFull,
)
from trips.models import Pledge, Seat, Trip
from trips.models.pledges import Instrument
from trips.permissions import NotYours
from trips.states import PledgeState, TripState, VehicleClass


@pytest.fixture
def trip(db: None, now: datetime) -> Trip:
    """A coach that gathers riders; goes at 25."""
    return proposed(now=now)


def take(trip: Trip, rider: User, now: datetime, **changes: Any) -> Pledge:
    """`make`, with something changed."""
    wanted = {
        "trip_id": trip.id,
        "rider": rider,
        "stop_id": trip.stops.get(position=1).id,
        "passengers": [Passenger("Ana")],
        "consent_text": "I agree.",
        "consent_version": "test",
        "consented": True,
        "now": now,
    }
    return pledges.make(**{**wanted, **changes})


# --- joining


def test_reserves_seats_for_a_while(trip: Trip, ana: User, now: datetime) -> None:
    pledge = take(trip, ana, now, passengers=[Passenger("Ana", ("wheelchair",)), Passenger("Bo")])

    assert (pledge.state, pledge.seats, pledge.instrument) == ("draft", 2, Instrument.SAVED_CARD)
    assert pledge.reserved_until == now + timedelta(minutes=31)
    assert pledge.amount == pledge.fare * 2
    assert pledge.policy == [[168, 100], [72, 75], [24, 50], [0, 0]]
    assert [(seat.name, seat.needs) for seat in pledge.passengers.all()] == [
        ("Ana", ["wheelchair"]),
        ("Bo", []),
    ]
    assert (fresh(trip).seats_taken, fresh(trip).seats_pledged) == (2, 0)
    assert not StateChange.objects.filter(subject=pledge.id).exists()  # its own row says who and when


def test_twice_is_refused(trip: Trip, ana: User, now: datetime) -> None:
    take(trip, ana, now)

    with pytest.raises(AlreadyPledged):
        take(trip, ana, now)


def test_an_ended_pledge_does_not_block(trip: Trip, ana: User, now: datetime) -> None:
    first = take(trip, ana, now)
    pledges.withdraw(pledge_id=first.id, by=ana, now=now)

    assert take(trip, ana, now).state == "draft"
    assert fresh(first).state == "withdrawn"


def test_needs_consent(trip: Trip, ana: User, now: datetime) -> None:
    with pytest.raises(ConsentMissing):
        take(trip, ana, now, consented=False)
    with pytest.raises(ConsentMissing):
        take(trip, ana, now, consent_text="  ")


def test_needs_a_stop_of_this_trip(trip: Trip, ana: User, now: datetime) -> None:
    other = proposed(now=now)

    with pytest.raises(BadInput) as refusal:
        take(trip, ana, now, stop_id=other.stops.get(position=1).id)
    assert refusal.value.field == "stop"


@pytest.mark.parametrize(
    "names", [[], [""], ["   "], ["\x00\x07"], ["\u202e"], ["x" * 10_000], ["ok", "x" * 81]]
)
def test_names_that_are_none(trip: Trip, ana: User, now: datetime, names: list[str]) -> None:
    with pytest.raises(BadInput) as refusal:
        take(trip, ana, now, passengers=[Passenger(name) for name in names])
    assert refusal.value.field == "passengers"
    assert not Pledge.objects.exists()


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Ana \t Maria\n", "Ana Maria"),
        ("Zoë 🚌", "Zoë 🚌"),
        ("שרה כהן", "שרה כהן"),
        ("A\u202eevil\u202c", "Aevil"),
        ("Ana\x00\x1b[31m", "Ana[31m"),
        ("👩\u200d🚀 Ada", "👩\u200d🚀 Ada"),
        ("<b>Bob</b>", "<b>Bob</b>"),
        ("e\u0301", "é"),
    ],
)
def test_names_in_any_script(typed: str, kept: str) -> None:
    assert pledges.clean_name(typed) == kept


def test_unknown_needs(trip: Trip, ana: User, now: datetime) -> None:
    with pytest.raises(BadInput):
        take(trip, ana, now, passengers=[Passenger("Ana", ("throne",))])


def test_two_hundred_names(trip: Trip, ana: User, now: datetime) -> None:
    with pytest.raises(TooManySeats):
        take(trip, ana, now, passengers=[Passenger(f"P{n}") for n in range(200)])


def test_full(db: None, now: datetime) -> None:
    van = proposed(vehicle_class=VehicleClass.VAN, now=now)
    make.draft(van, seats=10, now=now)

    with pytest.raises(TripFull) as refusal:
        make.draft(van, seats=5, now=now)
    assert refusal.value.facts == {"left": 4}


def test_closed_once_it_is_decided(trip: Trip, ana: User, now: datetime) -> None:
    with pytest.raises(PledgesClosed):
        take(trip, ana, trip.decides_at)
    settlement.settle(trip_id=trip.id, now=trip.decides_at)
    with pytest.raises(PledgesClosed) as refusal:
        take(trip, ana, now)
    assert "did not run" in refusal.value.message


@pytest.mark.parametrize(
    "state", [TripState.CANCELLED, TripState.COMPLETED, TripState.UNDER_WAY, TripState.CLOSED]
)
def test_closed_when_it_is_over(trip: Trip, ana: User, now: datetime, state: str) -> None:
    Trip.objects.filter(id=trip.id).update(state=state, decided_at=now)

    with pytest.raises(PledgesClosed):
        take(trip, ana, now)


def test_joins_while_cards_are_checked_until_the_grace_is_over(trip: Trip, ana: User, now: datetime) -> None:
    Trip.objects.filter(id=trip.id).update(
        state=TripState.SETTLING, settling_since=now, grace_ends_at=now + timedelta(hours=10)
    )

    assert take(trip, ana, now).instrument == Instrument.HOLD
    with pytest.raises(PledgesClosed):
        take(trip, person("late"), now + timedelta(hours=10))


def test_pays_at_once_when_it_is_certain(trip: Trip, ana: User, now: datetime) -> None:
    Trip.objects.filter(id=trip.id).update(state=TripState.CONFIRMED, decided_at=now, seats_supplied=14)

    assert take(trip, ana, now).instrument == Instrument.CHARGE
    with pytest.raises(PledgesClosed):
        take(trip, person("late"), trip.departs_at)


def test_holds_when_the_decision_is_near(trip: Trip, ana: User) -> None:
    assert take(trip, ana, trip.decides_at - timedelta(days=2)).instrument == Instrument.HOLD


# --- paying


@pytest.mark.django_db(transaction=True)
def test_card_saved(at: Any, now: datetime) -> None:
    trip = proposed(now=now)
    pledge = make.backed(trip, seats=2, now=now)

    assert (pledge.state, pledge.payment.state) == ("backed", PaymentState.CARD_SAVED)
    assert (fresh(trip).seats_pledged, fresh(trip).seats_funded) == (2, 0)
    assert Notice.objects.filter(kind="trips.pledged", recipient=pledge.rider).count() == 1


@pytest.mark.django_db(transaction=True)
def test_open_payment_twice_is_one_payment(at: Any, now: datetime) -> None:
    pledge = make.draft(proposed(now=now), now=now)

    first = pledges.open_payment(pledge_id=pledge.id, now=now)
    second = pledges.open_payment(pledge_id=pledge.id, now=now + timedelta(minutes=5))

    assert first == second
    assert Payment.objects.count() == 1
    assert fresh(pledge).reserved_until == now + timedelta(minutes=36)
    pledges.open_payment(pledge_id=pledge.id, now=now + timedelta(minutes=60))
    assert fresh(pledge).reserved_until == now + timedelta(minutes=62)


@pytest.mark.django_db(transaction=True)
def test_nothing_to_pay_once_it_is_done(at: Any, now: datetime) -> None:
    pledge = make.backed(proposed(now=now), now=now)

    with pytest.raises(NotChangeable):
        pledges.open_payment(pledge_id=pledge.id, now=now)


@pytest.mark.django_db(transaction=True)
def test_a_draft_expires_and_a_late_card_is_let_go(at: Any, now: datetime) -> None:
    trip = proposed(now=now)
    pledge = make.draft(trip, now=now)
    to_pay = pledges.open_payment(pledge_id=pledge.id, now=now)

    backing.expire(pledge_id=pledge.id, now=now)
    assert fresh(pledge).state == "draft"
    over = now + timedelta(minutes=32)
    backing.expire(pledge_id=pledge.id, now=over)
    backing.expire(pledge_id=pledge.id, now=over)

    assert fresh(pledge).state == "expired"
    assert fresh(trip).seats_taken == 0
    assert Payment.objects.get(id=to_pay.payment_id).state == PaymentState.RELEASED
    with pytest.raises(NotChangeable):
        pledges.open_payment(pledge_id=pledge.id, now=over)


# --- leaving


@pytest.mark.django_db(transaction=True)
def test_leaving_before_it_is_certain_is_free(at: Any, now: datetime) -> None:
    trip = proposed(now=now)
    pledge = make.backed(trip, seats=3, now=now)

    pledges.withdraw(pledge_id=pledge.id, by=pledge.rider, now=now)
    pledges.withdraw(pledge_id=pledge.id, by=pledge.rider, now=now)

    assert fresh(pledge).state == "withdrawn"
    assert fresh(pledge.payment).state == PaymentState.RELEASED
    assert fresh(trip).seats_taken == 0
    assert Notice.objects.filter(kind="trips.withdrawn").count() == 1


def test_only_the_rider_leaves(trip: Trip, ana: User, max_: User, now: datetime) -> None:
    pledge = take(trip, ana, now)

    with pytest.raises(NotYours):
        pledges.withdraw(pledge_id=pledge.id, by=max_, now=now)


def confirmed_van(now: datetime) -> tuple[Trip, Pledge]:
    """A van that goes, and one paid pledge of two seats on it."""
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    mine = make.backed(trip, seats=2, now=now)
    make.backed(trip, seats=9, now=now)
    make.bound(trip, seats=14, now=now)
    assert fresh(trip).state == TripState.CONFIRMED
    assert fresh(mine).state == PledgeState.PAID
    return fresh(trip), fresh(mine)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("hours", "percent"), [(168, 100), (167.9, 75), (72, 75), (71.9, 50), (24, 50), (23.9, 0)]
)
def test_leaving_after_it_is_certain(at: Any, now: datetime, hours: float, percent: int) -> None:
    trip, mine = confirmed_van(now)
    then = trip.departs_at - timedelta(hours=hours)
    at.move_to(then)
    back = mine.amount - mine.amount.percent(100 - percent)

    assert pledges.leaving(mine, then).refund == back
    pledges.withdraw(pledge_id=mine.id, by=mine.rider, now=then, agreed=back)
    backing.follow(payment_id=mine.payment_id, now=then)

    assert fresh(mine).state == "refunded"
    assert fresh(mine.payment).refunded_minor == back.minor
    assert fresh(trip).seats_taken == 9
    assert fresh(trip).state == TripState.CONFIRMED


@pytest.mark.django_db(transaction=True)
def test_the_amount_shown_is_the_amount_agreed_to(at: Any, now: datetime) -> None:
    trip, mine = confirmed_van(now)

    with pytest.raises(AmountChanged):
        pledges.withdraw(
            pledge_id=mine.id, by=mine.rider, now=trip.departs_at - timedelta(hours=100), agreed=mine.amount
        )
    assert fresh(mine).state == "paid"


@pytest.mark.django_db(transaction=True)
def test_nobody_leaves_a_moving_bus(at: Any, now: datetime) -> None:
    trip, mine = confirmed_van(now)
    trips.set_off(trip_id=trip.id, now=trip.departs_at, by=None)

    with pytest.raises(NotChangeable):
        pledges.withdraw(pledge_id=mine.id, by=mine.rider, now=trip.departs_at)


# --- changing


def change(pledge: Pledge, people: list[Passenger], now: datetime, **more: Any) -> Pledge:
    """`change_seats` with consent."""
    facts = {"consent_text": "I agree to more.", "consent_version": "test2", "consented": True}
    return pledges.change_seats(
        pledge_id=pledge.id, passengers=people, by=pledge.rider, now=now, **{**facts, **more}
    )


def as_they_are(pledge: Pledge) -> list[Passenger]:
    """The passengers of a pledge, as a form sends them back."""
    return [Passenger(seat.name, tuple(seat.needs), seat.id) for seat in pledge.passengers.all()]


@pytest.mark.django_db(transaction=True)
def test_more_seats_before_anything_is_held(at: Any, now: datetime) -> None:
    trip = proposed(now=now)
    pledge = make.backed(trip, seats=1, now=now)
    code = pledge.passengers.get().code

    change(pledge, [*as_they_are(pledge), Passenger("Bo")], now)

    after = fresh(pledge)
    assert (after.seats, after.consent_text, after.state) == (2, "I agree to more.", "backed")
    assert after.payment.amount == after.amount
    assert [seat.name for seat in after.passengers.all()] == ["Passenger 1", "Bo"]
    assert after.passengers.first().code == code
    assert fresh(trip).seats_pledged == 2


@pytest.mark.django_db(transaction=True)
def test_more_seats_need_consent_and_room(at: Any, now: datetime) -> None:
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    pledge = make.backed(trip, seats=8, now=now)
    make.draft(trip, seats=5, now=now)
    more = [*as_they_are(pledge), Passenger("X"), Passenger("Y")]

    with pytest.raises(ConsentMissing):
        change(pledge, more[:9], now, consented=False)
    with pytest.raises(TripFull):
        change(pledge, more, now)
    assert fresh(pledge).passengers.count() == 8


@pytest.mark.django_db(transaction=True)
def test_fewer_seats_free_of_charge(at: Any, now: datetime) -> None:
    trip = proposed(now=now)
    pledge = make.backed(trip, seats=3, now=now)

    change(pledge, as_they_are(pledge)[1:2], now, consented=False)

    assert fresh(pledge).seats == 1
    assert fresh(pledge.payment).amount == fresh(pledge).fare
    assert fresh(trip).seats_taken == 1


@pytest.mark.django_db(transaction=True)
def test_more_than_the_hold_goes_back_to_a_saved_card(at: Any, now: datetime) -> None:
    trip = proposed(now=now)
    near = trip.decides_at - timedelta(days=2)
    at.move_to(near)
    pledge = make.backed(trip, seats=1, now=near)
    assert pledge.state == "held"

    change(pledge, [*as_they_are(pledge), Passenger("Bo")], near)
    backing.follow(payment_id=pledge.payment_id, now=near)

    after = fresh(pledge)
    assert (after.state, after.payment.state) == ("backed", PaymentState.CARD_SAVED)
    assert after.payment.amount == after.fare * 2


@pytest.mark.django_db(transaction=True)
def test_fewer_seats_after_paying(at: Any, now: datetime) -> None:
    trip, mine = confirmed_van(now)
    then = trip.departs_at - timedelta(hours=100)

    change(mine, as_they_are(mine)[:1], then, agreed=mine.fare.percent(75))
    change(mine, as_they_are(fresh(mine)), then)

    assert (fresh(mine).seats, fresh(mine).state) == (1, "paid")
    assert fresh(mine.payment).refunded_minor == mine.fare.minor - mine.fare.percent(25).minor


def test_names_only(trip: Trip, ana: User, now: datetime) -> None:
    pledge = take(trip, ana, now)
    seat = pledge.passengers.get()

    change(pledge, [Passenger("Anna", ("step_free",), seat.id)], now, consented=False)

    assert (fresh(seat).name, fresh(seat).needs, fresh(seat).code) == ("Anna", ["step_free"], seat.code)


def test_a_seat_of_another_pledge(trip: Trip, ana: User, ben: User, now: datetime) -> None:
    mine, other = take(trip, ana, now), take(trip, ben, now)

    with pytest.raises(BadInput):
        change(mine, as_they_are(other), now)


# --- handing over


@pytest.mark.django_db(transaction=True)
def test_hand_a_seat_over(at: Any, now: datetime) -> None:
    trip = proposed(now=now)
    pledge = make.backed(trip, seats=2, now=now)
    seat = pledge.passengers.first()

    for _twice in range(2):
        pledges.hand_over(seat_id=seat.id, email="Fred@Test.example ", name="Fred", by=pledge.rider, now=now)

    after = fresh(seat)
    assert (after.name, after.holder.email) == ("Fred", "fred@test.example")
    assert after.code != seat.code
    assert Notice.objects.filter(kind="trips.handed_over", recipient=after.holder).count() == 1
    pledges.hand_over(seat_id=seat.id, email=pledge.rider.email, name="Me", by=proven(after.holder), now=now)
    assert (fresh(seat).holder, fresh(seat).name) == (None, "Me")


@pytest.mark.django_db(transaction=True)
def test_a_misspelt_name_is_mended_without_another_pass(at: Any, now: datetime) -> None:
    pledge = make.backed(proposed(now=now), now=now)
    seat = pledge.passengers.get()
    pledges.hand_over(seat_id=seat.id, email="fred@test.example", name="Fert", by=pledge.rider, now=now)
    given = fresh(seat)

    pledges.hand_over(seat_id=seat.id, email="fred@test.example", name="Fred", by=pledge.rider, now=now)

    after = fresh(seat)
    assert (after.name, after.holder, after.code) == ("Fred", given.holder, given.code)
    assert Notice.objects.filter(kind="trips.handed_over").count() == 1


@pytest.mark.django_db(transaction=True)
def test_hand_over_refused(at: Any, now: datetime, max_: User) -> None:
    trip = proposed(now=now)
    pledge = make.backed(trip, now=now)
    seat = pledge.passengers.get()

    with pytest.raises(NotYours):
        pledges.hand_over(seat_id=seat.id, email="a@b.example", name="A", by=max_, now=now)
    with pytest.raises(NotChangeable):
        pledges.hand_over(
            seat_id=seat.id, email="a@b.example", name="A", by=pledge.rider, now=trip.departs_at
        )


def test_a_draft_is_not_handed_over(trip: Trip, ana: User, now: datetime) -> None:
    seat = take(trip, ana, now).passengers.get()

    with pytest.raises(NotChangeable):
        pledges.hand_over(seat_id=seat.id, email="a@b.example", name="A", by=ana, now=now)


# --- races


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_the_last_seat_goes_to_exactly_one(now: datetime) -> None:
    van = proposed(vehicle_class=VehicleClass.VAN, now=now)
    make.draft(van, seats=10, now=now)
    make.draft(van, seats=3, now=now)
    riders = [person(f"hopeful{n}") for n in range(6)]

    answers = at_once(*[lambda rider=rider: make.draft(van, rider, now=now) for rider in riders])

    assert sorted(type(answer).__name__ for answer in answers) == ["Pledge"] + ["TripFull"] * 5
    assert fresh(van).seats_taken == 14


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_one_rider_in_two_tabs(now: datetime) -> None:
    trip, rider = proposed(now=now), person("double")

    answers = at_once(*[lambda: make.draft(trip, rider, now=now)] * 3)

    assert sorted(type(answer).__name__ for answer in answers) == [
        "AlreadyPledged",
        "AlreadyPledged",
        "Pledge",
    ]


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_expiry_and_the_way_to_the_checkout(now: datetime) -> None:
    pledge = make.draft(proposed(now=now), now=now)
    over = now + timedelta(minutes=31)

    at_once(
        lambda: backing.expire(pledge_id=pledge.id, now=over),
        lambda: pledges.open_payment(pledge_id=pledge.id, now=over),
    )

    after = fresh(pledge)
    if after.state == "draft":
        assert after.reserved_until > over
    else:
        assert after.state == "expired"
        assert after.payment is None or after.payment.state == PaymentState.RELEASED


def test_money_is_never_a_float(trip: Trip, ana: User, now: datetime) -> None:
    assert isinstance(take(trip, ana, now).amount, Money)
    assert Seat.objects.count() == 1
