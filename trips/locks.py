"""How to lock trips and pledges. The order everywhere: trip → pledge → payment → ledger, by key within a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, OuterRef

from rally.models import User
from trips.models import Pledge, Stop, Trip


def locked_trip(trip_id: Any) -> Trip:
    """The trip, locked until the transaction ends. Raises `Trip.DoesNotExist`.

    What would cross: two riders take the last seat; a rider joins while the trip is being decided; an operator leaves
    while it is being confirmed; two workers decide. Each of them takes this lock first and looks again.
    """
    # NO KEY: rows that only point at the trip (a run, a stop) may be inserted meanwhile.
    return Trip.objects.select_for_update(no_key=True).get(id=trip_id)


def locked_stop(stop_id: Any, *, trip_id: Any, rider: User) -> Stop | None:
    """The stop with its trip, locked as `locked_trip` does, and `rider_is_in`: whether the rider has a live pledge there.

    One statement, because a hot on-sale stands in line for this lock. `rider_is_in` may miss a pledge that the same rider
    makes at the same moment; the constraint `pledge_one_live_per_rider` does not.
    """
    live = Pledge.objects.live().filter(trip_id=OuterRef("trip_id"), rider=rider)
    return (
        Stop.objects.select_for_update(no_key=True, of=("trip",))
        .select_related("trip")
        .annotate(rider_is_in=Exists(live))
        .filter(id=stop_id, trip_id=trip_id)
        .first()
    )


def locked_pledge(pledge_id: Any) -> tuple[Trip, Pledge]:
    """The pledge behind its trip's lock. Raises `Pledge.DoesNotExist`.

    What would cross: the rider withdraws while the bank's answer is being followed; a draft expires while its rider
    comes back from the checkout. The trip never changes (a trigger sees to it), so it may be read without a lock.
    """
    trip = locked_trip(Pledge.objects.values_list("trip_id", flat=True).get(id=pledge_id))
    pledge = Pledge.objects.select_for_update(no_key=True).get(id=pledge_id)
    pledge.trip = trip
    return trip, pledge


def locked_pledges(trip: Trip, states: Iterable[str]) -> list[Pledge]:
    """The pledges of a locked trip that stand in one of `states`, by key.

    What would cross: the decision, and a rider who leaves or whose card answers at the same moment.
    """
    rows = Pledge.objects.select_for_update(no_key=True).filter(trip_id=trip.id, state__in=list(states))
    pledges = list(rows.order_by("id").prefetch_related("rider", "stop"))
    for pledge in pledges:
        pledge.trip = trip
    return pledges
