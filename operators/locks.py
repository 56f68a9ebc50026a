"""How to lock the rows of supply. A run is locked after its trip and before anything of money.

The order: trip → run → company → vehicle → member. NO KEY everywhere: rows that only point at the locked one (a run at its
company) may be written meanwhile; otherwise letting a driver go and giving that driver a run would wait for each other.
"""

from __future__ import annotations

from uuid import UUID

from operators.models import Member, Operator, Run, Vehicle
from trips.locks import locked_trip
from trips.models import Trip


def locked_run(run_id: UUID) -> Run:
    """The run, for this transaction alone.

    Two phones at the door, and the driver's "leave now" against a late scan, would otherwise cross. Whoever also needs
    the trip takes `trips.locks.locked_trip` first.
    """
    return (
        Run.objects.select_for_update(of=("self",), no_key=True)
        .select_related("trip", "operator", "driver")
        .get(id=run_id)
    )


def locked_trip_and_run(run_id: UUID) -> tuple[Trip, Run]:
    """The trip of a run, then the run: a driver's step moves both, and the trip's own settlement would cross it."""
    trip = locked_trip(Run.objects.values_list("trip_id", flat=True).get(id=run_id))
    return trip, locked_run(run_id)


def locked_operator(operator_id: UUID) -> Operator:
    """The company, for this transaction alone.

    Two owners who step down at the same moment would otherwise leave it with none.
    """
    return Operator.objects.select_for_update(no_key=True).get(id=operator_id)


def locked_driver(member_id: UUID) -> Member:
    """The member, for this transaction alone.

    Two runs on one day, each within the hours alone and too long together, would otherwise both be accepted; and a
    member could be let go while a run is being given to them.
    """
    return (
        Member.objects.select_for_update(of=("self",), no_key=True).select_related("user").get(id=member_id)
    )


def locked_vehicle(vehicle_id: UUID) -> Vehicle:
    """The vehicle, for this transaction alone.

    It could otherwise be retired while a run is being bound to it.
    """
    return Vehicle.objects.select_for_update(no_key=True).get(id=vehicle_id)
