"""Where a rider's credit came from and where it went, from the ledger, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, TextChoices
from django.utils.translation import gettext as _

from payments.models import Account, LedgerTransfer
from rally.models import User
from rally.money import Money
from trips.models import Pledge, Trip


class Kind(TextChoices):
    """Why credit came or went."""

    CAPTAIN = "captain"  #: the reward of a trip's captain
    FRIEND = "friend"  #: a friend has ridden
    GOODWILL = "goodwill"  #: we said sorry
    SET_ASIDE = "set_aside"  #: it pays a part of seats
    BACK = "back"  #: it was not needed, or was given back


@dataclass(frozen=True)
class Move:
    """One line of the history; an amount below zero went."""

    at: datetime
    amount: Money
    kind: Kind
    why: str
    trip: str | None  #: its public code
    url: str  #: the page it is about; "" for none


def history(user: User, *, offset: int = 0, limit: int = 50) -> list[Move]:
    """What moved the user's credit, latest first. Three queries, whatever there is."""
    mine = Q(debit=Account.RIDER_CREDIT) | Q(credit=Account.RIDER_CREDIT)
    rows = LedgerTransfer.objects.filter(mine, user=user).select_related("payment")
    lines = list(rows.order_by("-occurred_at", "-id")[offset : offset + limit])
    by_payment = _pledges([line.payment_id for line in lines if line.payment_id])
    trips = _trips([found for line in lines if (found := _trip_id(line.event_key))])
    return [_move(line, by_payment, trips) for line in lines]


def _pledges(payment_ids: list[UUID]) -> dict[UUID | None, Pledge]:
    rows = (
        Pledge.objects.filter(payment_id__in=payment_ids).select_related("trip__event") if payment_ids else []
    )
    return {pledge.payment_id: pledge for pledge in rows}


def _trips(ids: list[UUID]) -> dict[UUID, Trip]:
    return {trip.id: trip for trip in Trip.objects.filter(id__in=ids).select_related("event")} if ids else {}


def _trip_id(event_key: str) -> UUID | None:
    """The trip of `credit:captain:<trip>`."""
    _credit, _colon, reference = event_key.partition("credit:")
    kind, _colon, subject = reference.partition(":")
    try:
        return UUID(subject) if kind == Kind.CAPTAIN else None
    except ValueError:
        return None


def _move(line: LedgerTransfer, by_payment: dict[UUID | None, Pledge], trips: dict[UUID, Trip]) -> Move:
    pledge = by_payment.get(line.payment_id) if line.payment_id else None
    trip = pledge.trip if pledge else trips.get(_trip_id(line.event_key) or UUID(int=0))
    kind = _kind(line)
    sign = -1 if line.debit == Account.RIDER_CREDIT else 1
    about = pledge or trip
    return Move(
        at=line.occurred_at,
        amount=Money(sign * line.amount_minor, line.currency),
        kind=kind,
        why=_why(kind, trip),
        trip=trip.code if trip else None,
        url=about.get_absolute_url() if about else "",
    )


def _kind(line: LedgerTransfer) -> Kind:
    if line.debit == Account.RIDER_CREDIT:
        return Kind.SET_ASIDE
    if line.payment_id is not None:
        return Kind.BACK
    said = line.event_key.removeprefix("credit:").partition(":")[0]
    return Kind(said) if said in {Kind.CAPTAIN, Kind.FRIEND} else Kind.GOODWILL


def _why(kind: Kind, trip: Trip | None) -> str:
    name = str(trip) if trip else ""
    return {
        Kind.CAPTAIN: _("Your own seat, for being the captain: %(trip)s"),
        Kind.FRIEND: _("A friend you brought has ridden with us"),
        Kind.GOODWILL: _("From us, to say sorry"),
        Kind.SET_ASIDE: _("For your seats: %(trip)s"),
        Kind.BACK: _("Back from your seats: %(trip)s"),
    }[kind] % {"trip": name}
