"""Failures that no other test here shows; docs/money.md, "Failure matrix", names the test for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from payments import gateway
from payments.actions import operations, payments
from payments.models import Attempt, Checkout, Operation, Payment
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Fault
from payments.states import PaymentState
from rally import rules
from rally.models import User
from tests.factories import pledges as make
from tests.factories.payments import usd
from tests.factories.trips import proposed
from tests.payments.conftest import Time, heal, saved, work
from trips import tasks
from trips.actions import backing, settlement
from trips.models import Pledge, Trip
from trips.states import TripState, VehicleClass

SAVE = Checkout.Mode.SAVE


class Crash(BaseException):
    """The process died."""


def authorize(paid: Payment, time: Time) -> None:
    """Ask the bank for a hold of all of it."""
    payments.authorize(payment_id=paid.id, amount=usd(4200), now=time())


def capture(paid: Payment, time: Time) -> None:
    """Take all of it."""
    payments.capture(payment_id=paid.id, amount=usd(4200), now=time())


def release(paid: Payment, time: Time) -> None:
    """Let all of it go."""
    payments.release(payment_id=paid.id, keep_card=False, now=time(), why="too few")


# ---- dying


def test_dying_before_the_commit_leaves_nothing_and_the_next_try_works(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = saved(ana, time)
    before = Operation.objects.count()

    def dies() -> None:
        with transaction.atomic():
            authorize(paid, time)
            raise Crash

    with pytest.raises(Crash):
        dies()
    paid.refresh_from_db()
    assert (paid.state, Operation.objects.count()) == (PaymentState.CARD_SAVED, before)
    assert gateway.books().capturable == 0
    authorize(paid, time)
    assert gateway.books().capturable == 4200


@pytest.mark.parametrize(
    ("wish", "end", "taken"), [(capture, PaymentState.PAID, 3), (release, PaymentState.RELEASED, 0)]
)
def test_dying_in_the_middle_of_many_goes_on(
    sandbox: Sandbox, ana: User, time: Time, monkeypatch: pytest.MonkeyPatch, wish: Any, end: str, taken: int
) -> None:
    """A trip is decided in one transaction; whoever was to carry it out dies at the second of three."""
    held = [saved(ana, time) for _ in range(3)]
    for each in held:
        authorize(each, time)
    real, sent = operations._must_look_first, []

    def dies_at_the_second(operation: Operation, *args: Any, **more: Any) -> Any:
        sent.append(operation.id)
        if len(sent) == 2:
            raise Crash
        return real(operation, *args, **more)

    def decides() -> None:
        with transaction.atomic():
            for each in held:
                wish(each, time)

    with monkeypatch.context() as patched:
        patched.setattr(operations, "_must_look_first", dies_at_the_second)
        with pytest.raises(Crash):
            decides()
    assert len(sent) == 2
    assert gateway.books().capturable == 2 * 4200  # one is done, two are not

    heal(sandbox, time)

    assert set(Payment.objects.values_list("state", flat=True)) == {end}
    books = gateway.books()
    assert (books.capturable, len(books.bookings)) == (0, taken)


# ---- a database from yesterday


@contextmanager
def backup() -> Iterator[Any]:
    """Keep the rows of payments as they are now; the function that is given puts them back."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'payments_%'"
        )
        tables = [name for (name,) in cursor.fetchall()]
        for name in tables:
            cursor.execute(f"CREATE TEMP TABLE kept_{name} AS TABLE {name}")

    def restore() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            for name in tables:
                cursor.execute(f"DELETE FROM {name}")
                cursor.execute(f"INSERT INTO {name} SELECT * FROM kept_{name}")

    try:
        yield restore
    finally:
        with connection.cursor() as cursor:
            for name in tables:
                cursor.execute(f"DROP TABLE kept_{name}")


def test_a_restored_database_learns_what_it_had_taken(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = saved(ana, time)
    with backup() as restore:
        authorize(paid, time)
        capture(paid, time)
        payments.refund(payment_id=paid.id, amount=usd(1200), reason="price", now=time(), by=None)
        restore()
    paid.refresh_from_db()
    assert paid.state == PaymentState.CARD_SAVED
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, paid.captured_minor, paid.refunded_minor) == (PaymentState.PAID, 4200, 1200)
    assert gateway.books().capturable == 0


def test_a_restored_database_that_asks_before_it_has_read_the_news_takes_once(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = saved(ana, time)
    with backup() as restore:
        authorize(paid, time)
        capture(paid, time)
        restore()
    paid.refresh_from_db()
    authorize(paid, time)
    assert gateway.books().capturable == 4200  # for a moment there are both
    heal(sandbox, time)
    paid.refresh_from_db()
    kept = sum(each.captured - sum(back.amount for back in gateway.refunds_of(each.id))
               for each in gateway.intents_since(time() - timedelta(days=1)))  # fmt: skip
    assert (paid.state, gateway.books().capturable, kept) == (PaymentState.HELD, 4200, 0)


def test_a_restored_database_asks_again_under_the_same_key(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = saved(ana, time)
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "/v1/payment_intents$", Fault.DROP_AFTER)
    authorize(paid, time)
    asked = Operation.objects.get(kind="authorize")
    with backup() as restore:
        time.move(minutes=2)
        operations.run(asked.id, now=time())
        capture(paid, time)
        restore()
    asked.refresh_from_db()
    assert asked.state == "pending"
    time.move(minutes=2)
    operations.run(asked.id, now=time())
    assert Attempt.objects.count() == 1
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, len(gateway.books().bookings)) == (PaymentState.PAID, 1)


# ---- clocks


@pytest.mark.parametrize("hours", [-30, -1, 1, 30])
@pytest.mark.parametrize("fault", [Fault.DROP_BEFORE, Fault.DROP_AFTER])
def test_a_worker_whose_clock_is_wrong_changes_nothing(
    sandbox: Sandbox, ana: User, time: Time, hours: int, fault: Fault
) -> None:
    paid = saved(ana, time)
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "/v1/payment_intents$", fault)
    authorize(paid, time)
    asked = Operation.objects.get(kind="authorize")
    for skew in (hours, 0, -hours):
        operations.run(asked.id, now=time() + timedelta(hours=skew))
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, gateway.books().capturable) == (PaymentState.HELD, 4200)


# ---- the provider is away when it counts


def ready(time: Time, monkeypatch: pytest.MonkeyPatch) -> Trip:
    """A van whose seats and bus are bound; nobody has looked yet."""
    van = proposed(vehicle_class=VehicleClass.VAN, now=time())
    with monkeypatch.context() as quiet:
        quiet.setattr(backing, "later", lambda *_task, **_ids: None)
        for _ in range(3):
            make.backed(van, seats=3, now=time())
        make.bound(van, seats=14, now=time())
    return van


def hour(time: Time) -> None:
    """Let an hour go by, with all that works in it."""
    time.move(hours=1)
    work(time)
    tasks.settle_due()


@pytest.mark.parametrize("fault", [Fault.DROP_BEFORE, Fault.DROP_AFTER])
def test_a_provider_that_is_away_at_the_deadline_keeps_the_trip_undecided_and_then_nobody_pays(
    sandbox: Sandbox, sam: User, time: Time, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    rules.change("grace_hours", 4, now=time(), by=sam)
    rules.change("settle_slack_hours", 3, now=time(), by=sam)
    van = ready(time, monkeypatch)
    time.move(seconds=(van.decides_at - time()).total_seconds())
    assert sandbox.faults is not None
    sandbox.faults.rates = {fault: 1.0}
    settlement.settle(trip_id=van.id, now=time())
    van.refresh_from_db()
    assert van.state == TripState.SETTLING
    for _ in range(6):
        hour(time)
    van.refresh_from_db()
    assert van.state == TripState.SETTLING  # unknown is not "no", not even after the grace
    assert set(Pledge.objects.values_list("state", flat=True)) == {"authorizing"}

    for _ in range(2):
        hour(time)
    van.refresh_from_db()
    assert van.state == TripState.LAPSED

    sandbox.faults.stop()
    for _ in range(3):
        hour(time)
    books = gateway.books()
    assert (books.capturable, books.bookings) == (0, {})
    assert set(Payment.objects.values_list("state", flat=True)) == {PaymentState.RELEASED}


def test_a_provider_that_comes_back_in_time_confirms_the_trip(
    sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    van = ready(time, monkeypatch)
    time.move(seconds=(van.decides_at - time()).total_seconds())
    assert sandbox.faults is not None
    sandbox.faults.rates = {Fault.DROP_AFTER: 1.0}
    settlement.settle(trip_id=van.id, now=time())
    hour(time)
    sandbox.faults.stop()
    for _ in range(3):
        hour(time)
    van.refresh_from_db()
    assert van.state == TripState.CONFIRMED
    assert len(gateway.books().bookings) == 3
