"""What a code pays of seats that their riders give up: a part for each seat, ours again as far as the rider's is theirs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine

from operators.queries.settling import facts_of
from payments import queries
from payments.actions import audits, contributions, operations
from payments.models import Account, Contribution, Payment, TaxRate
from rally import clock, rules
from tests.factories import pledges as make
from tests.factories.people import person
from tests.factories.promotions import promotion
from tests.factories.trips import proposed
from tests.seeing import fresh, given_back
from tests.trips.actions.test_pledges import as_they_are, change
from trips.actions import covering, pledges
from trips.models import FreedSeat, Pledge, Trip
from trips.queries import receipts
from trips.states import VehicleClass

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def at(now: datetime) -> Iterator[Any]:
    """The clock stands still until it is moved; in the end the books agree."""
    with time_machine.travel(now, tick=False) as traveller:
        yield traveller
        operations.run_due(now=clock.now())
        contributions.hand_back_due(now=clock.now())
        assert audits.check(now=clock.now()) == {}


def going(code: str, now: datetime, *, seats: int) -> tuple[Trip, Pledge]:
    """A van for 14 whose bus nine others pay, and so many seats with this code."""
    rules.change("max_seats_per_pledge", 14, now=now, by=None)
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    draft = make.draft(trip, person("saver"), seats=seats, now=now)
    covering.cover(pledge_id=draft.id, promotion=code, now=now)
    mine = make.pay(draft, now=now)
    make.backed(trip, seats=9, now=now)
    make.bound(trip, seats=14, now=now)
    assert fresh(mine).state == "paid"
    return fresh(trip), fresh(mine)


def by_code(pledge: Pledge) -> int:
    return Contribution.objects.get(payment=pledge.payment, source=Account.PROMOTION).kept_minor


def worth(pledge: Pledge) -> int:
    return queries.worth(Payment.objects.get(id=pledge.payment_id)).minor


@pytest.mark.parametrize("what", [{"percent": 50}, {"amount_minor": 2000}])
def test_who_keeps_one_seat_of_five_has_one_part_of_the_code(
    at: Any, now: datetime, what: dict[str, int]
) -> None:
    promotion("CODE", **what)
    trip, mine = going("CODE", now, seats=5)
    put_in, off = mine.charge.minor - by_code(mine), by_code(mine)
    then = trip.departs_at - timedelta(hours=300)
    at.move_to(then)

    change(mine, as_they_are(mine)[:3], then)  # in two steps
    change(fresh(mine), as_they_are(fresh(mine))[:1], then)

    assert abs(given_back(mine) - put_in * 4 // 5) <= 4
    assert abs(by_code(mine) - off // 5) <= 4
    assert worth(mine) == fresh(mine).charge.minor


def test_what_is_kept_of_a_seat_is_kept_of_its_code_until_it_is_sold_again(at: Any, now: datetime) -> None:
    promotion("HALF", percent=50)
    trip, mine = going("HALF", now, seats=2)
    then = trip.departs_at - timedelta(hours=30)
    at.move_to(then)

    pledges.withdraw(pledge_id=mine.id, by=mine.rider, now=then)

    kept = mine.charge.minor // 2
    assert abs(worth(mine) - kept) <= 2
    assert abs(by_code(mine) - kept // 2) <= 2
    assert sum(FreedSeat.objects.values_list("promotion_minor", flat=True)) == by_code(mine)

    buyers = [make.backed(fresh(trip), now=then + timedelta(hours=1)) for _seat in range(2)]

    assert set(FreedSeat.objects.values_list("resold_to", flat=True)) == {each.id for each in buyers}
    assert (worth(mine), by_code(mine)) == (0, 0)


def test_who_leaves_too_late_leaves_the_whole_seat_to_the_company(at: Any, now: datetime) -> None:
    promotion("HALF", percent=50)
    trip, mine = going("HALF", now, seats=2)
    then = trip.departs_at - timedelta(hours=2)
    at.move_to(then)
    pledges.withdraw(pledge_id=mine.id, by=mine.rider, now=then)
    assert worth(mine) == mine.charge.minor


def test_the_tax_in_the_books_is_the_tax_on_the_receipt(at: Any, now: datetime) -> None:
    TaxRate.objects.create(jurisdiction="US", name="US", basis_points=550, applies_from=now.date())
    promotion("HALF", percent=50)
    trip, mine = going("HALF", now, seats=2)
    receipt = receipts.receipt_of(mine)
    assert receipt is not None
    assert receipt.tax_part.minor == (mine.charge.minor - by_code(mine)) * 550 // 10_550 > 0

    facts = facts_of(trip, [], [Payment.objects.get(id=mine.payment_id)])

    assert [(each.worth, each.tax) for each in facts.kept] == [(mine.charge.minor, receipt.tax_part.minor)]
