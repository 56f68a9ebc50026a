"""How to lock trips and pledges. The order everywhere: trip → pledge → payment → ledger, by key within a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trips.models import Partner, Pledge, Trip
from trips.states import OCCUPYING


def locked_trip(trip_id: Any) -> Trip:
    """The trip, locked until the transaction ends. Raises `Trip.DoesNotExist`.

    What would cross: two riders take the last seat; a rider joins while the trip is being decided; an operator leaves
    while it is being confirmed; two workers decide. Each of them takes this lock first and looks again. A rider's claim
    takes it inside its one statement (`trips.actions.claims`), because a hot on-sale stands in line for it.
    """
    # NO KEY: rows that only point at the trip (a run, a stop) may be inserted meanwhile.
    return Trip.objects.select_for_update(no_key=True).get(id=trip_id)


def locked_pledge(pledge_id: Any) -> tuple[Trip, Pledge]:
    """The pledge behind its trip's lock. Raises `Pledge.DoesNotExist`.

    What would cross: the rider withdraws while the bank's answer is being followed; a draft expires while its rider
    comes back from the checkout. The trip never changes (a trigger sees to it), so it may be read without a lock.
    """
    trip = locked_trip(Pledge.objects.values_list("trip_id", flat=True).get(id=pledge_id))
    pledge = Pledge.objects.select_for_update(no_key=True).get(id=pledge_id)
    pledge.trip = trip
    return trip, pledge


def locked_ride(trip: Trip, pledge: Pledge) -> list[Pledge]:
    """A pledge of a locked trip and what was added to it and still lives, locked, the first first.

    What would cross: the rider leaves with everything while the bank answers about the seats that were added.
    """
    added = Pledge.objects.select_for_update(no_key=True).filter(enlarges=pledge.id, state__in=OCCUPYING)
    parts = [pledge, *added.order_by("created_at", "id")]
    for part in parts:
        part.trip = trip
    return parts


def locked_pledges(trip: Trip, states: Iterable[str]) -> list[Pledge]:
    """The pledges of a locked trip that stand in one of `states`, by key.

    What would cross: the decision, and a rider who leaves or whose card answers at the same moment.
    """
    rows = Pledge.objects.select_for_update(no_key=True).filter(trip_id=trip.id, state__in=list(states))
    pledges = list(rows.order_by("id").prefetch_related("rider", "stop"))
    for pledge in pledges:
        pledge.trip = trip
    return pledges


def locked_partner(partner_id: Any) -> Partner:
    """The partner, locked until the transaction ends.

    What would cross: two of its trips end at once, and each opens an account for it.
    """
    return (
        Partner.objects.select_for_update(of=("self",), no_key=True)
        .select_related("payee")
        .get(id=partner_id)
    )
