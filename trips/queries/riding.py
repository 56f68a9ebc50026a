"""What riders see: a trip's page, their rides, who joined."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet, Sum

from rally.money import Money
from trips.models import Pledge, Seat, Stop, Trip
from trips.models.pledges import PledgeQuerySet
from trips.states import OCCUPYING, PLEDGED, PledgeState, TripState

#: It is behind us, whatever came of it.
_OVER = (TripState.COMPLETED, TripState.CLOSED, TripState.LAPSED, TripState.CANCELLED)
_LEFT = (PledgeState.EXPIRED, PledgeState.WITHDRAWN, PledgeState.RELEASED, PledgeState.REFUNDED)


def trips_for_page() -> QuerySet[Trip]:
    """Trips with what their page names: event, venue, captain. Anybody who has the code may look."""
    return Trip.objects.select_related("event__venue", "captain")


def stops_with_riders(trip: Trip) -> list[Stop]:
    """The stops in order; each carries `riders`, the seats pledged there. One query."""
    boarding = Sum("pledges__seats", filter=Q(pledges__state__in=PLEDGED))
    stops: list[Stop] = list(trip.stops.annotate(riders=boarding).order_by("position"))
    for stop in stops:
        stop.trip = trip
    return stops


def seats_awaiting_a_card(trip: Trip) -> int:
    """While the trip settles: seats whose card was refused and may still be mended. No query at other times."""
    if trip.state != TripState.SETTLING:
        return 0
    refused = trip.pledges.filter(state=PledgeState.NEEDS_CARD).aggregate(seats=Sum("seats", default=0))
    return int(refused["seats"])


def mine(trip: Trip, user: Any) -> Pledge | None:
    """This person's live pledge on the trip, or the one that waits for seats; what was added to it not by itself."""
    if not user.is_authenticated:
        return None
    own = trip.pledges.filter(rider=user, enlarges=None, state__in=[*OCCUPYING, PledgeState.WAITING])
    return own.select_related("stop").first()


def pledges_for_page() -> PledgeQuerySet:
    """Pledges with what their page names: trip, event, venue, stop, payment, seats, and what was added to them."""
    seats = Prefetch("passengers", Seat.objects.select_related("holder"))
    added = Prefetch("enlargements", Pledge.objects.select_related("payment").prefetch_related(seats))
    return Pledge.objects.select_related("trip__event__venue", "stop", "payment", "rider").prefetch_related(
        seats, added
    )


@dataclass(frozen=True)
class Rides:
    """One person's rides: what is ahead, soonest first, and what is behind, latest first."""

    ahead: list[Pledge]
    behind: list[Pledge]
    handed: list[Seat]
    captained: list[Trip]
    #: Seats were handed to the address of this account, and nobody has shown yet to be its owner.
    sealed: bool


def rides_of(user: Any, limit: int = 50) -> Rides:
    """Everything of one person, in six queries whatever there is; at most `limit` of each kind.

    Seats that were added later are part of the ride that they were added to.
    """
    own = (
        Pledge.objects.visible_to(user)
        .filter(enlarges=None)
        .select_related("trip__event__venue", "stop", "payment")
        .prefetch_related(Prefetch("enlargements", Pledge.objects.live(), to_attr="added"))
    )
    over = Q(trip__state__in=_OVER) | Q(state__in=_LEFT)
    handed = Seat.objects.held_by(user).select_related(
        "pledge__trip__event__venue", "pledge__stop", "pledge__rider"
    )
    kept_back = Seat.objects.filter(holder=user).exclude(pledge__state__in=_LEFT)
    captained = Trip.objects.filter(captain=user).exclude(state__in=_OVER).select_related("event__venue")
    return Rides(
        ahead=list(own.exclude(over).order_by("trip__departs_at")[:limit]),
        behind=list(own.filter(over).order_by("-trip__departs_at", "-created_at")[:limit]),
        handed=list(handed.exclude(pledge__state__in=_LEFT).order_by("pledge__trip__departs_at")[:limit]),
        captained=list(captained.order_by("departs_at")[:limit]),
        sealed=not user.is_proven and kept_back.exists(),
    )


def by_ride(pledges: Iterable[Pledge]) -> list[list[Pledge]]:
    """Pledges put together that are one ride: the first of it first, then what was added to it."""
    rides: dict[UUID, list[Pledge]] = {}
    for pledge in pledges:
        rides.setdefault(pledge.enlarges_id or pledge.id, []).append(pledge)
    return [sorted(parts, key=lambda part: part.enlarges_id is not None) for parts in rides.values()]


def who_joined(trip: Trip) -> list[Pledge]:
    """The pledges a captain sees: rider, stop, seats; nothing about money beyond whether a card is in."""
    joined = trip.pledges.live().select_related("rider", "stop")
    return list(joined.order_by("stop__position", "created_at"))


@dataclass(frozen=True)
class PricePart:
    """One part of what the trip costs: its kind and the amount."""

    kind: str
    amount: Money


def price_parts(trip: Trip) -> list[PricePart]:
    """Why this price: the parts of the cost in the order in which they are explained, exact."""
    return [
        PricePart(kind, Money(int(trip.cost_parts[kind]), trip.currency))
        for kind in ("call_out", "distance", "duty", "platform")
        if trip.cost_parts.get(kind)
    ]


def price_total(trip: Trip) -> Money:
    """What the riders must bring together."""
    return Money.total((part.amount for part in price_parts(trip)), trip.currency)
