"""Seats that were handed to somebody else: who holds them now."""

from __future__ import annotations

from collections.abc import Iterable

from trips.models import Pledge, Seat


def held(pledges: Iterable[Pledge]) -> list[Seat]:
    """The seats of these pledges that were handed over, with whoever holds them; each carries its pledge as it is given
    here. One query, however many pledges."""
    by_id = {pledge.id: pledge for pledge in pledges}
    rows = Seat.objects.filter(pledge_id__in=by_id, holder__isnull=False).select_related("holder")
    seats = list(rows.order_by("pledge_id", "position"))
    for seat in seats:
        seat.pledge = by_id[seat.pledge_id]
    return seats
