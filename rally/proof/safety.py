"""P1 to P9: what must hold after every step, whatever goes wrong. Cheap, because it is asked fifty times a story."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from payments import queries
from rally.proof import saving
from rally.proof.truth import Intent, Sent
from rally.proof.world import Broken, World
from trips.models import Trip
from trips.states import OCCUPYING, TripState

Found = dict[UUID | None, list[Intent]]

_PLEDGES = """
SELECT pledge.id, pledge.state, pledge.seats, pledge.fare_minor, payment.id, payment.state, payment.amount_minor,
       payment.captured_minor, payment.refunded_minor
FROM trips_pledge pledge LEFT JOIN payments_payment payment ON payment.id = pledge.payment_id
WHERE pledge.trip_id = %s ORDER BY pledge.created_at, pledge.id
"""
#: L5, L6, L7 and L10 in one question that is quick to answer; the whole of L1 to L10 is asked at the end.
_LEDGER = """
WITH deposit AS (
    SELECT payment_id, sum(CASE WHEN credit = 'rider:deposit' THEN amount_minor ELSE -amount_minor END) AS amount
    FROM payments_ledgertransfer WHERE 'rider:deposit' IN (credit, debit) GROUP BY payment_id
)
SELECT 'P7', 'L5 deposit of ' || deposit.amount || ' while the payment is ' || payment.state
FROM deposit JOIN payments_payment payment ON payment.id = deposit.payment_id
WHERE deposit.amount < 0 OR (deposit.amount > 0 AND payment.state <> 'paid')
UNION ALL
SELECT 'P7', 'L4 ' || captured_minor || ' of ' || amount_minor || ', ' || refunded_minor || ' back'
FROM payments_payment
WHERE NOT (0 <= refunded_minor AND refunded_minor <= captured_minor AND captured_minor <= amount_minor)
UNION ALL
SELECT 'P1', count(*) || ' captures count for one payment'
FROM payments_attempt WHERE state = 'captured' AND NOT unwanted GROUP BY payment_id HAVING count(*) > 1
UNION ALL
SELECT 'P6', count(*) || ' transfers of one payment to one payee'
FROM payments_transfer WHERE payment_id IS NOT NULL GROUP BY payment_id, payee_id HAVING count(*) > 1
"""
#: How many transfers that no charge stands behind were decided for each account and group.
_DECIDED = """
SELECT payee.account, transfer."group", count(*) FROM payments_transfer transfer
JOIN payments_payee payee ON payee.id = transfer.payee_id WHERE transfer.payment_id IS NULL GROUP BY 1, 2
"""
#: What each account was due, less what it gave up of that before it was sent.
_BOOKED = """
SELECT payee.account, sum(CASE WHEN line.credit = 'operator:payable' THEN line.amount_minor ELSE -line.amount_minor END)
FROM payments_ledgertransfer line JOIN payments_payee payee ON payee.id = line.payee_id
WHERE line.credit = 'operator:payable' OR (line.debit = 'operator:payable' AND line.credit <> 'stripe:balance')
GROUP BY 1
"""


@dataclass(frozen=True)
class Row:
    """A pledge with its payment, as our database has them."""

    pledge: UUID
    state: str
    seats: int
    fare: int
    payment: UUID | None
    payment_state: str | None
    amount: int
    captured: int
    refunded: int


@dataclass(frozen=True)
class Sight:
    """Everything that a property is judged by, looked up once a step."""

    trip: Trip
    rows: list[Row]
    truth: Found


def see(world: World) -> Sight:
    """Look at both sides."""
    with connection.cursor() as cursor:
        cursor.execute(_PLEDGES, [world.cast.trip])
        rows = [Row(*row[:6], *(value or 0 for value in row[6:])) for row in cursor.fetchall()]
    return Sight(world.trip(), rows, world.truth.by_payment())


def nothing_twice(world: World) -> None:
    """P1, P2 right after an operation has run: what is asked for twice is cleared away soon, and must not be there."""
    if world.restored:
        return  # what was asked for is forgotten; the end is judged as strictly
    truth = world.truth.by_payment()
    one_charge(truth)
    one_hold(truth)


def one_charge(truth: Found) -> None:
    """P1: we never take twice for one pledge. What a payer does on two pages is given back (judged at the end)."""
    for intents in truth.values():
        ours = [each for each in intents if each.taken and not each.by_payer]
        if len(ours) > 1:
            raise Broken("P1", f"double charge: {[each.id for each in ours]}")


def one_hold(truth: Found) -> None:
    """P2: we never place two holds for one pledge, nor one beside what was taken."""
    for payment, intents in truth.items():
        ours = [each for each in intents if (each.held or each.kept > 0) and not each.by_payer]
        if payment is not None and len(ours) > 1:
            raise Broken("P2", f"double hold: {[each.id for each in ours]}")


def only_for_confirmed(world: World, sight: Sight) -> None:
    """P3: nobody's money is taken for a trip that is not certain."""
    if world.restored or world.certain_since is not None:
        return
    taken = [each for intents in sight.truth.values() for each in intents if each.kept > 0]
    taken = [each for each in taken if each.payment is None or each.payment not in world.elsewhere]
    if taken:
        raise Broken("P3", f"{taken[0].id} took {taken[0].taken} while the trip is {sight.trip.state}")


def certain_with_reason(world: World, sight: Sight) -> None:
    """P4: when a trip becomes certain a bus is bound, and enough seats are held or paid at the provider."""
    if sight.trip.state != TripState.CONFIRMED or world.certain_since is not None:
        return
    world.certain_since = world.now
    if not sight.trip.has_bus:
        raise Broken("P4", "confirmed without a bus")
    backed = {
        payment
        for payment, intents in sight.truth.items()
        if any(each.held or each.taken for each in intents)
    }
    seats = sum(row.seats for row in sight.rows if row.state in OCCUPYING and row.payment in backed)
    if seats < sight.trip.threshold and not world.restored:
        raise Broken("P4", f"confirmed with {seats} seats held of {sight.trip.threshold}")


def refunds_fit(world: World, sight: Sight) -> None:
    """P5: nobody gets back more than was taken."""
    for intents in sight.truth.values():
        for each in intents:
            if each.returned > each.taken:
                raise Broken("P5", f"{each.id}: {each.returned} back of {each.taken}")


def transfers_fit(world: World, sight: Sight) -> None:
    """P6: nobody is sent anything twice, no more of a charge than was taken, and in all no more than was booked for them."""
    sent = world.truth.transfers()
    if not sent:
        return
    of_charge: Counter[str] = Counter()
    for each in sent:
        of_charge[each.charge] += each.net
    taken = {each.charge: each.taken for intents in sight.truth.values() for each in intents}
    for charge, amount in of_charge.items():
        if charge and amount > taken.get(charge, 0):
            raise Broken("P6", f"{amount} sent of {taken.get(charge, 0)}")
    if world.restored:
        return  # what was asked for is forgotten until the feed tells of it
    tied = Counter((each.account, each.charge) for each in sent if each.charge)
    if tied and max(tied.values()) > 1:
        raise Broken("P6", f"two transfers to one payee: {tied.most_common(1)}")
    no_more_than_booked(sent)


def no_more_than_booked(sent: list[Sent]) -> None:
    """Out of our balance goes each transfer that was decided, once; in all each payee gets at most what the books say."""
    loose = Counter((each.account, each.group) for each in sent if not each.charge)
    got: Counter[str] = Counter()
    for each in sent:
        got[each.account] += each.net
    with connection.cursor() as cursor:
        cursor.execute(_DECIDED)
        decided = {(account, group): number for account, group, number in cursor.fetchall()}
        cursor.execute(_BOOKED)
        booked = dict(cursor.fetchall())
    for key, number in loose.items():
        if number > decided.get(key, 0):
            raise Broken(
                "P6", f"{number} transfers out of our balance to {key}, decided {decided.get(key, 0)}"
            )
    for account, amount in got.items():
        if amount > booked.get(account, 0):
            raise Broken("P6", f"{amount} sent to {account}, booked {booked.get(account, 0)}")


def books_hold(world: World, sight: Sight) -> None:
    """P7: the ledger's own invariants."""
    with connection.cursor() as cursor:
        cursor.execute(_LEDGER)
        wrong = cursor.fetchone()
    if wrong:
        raise Broken(*wrong)


def no_more_than_agreed(world: World, sight: Sight) -> None:
    """P8: nobody pays more than they ever agreed to."""
    agreed = world.memory.agreed
    for row in sight.rows:
        now = row.seats * row.fare
        agreed[row.pledge] = max(agreed.get(row.pledge, 0), now)
        if row.captured > agreed[row.pledge]:
            raise Broken("P8", f"{row.captured} counts as paid, {agreed[row.pledge]} was agreed")
        for each in sight.truth.get(row.payment, ()):
            if row.payment is not None and each.taken > agreed[row.pledge] and not world.restored:
                raise Broken("P8", f"{each.id} took {each.taken}, {agreed[row.pledge]} was agreed")


def fares_fall(world: World, sight: Sight) -> None:
    """P17 is judged in the end; for that the story remembers how many seats were paid at once while the fare could fall."""
    if sight.trip.locked_percent is not None and sight.trip.fares_closed_at is None:
        world.memory.funded = max(world.memory.funded, sight.trip.seats_funded)


def codes_fit(world: World, sight: Sight) -> None:
    """P18: no code pays more often than it may."""
    saving.limits_hold(world)


def seats_fit(world: World, sight: Sight) -> None:
    """P9: no seat is sold twice."""
    taken = sum(row.seats for row in sight.rows if row.state in OCCUPYING)
    if not taken == sight.trip.seats_taken <= sight.trip.capacity:
        raise Broken("P9", f"{taken} seats, counted {sight.trip.seats_taken} of {sight.trip.capacity}")


Property = Callable[[World, Sight], None]
#: Asked in this order after every step.
PROPERTIES: list[Property] = [
    certain_with_reason,
    only_for_confirmed,
    refunds_fit,
    transfers_fit,
    books_hold,
    no_more_than_agreed,
    seats_fit,
    fares_fall,
    codes_fit,
]


def check(world: World) -> None:
    """Raises `Broken` for the first property that does not hold. Looks only where something was written."""
    if world.errors.faults:
        raise Broken("P0", f"a fault of our own was logged: {world.errors.faults[0]}")
    there = world.truth.writes()
    if not world.trouble.wrote and there == world.seen_there:
        return
    with world.trouble.undisturbed():
        nothing_twice(world)
        sight = see(world)
        for each in PROPERTIES:
            each(world, sight)
    world.trouble.wrote, world.seen_there = False, there


def check_books(world: World, books: Any = None) -> None:
    """All ten invariants, as the nightly audit asks for them. Raises `Broken`."""
    with world.trouble.undisturbed():
        for name, differences in queries.check_ledger(books).items():
            raise Broken("P12" if books is not None else "P7", f"{name}: {differences}")
