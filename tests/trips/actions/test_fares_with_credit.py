"""A price that falls, for riders who pay with credit and codes as well: each part as if it had cost that from the start."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine

from payments import queries as money
from payments.actions import audits, contributions, operations, payments, sightings
from payments.models import Account, Attempt, Contribution, Refund
from payments.sandbox import runtime
from rally import rules
from rally.models import Notice, User
from rally.money import Money
from tests.factories import pledges as make
from tests.factories.people import person
from tests.factories.promotions import credited, promotion
from tests.factories.trips import proposed, stop
from tests.trips.actions.test_fares import share
from trips import tasks
from trips.actions import covering, fares, trips
from trips.actions.backing import payment_id_of
from trips.models import Pledge, Promotion, Trip
from trips.queries import fares as prices
from trips.states import PledgeState, VehicleClass

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock(now: datetime) -> Any:
    """The wall clock stands still until it is moved."""
    with time_machine.travel(now, tick=False) as traveller:
        yield traveller


@pytest.fixture
def van(clock: Any, now: datetime) -> Trip:
    """A van that goes at 9 of 14: [[9, 100], [11, 82], [13, 70], [14, 65]]."""
    rules.change("max_seats_per_pledge", 14, now=now, by=None)
    return proposed(vehicle_class=VehicleClass.VAN, stops=[stop()], falling_fares=True, now=now)


def covered(
    trip: Trip, *, seats: int, credit: int = 0, code: str = "", now: datetime, rider: User | None = None
) -> Pledge:
    """Seats that credit and a code pay a part of; the card is given."""
    rider = rider or person(f"saver{Pledge.objects.count()}")
    if credit:
        credited(rider, credit, now)
    draft = make.draft(trip, rider, seats=seats, now=now)
    covering.cover(pledge_id=draft.id, promotion=code, use_credit=bool(credit), now=now)
    return make.pay(draft, now=now)


def gone(trip: Trip, now: datetime) -> None:
    """The bus is bound, and that decides it."""
    make.bound(trip, seats=14, now=now)
    trip.refresh_from_db()
    assert trip.state == "confirmed"


def paid(pledge: Pledge) -> tuple[int, int, int]:
    """What of its price a code, credit and the card have paid in the end, in cents."""
    pledge = Pledge.objects.select_related("payment").get(id=pledge.id)
    assert pledge.state == PledgeState.PAID
    assert pledge.payment is not None
    kept = {row.source: row.kept_minor for row in Contribution.objects.filter(payment=pledge.payment)}
    found = (
        kept.get(Account.PROMOTION, 0),
        kept.get(Account.RIDER_CREDIT, 0),
        pledge.payment.refundable.minor,
    )
    assert sum(found) == pledge.charge.minor
    return found


def close(trip: Trip, clock: Any) -> datetime:
    """What the sweep does a day before departure, twice; nobody paid too much, and all books agree."""
    moment: datetime = trip.departs_at - timedelta(hours=24)
    clock.move_to(moment)
    for _twice in range(2):
        tasks.close_fares()
    assert prices.overcharged() == []
    contributions.hand_back_due(now=moment)
    assert audits.check(now=moment) == {}
    return moment


def test_the_locked_price_is_paid_by_code_credit_and_card(van: Trip, now: datetime) -> None:
    promotion(percent=20)
    one = covered(van, seats=3, credit=2000, code="GAMEDAY", now=now)
    two = covered(van, seats=8, credit=3000, now=now)
    full = van.stops.get().fare_minor
    held = {each.payment_id: each.amount_minor for each in Attempt.objects.all()}
    assert held == {}  # cards are saved, nothing is asked yet

    gone(van, now)

    each = share(full, 82)
    assert van.locked_percent == 82
    assert paid(one) == (3 * each * 20 // 100, 2000, 3 * each - 3 * each * 20 // 100 - 2000)
    assert paid(two) == (0, 3000, 8 * each - 3000)
    held = {each.payment_id: each.amount_minor for each in Attempt.objects.all()}
    assert held == {
        one.payment_id: 3 * full - 3 * full * 20 // 100 - 2000,
        two.payment_id: 8 * full - 3000,
    }
    contributions.hand_back_due(now=now)
    assert audits.check(now=now) == {}
    assert prices.overcharged() == []


def test_a_fall_comes_back_to_the_card_first_and_then_as_credit(van: Trip, clock: Any, now: datetime) -> None:
    full = van.stops.get().fare_minor
    by_card = covered(van, seats=5, credit=1000, now=now)
    by_credit = covered(van, seats=6, credit=6 * full, now=now)  # all but the least that a card pays
    gone(van, now)
    price = share(full, 82)
    assert paid(by_credit) == (0, 6 * price - 100, 100)
    make.backed(van, seats=3, now=now)

    close(van, clock)

    last = share(full, 65)
    assert paid(by_card) == (0, 1000, 5 * last - 1000)
    assert paid(by_credit) == (0, 6 * last, 0)
    fell = {row.attempt.payment_id: row.amount_minor for row in Refund.objects.filter(reason="fare_fell")}
    assert fell == {by_card.payment_id: 5 * (price - last), by_credit.payment_id: 100}
    assert money.credit_of(by_card.rider) == Money(0, "USD")
    assert money.credit_of(by_credit.rider).minor == 6 * full - 6 * last
    told = Notice.objects.get(kind="trips.fare_fell", recipient=by_credit.rider).facts
    assert told["back"] == str(Money(6 * (price - last), "USD"))
    assert (told["to_card"], told["to_credit"]) == ("$1", str(Money(6 * (price - last) - 100, "USD")))


@pytest.mark.parametrize("percent", [20, 80, 100])
def test_a_code_takes_its_share_of_the_last_price(van: Trip, clock: Any, now: datetime, percent: int) -> None:
    """Whatever it took off the first price: nobody loses a seat because all that they paid comes back."""
    promotion(percent=percent)
    early = covered(van, seats=11, code="GAMEDAY", now=now)
    gone(van, now)
    full = van.stops.get().fare_minor
    first = paid(early)
    late = covered(van, seats=3, code="GAMEDAY", now=now)
    assert van.pledges.get(id=late.id).price_minor == share(full, 65)
    soon = prices.accrued(Pledge.objects.select_related("trip", "stop", "payment").get(id=early.id))

    close(van, clock)

    last = 11 * share(full, 65)
    by_code = min(last * percent // 100, last - 100)
    assert paid(early) == (by_code, 0, last - by_code)
    assert soon.minor == first[2] - (last - by_code)
    assert sum(Refund.objects.values_list("amount_minor", flat=True)) == soon.minor
    # The code has cost us what it takes off at the last price, for who came early as for who came late.
    assert -money.balance(Account.PROMOTION) == by_code + paid(late)[0]
    assert Promotion.objects.get().uses == 2


def test_a_code_for_a_sum_takes_the_whole_sum_off(van: Trip, clock: Any, now: datetime) -> None:
    full = van.stops.get().fare_minor
    promotion(amount_minor=1500)
    promotion("BIG", amount_minor=2 * full - 500)
    early = covered(van, seats=9, code="GAMEDAY", now=now)
    cheap = covered(van, seats=2, code="BIG", now=now)
    gone(van, now)
    assert paid(cheap) == (2 * share(full, 82) - 100, 0, 100)  # a card pays something
    make.backed(van, seats=3, now=now)

    close(van, clock)

    last = share(full, 65)
    assert paid(early) == (1500, 0, 9 * last - 1500)
    assert paid(cheap) == (2 * last - 100, 0, 100)
    assert not Refund.objects.filter(attempt__payment=cheap.payment).exists()
    assert not Notice.objects.filter(kind="trips.fare_fell", recipient=cheap.rider).exists()


def test_credit_and_code_after_a_dispute_and_when_it_is_called_off(
    van: Trip, clock: Any, now: datetime, sam: User
) -> None:
    promotion(percent=20)
    one = covered(van, seats=5, credit=2000, code="GAMEDAY", now=now)
    two = covered(van, seats=6, credit=1000, code="GAMEDAY", now=now)
    gone(van, now)
    make.backed(van, seats=3, now=now)
    before = paid(one)
    dispute = runtime.current().open_dispute(Attempt.objects.get(payment=one.payment).charge)["id"]
    sightings.look("dispute", dispute, now=now)

    fares.close(trip_id=van.id, now=now)  # nothing of a disputed payment moves, not even the part of the code

    assert paid(one) == before
    assert paid(two)[0] == 6 * share(van.stops.get().fare_minor, 65) * 20 // 100

    trips.cancel(trip_id=van.id, now=now, by=sam)
    for each in operations.due(now=now):
        operations.run(each, now=now)
    assert payments.left_to_refund(Pledge.objects.get(id=two.id).payment).minor == 0  # type: ignore[arg-type]
    runtime.current().decide_dispute(dispute, won=False)
    sightings.look("dispute", dispute, now=now)
    contributions.hand_back_due(now=now)
    tasks.settle_due()
    assert money.credit_of(two.rider).minor == 1000
    assert Contribution.objects.get(payment=two.payment, source=Account.PROMOTION).kept_minor == 0
    assert audits.check(now=now) == {}


def test_lowering_twice_is_once(van: Trip, now: datetime) -> None:
    promotion(percent=20)
    early = covered(van, seats=11, credit=500, code="GAMEDAY", now=now)
    gone(van, now)
    assert paid(early)
    whole = Pledge.objects.get(id=early.id).charge
    facts: dict[str, Any] = {
        "payment_id": payment_id_of(early),
        "was": whole,
        "becomes": whole - Money(1000, "USD"),
        "reason": fares.FARE_FELL,
        "now": now,
    }
    assert payments.lower(**facts).whole == Money(800, "USD")
    payments.lower(**facts)
    payment = Pledge.objects.get(id=early.id).payment
    assert payment is not None
    assert money.worth(payment) == whole - Money(1000, "USD")
    assert Refund.objects.get().amount_minor == 800
