"""Vehicles: into service, corrected, out of service."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import IntegrityError

from operators.actions import fleet
from operators.errors import PlateTaken, VehicleHasRuns
from operators.models import Vehicle
from rally.errors import BadInput, NotAllowed
from rally.models import User
from tests.factories.operators import bus, company, member, owner_of, ready, van_trip

pytestmark = pytest.mark.django_db

BLUE: dict[str, Any] = {"name": "Big Blue", "plate": "wi 7", "vehicle_class": "coach", "seats": 56}


def test_a_vehicle_goes_into_service(now: datetime) -> None:
    operator = company()
    vehicle = fleet.add(operator_id=operator.id, **BLUE, now=now, by=owner_of(operator))
    assert (vehicle.name, vehicle.plate, vehicle.seats, vehicle.active) == ("Big Blue", "WI 7", 56, True)


def test_a_plate_is_there_once_per_company(now: datetime) -> None:
    operator, other = company(), company()
    fleet.add(operator_id=operator.id, **BLUE, now=now, by=owner_of(operator))
    with pytest.raises(PlateTaken):
        fleet.add(operator_id=operator.id, **{**BLUE, "plate": "Wi 7"}, now=now, by=owner_of(operator))
    fleet.add(operator_id=other.id, **BLUE, now=now, by=owner_of(other))
    assert Vehicle.objects.count() == 2


def test_other_trouble_of_the_database_is_let_through() -> None:
    vehicle = bus(company())
    with pytest.raises(IntegrityError), fleet._one_plate(vehicle):
        raise IntegrityError("something else")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"plate": "x" * 21}, "plate"),
        ({"vehicle_class": "plane"}, "vehicle_class"),
        ({"seats": 3}, "seats"),
        ({"seats": 91}, "seats"),
        ({"wheelchair_spaces": 57}, "wheelchair_spaces"),
        ({"wheelchair_spaces": -1}, "wheelchair_spaces"),
        ({"amenities": "x" * 201}, "amenities"),
    ],
)
def test_bad_input_names_its_field(now: datetime, wrong: dict[str, Any], field: str) -> None:
    operator = company()
    with pytest.raises(BadInput) as refused:
        fleet.add(operator_id=operator.id, **{**BLUE, **wrong}, now=now, by=owner_of(operator))
    assert refused.value.field == field


def test_strangers_and_drivers_touch_nothing(max_: User, dee: User, now: datetime) -> None:
    operator = company()
    vehicle = bus(operator)
    member(operator, dee)
    for who in (max_, dee):
        with pytest.raises(NotAllowed):
            fleet.add(operator_id=operator.id, **BLUE, now=now, by=who)
        with pytest.raises(NotAllowed):
            fleet.change(vehicle_id=vehicle.id, **BLUE, by=who)
        with pytest.raises(NotAllowed):
            fleet.retire(vehicle_id=vehicle.id, by=who)
        with pytest.raises(NotAllowed):
            fleet.bring_back(vehicle_id=vehicle.id, by=who)


def test_a_vehicle_is_corrected() -> None:
    operator = company()
    vehicle = fleet.change(vehicle_id=bus(operator).id, **{**BLUE, "seats": 40}, by=owner_of(operator))
    assert (vehicle.name, vehicle.seats) == ("Big Blue", 40)


def test_a_promised_vehicle_keeps_its_seats_and_stays() -> None:
    crew = ready()
    run = crew.commits(van_trip())
    with pytest.raises(VehicleHasRuns):
        fleet.change(
            vehicle_id=crew.vehicle.id, **{**BLUE, "seats": 55, "wheelchair_spaces": 2}, by=crew.owner
        )
    with pytest.raises(VehicleHasRuns):
        fleet.change(vehicle_id=crew.vehicle.id, **{**BLUE, "wheelchair_spaces": 1}, by=crew.owner)
    with pytest.raises(VehicleHasRuns) as refused:
        fleet.retire(vehicle_id=crew.vehicle.id, by=crew.owner)
    assert run.code in refused.value.message
    fleet.change(vehicle_id=crew.vehicle.id, **{**BLUE, "seats": 57, "wheelchair_spaces": 2}, by=crew.owner)


def test_out_of_service_and_back_each_once() -> None:
    operator = company()
    vehicle = bus(operator)
    for _twice in range(2):
        assert fleet.retire(vehicle_id=vehicle.id, by=owner_of(operator)).active is False
    for _twice in range(2):
        assert fleet.bring_back(vehicle_id=vehicle.id, by=owner_of(operator)).active is True
