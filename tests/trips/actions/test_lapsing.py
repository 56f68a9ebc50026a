"""Holds that are about to lapse: decided now, or let go with the card kept; and trips that go short."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from payments.actions import reconciling
from payments.models import Attempt, Payment
from payments.queries.shortfalls import shortfalls
from payments.states import AttemptState, PaymentState
from rally.ids import uuid7
from tests.factories import pledges as make
from tests.seeing import fresh
from trips.actions import backing, lapsing, settlement
from trips.models import Pledge, Trip
from trips.models.pledges import Instrument
from trips.states import PledgeState, TripState

pytestmark = pytest.mark.django_db(transaction=True)


def attempts(pledge: Pledge) -> list[str]:
    return list(Attempt.objects.filter(payment=pledge.payment).order_by("n").values_list("state", flat=True))


def test_a_gathering_trip_lets_the_hold_go_and_keeps_the_card(van: Trip, at: Any) -> None:
    near = van.decides_at - timedelta(days=2)
    at.move_to(near)
    mine = make.backed(van, seats=2, now=near)
    assert (mine.instrument, mine.state) == (Instrument.HOLD, PledgeState.HELD)
    for _ in range(2):
        lapsing.decide_or_let_go(payment_id=backing.payment_id_of(mine), now=near)
    assert (fresh(mine).state, fresh(mine.payment).state) == (PledgeState.BACKED, PaymentState.CARD_SAVED)
    assert attempts(mine) == [AttemptState.CANCELED]
    assert fresh(van).seats_taken == 2


def test_a_settling_trip_asks_for_a_fresh_hold_at_once(van: Trip, at: Any) -> None:
    now = van.decides_at - timedelta(days=2)
    at.move_to(now)
    mine = make.backed(van, seats=5, now=now)
    Trip.objects.filter(id=van.id).update(
        state=TripState.SETTLING,
        seats_supplied=14,
        settling_since=now,
        grace_ends_at=van.decides_at + timedelta(hours=9),
    )
    at.move_to(van.decides_at)
    lapsing.decide_or_let_go(payment_id=backing.payment_id_of(mine), now=van.decides_at)
    assert fresh(van).state == TripState.SETTLING
    assert attempts(mine) == [AttemptState.CANCELED, AttemptState.HELD]
    assert (fresh(mine).state, fresh(mine.payment).state) == (PledgeState.HELD, PaymentState.HELD)


def test_a_trip_that_can_be_decided_is_decided(van: Trip, at: Any) -> None:
    now = van.decides_at - timedelta(days=2)
    at.move_to(now)
    mine = make.backed(van, seats=9, now=now)
    Trip.objects.filter(id=van.id).update(seats_supplied=14)
    lapsing.decide_or_let_go(payment_id=backing.payment_id_of(mine), now=now)
    assert (fresh(van).state, fresh(mine).state) == (TripState.CONFIRMED, PledgeState.PAID)
    assert attempts(mine) == [AttemptState.CAPTURED]


def test_a_lapsed_trip_has_let_it_go_already(van: Trip, at: Any) -> None:
    now = van.decides_at - timedelta(days=2)
    at.move_to(now)
    mine = make.backed(van, seats=2, now=now)
    at.move_to(van.decides_at)
    settlement.settle(trip_id=van.id, now=van.decides_at)
    lapsing.decide_or_let_go(payment_id=backing.payment_id_of(mine), now=van.decides_at)
    assert (fresh(mine).state, fresh(mine.payment).state) == (PledgeState.RELEASED, PaymentState.RELEASED)


def test_a_hold_that_a_confirmed_trip_forgot_is_taken(van: Trip, at: Any) -> None:
    now = van.decides_at - timedelta(days=2)
    at.move_to(now)
    mine = make.backed(van, seats=2, now=now)
    Trip.objects.filter(id=van.id).update(state=TripState.CONFIRMED, decided_at=now, seats_supplied=14)
    lapsing.decide_or_let_go(payment_id=backing.payment_id_of(mine), now=now)
    assert (fresh(mine).state, attempts(mine)) == (PledgeState.PAID, [AttemptState.CAPTURED])


def test_a_payment_of_no_pledge_is_nobodys(van: Trip, now: datetime) -> None:
    lapsing.decide_or_let_go(payment_id=uuid7(), now=now)


def test_the_comparison_tells_of_it(van: Trip, at: Any) -> None:
    now = van.decides_at - timedelta(days=2)
    at.move_to(now)
    mine = make.backed(van, seats=2, now=now)
    Payment.objects.filter(id=backing.payment_id_of(mine)).update(hold_expires_at=now + timedelta(hours=11))
    row = reconciling.reconcile(full=False, now=now)
    assert row is not None
    assert (row.mended, fresh(mine.payment).state) == (1, PaymentState.CARD_SAVED)


def test_a_trip_that_goes_short_is_told_to_the_desk(van: Trip, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    make.backed(van, seats=9, now=now)
    assert shortfalls() == []
    Trip.objects.filter(id=van.id).update(threshold=12)
    (short,) = shortfalls()
    assert (short.group, short.url, short.needed) == (f"trip:{van.id}", van.get_absolute_url(), 12)
    assert short.funded == 9
