"""The threshold engine: authorize everybody, wait for every answer, decide once, then take the money or let it go."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.dispatch import Signal

from payments.models import Payment
from payments.states import SECURED, PaymentState
from rally import journal, rules
from trips import notices
from trips.actions import backing as money
from trips.actions import fares
from trips.locks import locked_trip
from trips.models import Partner, Pledge, Trip
from trips.queries import terms
from trips.signals import trip_confirmed, trip_lapsed
from trips.states import TRIP, PledgeState, TripState

#: Their riders have done their part and nothing is asked of them.
_READY = (PledgeState.BACKED, PledgeState.HELD)


@transaction.atomic
def settle(*, trip_id: Any, now: datetime) -> None:
    """Take the trip as far as it can go now: begin settling if that is due, decide if everything is known.

    Safe to repeat, and by two workers at once: the lock lets one after the other in, and the state says what is left.
    """
    trip = locked_trip(trip_id)
    if trip.state == TripState.GATHERING:
        _begin(trip, now)
    elif trip.state == TripState.SETTLING:
        _advance(trip, now)


def _begin(trip: Trip, now: datetime) -> None:
    """Freeze the trip and ask every bank, once both sides are bound, at the latest at the decision time."""
    due = now >= trip.decides_at
    if not due and not (trip.has_bus and trip.seats_pledged >= trip.threshold):
        return

    backing = money.of_trip(trip, now)
    releasing = any(payment and payment.state == PaymentState.RELEASING for _pledge, payment in backing)
    give_up_at = trip.decides_at + terms.slack(trip.decides_at, trip.departs_at, rules.current())
    if releasing and now < give_up_at:
        return  # a hold of the last try is still being let go; the answer wakes us again
    ready = sum(pledge.seats for pledge, _payment in backing if pledge.state in _READY)
    # Early, only those count whose card is not in doubt, or the same refused card would start it over and over.
    enough = trip.has_bus and (trip.seats_pledged if due else ready) >= trip.threshold
    if not enough:
        at_the_checkout = trip.has_bus and trip.seats_taken >= trip.threshold
        if due and not at_the_checkout:
            _lapse(trip, backing, why="too_few" if trip.seats_pledged < trip.threshold else "no_bus", now=now)
        return

    trip.settling_since = now
    trip.grace_ends_at = now + terms.grace(now, trip.departs_at, rules.current())
    _move(trip, TripState.SETTLING, now=now, also=("settling_since", "grace_ends_at"))
    for pledge, payment in backing:
        if payment is not None:
            money.carry_on(trip=trip, pledge=pledge, payment=payment, now=now)
    _advance(trip, now)


def _advance(trip: Trip, now: datetime) -> None:
    """Decide if every bank has answered; wait while a refused card or a new rider may still fill the gap.

    Unknown is not "no": an unanswered question holds up the decision, at most `settle_slack_hours` past the grace.
    After that the trip is decided by what is known, and what turns up later is let go.
    """
    assert trip.settling_since is not None  # noqa: S101 - a constraint says so
    assert trip.grace_ends_at is not None  # noqa: S101
    give_up_at = trip.grace_ends_at + terms.slack(trip.settling_since, trip.departs_at, rules.current())
    asking = Pledge.objects.filter(trip=trip, state=PledgeState.AUTHORIZING)
    if now < give_up_at and asking.exists():
        return  # cheap: this is asked once for each bank's answer

    backing = money.of_trip(trip, now)
    for pledge, payment in backing:
        if payment is not None:
            money.carry_on(trip=trip, pledge=pledge, payment=payment, now=now)
    unknown = any(
        pledge.state == PledgeState.AUTHORIZING or _ran_out(payment, now) for pledge, payment in backing
    )
    if now < give_up_at and unknown:
        return
    held = sum(
        pledge.seats
        for pledge, payment in backing
        if pledge.state == PledgeState.HELD
        and payment is not None
        and payment.state in SECURED
        and not _ran_out(payment, now)
    )

    if held >= trip.threshold and trip.has_bus:
        _confirm(trip, backing, held, now)
    elif now < trip.grace_ends_at and _worth_waiting(trip, now):
        return
    elif now < trip.decides_at:
        _gather_again(trip, backing, now)
    else:
        _lapse(trip, backing, why="too_few_held" if held < trip.threshold else "no_bus", now=now)


def _ran_out(payment: Payment | None, now: datetime) -> bool:
    """A hold whose time is over and that nobody has looked at since; the sweep will, and asks the bank again."""
    return (
        payment is not None
        and payment.state == PaymentState.HELD
        and payment.hold_expires_at is not None
        and payment.hold_expires_at <= now
    )


def _worth_waiting(trip: Trip, now: datetime) -> bool:
    """Before the decision time there is no point in holding cards for a bus that left or seats that nobody has."""
    if now >= trip.decides_at:
        return True  # a last chance: another bus, another rider, a mended card
    return trip.has_bus and trip.seats_taken >= trip.threshold


def _confirm(trip: Trip, backing: money.Backing, held: int, now: datetime) -> None:
    """The point of no return: the money is really there and a bus is bound. From here on it is taken.

    Where the fare falls as the coach fills, `held` seats lock the price of everybody; what is held above it is let go.
    What the partner of the event has of our fee is what is agreed at this moment.
    """
    trip.decided_at = now
    fares.lock(trip=trip, pledges=[pledge for pledge, _payment in backing], held=held)
    partner = Partner.objects.filter(events=trip.event_id).first()
    if partner is not None:
        trip.partner, trip.partner_percent = partner, partner.share_percent
    _move(
        trip,
        TripState.CONFIRMED,
        now=now,
        also=("decided_at", "locked_percent", "partner", "partner_percent"),
        why=f"{held} seats held",
    )
    for pledge, payment in backing:
        # A card that is late is not asked for any more: its rider hears next that the seats were given up.
        if pledge.state != PledgeState.DRAFT and not pledge.card_is_late(now):
            notices.confirmed(pledge, now)
        if payment is not None:
            money.carry_on(trip=trip, pledge=pledge, payment=payment, now=now)
    announce(trip_confirmed, trip)


def _gather_again(trip: Trip, backing: money.Backing, now: datetime) -> None:
    """Too few cards held and still time: let the holds go, keep the cards, drop those whose grace is over."""
    _move(trip, TripState.GATHERING, now=now, why="too few cards held" if trip.has_bus else "the bus left")
    for pledge, _payment in backing:
        money.let_card_rest(trip=trip, pledge=pledge, now=now)
        if pledge.state == PledgeState.NEEDS_CARD:
            money.drop(pledge_id=pledge.id, now=now)


def _lapse(trip: Trip, backing: money.Backing, *, why: str, now: datetime) -> None:
    """It does not run: nobody was charged, every hold is let go, everybody is told."""
    trip.decided_at, trip.why_ended = now, why
    _move(trip, TripState.LAPSED, now=now, also=("decided_at", "why_ended"), why=why)
    told = [pledge for pledge, _payment in backing if pledge.state != PledgeState.DRAFT]
    for pledge, _payment in backing:
        money.let_go(trip=trip, pledge=pledge, now=now, why="lapsed")
    for pledge in told:
        notices.lapsed(pledge, now)
    notices.lapsed_holders(trip, told, now)
    notices.lapsed_captain(trip, now)
    announce(trip_lapsed, trip)


def _move(trip: Trip, to: TripState, *, now: datetime, also: tuple[str, ...] = (), why: str = "") -> None:
    journal.move(trip, TRIP, to, now=now, by=None, why=why, also=also)


def announce(signal: Signal, trip: Trip) -> None:
    """Send the news once this transaction has committed; a receiver that fails harms nobody else."""
    transaction.on_commit(partial(signal.send_robust, sender=Trip, trip_id=trip.id))
