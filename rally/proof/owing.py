"""P13 and P17: what each rider has to have paid in the end, by the story's own sum from who left when, and the last fare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from payments.models import Account, Contribution, Refund
from payments.states import ContributionState, RefundState
from rally.proof.world import Broken, GaveUp, World
from trips.models import FreedSeat, Pledge, Trip
from trips.pricing import ladders
from trips.queries import fares
from trips.states import PledgeState, TripState

_DID_NOT_RUN = (TripState.LAPSED, TripState.CANCELLED)

# ---- who left when


@contextmanager
def watching(world: World, pledge_id: UUID) -> Iterator[None]:
    """Remember what the rider of a pledge gives up of paid seats meanwhile, whoever dies on the way."""
    trip, now = world.trip(), world.now
    before = [(part, _put_in(part)) for part in _paid_parts(pledge_id)]
    yield
    with world.trouble.undisturbed():
        after = {part.id: part.seats for part in _paid_parts(pledge_id)}
    gone = {part.id: part.seats - after.get(part.id, 0) for part, _paid in before}
    others_pay = _pay_the_bus(trip, trip.seats_funded - sum(gone.values()))
    for part, paid in before:
        if gone[part.id]:
            percent = _percent(part, trip, now, others_pay=others_pay)
            given_up = GaveUp(part.id, gone[part.id], part.seats, part.price.minor, paid, percent)
            world.memory.gave_up.append(given_up)


def _paid_parts(pledge_id: UUID) -> list[Pledge]:
    """The paid pledges of a ride."""
    ride = Pledge.objects.filter(id=pledge_id) | Pledge.objects.filter(enlarges=pledge_id)
    return list(ride.filter(state=PledgeState.PAID).select_related("payment").order_by("created_at", "id"))


def _put_in(pledge: Pledge) -> int:
    """What its rider has put in for the seats that it has: less what is kept of those given up before."""
    assert pledge.payment is not None  # noqa: S101 - it is paid
    earlier = pledge.freed_seats.filter(resold_at=None).values_list("kept_minor", flat=True)
    by_card = pledge.payment.captured_minor - pledge.payment.refunded_minor
    return max(0, by_card + covered(pledge, Account.RIDER_CREDIT) - sum(earlier))


def _pay_the_bus(trip: Trip, seats: int) -> bool:
    """Whether so many seats at the price in force bring in what the threshold does at the whole fare, in money and from
    the nearest stop."""
    fare = min(trip.stops.values_list("fare_minor", flat=True))
    price = fare if trip.locked_percent is None else -(-fare * trip.locked_percent // 100)
    return seats * price >= trip.threshold * fare


def _percent(pledge: Pledge, trip: Trip, now: datetime, *, others_pay: bool) -> int:
    """The step of the ladder that the rider agreed to: all of it only while the others pay the bus."""
    ahead = (trip.departs_at - now).total_seconds() / 3600
    return max(
        (share for hours, share in pledge.policy if ahead >= hours and (share < 100 or others_pay)), default=0
    )


def covered(pledge: Pledge, *sources: str) -> int:
    """What credit or a promotion paid of a pledge and was not given back."""
    if pledge.payment_id is None:
        return 0
    spent = Contribution.objects.filter(
        payment_id=pledge.payment_id, source__in=sources, state=ContributionState.SPENT
    )
    return sum(each.amount_minor - each.returned_minor for each in spent)


def still_owed(pledge: Pledge) -> int:
    """Promised back, and we did not send it: the card did not take it, which is a task for staff; or a bank was quicker."""
    if pledge.payment_id is None:
        return 0
    not_sent = Q(state=RefundState.FAILED) | Q(by_bank=True)
    promised = Refund.objects.filter(not_sent, attempt__payment_id=pledge.payment_id)
    return sum(promised.values_list("amount_minor", flat=True))


# ---- what everybody owes


def check(world: World) -> None:
    """P13: who rode paid the exact price; who did not paid what the ladder keeps of seats not sold again, or nothing."""
    trip, intents = world.trip(), world.truth.by_payment()
    by_hand = Counter[str]()
    for charge, amount in world.truth.refunds_by_hand():
        by_hand[charge] += amount
    undisputed = []
    for pledge in Pledge.objects.filter(trip_id=trip.id).select_related("payment").order_by("created_at"):
        mine = intents.get(pledge.payment_id, []) if pledge.payment_id else []
        if any(each.disputed for each in mine):
            continue  # what a bank decided is not ours to exact
        undisputed.append(pledge.id)
        given_up = [each for each in world.memory.gave_up if each.pledge == pledge.id]
        # What a code pays of seats that were given up is judged as P18; here it is what the rider put in.
        sources = [Account.RIDER_CREDIT] if given_up else [Account.RIDER_CREDIT, Account.PROMOTION]
        paid = sum(each.kept for each in mine) + covered(pledge, *sources) - still_owed(pledge)
        owes, given = _owes(trip, pledge, given_up), sum(by_hand[each.charge] for each in mine)
        least, most = _back_for_legs(trip, pledge, given_up)
        if not owes - given - most <= paid <= owes - least:
            what = f"{pledge.code} is {pledge.state}, paid {paid}, owes {owes} ({given} by hand, {least} to {most} for legs)"
            raise Broken("P13", what)
    strangers = [each for payment, found in intents.items() if payment is None for each in found if each.kept]
    if strangers:
        raise Broken("P13", f"money taken for nobody: {strangers[0].id}")
    _freed_seats_were_sold(trip)
    _fares_fell(world, trip, undisputed)


def _owes(trip: Trip, pledge: Pledge, given_up: list[GaveUp]) -> int:
    """What the rider of a pledge has to have paid in the end. Nothing for a trip that did not run."""
    if trip.state in _DID_NOT_RUN:
        return 0
    stays = pledge.seats if pledge.state == PledgeState.PAID else 0
    if not given_up:
        return stays * pledge.price.minor
    last = given_up[-1]
    rest = last.rest - (last.price - pledge.price.minor) * stays if stays else 0
    freed = list(pledge.freed_seats.order_by("n"))
    kept = [amount for each in given_up for amount in each.kept]
    if [each.kept_minor for each in freed] != kept:
        raise Broken("P13", f"kept {[each.kept_minor for each in freed]} of {pledge.code}, agreed was {kept}")
    return rest + sum(amount for amount, seat in zip(kept, freed, strict=True) if seat.resold_at is None)


def _back_for_legs(trip: Trip, pledge: Pledge, given_up: list[GaveUp]) -> tuple[int, int]:
    """The least and the most that the rider of a pledge has back for ways that were not driven. The fare may have fallen, and
    seats may have been given up, before or after. What a promotion paid is not the rider's."""
    percents = list(trip.failed_legs.values_list("percent", flat=True))
    if trip.state in _DID_NOT_RUN or pledge.state != PledgeState.PAID:
        return 0, 0
    percent, seats = min(100, sum(percents)), pledge.seats + sum(each.seats for each in given_up)
    most = -(-pledge.fare.minor * seats * percent // 100) + len(percents)
    paid = pledge.price.minor * pledge.seats - covered(pledge, Account.PROMOTION)
    return 0 if given_up else paid * percent // 100, most


def _freed_seats_were_sold(trip: Trip) -> None:
    """P13: each freed seat that was sold went to a seat that was taken later, and none waits while there is such a one."""
    pledges = {each.id: each for each in Pledge.objects.filter(trip_id=trip.id)}
    freed = list(FreedSeat.objects.filter(trip_id=trip.id))
    took = Counter(each.resold_to_id for each in freed if each.resold_to_id)
    paid = [each for each in pledges.values() if each.state == PledgeState.PAID]
    for seat in freed:
        if seat.resold_to_id is not None:
            fits = _taken_at(pledges[seat.resold_to_id]) >= seat.freed_at
        else:
            later = [
                each for each in paid if _taken_at(each) > seat.freed_at
            ]  # at the same moment: either way
            fits = trip.state in _DID_NOT_RUN or all(took[each.id] >= each.seats for each in later)
        if not fits:
            raise Broken("P13", f"{seat}, freed {seat.freed_at}, is sold to {seat.resold_to}")


def _taken_at(pledge: Pledge) -> datetime:
    return pledge.offered_at or pledge.created_at


def _fares_fell(world: World, trip: Trip, pledges: list[UUID]) -> None:
    """P17: everybody who rode paid the same last fare, which the seats that were paid have made."""
    if not trip.ladder or trip.locked_percent is None or trip.state in _DID_NOT_RUN:
        return
    if too_much := fares.overcharged(id__in=pledges):
        raise Broken("P17", f"overcharged: {too_much}")
    if trip.fares_closed_at is None or trip.locked_percent > ladders.percent_at(
        trip.ladder, world.memory.funded
    ):
        what = f"{world.memory.funded} seats were paid, the fare stands at {trip.locked_percent} %"
        raise Broken("P17", f"{what}, closed {trip.fares_closed_at}")
    for pledge in Pledge.objects.filter(id__in=pledges, state=PledgeState.PAID).select_related("stop"):
        last = -(-pledge.stop.fare_minor * trip.locked_percent // 100)
        if pledge.price.minor != min(last, pledge.fare.minor):
            raise Broken("P17", f"{pledge.code} pays {pledge.price.minor}, the last fare is {last}")
