"""(f) A thousand trips of 25 pledges that are due in the same minute: the provider's rate is all that they wait for."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections
from django.db.backends.utils import CursorWrapper

from bench import market
from payments import tasks as money
from payments.actions import operations
from payments.models import Operation, Payment, Provider
from payments.states import OperationState, PaymentState
from rally import clock, codes, rules
from rally.models import User
from rally.money import Money
from tests.factories import pledges as factory
from trips import tasks as demand
from trips.models import Pledge, Seat, Stop, Trip
from trips.models.pledges import Instrument
from trips.queries import terms
from trips.states import PledgeState

#: Twice the rule's default. Fifty thousand calls take 42 minutes; the claim is about the share of the rate.
RATE = int(os.environ.get("BENCH_RATE", "20"))
TRIPS = int(os.environ.get("BENCH_TRIPS", "1000"))
SEATS = 25
WANTED = 0.9


def measure() -> dict[str, Any]:
    """Provider calls a second from the minute in which all trips are due until all are paid, of the configured rate; queries
    and memory at the beginning and at the end."""
    riders = _riders()
    trips = _due_trips(riders)
    rules.change("provider_calls_per_second", RATE, now=clock.now(), by=None)
    seen = []
    before = last = Operation.objects.filter(state=OperationState.DONE).count()
    with _counting() as count, _the_others():
        begun = time.perf_counter()
        while _unpaid(trips):
            operations.run_due(now=clock.now())
            time.sleep(0.05)
            done = Operation.objects.filter(state=OperationState.DONE).count()
            if done - last >= TRIPS * SEATS / 10:
                seen.append(
                    {
                        "calls": done - last,
                        "queries": count[0],
                        "mb": _mb(),
                        "at": time.perf_counter() - begun,
                    }
                )
                count[0], last = 0, done
            time.sleep(0.02)
        seconds = time.perf_counter() - begun
    calls = Operation.objects.filter(state=OperationState.DONE).count() - before
    connections.close_all()
    first, final = seen[0], seen[-1]
    per_call = [one["queries"] / one["calls"] for one in (first, final)]
    ratio, more, grown = calls / seconds / RATE, per_call[1] / per_call[0], final["mb"] - first["mb"]
    return {
        "claim": "(f) trips that are due in the same minute settle at 90 % of the configured provider rate or more",
        "trips": TRIPS,
        "pledges": TRIPS * SEATS,
        "provider_calls": calls,
        "seconds": round(seconds, 1),
        "calls_a_second": round(calls / seconds, 2),
        "configured_rate": RATE,
        "queries_per_call": [round(one, 1) for one in per_call],
        "memory_mb": [round(first["mb"]), round(final["mb"])],
        "ratio": round(ratio, 3),
        "wanted": f">= {WANTED}, queries per call constant (<= 1.1 x), memory flat (<= 30 MB more)",
        "holds": ratio >= WANTED and more <= 1.1 and grown <= 30,
    }


def _riders() -> list[tuple[User, Payment]]:
    """Riders with a card that the provider knows, each saved on a hosted page."""
    market.riders(SEATS + 1)
    trip = market.trip(clock.now(), capacity=SEATS)
    found = []
    for rider in User.objects.filter(email__endswith="@bench.example").order_by("id")[1 : SEATS + 1]:
        pledge = factory.backed(trip, rider, now=clock.now())
        assert pledge.payment is not None
        found.append((rider, pledge.payment))
    return found


def _due_trips(riders: list[tuple[User, Payment]]) -> list[Any]:
    """Trips with a bus and all their pledges backed, as rows: what riders did one by one over weeks."""
    now = clock.now()
    template = market.trip(now, capacity=SEATS)
    stop = template.stops.get()
    words = terms.terms(template, Money(stop.fare_minor, "USD"), now)
    trips, stops, payments, pledges, seats = [], [], [], [], []
    for _number in range(TRIPS):
        trip = Trip(**_copy(template, code=codes.short()))
        at = Stop(**_copy(stop, trip=trip))
        trips.append(trip)
        stops.append(at)
        for rider, paid in riders:
            pledge = Pledge(
                trip=trip, stop=at, rider=rider, state=PledgeState.BACKED, seats=1, fare_minor=at.fare_minor,
                instrument=Instrument.SAVED_CARD, consent_text=words.text, consent_version=words.version,
                consented_at=now, policy=words.policy, reserved_until=now, created_at=now,
            )  # fmt: skip
            payment = Payment(
                payer=rider, reference=f"pledge:{pledge.id}", group=f"trip:{trip.id}", description="Bench",
                provider=Provider.SANDBOX, state=PaymentState.CARD_SAVED, amount_minor=at.fare_minor, currency="USD",
                customer=paid.customer, card=paid.card, card_brand="visa", card_last4="4242", created_at=now, changed_at=now,
            )  # fmt: skip
            pledge.payment = payment
            payments.append(payment)
            pledges.append(pledge)
            seats.append(Seat(pledge=pledge, position=1, name=rider.name))
    for rows in (trips, stops, payments, pledges, seats):
        type(rows[0]).objects.bulk_create(rows, batch_size=2000)  # type: ignore[attr-defined]
    ids = [trip.id for trip in trips]
    Trip.objects.filter(id__in=ids).update(threshold=SEATS, seats_supplied=SEATS, operator_name="Bench Lines")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return ids


def _copy(row: Any, **changes: Any) -> dict[str, Any]:
    fields = {
        field.name: getattr(row, field.name) for field in row._meta.concrete_fields if not field.primary_key
    }
    return fields | changes


def _unpaid(trips: list[Any]) -> bool:
    return Pledge.objects.filter(trip_id__in=trips).exclude(state=PledgeState.PAID).exists()


@contextmanager
def _the_others() -> Iterator[None]:
    """Beside the worker that calls the provider: one that settles trips and passes on news."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            demand.settle_due()
            money.announce()
            stop.wait(0.2)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def _counting() -> Iterator[list[int]]:
    """How many statements all threads of this process have sent."""
    count, plain = [0], CursorWrapper.execute

    def execute(self: CursorWrapper, sql: Any, params: Any = None) -> Any:
        count[0] += 1
        return plain(self, sql, params)

    CursorWrapper.execute = execute  # type: ignore[method-assign]
    try:
        yield count
    finally:
        CursorWrapper.execute = plain  # type: ignore[method-assign]


def _mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
