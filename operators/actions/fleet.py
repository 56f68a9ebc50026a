"""The vehicles of a company."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from operators import permissions
from operators.actions.companies import one_line
from operators.errors import PlateTaken, VehicleHasRuns
from operators.locks import locked_vehicle
from operators.models import Operator, Vehicle
from operators.states import UPCOMING
from rally.errors import BadInput
from rally.models import User
from trips.states import VehicleClass

LEAST_SEATS, MOST_SEATS = 4, 90


@transaction.atomic
def add(
    *,
    operator_id: Any,
    name: str,
    plate: str,
    vehicle_class: str,
    seats: int,
    wheelchair_spaces: int = 0,
    amenities: str = "",
    now: datetime,
    by: User,
) -> Vehicle:
    """Put a vehicle into service. Owners and dispatchers. Raises `NotAllowed`, `PlateTaken`, `BadInput`."""
    operator = Operator.objects.get(id=operator_id)
    permissions.check_can_dispatch(by, operator)

    vehicle = Vehicle(operator=operator, created_at=now)
    _describe(
        vehicle,
        name=name,
        plate=plate,
        vehicle_class=vehicle_class,
        seats=seats,
        wheelchair_spaces=wheelchair_spaces,
        amenities=amenities,
    )

    with _one_plate(vehicle):
        vehicle.save()
    return vehicle


@transaction.atomic
def change(
    *,
    vehicle_id: Any,
    name: str,
    plate: str,
    vehicle_class: str,
    seats: int,
    wheelchair_spaces: int = 0,
    amenities: str = "",
    by: User,
) -> Vehicle:
    """Correct what is said of a vehicle. Owners and dispatchers.

    It may not lose seats or wheelchair spaces while runs to come count on them. Raises `NotAllowed`, `PlateTaken`,
    `VehicleHasRuns`, `BadInput`.
    """
    vehicle = locked_vehicle(vehicle_id)
    permissions.check_can_dispatch(by, vehicle.operator)

    before = (vehicle.seats, vehicle.wheelchair_spaces)
    _describe(
        vehicle,
        name=name,
        plate=plate,
        vehicle_class=vehicle_class,
        seats=seats,
        wheelchair_spaces=wheelchair_spaces,
        amenities=amenities,
    )
    if vehicle.seats < before[0] or vehicle.wheelchair_spaces < before[1]:
        _check_free(vehicle)

    with _one_plate(vehicle):
        vehicle.save()
    return vehicle


@transaction.atomic
def retire(*, vehicle_id: Any, by: User) -> Vehicle:
    """Take a vehicle out of service. Owners and dispatchers. Twice is once.

    Raises `NotAllowed`, `VehicleHasRuns` while runs to come need it.
    """
    vehicle = locked_vehicle(vehicle_id)
    permissions.check_can_dispatch(by, vehicle.operator)

    if not vehicle.active:
        return vehicle
    _check_free(vehicle)

    vehicle.active = False
    vehicle.save(update_fields=["active"])
    return vehicle


@transaction.atomic
def bring_back(*, vehicle_id: Any, by: User) -> Vehicle:
    """Put a retired vehicle into service again. Owners and dispatchers. Twice is once. Raises `NotAllowed`."""
    vehicle = locked_vehicle(vehicle_id)
    permissions.check_can_dispatch(by, vehicle.operator)

    vehicle.active = True
    vehicle.save(update_fields=["active"])
    return vehicle


def _check_free(vehicle: Vehicle) -> None:
    ahead = list(vehicle.runs.filter(state__in=UPCOMING).order_by("period").values_list("code", flat=True))
    if ahead:
        raise VehicleHasRuns(vehicle=vehicle.name, runs=", ".join(ahead))


def _describe(
    vehicle: Vehicle,
    *,
    name: str,
    plate: str,
    vehicle_class: str,
    seats: int,
    wheelchair_spaces: int,
    amenities: str,
) -> None:
    if vehicle_class not in VehicleClass.values:
        raise BadInput(_("Choose one of: coach, mini, van."), field="vehicle_class")
    if not LEAST_SEATS <= seats <= MOST_SEATS:
        raise BadInput(
            _("A bus has between %(least)s and %(most)s seats for riders.")
            % {"least": LEAST_SEATS, "most": MOST_SEATS},
            field="seats",
        )
    if not 0 <= wheelchair_spaces <= seats:
        raise BadInput(_("Wheelchair spaces are between none and the seats."), field="wheelchair_spaces")
    vehicle.name = one_line(name, most=60, what="name")
    vehicle.plate = one_line(plate, most=20, what="plate").upper()
    vehicle.vehicle_class = vehicle_class
    vehicle.seats = seats
    vehicle.wheelchair_spaces = wheelchair_spaces
    vehicle.amenities = one_line(amenities, most=200, what="amenities", least=0)


@contextmanager
def _one_plate(vehicle: Vehicle) -> Iterator[None]:
    """The database says whether the company has this plate; two dispatchers may add it at once."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if "vehicle_plate_once" in str(error):
            raise PlateTaken(plate=vehicle.plate) from None
        raise
