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
from rally.later import later
from rally.models import User
from rally.money import Money
from trips import notices
from trips.actions.backing import move, wake
from trips.actions.joining import check_open, draft
from trips.actions.leaving import check_agreed, end, give_up
from trips.actions.passengers import Passenger, checked, clean_name
from trips.actions.paying import described
from trips.errors import ConsentMissing, NotChangeable, SeatsMadeThePrice, TripFull
from trips.locks import locked_pledge, locked_ride
from trips.models import Pledge, Seat, Trip
from trips.permissions import check_can_change, check_can_hand_over
from trips.queries import fares
from trips.queries.leaving import Leaving, Part, giving_up
from trips.queries.waiting import seats_owed
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
    fare: Money | None = None,
    agreed: Money | None = None,
    agreed_kept: Money | None = None,
) -> Pledge:
    """Make the seats of a ride be exactly these: names and needs corrected, seats added or given up.

    Kept seats (by their id) keep their boarding codes. More seats need the consent again; after paying they become a
    pledge of their own that `enlarges` this one and waits for its own payment: it is what is answered then. `fare` is the
    price of a seat in the words agreed to, should it be less than what is in force by now. Fewer after
    paying give back the ladder's share of each, what was added last first; `agreed` is the refund the rider was shown
    and `agreed_kept` what stays (`AmountChanged` if one has become worse). The same list twice is once.
    Raises `TripFull`, `TooManySeats`, `ConsentMissing`, `NotChangeable`, `BadInput`, `SeatsMadeThePrice`.
    """
    trip, pledge = locked_pledge(pledge_id)

    check_can_change(pledge, by)

    if not pledge.is_live or trip.state in {TripState.UNDER_WAY, TripState.COMPLETED, TripState.CLOSED}:
        raise NotChangeable(why=_("these seats are no longer yours to change"))
    parts = _parts(trip, pledge)
    seats = sum(part.seats for part in parts)
    people = checked(passengers, max(rules.current().max_seats_per_pledge, seats))
    kept = {str(seat.id): seat for part in parts for seat in part.passengers.all()}
    chosen = [str(person.seat) for person in people if person.seat is not None]
    if len(set(chosen)) != len(chosen) or not set(chosen) <= set(kept):
        raise BadInput(_("That seat is not part of this pledge."), field="passengers")
    more = len(people) - seats
    if more:
        _check_count(trip, pledge, more)
    if more < 0 and pledge.state != PledgeState.PAID:
        _check_price(trip, pledge, len(people))
    if more > 0:
        check_open(trip, now)
        if not consented or not consent_text.strip():
            raise ConsentMissing
        left = trip.seats_left - seats_owed(trip, now)
        if left < more:
            raise TripFull(left=left)
    words = (consent_text, consent_version)

    if pledge.state == PledgeState.PAID:
        look = giving_up(pledge, max(0, -more), now)
        if look.parts:  # nothing is given up by the second of two clicks: the first gave back what was agreed
            check_agreed(look=look, agreed=agreed, agreed_kept=agreed_kept)
        answer = _change_paid(
            trip, pledge, parts, people, kept, look=look, words=words, shown=fare, now=now, by=by
        )
    else:
        answer = pledge
        _write_seats([(pledge, len(people))], people, kept)
        if more:
            _change_unpaid(trip, pledge, len(people), words=words, now=now, by=by)

    notices.seats_gone((seat for key, seat in kept.items() if key not in chosen), now)
    trip.refresh_from_db(fields=["seats_pledged", "seats_taken", "seats_funded"])
    wake(trip, now)
    return answer


def _parts(trip: Trip, pledge: Pledge) -> list[Pledge]:
    """The pledges whose seats are changed together: what is paid of a paid ride; before paying there is only one."""
    if pledge.state != PledgeState.PAID:
        return [pledge]
    return [part for part in locked_ride(trip, pledge) if part.state == PledgeState.PAID]


def _check_count(trip: Trip, pledge: Pledge, more: int) -> None:
    """Whether the number of seats may change where the money now stands. Raises `NotChangeable`."""
    state = PledgeState(pledge.state)
    if trip.state == TripState.SETTLING and state != PledgeState.DRAFT:
        raise NotChangeable(why=_("the cards are being checked for the seats as they are"))
    if state in {PledgeState.AUTHORIZING, PledgeState.CAPTURING, PledgeState.PAYMENT_DUE}:
        raise NotChangeable(why=_("your bank is being asked for the seats as they are"))
    if more > 0 and state == PledgeState.PAID:
        if pledge.enlarges_id is not None:
            raise NotChangeable(why=_("add seats to the ride that these belong to"))
        if pledge.enlargements.filter(state=PledgeState.DRAFT).exists():
            raise NotChangeable(
                why=_(
                    "the seats you added before still wait for your card; pay for them or give them up first"
                )
            )
    if more > 0 and state == PledgeState.DRAFT and pledge.enlarges_id is not None:
        raise NotChangeable(why=_("pay for the added seats first, then add more"))
    if state in {PledgeState.HELD, PledgeState.NEEDS_CARD} and trip.state == TripState.CONFIRMED:
        raise NotChangeable(why=_("your payment is going through"))
    if pledge.payment_id and pledge.payment is not None and pledge.payment.state == PaymentState.RELEASING:
        raise NotChangeable(why=_("your last change is still on its way to the bank; try again in a minute"))


def _check_price(trip: Trip, pledge: Pledge, seats: int) -> None:
    """Whether so few unpaid seats cost no more each than was agreed to for more. Raises `SeatsMadeThePrice`."""
    if trip.locked_percent is None:
        return
    pledge.stop.trip = trip
    now = fares.to_agree(pledge.stop, seats)
    if pledge.price < now:
        raise SeatsMadeThePrice(price=pledge.price, seats=pledge.seats, fewer=seats, now=now)


# --- before paying


def _change_unpaid(
    trip: Trip, pledge: Pledge, seats: int, *, words: tuple[str, str], now: datetime, by: User
) -> None:
    before, pledge.seats = pledge.seats, seats
    if seats > before:
        pledge.consent_text, pledge.consent_version = words
        pledge.consented_at = now
    pledge.save(update_fields=["seats", "consent_text", "consent_version", "consented_at"])
    if seats < before:
        later("trips.offer_seats", trip_id=trip.id)
    if pledge.payment_id is None:
        return
    if pledge.state == PledgeState.HELD and seats > before:
        # The hold is too small. The card stays, and the whole amount is held with everybody else's at the decision;
        # `carry_on` tells the payment its new amount once the old hold is gone.
        move(pledge, PledgeState.BACKED, now=now, by=by, trip=trip, why="more seats than were held")
        payments.release(payment_id=pledge.payment_id, keep_card=True, now=now, why="more seats")
    else:
        payments.change_amount(
            payment_id=pledge.payment_id, amount=pledge.charge, description=described(trip, pledge), now=now
        )


# --- after paying


def _change_paid(
    trip: Trip,
    pledge: Pledge,
    parts: list[Pledge],
    people: list[Passenger],
    kept: dict[str, Seat],
    *,
    look: Leaving,
    words: tuple[str, str],
    shown: Money | None,
    now: datetime,
    by: User,
) -> Pledge:
    """Seats that stay first, in their order, so that nobody who has paid ends up on a seat that has not."""
    people = sorted(people, key=lambda person: person.seat is None)
    seats = sum(part.seats for part in parts)
    fewer = max(0, seats - len(people))

    gone = {part.pledge.id: part.seats for part in look.parts}
    stay = [(part, part.seats - gone.get(part.id, 0)) for part in parts]
    _write_seats([(part, left) for part, left in stay if left], people[:seats], kept)
    for part in look.parts:
        _give_up(trip, part, now=now, by=by)
    if fewer:
        notices.fewer_seats(pledge, fewer, look, now)
    if len(people) <= seats:
        return pledge
    return _enlarge(trip, pledge, people[seats:], words=words, shown=shown, now=now)


def _give_up(trip: Trip, part: Part, *, now: datetime, by: User) -> None:
    """Some paid seats of a pledge, or all of them."""
    pledge, before = part.pledge, part.pledge.seats
    if part.seats == before:
        end(trip, part, now=now, by=by)
        return
    give_up(part, reason=f"fewer:{before}to{before - part.seats}", now=now, by=by)
    pledge.seats, pledge.given_up = before - part.seats, pledge.given_up + part.seats
    pledge.save(update_fields=["seats", "given_up"])
    later("trips.offer_seats", trip_id=trip.id)


def _enlarge(
    trip: Trip,
    pledge: Pledge,
    people: list[Passenger],
    *,
    words: tuple[str, str],
    shown: Money | None,
    now: datetime,
) -> Pledge:
    """The added seats as a pledge of their own, reserved while the rider pays for them at the price in force, at most at
    the one that was shown."""
    stop = pledge.stop
    stop.trip = trip
    fare = fares.to_agree(stop, len(people), shown=shown)
    added = draft(stop=stop, words=words, fare=fare, rider=pledge.rider, seats=len(people), now=now)
    added.enlarges = pledge
    added.save(force_insert=True)
    Seat.objects.bulk_create(
        Seat(pledge=added, position=position, name=person.name, needs=list(person.needs))
        for position, person in enumerate(people, start=1)
    )
    return added


def _write_seats(parts: list[tuple[Pledge, int]], people: list[Passenger], kept: dict[str, Seat]) -> None:
    """Seat the people in their order: so many in the first pledge, then in the next. Seats of nobody go."""
    stay = {str(person.seat) for person in people if person.seat is not None}
    Seat.objects.filter(id__in=[key for key in kept if key not in stay]).delete()
    # Positions are unique: out of the way first, then into their places.
    for number, seat in enumerate((kept[key] for key in kept if key in stay), start=1):
        Seat.objects.filter(id=seat.id).update(position=1000 + number)
    places = [(part, position) for part, seats in parts for position in range(1, seats + 1)]
    for person, (part, position) in zip(people, places, strict=True):
        facts = {"pledge": part, "position": position, "name": person.name, "needs": list(person.needs)}
        if person.seat is None:
            Seat.objects.create(**facts)
        else:
            Seat.objects.filter(id=person.seat).update(**facts)


@transaction.atomic
def hand_over(*, seat_id: Any, email: str, name: str, by: User, now: datetime) -> Seat:
    """Give a seat to another person: their name, their boarding code; the old code is worth nothing from here on.

    The money stays where it is. Handed to the rider's own address, the seat is taken back. Whoever held it before, and
    did not do this, is told. An address without an account gets one, to sign in to by a code. Twice to the same person
    is once. Raises `NotYours`, `NotChangeable`.
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

    seat.pledge = pledge
    changed_hands = seat.holder_id != (holder.id if holder else None)
    if changed_hands and seat.holder_id != by.id:
        notices.seats_gone([seat], now, taken_back=True)
    seat.holder, seat.name = holder, name
    if changed_hands:
        seat.code = codes.secret()
        seat.needs = []
    seat.save(update_fields=["holder", "name", "code", "needs"])

    if holder is not None and changed_hands:
        notices.handed_over(seat, giver=by, now=now)
    return seat
