"""The money behind a pledge: follow it, ask for what the trip needs, give back what is no longer wanted."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from payments.actions import payments
from payments.locks import locked_payment, locked_payments
from payments.models import Payment, Refund
from payments.queries import Back, given_back
from payments.states import CheckoutState, PaymentState, RefundState
from rally import journal, rules
from rally.later import later
from rally.models import StateChange, User
from rally.money import Money
from trips import notices
from trips.actions import fares, legs, promotions
from trips.actions.paying import described
from trips.locks import locked_pledge, locked_pledges
from trips.models import Pledge, Trip
from trips.models.pledges import Instrument
from trips.queries import terms
from trips.queries.handed import held
from trips.states import OCCUPYING, PLEDGE, PledgeState, TripState

#: Whoever has a seat now is still to ride on it, and whoever waits for one can still get it.
_BEFORE_IT_LEAVES = (TripState.GATHERING, TripState.SETTLING, TripState.CONFIRMED)


@transaction.atomic
def follow(*, payment_id: Any, now: datetime) -> None:
    """Bring the pledge to where its payment stands, and the payment to where the trip wants it. Safe to repeat.

    A card that comes in after its seats were given up is let go; money that was taken by then is given back.
    """
    found = Pledge.objects.filter(payment_id=payment_id).values_list("id", flat=True).first()
    if found is None:
        # Opened by a transaction that never committed its pledge; nobody waits for this money.
        payment = locked_payment(payment_id)
        payments.followed(payment_id=payment_id, state=payment.state, now=now)
        return
    trip, pledge = locked_pledge(found)
    payment = locked_payment(payment_id)

    seen = payment.state
    catch_up(trip=trip, pledge=pledge, payment=payment, now=now)
    carry_on(trip=trip, pledge=pledge, payment=payment, now=now)
    _tell_of_failed_refunds(pledge, payment, now)
    payments.followed(payment_id=payment_id, state=seen, now=now)

    trip.refresh_from_db(fields=["seats_pledged", "seats_taken", "seats_funded"])
    fares.fall(trip=trip)
    fares.settle_up(trip=trip, pledge=pledge, now=now)
    legs.settle_up(trip=trip, pledge=pledge, now=now)
    wake(trip, now)
    if not pledge.is_live:
        promotions.give_back(pledge=pledge, now=now)


#: Where a live pledge stands when its payment stands there.
_FOLLOWS = {
    PaymentState.CARD_SAVED: PledgeState.BACKED,
    PaymentState.AUTHORIZING: PledgeState.AUTHORIZING,
    PaymentState.HELD: PledgeState.HELD,
    PaymentState.DECLINED: PledgeState.NEEDS_CARD,
    PaymentState.CAPTURING: PledgeState.CAPTURING,
    PaymentState.PAID: PledgeState.PAID,
    PaymentState.DUE: PledgeState.PAYMENT_DUE,
    PaymentState.RELEASED: PledgeState.RELEASED,
    PaymentState.REFUNDED: PledgeState.REFUNDED,
}


#: Pledges of a trip with their payments, if they have one yet.
Backing = list[tuple[Pledge, Payment | None]]


def of_trip(trip: Trip, now: datetime) -> Backing:
    """The live pledges of a locked trip with their payments, locked, each pledge brought to what its money says."""
    live = locked_pledges(trip, OCCUPYING)
    found = {payment.id: payment for payment in locked_payments([p.payment_id for p in live if p.payment_id])}
    backing: Backing = []
    for pledge in live:
        payment = found.get(pledge.payment_id) if pledge.payment_id else None
        if payment is not None:
            pledge.payment = payment  # as it is locked, and asked for no more
            catch_up(trip=trip, pledge=pledge, payment=payment, now=now)
        if pledge.is_live:
            backing.append((pledge, payment))
    trip.refresh_from_db(fields=["seats_taken", "seats_pledged", "seats_funded"])
    return backing


def catch_up(*, trip: Trip, pledge: Pledge, payment: Payment, now: datetime) -> None:
    """Move a locked pledge to what its locked payment says. Nothing to do: nothing done."""
    if not pledge.is_live:
        _give_back(trip, pledge, payment, now)
        return
    to = _FOLLOWS.get(PaymentState(payment.state))
    if to is None or to == pledge.state:
        return
    if to == PledgeState.REFUNDED and trip.state == TripState.UNDER_WAY:
        # All of the money may be back, for a way that was not driven: the seat is theirs until `trips.complete`.
        return
    if to == PledgeState.RELEASED and pledge.state == PledgeState.DRAFT:
        to = PledgeState.EXPIRED
    was = PledgeState(pledge.state)
    for step in _way(was, to):
        move(pledge, step, now=now, by=None, trip=trip)
    if pledge.state not in OCCUPYING:
        _tell_holders(trip, pledge, now)
    if pledge.state == PledgeState.REFUNDED and trip.state in _BEFORE_IT_LEAVES:
        notices.all_back(pledge, now)
    if was == PledgeState.DRAFT and pledge.state in {PledgeState.BACKED, PledgeState.HELD, PledgeState.PAID}:
        trip.refresh_from_db(fields=["seats_pledged", "seats_taken", "seats_funded"])
        pledge.payment = payment
        notices.pledged(pledge, now)
        if trip.lost_its_bus:
            notices.bus_lost(trip, [pledge], now)  # paid on a page that was open when the bus was lost
    if pledge.state == PledgeState.PAID and trip.told_passes_at is not None:
        notices.boarding_pass(pledge, now)


def _tell_holders(trip: Trip, pledge: Pledge, now: datetime) -> None:
    """A pledge has ended: who holds seats of it and was still to ride on them has them no more."""
    if trip.state in _BEFORE_IT_LEAVES:
        notices.seats_gone(held([pledge]), now)


def _way(old: PledgeState, new: PledgeState) -> list[PledgeState]:
    """The shortest way from one state to another: the money may have gone several steps before we looked.

    Only through states that take up seats. Empty when there is none: the payment is behind the pledge, not ahead.
    """
    ways: deque[list[PledgeState]] = deque([[old]])
    seen = {old}
    while ways:
        way = ways.popleft()
        for step in sorted(PLEDGE.moves[way[-1]]):
            state = PledgeState(step)
            if state == new:
                return [*way[1:], state]
            if (
                state not in seen
                and state in OCCUPYING
                and state not in {PledgeState.NEEDS_CARD, PledgeState.PAYMENT_DUE}
            ):
                seen.add(state)
                ways.append([*way, state])
    return []


#: Who was on the bus: once it is back, nobody else is asked for money.
RODE = (PledgeState.CAPTURING, PledgeState.PAID, PledgeState.PAYMENT_DUE)


def carry_on(*, trip: Trip, pledge: Pledge, payment: Payment, now: datetime) -> None:
    """Ask of a locked payment what its trip now needs: a hold once it settles, the money once it is confirmed."""
    if not pledge.is_live:
        return
    over = trip.state in {TripState.COMPLETED, TripState.CLOSED} and pledge.state not in RODE
    if over or trip.state in {TripState.LAPSED, TripState.CANCELLED}:
        let_go(trip=trip, pledge=pledge, now=now, why=trip.state)
        return
    if pledge.state == PledgeState.BACKED and payment.state == PaymentState.CARD_SAVED:
        _ask_no_more_than(pledge, payment, now)
        if trip.state in {TripState.SETTLING, TripState.CONFIRMED}:
            payments.authorize(payment_id=payment.id, amount=pledge.charge, now=now)
            move(pledge, PledgeState.AUTHORIZING, now=now, by=None, trip=trip)
    elif (
        pledge.state == PledgeState.HELD
        and payment.state == PaymentState.HELD
        and trip.state in {TripState.CONFIRMED, TripState.UNDER_WAY}
    ):
        _ask_no_more_than(pledge, payment, now)
        payments.capture(payment_id=payment.id, amount=pledge.charge, now=now)
        move(pledge, PledgeState.CAPTURING, now=now, by=None, trip=trip)
    elif trip.state == TripState.GATHERING and payment.state == PaymentState.HELD:
        let_card_rest(trip=trip, pledge=pledge, now=now)  # the answer came after the decision was put off


def _ask_no_more_than(pledge: Pledge, payment: Payment, now: datetime) -> None:
    """The payment is for what the pledge costs: the agreed amount until the price is locked, never above that after."""
    if payment.amount != pledge.charge:
        words = described(pledge.trip, pledge)
        payments.change_amount(payment_id=payment.id, amount=pledge.charge, description=words, now=now)


def let_go(*, trip: Trip, pledge: Pledge, now: datetime, why: str) -> Back:
    """The trip ended: free a live, locked pledge of it and give everything back. Answers what goes back of what was paid.
    Safe to repeat.

    A pledge whose money is being taken at this moment is left alone; `follow` comes here again when that is known.
    """
    if pledge.state == PledgeState.PAID:
        move(pledge, PledgeState.WITHDRAWING, now=now, by=None, trip=trip, why=why)
        return _refund_all(pledge, why=why, now=now)
    if pledge.state != PledgeState.CAPTURING:
        move(pledge, PledgeState.RELEASED, now=now, by=None, trip=trip, why=why)
        if pledge.payment_id:
            payments.release(payment_id=pledge.payment_id, keep_card=False, now=now, why=why)
    return Back.nothing(pledge.currency)


def let_card_rest(*, trip: Trip, pledge: Pledge, now: datetime) -> None:
    """The trip gathers again: let go a hold that was placed for the decision, but keep the card."""
    if pledge.state == PledgeState.HELD and pledge.instrument == Instrument.SAVED_CARD:
        move(pledge, PledgeState.BACKED, now=now, by=None, trip=trip, why="gathering again")
        payments.release(payment_id=payment_id_of(pledge), keep_card=True, now=now, why="gathering again")


def _give_back(trip: Trip, pledge: Pledge, payment: Payment, now: datetime) -> None:
    """The pledge has ended or is ending: no hold, no card and no money of it may stay with us."""
    state = PaymentState(payment.state)
    leaving = pledge.state == PledgeState.WITHDRAWING
    if state == PaymentState.PAID:
        _give_back_paid(trip, pledge, payment, now)
    elif state == PaymentState.REFUNDED:
        if leaving:
            move(pledge, PledgeState.REFUNDED, now=now, by=None, trip=trip)
    elif state == PaymentState.RELEASED:
        if leaving:
            move(pledge, PledgeState.WITHDRAWN, now=now, by=None, trip=trip)
        elif _finished_too_late(pledge, payment):
            notices.came_late(pledge, now)
    elif state not in {PaymentState.RELEASING, PaymentState.CAPTURING}:
        if not leaving and state in {PaymentState.CARD_SAVED, PaymentState.HELD}:
            notices.came_late(pledge, now)
        payments.release(payment_id=payment.id, keep_card=False, now=now, why=f"pledge {pledge.state}")


def _give_back_paid(trip: Trip, pledge: Pledge, payment: Payment, now: datetime) -> None:
    """Money that was taken for a pledge that has ended: given back, or on its way, or kept as agreed."""
    left = payments.left_to_refund(payment)
    leaving = pledge.state == PledgeState.WITHDRAWING
    had_paid = leaving or pledge.state == PledgeState.REFUNDED
    if had_paid and left and trip.state == TripState.CANCELLED:
        # Of a trip that does not run, nothing stays here: also what a dispute kept from going back when it was called
        # off, of who rode along as of who had left before.
        rest = f"rest{payment.refunded_minor}"
        back = _refund_all(pledge, why=f"cancelled:{rest}", now=now)
        if back:
            notices.rest_back(pledge, back, now, about=rest)
    elif left and not given_back(payment) and pledge.state != PledgeState.REFUNDED:
        if not leaving:
            notices.came_late(pledge, now)
        _refund_all(pledge, why="came_late", now=now)
    elif leaving and not _refund_pending(payment):
        move(pledge, PledgeState.REFUNDED, now=now, by=None, trip=trip)


def _tell_of_failed_refunds(pledge: Pledge, payment: Payment, now: datetime) -> None:
    """Money that was on its way back and did not arrive: once for each refund. Staff see it among what is owed."""
    if payment.refunded_minor == 0:
        return
    for refund in Refund.objects.filter(attempt__payment=payment, state=RefundState.FAILED):
        amount = Money(refund.amount_minor, payment.currency)
        notices.refund_late(pledge, amount, f"refund:{refund.id}", now)


def _refund_pending(payment: Payment) -> bool:
    return Refund.objects.filter(attempt__payment=payment).exclude(state=RefundState.SUCCEEDED).exists()


def _finished_too_late(pledge: Pledge, payment: Payment) -> bool:
    """Whether a card came in on the page, but only after the seats of the draft had been given up; or money that nobody wanted
    any more, which goes back by itself."""
    if payment.attempts.filter(unwanted=True, captured_minor__gt=0).exists():
        return True
    given_up = StateChange.objects.filter(
        subject=pledge.id, old=PledgeState.DRAFT, new__in=[PledgeState.EXPIRED, PledgeState.RELEASED]
    )
    return payment.checkouts.filter(state=CheckoutState.COMPLETE).exists() and given_up.exists()


def _refund_all(pledge: Pledge, *, why: str, now: datetime) -> Back:
    """Give back all that is left of a pledge's payment, unless a bank has it; answers what goes back."""
    payment = locked_payment(payment_id_of(pledge))
    left = payments.left_to_refund(payment)
    if not left:
        return Back.nothing(payment.currency)
    # What a dispute holds is with the bank. `follow` comes here again, and finds it won (then it is given back) or lost
    # (then the bank has given it back).
    return payments.refund_unless_disputed(payment_id=payment.id, amount=left, reason=why, now=now)


def payment_id_of(pledge: Pledge) -> UUID:
    """The key of the payment that must be there in this state; a constraint says that it is."""
    assert pledge.payment_id is not None  # noqa: S101
    return pledge.payment_id


def wake(trip: Trip, now: datetime) -> None:
    """Have the settlement looked at, if something may be due."""
    full_enough = trip.seats_pledged >= trip.threshold and trip.has_bus
    if trip.state == TripState.SETTLING or (
        trip.state == TripState.GATHERING and (full_enough or now >= trip.decides_at)
    ):
        later("trips.settle", trip_id=trip.id)


def move(
    pledge: Pledge, to: PledgeState, *, now: datetime, by: User | None, trip: Trip, why: str = ""
) -> None:
    """The one place where a pledge changes its state."""
    also: list[str] = []
    if to in {PledgeState.NEEDS_CARD, PledgeState.PAYMENT_DUE}:
        # A second refusal does not start the grace again.
        if not _asked_already(trip, pledge, now):
            pledge.card_asked_at, pledge.card_due_at = now, _card_due(trip, to, now)
        also += ["card_asked_at", "card_due_at"]
    elif to in {PledgeState.BACKED, PledgeState.HELD, PledgeState.PAID} and pledge.card_due_at is not None:
        pledge.card_asked_at = pledge.card_due_at = None
        also += ["card_asked_at", "card_due_at"]
    freed = pledge.is_live and to not in OCCUPYING
    if freed or pledge.state == PledgeState.WAITING:
        pledge.ended_at = now
        also.append("ended_at")
    journal.move(pledge, PLEDGE, to, now=now, by=by, why=why, also=tuple(also))
    if freed and trip.state in _BEFORE_IT_LEAVES:
        later("trips.offer_seats", trip_id=trip.id)
    if to == PledgeState.PAID and _joined_late(trip, pledge):
        later("trips.resell", trip_id=trip.id)
    if to in {PledgeState.NEEDS_CARD, PledgeState.PAYMENT_DUE}:
        notices.card_needs_you(pledge, now)


def _asked_already(trip: Trip, pledge: Pledge, now: datetime) -> bool:
    """Whether this card is being waited for: in time, or kept beyond it while the trip settles and nobody wants the seats."""
    if pledge.card_asked_at is None or pledge.card_due_at is None:
        return False
    since = trip.settling_since if trip.state == TripState.SETTLING else None
    return pledge.card_due_at > now or (since is not None and pledge.card_asked_at >= since)


def _joined_late(trip: Trip, pledge: Pledge) -> bool:
    """Only who took seats after the decision can have taken one that was paid and freed."""
    return trip.decided_at is not None and (pledge.offered_at or pledge.created_at) >= trip.decided_at


def _card_due(trip: Trip, to: PledgeState, now: datetime) -> datetime:
    if to == PledgeState.PAYMENT_DUE:
        return now + timedelta(hours=24)
    numbers = rules.current()
    if trip.state == TripState.SETTLING and trip.grace_ends_at and trip.grace_ends_at > now:
        return terms.card_due(
            now, grace_ends_at=trip.grace_ends_at, decides_at=trip.decides_at, numbers=numbers
        )
    due = now + terms.grace(now, trip.departs_at, numbers)
    return min(due, trip.decides_at) if trip.state == TripState.GATHERING and trip.decides_at > now else due


# --- time runs out


@transaction.atomic
def expire(*, pledge_id: Any, now: datetime) -> None:
    """Free the seats of a draft whose time is over, unless its card has come in. Twice is once."""
    trip, pledge = locked_pledge(pledge_id)

    if pledge.state != PledgeState.DRAFT or pledge.reserved_until > now:
        return
    if pledge.payment_id is not None:
        payment = locked_payment(payment_id_of(pledge))
        catch_up(trip=trip, pledge=pledge, payment=payment, now=now)
        if pledge.state != PledgeState.DRAFT:
            return  # `follow` is on its way

    move(pledge, PledgeState.EXPIRED, now=now, by=None, trip=trip)
    if pledge.payment_id is not None:
        payments.release(payment_id=pledge.payment_id, keep_card=False, now=now, why="expired")
    if pledge.offered_at is not None:
        notices.offer_over(pledge, now)


@transaction.atomic
def drop(*, pledge_id: Any, now: datetime) -> None:
    """Give up on a card that was not mended in time; nothing was taken. While the trip settles, the decision does that, or
    `waiting.give_way`.

    Twice is once.
    """
    trip, pledge = locked_pledge(pledge_id)

    if trip.state == TripState.SETTLING or not pledge.card_is_late(now):
        return
    payment = locked_payment(payment_id_of(pledge))
    catch_up(trip=trip, pledge=pledge, payment=payment, now=now)
    if pledge.state not in {PledgeState.NEEDS_CARD, PledgeState.PAYMENT_DUE}:
        return  # mended at the last moment; `follow` is on its way
    give_up_seats(trip=trip, pledge=pledge, now=now)


def give_up_seats(*, trip: Trip, pledge: Pledge, now: datetime) -> None:
    """Free the seats of a locked pledge whose card was not mended in time, and tell its rider. Nothing was taken."""
    move(pledge, PledgeState.RELEASED, now=now, by=None, trip=trip, why="no card in time")
    payments.release(payment_id=payment_id_of(pledge), keep_card=False, now=now, why="no card in time")
    trip.refresh_from_db(fields=["seats_taken"])
    notices.dropped(pledge, now)
    _tell_holders(trip, pledge, now)


@transaction.atomic
def try_again(*, pledge_id: Any, now: datetime) -> None:
    """Ask the bank once more without the rider, a day after it said "not now". Once per card; twice is once."""
    trip, pledge = locked_pledge(pledge_id)

    if pledge.state != PledgeState.NEEDS_CARD or trip.state not in {TripState.SETTLING, TripState.CONFIRMED}:
        return
    payment = locked_payment(payment_id_of(pledge))
    if payment.state != PaymentState.DECLINED or not payments.may_retry(payment):
        return
    if pledge.card_asked_at is None or now < pledge.card_asked_at + timedelta(hours=24):
        return

    payments.authorize(payment_id=payment.id, amount=pledge.charge, now=now)
    move(pledge, PledgeState.AUTHORIZING, now=now, by=None, trip=trip, why="asked once more")


@transaction.atomic
def remind_of_card(*, pledge_id: Any, now: datetime) -> None:
    """Remind a rider whose card is awaited, 24 and 60 hours after the first word. Never the same reminder twice."""
    _trip, pledge = locked_pledge(pledge_id)

    if pledge.state not in {PledgeState.NEEDS_CARD, PledgeState.PAYMENT_DUE}:
        return
    if pledge.card_asked_at is None or pledge.card_due_at is None or now >= pledge.card_due_at:
        return
    for hours in (60, 24):
        if now >= pledge.card_asked_at + timedelta(hours=hours):
            notices.card_reminder(pledge, hours, now)
            return
