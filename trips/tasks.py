"""Background work of demand. Each task is safe to repeat; the sweeps find what nobody was told of, in batches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from celery import shared_task
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from payments.actions import checkouts, rounds
from rally import clock, rules
from trips.actions import backing, fares, reminders, resale, settlement, trips, waiting
from trips.models import Pledge, Trip
from trips.models.events import EventState
from trips.queries import fares as prices
from trips.queries import stranded
from trips.states import ALIVE, PledgeState, TripState

logger = logging.getLogger(__name__)

BATCH = 200


@shared_task(name="trips.settle")
def settle(trip_id: str) -> None:
    """Take one trip as far as it can go now."""
    settlement.settle(trip_id=trip_id, now=clock.now())


@shared_task(name="trips.settle_due")
def settle_due() -> None:
    """Trips whose decision is due, that have all they need, or that are being settled; then cards given up on."""
    now = clock.now()
    both_bound = Q(seats_supplied__gt=0, seats_pledged__gte=F("threshold"))
    due = (
        Trip.objects.filter(
            Q(state=TripState.GATHERING) & (Q(decides_at__lte=now) | both_bound) | Q(state=TripState.SETTLING)
        )
        .order_by("decides_at")
        .values_list("id", flat=True)[:BATCH]
    )
    _each(due, lambda trip_id: settlement.settle(trip_id=trip_id, now=now))
    _give_up_on_cards(now)
    _let_give_way(now)
    _finish_leaving(now)
    _call_off(now)
    _give_up_without_bus(now)
    _see_to_free_seats(now)


@shared_task(name="trips.offer_seats")
def offer_seats(trip_id: str) -> None:
    """Seats of one trip became free: the next on its waiting list is offered them."""
    waiting.offer(trip_id=trip_id, now=clock.now())


@shared_task(name="trips.resell")
def resell(trip_id: str) -> None:
    """Somebody paid for seats of a trip on which others gave theirs up."""
    resale.resell(trip_id=trip_id, now=clock.now())


@shared_task(name="trips.expire_drafts")
def expire_drafts() -> None:
    """Free the seats of riders who never came back from the checkout, after asking once more whether they did."""
    now = clock.now()
    over = (
        Pledge.objects.filter(state=PledgeState.DRAFT, reserved_until__lte=now)
        .order_by("reserved_until")
        .values_list("id", "payment_id")[:BATCH]
    )
    for pledge_id, payment_id in over:
        _each([pledge_id], partial(_expire, payment_id=payment_id, now=now))


@shared_task(name="trips.close_fares")
def close_fares() -> None:
    """Prices that fell with later riders are final soon before departure: who paid more gets the difference."""
    now = clock.now()
    soon = now + timedelta(hours=rules.current().fares_close_hours_before)
    running = [TripState.CONFIRMED, TripState.UNDER_WAY, TripState.COMPLETED]
    fell = Trip.objects.filter(
        locked_percent__isnull=False, state__in=running, departs_at__lte=soon, fares_closed_at=None
    )
    _each(_round("fares_to_close", fell, now), lambda trip_id: fares.close(trip_id=trip_id, now=now))
    owed = prices.owed().filter(trip__locked_percent__isnull=False, trip__state__in=running)
    _each(_round("fares_owed", owed, now), lambda pledge_id: fares.give_back(pledge_id=pledge_id, now=now))


@shared_task(name="trips.remind")
def remind() -> None:
    """Seats still needed, cards still awaited, boarding passes for tomorrow."""
    now = clock.now()
    numbers = rules.current()
    awaited = Pledge.objects.filter(
        state__in=[PledgeState.NEEDS_CARD, PledgeState.PAYMENT_DUE],
        card_asked_at__lte=now - timedelta(hours=24),
    ).order_by("card_due_at")
    for pledge_id in awaited.values_list("id", flat=True)[:BATCH]:
        _each([pledge_id], lambda which: backing.try_again(pledge_id=which, now=now))
        _each([pledge_id], lambda which: backing.remind_of_card(pledge_id=which, now=now))

    tentative = Trip.objects.filter(
        state=TripState.GATHERING,
        told_tentative_at=None,
        decides_at__gt=now,
        departs_at__lte=now + timedelta(days=numbers.tentative_notice_days_before),
    )
    _each(_ids(tentative), lambda trip_id: reminders.still_needed(trip_id=trip_id, now=now))
    tomorrow = Trip.objects.filter(
        state=TripState.CONFIRMED,
        seats_supplied__gt=0,
        told_passes_at=None,
        departs_at__lte=now + timedelta(hours=numbers.boarding_pass_hours_before),
    )
    _each(_ids(tomorrow), lambda trip_id: reminders.send_passes(trip_id=trip_id, now=now))


def _expire(pledge_id: Any, payment_id: Any, now: datetime) -> None:
    if payment_id is not None:
        checkouts.come_back(payment_id=payment_id, now=now)
    backing.expire(pledge_id=pledge_id, now=now)


def _give_up_on_cards(now: datetime) -> None:
    overdue = (
        Pledge.objects.filter(
            state__in=[PledgeState.NEEDS_CARD, PledgeState.PAYMENT_DUE], card_due_at__lte=now
        )
        .exclude(trip__state=TripState.SETTLING)
        .order_by("card_due_at")
        .values_list("id", "payment_id")[:BATCH]
    )
    for pledge_id, payment_id in overdue:
        _each([pledge_id], partial(_drop, payment_id=payment_id, now=now))


def _drop(pledge_id: Any, payment_id: Any, now: datetime) -> None:
    checkouts.come_back(payment_id=payment_id, now=now)
    backing.drop(pledge_id=pledge_id, now=now)


def _let_give_way(now: datetime) -> None:
    """While a trip settles: refused cards whose time is over, and somebody who waits for seats."""
    of_trip = Pledge.objects.filter(trip=OuterRef("pk"))
    settling = Trip.objects.filter(
        Exists(of_trip.filter(state=PledgeState.NEEDS_CARD, card_due_at__lte=now)),
        Exists(of_trip.filter(state=PledgeState.WAITING)),
        state=TripState.SETTLING,
    )
    _each(_round("give_way", settling, now), lambda trip_id: _give_way(trip_id, now))


def _give_way(trip_id: Any, now: datetime) -> None:
    late = Pledge.objects.filter(trip_id=trip_id, state=PledgeState.NEEDS_CARD, card_due_at__lte=now)
    for payment_id in late.values_list("payment_id", flat=True):
        checkouts.come_back(payment_id=payment_id, now=now)
    waiting.give_way(trip_id=trip_id, now=now)


def _finish_leaving(now: datetime) -> None:
    """A refund that has arrived does not move a payment that was refunded in part: look again."""
    leaving = Pledge.objects.filter(state=PledgeState.WITHDRAWING).exclude(payment=None).order_by("ended_at")
    payment_ids = leaving.values_list("payment_id", flat=True)[:BATCH]
    _each(payment_ids, lambda payment_id: backing.follow(payment_id=payment_id, now=now))


def _call_off(now: datetime) -> None:
    """Nobody rides to an event that does not take place."""
    pointless = Trip.objects.filter(event__state=EventState.CANCELLED, state__in=ALIVE).exclude(
        state=TripState.UNDER_WAY
    )
    _each(
        _ids(pointless),
        lambda trip_id: trips.cancel(trip_id=trip_id, now=now, by=None, why="event_cancelled"),
    )


def _give_up_without_bus(now: datetime) -> None:
    """Nobody waits at the stop for a bus that was lost: the money goes back in time."""
    late = _round("without_bus", stranded.out_of_time(now), now)
    _each(late, lambda trip_id: trips.give_up_without_bus(trip_id=trip_id, now=now))


def _see_to_free_seats(now: datetime) -> None:
    """Waiting lists and freed seats that nobody was told of."""
    waits = Pledge.objects.filter(trip=OuterRef("pk"), state=PledgeState.WAITING)
    lists = _round("waiting_lists", Trip.objects.filter(Exists(waits)), now)
    _each(lists, lambda trip_id: waiting.offer(trip_id=trip_id, now=now))
    _each(resale.open_trips(BATCH), lambda trip_id: resale.resell(trip_id=trip_id, now=now))
    _each(resale.unpaid(now, BATCH), lambda seat_id: resale.pay_back(seat_id=seat_id, now=now))


def _ids(found: QuerySet[Trip]) -> Iterable[Any]:
    return found.order_by("departs_at").values_list("id", flat=True)[:BATCH]


def _round(name: str, found: QuerySet[Any], now: datetime) -> list[Any]:
    """The next of these rows, going round: those that fail each time, or wait for long, keep no others waiting."""
    return [row.pk for row in rounds.following(name, found, limit=BATCH, now=now)]


def _each(ids: Iterable[Any], work: Callable[[Any], object]) -> None:
    """One bad row must not keep the others waiting; it is logged and found again by the next sweep."""
    for row_id in list(ids):
        try:
            work(row_id)
        except Exception:
            logger.exception("trips.sweep_failed id=%s", row_id)
