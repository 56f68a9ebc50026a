"""What a partner sees: the trips to its events, what they brought, and the statement of a month. No rider's name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import QuerySet, Sum
from django.utils.translation import gettext as _

from payments.models import Transfer
from payments.queries import statements as books
from payments.queries.statements import Extract, Moves
from payments.states import TransferState
from rally.models import User
from rally.money import Money
from trips.models import Partner, Trip
from trips.states import TripState

CURRENCY = "USD"
#: Partners are at home everywhere; their months are those of the clock that everybody can agree on.
ZONE = "UTC"
_RAN = (TripState.COMPLETED, TripState.CLOSED)


@dataclass(frozen=True, slots=True)
class TripLine:
    """One trip to an event of the partner, with what it brought them so far."""

    trip: Trip
    share: Money
    sent: Money


@dataclass(frozen=True, slots=True)
class Sums:
    """Everything together: trips, seats, and money that was sent or waits."""

    trips: int
    ran: int
    seats: int
    sent: Money
    waiting: Money


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the account, in words."""

    day: date
    what: str
    seats: int | None
    change: Money
    balance: Money


@dataclass(frozen=True, slots=True)
class Statement:
    """One month of one partner. Every number comes from the ledger."""

    partner: Partner
    month: date
    extract: Extract
    events: list[Event]

    @property
    def number(self) -> str:
        """What the document is called."""
        return f"{self.partner.slug}-{self.month:%Y-%m}"


def partners_of(user: User) -> list[Partner]:
    """Those the person is a member of, by name; none before the address is proven."""
    return list(user.partners.order_by("name", "id")) if user.is_proven else []


def trips_of(partner: Partner) -> QuerySet[Trip]:
    """The trips to the partner's events, the latest first."""
    return (
        Trip.objects.filter(event__partner=partner)
        .select_related("event__venue")
        .order_by("-departs_at", "id")
    )


def lines_of(partner: Partner, trips: Sequence[Trip]) -> list[TripLine]:
    """What these trips brought, in one query."""
    found = books.moves_of(partner.payee_id, map(_group, trips)) if partner.payee_id else {}
    lines = []
    for trip in trips:
        moves = found.get(_group(trip), Moves())
        share = Money(moves.earned - moves.given_back, CURRENCY)
        lines.append(TripLine(trip, share, Money(moves.sent - moves.returned, CURRENCY)))
    return lines


def sums_of(partner: Partner) -> Sums:
    """Trips and seats to the partner's events, and its money, in three queries."""
    trips = Trip.objects.filter(event__partner=partner)
    seats = trips.filter(state__in=_RAN).aggregate(sum=Sum("seats_funded"))["sum"]
    by_state: dict[str, int] = {}
    if partner.payee_id:
        rows = Transfer.objects.filter(payee_id=partner.payee_id, currency=CURRENCY).order_by()
        by_state = dict(rows.values_list("state").annotate(sum=Sum("amount_minor") - Sum("netted_minor")))
    return Sums(
        trips=trips.count(),
        ran=trips.filter(state__in=_RAN).count(),
        seats=seats or 0,
        sent=Money(by_state.get(TransferState.PAID, 0), CURRENCY),
        waiting=Money(
            by_state.get(TransferState.PENDING, 0) + by_state.get(TransferState.FAILED, 0), CURRENCY
        ),
    )


def months_of(partner: Partner, now: datetime) -> list[date]:
    """The months for which there is a statement, the newest first."""
    return books.months_of(partner.payee_id, ZONE, now) if partner.payee_id else []


def statement(partner: Partner, payee_id: UUID, month: date) -> Statement:
    """The statement of a month (its first day). A fixed number of queries."""
    since, until = books.month_bounds(month, ZONE)
    extract = books.extract_of(payee_id, since=since, until=until, currency=CURRENCY)
    ids = [group.removeprefix("trip:") for group in extract.by_group if group.startswith("trip:")]
    trips = {_group(trip): trip for trip in Trip.objects.filter(id__in=ids).select_related("event")}
    words = {
        "earned": _("Your share"),
        "given_back": _("Given back to riders"),
        "sent": _("Sent to you"),
    }
    together: dict[tuple[date, str, str], int] = {}
    for entry in extract.entries:
        key = (entry.at.astimezone(ZoneInfo(ZONE)).date(), entry.kind, entry.group)
        together[key] = together.get(key, 0) + entry.change
    events, balance = [], extract.opening.net
    for (day, kind, group), change in together.items():
        balance += change
        trip, what = trips.get(group), words.get(kind, _("Other"))
        events.append(
            Event(
                day=day,
                what=f"{what}: {trip}" if trip else what,
                seats=trip.seats_funded if trip and kind == "earned" else None,
                change=Money(change, CURRENCY),
                balance=Money(balance, CURRENCY),
            )
        )
    return Statement(partner, month, extract, events)


def _group(trip: Trip) -> str:
    return f"trip:{trip.id}"
