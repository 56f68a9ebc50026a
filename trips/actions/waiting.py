"""The waiting list of a full bus: who wants seats that others have, and who is offered them when they become free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from payments.locks import locked_payments
from rally import journal, rules
from rally.errors import BadInput
from rally.models import GivenAnswer, User
from rally.money import Money
from trips import notices
from trips.actions.backing import catch_up, give_up_seats, move, payment_id_of
from trips.actions.joining import check_bus, check_open, draft
from trips.actions.passengers import Passenger, checked
from trips.errors import AlreadyPledged, ConsentMissing, NotChangeable, SeatsThere
from trips.locks import locked_pledge, locked_pledges, locked_trip
from trips.models import Pledge, Seat, Stop, Trip
from trips.queries import fares, terms
from trips.queries.waiting import fills_gap, is_over, next_in_line, offer_until, seats_owed
from trips.states import OCCUPYING, PLEDGE, PledgeState, TripState


@transaction.atomic
def wait(
    *,
    trip_id: Any,
    rider: User,
    stop: Stop,
    passengers: Sequence[Passenger],
    consent_text: str = "",
    consent_version: str = "",
    consented: bool,
    fare: Money | None = None,
    answer: Callable[[Pledge], GivenAnswer | None] = lambda _pledge: None,
    now: datetime,
) -> Pledge:
    """Put a rider on the list for these seats. It takes no seat and no card; the consent is looked at again when seats
    are offered. Without words those of this moment are kept. `fare` is the price of a seat in the words.

    Twice is refused: raises `AlreadyPledged`. Raises `SeatsThere` when there are enough free seats, `PledgesClosed`,
    `ConsentMissing`, `TooManySeats`, and `BadInput` for a stop of another trip or names that are none.
    """
    trip = locked_trip(trip_id)

    people = checked(passengers, rules.current().max_seats_per_pledge)
    if stop.trip_id != trip.id:
        raise BadInput(_("This trip does not stop there."), field="stop")
    check_open(trip, now)
    if not consented:
        raise ConsentMissing
    mine = Pledge.objects.filter(trip=trip, rider=rider, enlarges=None)
    if mine.filter(state__in=[*OCCUPYING, PledgeState.WAITING]).exists():
        raise AlreadyPledged
    left = trip.seats_left - seats_owed(trip, now)
    if left >= len(people):
        raise SeatsThere(left=left)

    stop.trip = trip
    agreed = fares.to_agree(stop, len(people), shown=fare)
    if not consent_text:
        told = terms.terms(trip, agreed, now)
        consent_text, consent_version = told.text, told.version
    pledge = draft(
        stop=stop,
        words=(consent_text, consent_version),
        fare=agreed,
        rider=rider,
        seats=len(people),
        now=now,
    )
    pledge.state, pledge.reserved_until = PledgeState.WAITING, now
    pledge.save(force_insert=True)
    Seat.objects.bulk_create(
        Seat(pledge=pledge, position=position, name=person.name, needs=list(person.needs))
        for position, person in enumerate(people, start=1)
    )
    journal.begin(pledge, PLEDGE, now=now, by=rider, why="waiting list")
    if row := answer(pledge):
        row.save(force_insert=True)

    notices.waiting(pledge, now)
    return pledge


def wait_at(*, code: str, stop: int | UUID, rider: User, **wanted: Any) -> Pledge:
    """`wait` for programs: the trip by its code, the stop by position or id, agreeing to the terms as they stand.

    Raises `Trip.DoesNotExist` besides.
    """
    trip = Trip.objects.select_related("event__venue").get(code=code)
    column = "position" if isinstance(stop, int) else "id"
    found = trip.stops.filter(**{column: stop}).first()
    if found is None:
        raise BadInput(_("This trip does not stop there."), field="stop")
    return wait(trip_id=trip.id, rider=rider, stop=found, **wanted)


@transaction.atomic
def offer(*, trip_id: Any, now: datetime) -> list[Pledge]:
    """Offer free seats to the next on the list whom they are enough for; answers whom. With a trip that is over the list
    ends, and everybody on it is told. Twice is once.

    Behind the trip's lock: an offer and somebody who joins at the same moment would both count the same seat.
    """
    trip = locked_trip(trip_id)

    line = _line(trip)
    if is_over(trip, now):
        for pledge in line:
            move(pledge, PledgeState.EXPIRED, now=now, by=None, trip=trip, why="the trip is over")
            notices.waiting_ended(pledge, now)
        return []
    until = offer_until(trip, now)
    offered = next_in_line(trip, line) if until else []
    for pledge in offered:
        assert until is not None  # noqa: S101 - or nobody is offered anything
        _offer(trip, pledge, until, now)
    return offered


@transaction.atomic
def give_way(*, trip_id: Any, now: datetime) -> list[Pledge]:
    """Refused cards whose time is over give their seats to those who wait, while the trip settles; answers who was offered
    them. Twice is once.

    Only where too few seats are held and the list can fill the gap: otherwise they are kept until the decision, and a card
    that comes by then still counts. Let go and offered in one transaction, or the trip would be decided in between.
    """
    trip = locked_trip(trip_id)

    if trip.state != TripState.SETTLING or not trip.has_bus or offer_until(trip, now) is None:
        return []
    line, late = _line(trip), _refused_too_long(trip, now)
    trip.refresh_from_db(fields=["seats_taken", "seats_funded"])
    if not late or not fills_gap(trip, line, freed=sum(pledge.seats for pledge in late)):
        return []
    for pledge in late:
        give_up_seats(trip=trip, pledge=pledge, now=now)
    return offer(trip_id=trip.id, now=now)


def _refused_too_long(trip: Trip, now: datetime) -> list[Pledge]:
    """Pledges of a locked trip whose refused card was not mended in the time that their riders were told, locked."""
    refused = [
        pledge for pledge in locked_pledges(trip, [PledgeState.NEEDS_CARD]) if pledge.card_is_late(now)
    ]
    found = {payment.id: payment for payment in locked_payments(payment_id_of(each) for each in refused)}
    for pledge in refused:
        catch_up(trip=trip, pledge=pledge, payment=found[payment_id_of(pledge)], now=now)
    # Those that were mended at the last moment are none of them; `follow` is on its way.
    return [pledge for pledge in refused if pledge.state == PledgeState.NEEDS_CARD]


def _line(trip: Trip) -> list[Pledge]:
    """The waiting list of a locked trip, locked, the first first."""
    waits = locked_pledges(trip, [PledgeState.WAITING])
    return sorted(waits, key=lambda pledge: (pledge.created_at, pledge.id))


def _offer(trip: Trip, pledge: Pledge, until: datetime, now: datetime) -> None:
    """The seats are kept for this rider until then; by which instrument they are paid is found anew."""
    pledge.offered_at, pledge.reserved_until = now, until
    pledge.instrument = terms.instrument_for(trip, now)
    pledge.stop.trip = trip
    agreed = fares.to_agree(pledge.stop, pledge.seats, shown=pledge.fare)
    pledge.price_minor = None if trip.locked_percent is None else agreed.minor
    journal.move(
        pledge,
        PLEDGE,
        PledgeState.DRAFT,
        now=now,
        by=None,
        why="seats became free",
        also=("offered_at", "reserved_until", "instrument", "price_minor"),
    )
    notices.seats_offered(pledge, now)


@transaction.atomic
def agree(*, pledge_id: Any, shown: str, now: datetime) -> Pledge:
    """Whoever is offered seats agrees to the words of this moment, which may differ from those of the list; `shown` is
    what they read. Twice is once. Raises `ConsentMissing` when the words have changed again, `NotChangeable` for a pledge
    that is offered nothing, `PledgesClosed` while the certain trip has no bus.
    """
    trip, pledge = locked_pledge(pledge_id)

    check_bus(trip)
    if pledge.state != PledgeState.DRAFT or pledge.offered_at is None:
        raise NotChangeable(why=_("these seats are not on offer any more"))
    told = terms.terms(trip, pledge.price, now)
    if told.text != shown:
        raise ConsentMissing
    pledge.consent_text, pledge.consent_version, pledge.consented_at = told.text, told.version, now
    pledge.policy, pledge.instrument = told.policy, told.instrument
    pledge.save(update_fields=["consent_text", "consent_version", "consented_at", "policy", "instrument"])
    return pledge
