"""The end of a story: trouble stops, everybody catches up, and P10 to P13 and P16 must come true."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from operators.states import RunState
from payments import gateway
from payments.gateway.words import Books
from rally.proof import companies, others, owing, safety, saving
from rally.proof.machine import everything
from rally.proof.world import Broken, World
from trips.models import Pledge
from trips.states import PledgeState, TripState

_SETTLED = (TripState.CLOSED, TripState.LAPSED, TripState.CANCELLED)
#: What still moves, in one question: whatever is named here is not the end.
_RESTLESS = """
SELECT 'operation ' || kind || ' ' || state || ' ' || error FROM payments_operation WHERE state IN ('pending', 'stuck')
UNION ALL SELECT 'payment ' || state FROM payments_payment WHERE state IN ('authorizing', 'capturing', 'releasing')
UNION ALL SELECT 'payment not followed' FROM payments_payment WHERE NOT followed
UNION ALL SELECT 'event ' || type || ' ' || state || ' ' || error FROM payments_inboxevent WHERE state <> 'done'
UNION ALL SELECT 'credit on its way back' FROM payments_contribution
    WHERE aside_minor > CASE state WHEN 'set_aside' THEN amount_minor ELSE 0 END
UNION ALL SELECT 'pledge ' || state FROM trips_pledge WHERE state IN ('authorizing', 'capturing')
"""
_NEXT_MOMENT = """
SELECT min(moment) FROM (
    SELECT greatest(due_at, coalesce(leased_until + interval '1 second', due_at)) AS moment
        FROM payments_operation WHERE state = 'pending'
    UNION ALL SELECT due_at FROM payments_inboxevent WHERE state = 'waiting'
) AS waiting
"""
_COUNTED = ("payments_operation", "rally_statechange", "rally_notice", "payments_ledgertransfer",
            "payments_refund", "payments_transfer", "payments_attempt", "payments_checkout",
            "payments_contribution", "payments_wallet", "trips_freedseat", "trips_promotionuse")  # fmt: skip


def catch_up(world: World, *, rounds: int = 15) -> None:
    """Let everything that runs by itself run until nothing is under way; time goes to when the next thing is due."""
    world.trouble.end()
    for _ in range(rounds):
        everything(world)
        safety.check(world)
        if not restless():
            return
        moment = _next_moment()
        world.clock.move_to(max(moment or world.now, world.now + timedelta(minutes=3)))


def restless() -> list[str]:
    """What is still under way."""
    with connection.cursor() as cursor:
        cursor.execute(_RESTLESS)
        return [row[0] for row in cursor.fetchall()]


def _next_moment() -> datetime | None:
    with connection.cursor() as cursor:
        cursor.execute(_NEXT_MOMENT)
        found: datetime | None = cursor.fetchone()[0]
    return found


def finish(world: World) -> None:
    """Heal, let the trip be decided, run and be paid out, and judge. Raises `Broken`."""
    world.say("-- trouble ends; everybody catches up")
    catch_up(world)
    _nothing_under_way(world)
    safety.check(world)
    to_the_end(world)
    _nothing_under_way(world)
    _all_is_settled(world)
    safety.check(world)
    _books_agree(world)
    owing.check(world)
    saving.check(world)
    companies.check(world)
    _twice_changes_nothing(world)


# ---- to the end of the day


def to_the_end(world: World) -> None:
    """Let the trip be decided, run and be paid out. Raises `Broken` where it hangs."""
    _be_decided(world)
    _run(world)
    _be_paid_out(world)
    world.say(f"-- the end: the trip is {world.trip().state}")


def _be_decided(world: World) -> None:
    for _ in range(12):
        trip = world.trip()
        if trip.state == TripState.GATHERING:
            world.clock.move_to(trip.decides_at + timedelta(minutes=1))
        catch_up(world)
        if world.trip().state not in {TripState.GATHERING, TripState.SETTLING}:
            return
        world.pass_time(hours=12)
    raise Broken("P10", f"the trip hangs in {world.trip().state}, {world.now:%d %B %H:%M}")


def _run(world: World) -> None:
    trip = world.trip()
    if trip.state == TripState.CONFIRMED:
        world.clock.move_to(trip.departs_at - timedelta(minutes=30))
        catch_up(world)
    for _ in range(5):
        run = others.live_run(world)
        if run is None or world.trip().state not in {TripState.CONFIRMED, TripState.UNDER_WAY}:
            return
        if run.state == RunState.COMPLETED:
            return
        others.drive(world)
        world.pass_time(minutes=5)
        world.work_off(200)


def _be_paid_out(world: World) -> None:
    """Days go by: unpaid fares are dropped, transfers and payouts go out, disputes lapse, refunds fail."""
    for days in (3, 2, 8, 8):
        catch_up(world)
        companies.clear_up(world)
        if world.trip().state in _SETTLED and not _waits(world) and not companies.wait():
            return
        world.pass_time(days=days)
    catch_up(world)
    if world.trip().state not in _SETTLED:
        raise Broken("P10", f"the trip ends as {world.trip().state}")


def _waits(world: World) -> bool:
    """Whether the provider has yet to tell the end of something that began there."""
    with world.sandbox.store.reading() as rows:
        waiting = rows.sql("SELECT 1 FROM due WHERE kind <> 'automatic_payout' AND at < ? LIMIT 1",
                           (int((world.now + timedelta(days=20)).timestamp()),))  # fmt: skip
        return waiting.fetchone() is not None


# ---- the judgement


def _nothing_under_way(world: World) -> None:
    """P10: no "-ing" state, no pending or stuck operation, no news unread or not followed."""
    found = restless()
    if found:
        raise Broken("P10", f"still under way: {found[:4]}")


def _all_is_settled(world: World) -> None:
    """P10, P11: no hold, no open page, no pledge in the middle of something remains."""
    held = [each.id for each in world.truth.intents() if each.held]
    if held:
        raise Broken("P11", f"leaked hold: {held}")
    ends = {
        PledgeState.EXPIRED, PledgeState.WITHDRAWN, PledgeState.RELEASED, PledgeState.REFUNDED, PledgeState.PAID
    }  # fmt: skip
    for pledge in Pledge.objects.filter(trip_id=world.cast.trip).exclude(state__in=ends):
        waits_for_staff = pledge.state == PledgeState.WITHDRAWING and owing.still_owed(pledge)
        if not waits_for_staff:
            raise Broken("P10", f"pledge {pledge.code} ends as {pledge.state}")


def _books_agree(world: World) -> None:
    """P12: every line of the provider's books is in ours, and holds and balance are the same."""
    books = gateway.books()
    orphans = _lines_of_orphans(world) if world.restored else set()
    if orphans:
        # What was taken for a pledge that the backup does not know is a person's to judge; it is in the log.
        gone = sum(net for line, net in books.bookings.items() if line in orphans)
        rest = {line: net for line, net in books.bookings.items() if line not in orphans}
        books = Books(books.balance - gone, rest, books.capturable)
    safety.check_books(world, books)


def _lines_of_orphans(world: World) -> set[str]:
    """Lines of the provider's books about payments of which no row is left."""
    known = set(Pledge.objects.filter(payment__isnull=False).values_list("payment_id", flat=True))
    known |= world.elsewhere
    charges = {each.charge for each in world.truth.intents() if each.payment not in known and each.charge}
    with world.sandbox.store.reading() as rows:
        found = rows.sql(
            "SELECT line.id, line.source, coalesce(thing.charge, '') FROM (SELECT id, json_extract(body, '$.source')"
            " AS source FROM object WHERE kind = 'balance_transaction') AS line"
            " LEFT JOIN object AS thing ON thing.id = line.source"
        ).fetchall()
    return {line for line, source, charge in found if source in charges or charge in charges}


def _twice_changes_nothing(world: World) -> None:
    """P16: everything has run, and found nothing to do; all of it once more, and nothing is written."""
    before = _counts()
    everything(world)
    after = _counts()
    if after != before:
        changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
        raise Broken("P16", f"jobs run twice wrote something: {changed}")


def _counts() -> dict[str, int]:
    counted = ", ".join(f"(SELECT count(*) FROM {table})" for table in _COUNTED)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {counted}")
        return dict(zip(_COUNTED, cursor.fetchone(), strict=True))
