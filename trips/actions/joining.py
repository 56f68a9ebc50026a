"""Joining: look at the trip, then claim seats on it by one statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from rally import rules
from rally.errors import BadInput
from rally.models import GivenAnswer, User
from rally.money import Money
from trips.actions import claims
from trips.actions.passengers import Passenger, checked
from trips.errors import AlreadyPledged, ConsentMissing, PledgesClosed, TripFull
from trips.locks import locked_trip
from trips.models import Pledge, Seat, Stop, Trip
from trips.queries import fares, joining, terms
from trips.queries.joining import Joining
from trips.queries.waiting import seats_owed
from trips.states import TripState


def make(
    *,
    trip_id: Any,
    rider: User,
    stop_id: Any,
    passengers: Sequence[Passenger],
    consent_text: str,
    consent_version: str,
    consented: bool,
    fare: Money | None = None,
    now: datetime,
) -> Pledge:
    """Reserve a seat for each passenger for `reserve_minutes`, while the rider goes to pay (`pay_link`).

    The rider was shown `consent_text` and agrees to it; `fare` is the price of a seat in it, should it be less than what
    is in force by now. Twice is refused: raises `AlreadyPledged`. Raises `TripFull`, `PledgesClosed`, `ConsentMissing`,
    `TooManySeats`, and `BadInput` for a stop of another trip or names that are none.
    """
    return _reserve(
        lambda: joining.by_id(trip_id, stop_id, rider),
        lambda _stop: (consent_text, consent_version),
        shown=fare,
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
        now_told = terms.terms(stop.trip, fares.to_agree(stop, len(passengers)), now)
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
    shown: Money | None = None,
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
    people = checked(passengers, rules.current().max_seats_per_pledge)
    if not consented:
        raise ConsentMissing

    def take(stop: Stop, *, list_was_looked_at: bool = False) -> Pledge | None:
        fare = fares.to_agree(stop, len(people), shown=shown)
        pledge = draft(stop=stop, words=words(stop), fare=fare, rider=rider, seats=len(people), now=now)
        seats = [
            Seat(pledge=pledge, position=position, name=person.name, needs=list(person.needs))
            for position, person in enumerate(people, start=1)
        ]
        taken = claims.claim(
            trip=stop.trip,
            pledge=pledge,
            seats=seats,
            answer=answer(pledge),
            list_was_looked_at=list_was_looked_at,
        )
        return pledge if taken else None

    def look_and_take(*, locked: bool) -> Pledge | None:
        seen, owed = look(), 0
        if seen is None:
            raise BadInput(_("This trip does not stop there."), field="stop")
        if locked:
            # Seats that became free at this moment belong to those who wait for them.
            owed = seats_owed(locked_trip(seen.stop.trip_id), now)
            seen = look() or seen
        check_open(seen.stop.trip, now)
        if seen.rider_is_in:
            raise AlreadyPledged
        left = seen.stop.trip.seats_left - owed
        if left < len(people):
            raise TripFull(left=left)
        return take(seen.stop, list_was_looked_at=locked)

    pledge = take(lately) if lately is not None and _is_open(lately.trip, len(people), now) else None
    pledge = pledge or look_and_take(locked=False)
    if pledge is None:
        with transaction.atomic():
            pledge = look_and_take(locked=True)
    assert pledge is not None  # noqa: S101 - behind the trip's lock nothing changes between looking and taking
    return pledge


def _is_open(trip: Trip, seats: int, now: datetime) -> bool:
    """Whether it took riders when it was read, and so many, at a price that no other rider can have lowered since."""
    if trip.locked_percent is not None:
        return False
    try:
        check_open(trip, now)
    except PledgesClosed:
        return False
    return trip.seats_left >= seats


def draft(
    *, stop: Stop, words: tuple[str, str], fare: Money, rider: User, seats: int, now: datetime
) -> Pledge:
    """The pledge as it will be written. No line in the journal: a draft's own row says who made it and when."""
    numbers, (text, version) = rules.current(), words
    if not text.strip():
        raise ConsentMissing
    return Pledge(
        trip=stop.trip,
        stop=stop,
        rider=rider,
        seats=seats,
        fare_minor=fare.minor,
        # Who joins once the price is locked agrees to what is in force, and pays it at once.
        price_minor=None if stop.trip.locked_percent is None else fare.minor,
        currency=stop.trip.currency,
        instrument=terms.instrument_for(stop.trip, now, numbers),
        consent_text=text,
        consent_version=version,
        consented_at=now,
        policy=terms.policy(numbers),
        reserved_until=now + timedelta(minutes=numbers.reserve_minutes),
        created_at=now,
    )


def check_bus(trip: Trip) -> None:
    """Whether a certain trip still has its bus: nobody new is asked for money while it has none. Raises `PledgesClosed`."""
    if trip.lost_its_bus:
        raise PledgesClosed(why=_("another bus is being found"))


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
        check_bus(trip)
    else:
        raise PledgesClosed(
            why={
                TripState.UNDER_WAY: _("the bus has left"),
                TripState.LAPSED: _("it did not run"),
                TripState.CANCELLED: _("it was called off"),
            }.get(TripState(trip.state), _("it is over"))
        )
