"""Changing: other names, more seats, fewer seats, a seat handed to somebody else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from payments.actions import payments
from payments.states import PaymentState
from rally import codes, rules
from rally.errors import BadInput
from rally.models import User
from rally.money import Money
from trips import notices
from trips.actions.backing import move, wake
from trips.actions.joining import check_open
from trips.actions.passengers import Passenger, checked, clean_name
from trips.errors import AmountChanged, ConsentMissing, NotChangeable, TripFull
from trips.locks import locked_pledge
from trips.models import Pledge, Seat, Trip
from trips.permissions import check_can_change, check_can_hand_over
from trips.queries import terms
from trips.states import PledgeState, TripState


@transaction.atomic
def change_seats(
    *,
    pledge_id: Any,
    passengers: Sequence[Passenger],
    by: User,
    now: datetime,
    consent_text: str = "",
    consent_version: str = "",
    consented: bool = False,
    agreed: Money | None = None,
) -> Pledge:
    """Make the seats of a pledge be exactly these: names and needs corrected, seats added or given up.

    Kept seats (by their id) keep their boarding codes. More seats need the consent again. Fewer after paying give
    back the ladder's share of each; `agreed` is what the rider was shown (`AmountChanged` if it has become less).
    The same list twice is once. Raises `TripFull`, `TooManySeats`, `ConsentMissing`, `NotChangeable`, `BadInput`.
    """
    trip, pledge = locked_pledge(pledge_id)

    check_can_change(pledge, by)

    people = checked(passengers, max(rules.current().max_seats_per_pledge, pledge.seats))
    kept = {str(seat.id): seat for seat in pledge.passengers.all()}
    chosen = [str(person.seat) for person in people if person.seat is not None]
    if len(set(chosen)) != len(chosen) or not set(chosen) <= set(kept):
        raise BadInput(_("That seat is not part of this pledge."), field="passengers")
    if not pledge.is_live or trip.state in {TripState.UNDER_WAY, TripState.COMPLETED, TripState.CLOSED}:
        raise NotChangeable(why=_("these seats are no longer yours to change"))
    more = len(people) - pledge.seats
    if more:
        _check_count(trip, pledge, more)
    if more > 0:
        check_open(trip, now)
        if not consented or not consent_text.strip():
            raise ConsentMissing
        if trip.seats_left < more:
            raise TripFull(left=trip.seats_left)
    refund = _refund_for_fewer(pledge, -more, now) if more < 0 else Money.zero(pledge.currency)
    if agreed is not None and refund < agreed:
        raise AmountChanged(amount=refund)

    _write_seats(pledge, people, kept)
    if more:
        before, pledge.seats = pledge.seats, len(people)
        if more > 0:
            pledge.consent_text, pledge.consent_version, pledge.consented_at = (
                consent_text,
                consent_version,
                now,
            )
        pledge.save(update_fields=["seats", "consent_text", "consent_version", "consented_at"])
        _ask_for_new_amount(trip, pledge, refund, before=before, now=now, by=by)

    trip.refresh_from_db(fields=["seats_pledged", "seats_taken", "seats_funded"])
    wake(trip, now)
    return pledge


def _check_count(trip: Trip, pledge: Pledge, more: int) -> None:
    """Whether the number of seats may change where the money now stands. Raises `NotChangeable`."""
    state = PledgeState(pledge.state)
    if trip.state == TripState.SETTLING and state != PledgeState.DRAFT:
        raise NotChangeable(why=_("the cards are being checked for the seats as they are"))
    if state in {PledgeState.AUTHORIZING, PledgeState.CAPTURING, PledgeState.PAYMENT_DUE}:
        raise NotChangeable(why=_("your bank is being asked for the seats as they are"))
    if more > 0 and state == PledgeState.PAID:
        raise NotChangeable(
            why=_(
                "these seats are paid; a friend can still take more seats on the trip page under their own name"
            )
        )
    if state in {PledgeState.HELD, PledgeState.NEEDS_CARD} and trip.state == TripState.CONFIRMED:
        raise NotChangeable(why=_("your payment is going through"))
    if pledge.payment_id and pledge.payment is not None and pledge.payment.state == PaymentState.RELEASING:
        raise NotChangeable(why=_("your last change is still on its way to the bank; try again in a minute"))


def _refund_for_fewer(pledge: Pledge, fewer: int, now: datetime) -> Money:
    if pledge.state != PledgeState.PAID:
        return Money.zero(pledge.currency)
    percent = terms.refund_percent(pledge.policy, pledge.trip.departs_at, now)
    return terms.refund_of(pledge.fare * fewer, percent)


def _write_seats(pledge: Pledge, people: list[Passenger], kept: dict[str, Seat]) -> None:
    stay = {str(person.seat) for person in people if person.seat is not None}
    Seat.objects.filter(pledge=pledge).exclude(id__in=stay).delete()
    # Positions are unique: out of the way first, then into their places.
    for number, seat in enumerate((kept[key] for key in kept if key in stay), start=1):
        Seat.objects.filter(id=seat.id).update(position=1000 + number)
    for position, person in enumerate(people, start=1):
        if person.seat is None:
            Seat.objects.create(pledge=pledge, position=position, name=person.name, needs=list(person.needs))
        else:
            Seat.objects.filter(id=person.seat).update(
                position=position, name=person.name, needs=list(person.needs)
            )


def _ask_for_new_amount(
    trip: Trip, pledge: Pledge, refund: Money, *, before: int, now: datetime, by: User
) -> None:
    if pledge.payment_id is None:
        return
    if pledge.state == PledgeState.PAID:
        if refund:
            payments.refund(
                payment_id=pledge.payment_id,
                amount=refund,
                reason=f"fewer:{before}to{pledge.seats}",
                now=now,
                by=by,
            )
    elif pledge.state == PledgeState.HELD and pledge.seats > before:
        # The hold is too small. The card stays, and the whole amount is held with everybody else's at the decision;
        # `carry_on` tells the payment its new amount once the old hold is gone.
        move(pledge, PledgeState.BACKED, now=now, by=by, trip=trip, why="more seats than were held")
        payments.release(payment_id=pledge.payment_id, keep_card=True, now=now, why="more seats")
    else:
        payments.change_amount(payment_id=pledge.payment_id, amount=pledge.amount, now=now)


@transaction.atomic
def hand_over(*, seat_id: Any, email: str, name: str, by: User, now: datetime) -> Seat:
    """Give a seat to another person: their name, their boarding code; the old code is worth nothing from here on.

    The money stays where it is. Handed to the rider's own address, the seat is taken back. An address without an
    account gets one, to sign in to by a code. Twice to the same person is once. Raises `NotYours`, `NotChangeable`.
    """
    name = clean_name(name)
    address = email.strip().lower()
    trip, pledge = locked_pledge(Seat.objects.values_list("pledge_id", flat=True).get(id=seat_id))
    seat = Seat.objects.get(id=seat_id)

    check_can_hand_over(seat, pledge, by)

    if (
        trip.state not in {TripState.GATHERING, TripState.SETTLING, TripState.CONFIRMED}
        or now >= trip.departs_at
    ):
        raise NotChangeable(why=_("the bus has left"))
    if not pledge.is_live or pledge.state == PledgeState.DRAFT:
        raise NotChangeable(why=_("these seats have no card behind them"))
    person = User.objects.filter(email=address).first() or User.objects.create_user(address, name=name)
    holder = None if person.id == pledge.rider_id else person
    if seat.holder_id == (holder.id if holder else None) and seat.name == name:
        return seat

    changed_hands = seat.holder_id != (holder.id if holder else None)
    seat.holder, seat.name = holder, name
    if changed_hands:
        seat.code = codes.secret()
        seat.needs = []
    seat.save(update_fields=["holder", "name", "code", "needs"])

    if holder is not None and changed_hands:
        notices.handed_over(pledge, seat, giver=by, now=now)
    return seat
