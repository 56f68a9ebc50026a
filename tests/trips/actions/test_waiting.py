"""The waiting list: who stands where, who is offered seats that became free, what happens to an offer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from payments.actions import checkouts
from payments.models import Attempt, Payment
from rally import rules
from rally.errors import BadInput
from rally.models import Notice, User
from rally.templatetags.look import local_time, local_time_zoned
from tests.factories import pledges as make
from tests.factories.payments import SAVES_THEN_DECLINES, VISA, type_card
from tests.factories.people import person
from tests.factories.trips import proposed
from tests.racing import at_once
from tests.seeing import fresh, signed_in, text
from tests.trips.actions.test_pledges import as_they_are, change
from trips import tasks
from trips.actions import pledges, trips, waiting
from trips.actions.pledges import Passenger
from trips.errors import (
    AlreadyPledged,
    ConsentMissing,
    NotChangeable,
    PledgesClosed,
    SeatsThere,
    TooManySeats,
    TripFull,
)
from trips.models import Pledge, Trip
from trips.models.pledges import Instrument
from trips.permissions import NotYours
from trips.queries import links
from trips.queries import waiting as line
from trips.states import TripState, VehicleClass

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("books")]


@pytest.fixture
def full(at: Any, now: datetime) -> tuple[Trip, list[Pledge]]:
    """A van of 14 whose seats two riders have taken by card: ten and four."""
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    return trip, [make.backed(trip, seats=10, now=now), make.backed(trip, seats=4, now=now)]


def queue(trip: Trip, rider: User | None = None, *, seats: int = 1, now: datetime, **more: Any) -> Pledge:
    """Somebody waits."""
    wanted = {
        "trip_id": trip.id,
        "rider": rider or person(f"patient{User.objects.count()}"),
        "stop": trip.stops.get(position=1),
        "passengers": [Passenger(f"Patient {n}") for n in range(1, seats + 1)],
        "consented": True,
        "now": now,
    }
    return waiting.wait(**{**wanted, **more})


def test_waiting_takes_no_seat_and_no_card(full: tuple[Trip, list[Pledge]], now: datetime, ana: User) -> None:
    trip, _in = full
    first, second = queue(trip, ana, seats=2, now=now), queue(trip, now=now + timedelta(minutes=1))

    assert (first.state, first.seats, first.payment_id, first.passengers.count()) == ("waiting", 2, None, 2)
    assert first.consent_text
    assert fresh(trip).seats_taken == 14
    assert [line.place(each) for each in (first, second)] == [1, 2]
    assert Notice.objects.filter(kind="trips.waiting").count() == 2
    with pytest.raises(AlreadyPledged):
        queue(trip, ana, now=now)
    with pytest.raises(AlreadyPledged):
        make.draft(trip, ana, now=now)
    with pytest.raises(NotChangeable):
        change(first, as_they_are(first)[:1], now)


def test_who_may_wait(full: tuple[Trip, list[Pledge]], at: Any, now: datetime) -> None:
    trip, (ten, _four) = full
    other = proposed(now=now)
    with pytest.raises(SeatsThere):
        queue(other, now=now)
    with pytest.raises(BadInput):
        queue(trip, stop=other.stops.get(position=1), now=now)
    with pytest.raises(ConsentMissing):
        queue(trip, consented=False, now=now)
    with pytest.raises(TooManySeats):
        queue(trip, seats=11, now=now)
    with pytest.raises(AlreadyPledged):
        queue(trip, ten.rider, now=now)
    with pytest.raises(PledgesClosed):
        queue(trip, now=trip.decides_at)
    with pytest.raises(BadInput):
        waiting.wait_at(code=trip.code, stop=9, rider=ten.rider, passengers=[], consented=True, now=now)
    assert queue(trip, seats=2, consent_text="Mine.", consent_version="x", now=now).consent_text == "Mine."


def test_leaving_the_list(full: tuple[Trip, list[Pledge]], now: datetime, ana: User, ben: User) -> None:
    trip, _in = full
    first, second = queue(trip, ana, now=now), queue(trip, ben, now=now + timedelta(minutes=1))

    with pytest.raises(NotYours):
        pledges.withdraw(pledge_id=first.id, by=ben, now=now)
    pledges.withdraw(pledge_id=first.id, by=ana, now=now)
    pledges.withdraw(pledge_id=first.id, by=ana, now=now)

    assert (fresh(first).state, fresh(first).ended_at) == ("withdrawn", now)
    assert (line.place(fresh(first)), line.place(second)) == (0, 1)
    assert queue(trip, ana, now=now).state == "waiting"


def test_freed_seats_go_to_the_next_whom_they_fit(full: tuple[Trip, list[Pledge]], now: datetime) -> None:
    trip, (_ten, four) = full
    five = queue(trip, seats=5, now=now)
    three = queue(trip, seats=3, now=now + timedelta(minutes=1))
    one = queue(trip, seats=1, now=now + timedelta(minutes=2))
    two = queue(trip, seats=2, now=now + timedelta(minutes=3))

    pledges.withdraw(pledge_id=four.id, by=four.rider, now=now)

    assert [fresh(each).state for each in (five, three, one, two)] == ["waiting", "draft", "draft", "waiting"]
    offered = fresh(three)
    assert (offered.offered_at, offered.reserved_until) == (now, now + timedelta(hours=5))
    assert fresh(trip).seats_taken == 14
    assert Notice.objects.filter(kind="trips.seats_offered").count() == 2
    assert waiting.offer(trip_id=trip.id, now=now) == []

    paid = make.pay(offered, now=now + timedelta(hours=4))
    assert paid.state == "backed"


def test_an_offer_that_is_not_taken_goes_on(full: tuple[Trip, list[Pledge]], at: Any, now: datetime) -> None:
    trip, (_ten, four) = full
    first, second = queue(trip, seats=4, now=now), queue(trip, seats=4, now=now + timedelta(minutes=1))
    pledges.withdraw(pledge_id=four.id, by=four.rider, now=now)
    assert fresh(first).state == "draft"

    late = now + timedelta(hours=5)
    at.move_to(late)
    tasks.expire_drafts()

    assert (fresh(first).state, fresh(second).state) == ("expired", "draft")
    assert Notice.objects.get(kind="trips.offer_over").recipient == first.rider
    with pytest.raises(NotChangeable):
        pledges.open_payment(pledge_id=first.id, now=late)


def test_who_is_at_the_checkout_at_the_end_of_an_offer_keeps_the_seat(
    full: tuple[Trip, list[Pledge]], now: datetime
) -> None:
    trip, (_ten, four) = full
    first = queue(trip, seats=4, now=now)
    pledges.withdraw(pledge_id=four.id, by=four.rider, now=now)
    late = now + timedelta(hours=4, minutes=50)

    pledges.open_payment(pledge_id=first.id, now=late)

    assert fresh(first).reserved_until == late + timedelta(minutes=31)


def test_other_ways_in_which_seats_become_free(
    full: tuple[Trip, list[Pledge]], at: Any, now: datetime
) -> None:
    trip, (ten, four) = full
    first, second = queue(trip, now=now), queue(trip, seats=2, now=now + timedelta(minutes=1))
    change(ten, as_they_are(ten)[:9], now)
    assert fresh(first).state == "draft"
    change(fresh(first), as_they_are(first), now)  # nothing changes

    at.move_to(now + timedelta(hours=5))
    tasks.expire_drafts()
    assert fresh(second).state == "waiting"  # one seat is not two
    pledges.withdraw(pledge_id=four.id, by=four.rider, now=now)
    assert fresh(second).state == "draft"


def test_a_larger_bus(at: Any, now: datetime) -> None:
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    make.backed(trip, seats=8, now=now)
    make.bound(trip, seats=9, now=now)
    make.backed(fresh(trip), seats=1, now=now)
    assert (fresh(trip).state, fresh(trip).seats_left) == ("confirmed", 0)
    first = queue(fresh(trip), seats=2, now=now)

    trips.bind_bus(trip_id=trip.id, seats=14, operator_name="Larger Lines", now=now, by=None)

    offered = fresh(first)
    assert (offered.state, offered.instrument) == ("draft", Instrument.CHARGE)


def test_offers_end_with_the_time_there_is(full: tuple[Trip, list[Pledge]], at: Any, now: datetime) -> None:
    trip, (_ten, four) = full
    first = queue(trip, now=now)
    ends = line.offer_ends_by(trip)
    assert ends is not None
    assert ends > trip.decides_at

    pledges.withdraw(pledge_id=four.id, by=four.rider, now=now)
    Pledge.objects.filter(id=first.id).update(state="waiting", offered_at=None)
    assert [
        each.reserved_until for each in waiting.offer(trip_id=trip.id, now=ends - timedelta(hours=1))
    ] == [ends]
    Pledge.objects.filter(id=first.id).update(state="waiting", offered_at=None)
    assert waiting.offer(trip_id=trip.id, now=ends - timedelta(minutes=30)) == []
    assert fresh(first).state == "waiting"
    waiting.offer(trip_id=trip.id, now=ends)
    assert fresh(first).state == "expired"


def test_the_words_of_the_offer_are_agreed_to_anew_when_they_differ(at: Any, now: datetime) -> None:
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    nine = make.backed(trip, seats=9, now=now)
    five = make.backed(trip, seats=5, now=now)
    first = queue(trip, now=now)
    assert first.instrument == Instrument.SAVED_CARD
    make.bound(trip, seats=14, now=now)
    assert (fresh(trip).state, fresh(nine).state) == ("confirmed", "paid")

    pledges.withdraw(pledge_id=five.id, by=five.rider, now=now)

    offered = Pledge.objects.select_related("trip__event__venue", "stop").get(id=first.id)
    assert (offered.state, offered.instrument) == ("draft", Instrument.CHARGE)
    words = line.words_to_agree(offered, now)
    assert words is not None
    assert "charged now" in words.text
    with pytest.raises(ConsentMissing):
        pledges.open_payment(pledge_id=first.id, now=now)
    with pytest.raises(ConsentMissing):
        waiting.agree(pledge_id=first.id, shown="something else", now=now)
    with pytest.raises(NotChangeable):
        waiting.agree(pledge_id=nine.id, shown=words.text, now=now)
    waiting.agree(pledge_id=first.id, shown=words.text, now=now)
    waiting.agree(pledge_id=first.id, shown=words.text, now=now)

    agreed = fresh(first)
    assert (agreed.consent_text, agreed.consented_at) == (words.text, now)
    assert make.pay(agreed, now=now).state == "paid"


@pytest.mark.parametrize("how", ["cancelled", "lapsed", "under_way"])
def test_the_list_ends_with_the_trip(at: Any, now: datetime, how: str) -> None:
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    make.backed(trip, seats=10, now=now)
    make.backed(trip, seats=4, now=now)
    first = queue(trip, now=now)
    if how == "cancelled":
        trips.cancel(trip_id=trip.id, now=now, by=None)
    elif how == "lapsed":
        at.move_to(trip.decides_at)
        tasks.settle_due()
        assert fresh(trip).state == "lapsed"
    else:
        make.bound(trip, seats=14, now=now)
        trips.set_off(trip_id=trip.id, now=now, by=None)
    tasks.settle_due()

    assert fresh(first).state == "expired"
    assert Notice.objects.get(kind="trips.waiting_ended").recipient == first.rider


@pytest.fixture
def short(at: Any, now: datetime) -> tuple[Trip, Pledge, Pledge]:
    """A van whose bus of nine came on the last day: eight seats are held, one card was refused, and somebody waits."""
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    make.backed(trip, seats=8, now=now)
    poor = make.backed(trip, card=SAVES_THEN_DECLINES, now=now)
    late = trip.decides_at - timedelta(hours=2)
    at.move_to(late)
    make.bound(trip, seats=9, now=late)
    assert (fresh(trip).state, fresh(poor).state) == (TripState.SETTLING, "needs_card")
    return fresh(trip), fresh(poor), queue(fresh(trip), now=late)


def test_who_waits_fills_the_gap_of_a_refused_card(
    short: tuple[Trip, Pledge, Pledge], at: Any, now: datetime
) -> None:
    trip, poor, patient = short
    due, end = poor.card_due_at, trip.grace_ends_at
    assert (due, end) == (end - timedelta(hours=5, minutes=31), end)
    assert end > trip.decides_at
    asked = Notice.objects.get(recipient=poor.rider, kind="trips.card_needs_you").facts
    assert asked["until"] == local_time_zoned(due, poor.stop)
    page = text(signed_in(poor.rider).get(poor.get_absolute_url()))
    assert f"Use another card by {local_time(due, poor.stop)}, or your seats go to somebody else." in page

    at.move_to(due - timedelta(minutes=1))
    tasks.settle_due()
    assert (fresh(poor).state, fresh(patient).state) == ("needs_card", "waiting")
    at.move_to(due)
    for _twice in range(2):
        tasks.settle_due()

    assert (fresh(poor).state, fresh(poor.payment).state) == ("released", "released")
    assert Notice.objects.filter(recipient=poor.rider, kind="trips.dropped").count() == 1
    assert Client().get(asked["pay_url"]).status_code == 410
    assert (fresh(patient).state, fresh(trip).seats_taken) == ("draft", 9)
    assert fresh(patient).reserved_until == due + timedelta(hours=5)
    last = due + timedelta(hours=4, minutes=59)
    at.move_to(last)
    make.pay(fresh(patient), now=last)
    assert (fresh(trip).state, fresh(patient).state) == (TripState.CONFIRMED, "paid")
    assert not Attempt.objects.filter(payment=poor.payment, captured_minor__gt=0).exists()


def test_a_refused_card_is_kept_where_nobody_fills_its_gap(
    short: tuple[Trip, Pledge, Pledge], at: Any, now: datetime
) -> None:
    trip, poor, patient = short
    pledges.withdraw(pledge_id=patient.id, by=patient.rider, now=now)
    link = links.pay_link(poor)
    later = poor.card_due_at + timedelta(hours=1)
    at.move_to(later)
    party = queue(trip, seats=2, now=later)
    tasks.settle_due()

    assert (fresh(poor).state, fresh(party).state) == ("needs_card", "waiting")
    assert Client().get(link).status_code == 303
    Payment.objects.filter(id=poor.payment_id).update(decline_code="insufficient_funds")
    tasks.remind()  # the bank is asked once more and says no again: the same asking, and no more time
    assert Attempt.objects.filter(payment=poor.payment).count() == 2
    assert (fresh(poor).state, fresh(poor).card_due_at) == ("needs_card", poor.card_due_at)
    assert Client().get(link).status_code == 303
    make.pay(fresh(poor), now=later)
    assert (fresh(trip).state, fresh(poor).state) == (TripState.CONFIRMED, "paid")


def test_nobody_gives_way_where_the_trip_stays_too_small(
    short: tuple[Trip, Pledge, Pledge], at: Any, now: datetime
) -> None:
    trip, poor, patient = short
    Trip.objects.filter(id=trip.id).update(capacity=10, threshold=10)
    queue(trip, seats=2, now=trip.decides_at - timedelta(hours=1))
    at.move_to(poor.card_due_at)

    for moment in (poor.card_due_at, trip.grace_ends_at - timedelta(minutes=30)):
        assert waiting.give_way(trip_id=trip.id, now=moment) == []
    assert (fresh(poor).state, fresh(patient).state) == ("needs_card", "waiting")


def test_a_new_card_of_which_nobody_has_heard_counts(
    short: tuple[Trip, Pledge, Pledge], at: Any, now: datetime
) -> None:
    trip, poor, patient = short
    before = poor.card_due_at - timedelta(minutes=1)
    at.move_to(before)
    to_pay = pledges.open_payment(pledge_id=poor.id, now=before)
    here = links.paid_link(poor)
    page = checkouts.go(
        payment_id=to_pay.payment_id, mode=to_pay.mode, success_url=here, cancel_url=here, now=before
    )
    type_card(page, VISA)  # and the tab is closed

    at.move_to(poor.card_due_at)
    tasks.settle_due()

    assert (fresh(trip).state, fresh(poor).state) == (TripState.CONFIRMED, "paid")
    assert fresh(patient).state == "waiting"


def test_nobody_gives_way_for_a_bus_that_left(
    short: tuple[Trip, Pledge, Pledge], at: Any, now: datetime
) -> None:
    trip, poor, patient = short
    at.move_to(poor.card_due_at)
    Trip.objects.filter(id=trip.id).update(seats_supplied=0)

    assert waiting.give_way(trip_id=trip.id, now=poor.card_due_at) == []
    assert (fresh(poor).state, fresh(patient).state) == ("needs_card", "waiting")


@pytest.mark.race
@pytest.mark.parametrize("turn", range(3))
def test_a_new_card_and_giving_way_at_the_same_moment(
    turn: int, short: tuple[Trip, Pledge, Pledge], at: Any
) -> None:
    trip, poor, patient = short
    due = poor.card_due_at
    at.move_to(due)

    at_once(
        lambda: make.pay(poor, now=due),
        lambda: waiting.give_way(trip_id=trip.id, now=due),
        lambda: waiting.give_way(trip_id=trip.id, now=due),
    )
    for _twice in range(2):
        tasks.settle_due()

    mended = fresh(poor).state == "paid"
    assert (fresh(trip).state == TripState.CONFIRMED) is mended
    assert fresh(patient).state == ("waiting" if mended else "draft")
    assert (fresh(poor).state, fresh(trip).seats_taken) == ("paid" if mended else "released", 9)
    taken = Attempt.objects.filter(payment=poor.payment, captured_minor__gt=0)
    assert taken.count() == mended
    if not mended:
        assert fresh(poor.payment).state == "released"


@pytest.mark.race
def test_an_offer_and_a_new_joiner(full: tuple[Trip, list[Pledge]], now: datetime) -> None:
    trip, (_ten, four) = full
    first = queue(trip, seats=4, now=now)
    Pledge.objects.filter(id=four.id).update(state="released")
    joiners = [person(f"quick{n}") for n in range(4)]

    answers = at_once(
        lambda: waiting.offer(trip_id=trip.id, now=now),
        *[lambda rider=rider: make.draft(trip, rider, seats=4, now=now) for rider in joiners],
        lambda: waiting.offer(trip_id=trip.id, now=now),
    )

    seated = [answer for answer in answers[1:-1] if isinstance(answer, Pledge)]
    refused = [answer for answer in answers[1:-1] if isinstance(answer, TripFull)]
    offered = fresh(first).state == "draft"
    assert len(seated) + offered == 1
    assert len(seated) + len(refused) == 4
    assert fresh(trip).seats_taken == 14


def test_the_numbers_are_rules(full: tuple[Trip, list[Pledge]], now: datetime) -> None:
    trip, (_ten, four) = full
    rules.change("waiting_offer_hours", 2, now=now, by=None)
    first = queue(trip, now=now)

    pledges.withdraw(pledge_id=four.id, by=four.rider, now=now)

    assert fresh(first).reserved_until == now + timedelta(hours=2)


def test_nobody_is_offered_a_seat_on_a_trip_that_lost_its_bus(
    full: tuple[Trip, list[Pledge]], now: datetime
) -> None:
    trip, _riders = full
    make.bound(trip, seats=14, now=now)
    words = waiting.wait(
        trip_id=trip.id, rider=person("late"), stop=trip.stops.get(position=1), passengers=[Passenger("Late")],
        consented=True, now=now,
    )  # fmt: skip
    trips.lose_bus(trip_id=trip.id, now=now, by=None)
    Trip.objects.filter(id=trip.id).update(seats_taken=0)
    assert fresh(trip).state == "confirmed"
    assert waiting.offer(trip_id=trip.id, now=now) == []
    assert fresh(words).state == "waiting"
    Trip.objects.filter(id=trip.id).update(seats_taken=14)


def test_nobody_agrees_to_a_bus_that_was_lost(at: Any, now: datetime) -> None:
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    make.backed(trip, seats=9, now=now)
    five = make.backed(trip, seats=5, now=now)
    first = queue(trip, now=now)
    make.bound(trip, seats=14, now=now)
    pledges.withdraw(pledge_id=five.id, by=five.rider, now=now)
    link = Notice.objects.get(kind="trips.seats_offered").facts["pay_url"]
    assert "The bus is certain" in text(Client().get(link))

    trips.lose_bus(trip_id=trip.id, now=now, by=None)

    for answer in (Client().get(link), Client().post(link, {"do": "take", "consent": "on"})):
        assert answer.status_code == 409
        assert "another bus is being found" in text(answer)
        assert "The bus is certain" not in text(answer)
    offered = Pledge.objects.select_related("trip__event__venue", "stop").get(id=first.id)
    words = line.words_to_agree(offered, now)
    assert words is not None
    with pytest.raises(PledgesClosed, match="another bus is being found"):
        waiting.agree(pledge_id=first.id, shown=words.text, now=now)
    page = text(signed_in(first.rider).get(first.get_absolute_url()))
    assert "Nobody new pays before it is found." in page

    make.bound(trip, seats=14, now=now)
    waiting.agree(pledge_id=first.id, shown=words.text, now=now)
    assert make.pay(fresh(first), now=now).state == "paid"
    assert not Notice.objects.filter(kind="trips.bus_lost", recipient=first.rider).exists()
