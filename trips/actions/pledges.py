"""Pledging: take seats, go to pay, follow the money, change, hand over, leave."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from payments.actions import payments
from payments.models import Checkout
from payments.states import PaymentState
from rally import codes, rules
from rally.errors import BadInput
from rally.models import GivenAnswer, User
from rally.money import Money
from trips import notices
from trips.actions import claims
from trips.actions.backing import move, payment_id_of, wake
from trips.errors import (
    AlreadyPledged,
    AmountChanged,
    ConsentMissing,
    NotChangeable,
    PledgesClosed,
    TooManySeats,
    TripFull,
)
from trips.locks import locked_pledge, locked_trip
from trips.models import Pledge, Seat, Stop, Trip
from trips.models.pledges import Instrument
from trips.permissions import check_can_change, check_can_hand_over
from trips.queries import joining, links, terms
from trips.queries.joining import Joining
from trips.states import Need, PledgeState, TripState

NAME_LENGTH = 80


@dataclass(frozen=True)
class Passenger:
    """Who sits on a seat. `seat` is the id of a seat that is kept, None for a new one."""

    name: str
    needs: tuple[str, ...] = ()
    seat: Any = None


@dataclass(frozen=True)
class ToPay:
    """Where the rider has to go: this payment, by this kind of checkout page."""

    payment_id: Any
    mode: Checkout.Mode


# --- joining


def make(
    *,
    trip_id: Any,
    rider: User,
    stop_id: Any,
    passengers: Sequence[Passenger],
    consent_text: str,
    consent_version: str,
    consented: bool,
    now: datetime,
) -> Pledge:
    """Reserve a seat for each passenger for `reserve_minutes`, while the rider goes to pay (`pay_link`).

    The rider was shown `consent_text` and agrees to it. Twice is refused: raises `AlreadyPledged`. Raises `TripFull`,
    `PledgesClosed`, `ConsentMissing`, `TooManySeats`, and `BadInput` for a stop of another trip or names that are none.
    """
    return _reserve(
        lambda: joining.by_id(trip_id, stop_id, rider),
        lambda _stop: (consent_text, consent_version),
        rider=rider,
        passengers=passengers,
        consented=consented,
        answer=lambda _pledge: None,
        now=now,
    )


def join(
    *,
    code: str,
    stop: int | UUID,
    rider: User,
    passengers: Sequence[Passenger],
    consented: bool,
    answer: Callable[[Pledge], GivenAnswer | None],
    now: datetime,
) -> Pledge:
    """`make` for programs: the trip by its code, the stop by position or id, agreeing to the terms as they stand.

    The words kept are those of the very trip that was claimed. `answer`, told the pledge as it will be written, gives the
    row that keeps what is answered; both are written or neither. Raises `Trip.DoesNotExist` besides, and
    `IntegrityError` when there is such an answer already.
    """

    def words(stop: Stop) -> tuple[str, str]:
        now_told = terms.terms(stop.trip, Money(stop.fare_minor, stop.trip.currency), now)
        return now_told.text, now_told.version

    return _reserve(
        lambda: joining.by_code(code, stop, rider),
        words,
        lately=joining.lately(code, stop),
        rider=rider,
        passengers=passengers,
        consented=consented,
        answer=answer,
        now=now,
    )


def _reserve(
    look: Callable[[], Joining | None],
    words: Callable[[Stop], tuple[str, str]],
    *,
    lately: Stop | None = None,
    rider: User,
    passengers: Sequence[Passenger],
    consented: bool,
    answer: Callable[[Pledge], GivenAnswer | None],
    now: datetime,
) -> Pledge:
    """Look without a lock, then claim by the one statement that looks again (`claims`).

    What was seen `lately` may be claimed on, never refused on. Where the claim finds the trip changed, all of it is done
    once more behind the lock: that tells why not, or succeeds.
    """
    people = _checked(passengers, rules.current().max_seats_per_pledge)
    if not consented:
        raise ConsentMissing

    def take(stop: Stop) -> Pledge | None:
        pledge = _draft(stop, words(stop), rider=rider, seats=len(people), now=now)
        seats = [
            Seat(pledge=pledge, position=position, name=person.name, needs=list(person.needs))
            for position, person in enumerate(people, start=1)
        ]
        taken = claims.claim(trip=stop.trip, pledge=pledge, seats=seats, answer=answer(pledge))
        return pledge if taken else None

    def look_and_take(*, locked: bool) -> Pledge | None:
        seen = look()
        if seen is None:
            raise BadInput(_("This trip does not stop there."), field="stop")
        if locked:
            locked_trip(seen.stop.trip_id)
            seen = look() or seen
        check_open(seen.stop.trip, now)
        if seen.rider_is_in:
            raise AlreadyPledged
        if seen.stop.trip.seats_left < len(people):
            raise TripFull(left=seen.stop.trip.seats_left)
        return take(seen.stop)

    pledge = take(lately) if lately is not None and _is_open(lately.trip, len(people), now) else None
    pledge = pledge or look_and_take(locked=False)
    if pledge is None:
        with transaction.atomic():
            pledge = look_and_take(locked=True)
    assert pledge is not None  # noqa: S101 - behind the trip's lock nothing changes between looking and taking
    return pledge


def _is_open(trip: Trip, seats: int, now: datetime) -> bool:
    """Whether it took riders when it was read, and so many."""
    try:
        check_open(trip, now)
    except PledgesClosed:
        return False
    return trip.seats_left >= seats


def _draft(stop: Stop, words: tuple[str, str], *, rider: User, seats: int, now: datetime) -> Pledge:
    """The pledge as it will be written. No line in the journal: a draft's own row says who made it and when."""
    numbers, (text, version) = rules.current(), words
    if not text.strip():
        raise ConsentMissing
    return Pledge(
        trip=stop.trip,
        stop=stop,
        rider=rider,
        seats=seats,
        fare_minor=stop.fare_minor,
        currency=stop.trip.currency,
        instrument=terms.instrument_for(stop.trip, now, numbers),
        consent_text=text,
        consent_version=version,
        consented_at=now,
        policy=terms.policy(numbers),
        reserved_until=now + timedelta(minutes=numbers.reserve_minutes),
        created_at=now,
    )


def check_open(trip: Trip, now: datetime) -> None:
    """Whether somebody may join now. Raises `PledgesClosed` with the reason."""
    if trip.state == TripState.GATHERING:
        if now >= trip.decides_at:
            raise PledgesClosed(why=_("it is being decided right now"))
    elif trip.state == TripState.SETTLING:
        # In the days of grace a new rider may fill the gap that a refused card leaves.
        if trip.grace_ends_at is None or now >= trip.grace_ends_at:
            raise PledgesClosed(why=_("the cards are being checked"))
    elif trip.state == TripState.CONFIRMED:
        if now >= trip.departs_at:
            raise PledgesClosed(why=_("the bus is leaving"))
    else:
        raise PledgesClosed(
            why={
                TripState.UNDER_WAY: _("the bus has left"),
                TripState.LAPSED: _("it did not run"),
                TripState.CANCELLED: _("it was called off"),
            }.get(TripState(trip.state), _("it is over"))
        )


def clean_name(typed: str) -> str:
    """A passenger's name as it is kept: any script and emoji, no control characters, single spaces.

    Raises `BadInput` when nothing is left, or more than 80 characters are.
    """
    # Other format characters shape letters (joiners) or emoji; these turn the direction of the text around them.
    turning = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
    kept = "".join(
        " " if character.isspace() else character
        for character in typed
        if character.isspace()
        or (unicodedata.category(character) not in {"Cc", "Cs", "Cn"} and character not in turning)
    )
    name = unicodedata.normalize("NFC", " ".join(kept.split()))
    if not any(unicodedata.category(character)[0] in "LNSP" for character in name):
        raise BadInput(_("Each seat needs a name."), field="passengers")
    if len(name) > NAME_LENGTH:
        raise BadInput(
            _("A name has at most %(most)s characters.") % {"most": NAME_LENGTH}, field="passengers"
        )
    return name


def _checked(passengers: Sequence[Passenger], most: int) -> list[Passenger]:
    if not passengers:
        raise BadInput(_("Name at least one passenger."), field="passengers")
    if len(passengers) > most:
        raise TooManySeats(most=most)
    known = set(Need.values)
    people = []
    for passenger in passengers:
        if not set(passenger.needs) <= known:
            raise BadInput(_("We do not know this need."), field="passengers")
        needs = tuple(dict.fromkeys(passenger.needs))
        people.append(Passenger(clean_name(passenger.name), needs, passenger.seat))
    return people


# --- going to pay


def pay_link(pledge: Pledge) -> str:
    """The absolute address at which this pledge is paid, signed so that it works without signing in.

    Whoever has it can pay for the seats and see that they are paid, nothing else.
    """
    return links.pay_link(pledge)


@transaction.atomic
def open_payment(*, pledge_id: Any, now: datetime) -> ToPay:
    """Make sure there is a payment to pay, and say by which kind of checkout page.

    A draft keeps its seats while its rider is at the checkout, at most twice `reserve_minutes` altogether. Safe to
    repeat. Raises `NotChangeable` when there is nothing to pay (any more).
    """
    trip, pledge = locked_pledge(pledge_id)

    mode = _mode(trip, pledge, now)

    if pledge.payment_id is None:
        pledge.payment = payments.open(
            payer=pledge.rider,
            reference=f"pledge:{pledge.id}",
            group=f"trip:{trip.id}",
            description=_description(trip, pledge),
            amount=pledge.amount,
            now=now,
        )
    if pledge.state == PledgeState.DRAFT:
        keep = timedelta(minutes=rules.current().reserve_minutes)
        pledge.reserved_until = max(pledge.reserved_until, min(now + keep, pledge.created_at + 2 * keep))
    pledge.save(update_fields=["payment", "reserved_until"])
    return ToPay(payment_id=pledge.payment_id, mode=mode)


def _mode(trip: Trip, pledge: Pledge, now: datetime) -> Checkout.Mode:
    state = PledgeState(pledge.state)
    if state == PledgeState.PAYMENT_DUE:
        return Checkout.Mode.CHARGE
    if state not in {PledgeState.DRAFT, PledgeState.NEEDS_CARD}:
        raise NotChangeable(why=_why_nothing_to_pay(state))
    if trip.state == TripState.CONFIRMED and now < trip.departs_at:
        return Checkout.Mode.CHARGE
    if trip.state == TripState.SETTLING:
        return Checkout.Mode.HOLD
    if trip.state == TripState.GATHERING:
        return Checkout.Mode.HOLD if pledge.instrument == Instrument.HOLD else Checkout.Mode.SAVE
    raise NotChangeable(why=_("the trip takes no more cards"))


def _why_nothing_to_pay(state: PledgeState) -> str:
    if state in {PledgeState.BACKED, PledgeState.HELD, PledgeState.PAID}:
        return _("your part is done already")
    if state in {PledgeState.AUTHORIZING, PledgeState.CAPTURING}:
        return _("your bank is being asked at this moment")
    if state == PledgeState.EXPIRED:
        return _("the seats were given up because no card came in time")
    return _("these seats were given up")


def _description(trip: Trip, pledge: Pledge) -> str:
    """What the payer reads on the checkout page."""
    facts = {"seats": pledge.seats, "trip": trip, "day": notices.day_of(trip)}
    return (_("Seats: %(seats)s. %(trip)s, %(day)s") % facts)[:200]


# --- leaving


@dataclass(frozen=True)
class Leaving:
    """What leaving now means: `percent` of `paid` comes back as `refund`, `kept` stays with the trip."""

    paid: Money
    percent: int
    refund: Money
    kept: Money


def leaving(pledge: Pledge, now: datetime) -> Leaving:
    """What the rider gets back by leaving at this moment, exactly. Nothing was paid: nothing is kept."""
    if pledge.state != PledgeState.PAID:
        nothing = Money.zero(pledge.currency)
        return Leaving(paid=nothing, percent=100, refund=nothing, kept=nothing)
    percent = terms.refund_percent(pledge.policy, pledge.trip.departs_at, now)
    refund = terms.refund_of(pledge.amount, percent)
    return Leaving(paid=pledge.amount, percent=percent, refund=refund, kept=pledge.amount - refund)


@transaction.atomic
def withdraw(*, pledge_id: Any, by: User, now: datetime, agreed: Money | None = None) -> Pledge:
    """Give up the seats: free of charge before the bus is certain, by the ladder kept with the pledge after it.

    `agreed` is the refund the rider was shown; if it has become less, raises `AmountChanged` and nothing happens.
    Twice is once. Raises `NotYours`, and `NotChangeable` while the money is being taken or once the bus has left.
    """
    trip, pledge = locked_pledge(pledge_id)

    check_can_change(pledge, by)

    if not pledge.is_live:
        return pledge
    if trip.state in {TripState.UNDER_WAY, TripState.COMPLETED, TripState.CLOSED}:
        raise NotChangeable(why=_("the bus has left"))
    if pledge.state == PledgeState.CAPTURING or (
        pledge.state == PledgeState.HELD and trip.state == TripState.CONFIRMED
    ):
        raise NotChangeable(why=_("your payment is going through at this moment; try again in a minute"))
    terms_now = leaving(pledge, now)
    if agreed is not None and terms_now.refund < agreed:
        raise AmountChanged(amount=terms_now.refund)

    if pledge.state == PledgeState.PAID:
        move(pledge, PledgeState.WITHDRAWING, now=now, by=by, trip=trip, why=f"{terms_now.percent} % back")
        if terms_now.refund:
            payments.refund(
                payment_id=payment_id_of(pledge), amount=terms_now.refund, reason="left", now=now, by=by
            )
        else:
            move(pledge, PledgeState.REFUNDED, now=now, by=by, trip=trip, why="nothing comes back this late")
    elif pledge.payment_id is None:
        move(pledge, PledgeState.WITHDRAWN, now=now, by=by, trip=trip)
    else:
        move(pledge, PledgeState.WITHDRAWING, now=now, by=by, trip=trip)
        payments.release(payment_id=pledge.payment_id, keep_card=False, now=now, why="left")

    notices.withdrawn(pledge, terms_now.refund, terms_now.kept, now)
    trip.refresh_from_db(fields=["seats_pledged", "seats_taken", "seats_funded"])
    wake(trip, now)
    return pledge


# --- changing


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

    people = _checked(passengers, max(rules.current().max_seats_per_pledge, pledge.seats))
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
