"""Supply as JSON: boards, runs, manifests, boardings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from operators.models import Boarding, Member, Run, Vehicle
from operators.queries.manifests import Manifest, Passenger
from operators.states import Leg
from rally import clock
from rally.rest import MoneyField
from trips.states import VehicleClass


class Moment(serializers.Field[Any, Any, Any, Any]):
    """An ISO time with its zone; a time without one is refused."""

    default_error_messages = {
        "no_time": _("Give an ISO time with its zone, such as 2026-12-13T19:20:00-06:00.")
    }

    def to_internal_value(self, value: Any) -> datetime:
        """The time in UTC."""
        try:
            return clock.parse(value)
        except (TypeError, ValueError, OverflowError):
            self.fail("no_time")

    def to_representation(self, value: datetime) -> str:
        """ISO in UTC."""
        return value.isoformat().replace("+00:00", "Z")


MomentOut = extend_schema_field(OpenApiTypes.DATETIME)(Moment)


class OfWhich(serializers.Serializer[Any]):
    """Which of the companies you work for."""

    operator = serializers.CharField(required=False, help_text="code of the company, if you work for several")


class BoardQuery(serializers.Serializer[Any]):
    """What the board is narrowed to."""

    operator = serializers.CharField(required=False, help_text="code of the company, if you work for several")
    vehicle_class = serializers.ChoiceField(choices=VehicleClass.choices, required=False)
    within_km = serializers.IntegerField(min_value=1, max_value=20_000, required=False)
    after = serializers.DateField(required=False)
    before = serializers.DateField(required=False)
    order = serializers.ChoiceField(choices=["distance", "date", "riders"], required=False)


class OfferOut(serializers.Serializer[Any]):
    """A trip that looks for a bus."""

    trip = serializers.CharField(source="trip.code")
    title = serializers.CharField(source="trip")
    event = serializers.CharField(source="trip.event.name")
    venue = serializers.CharField(source="trip.event.venue.name")
    state = serializers.CharField(source="trip.state")
    vehicle_class = serializers.CharField(source="trip.vehicle_class")
    first_stop = serializers.CharField(source="first_stop.name")
    km_from_depot = serializers.IntegerField(source="away_km")
    km = serializers.IntegerField(source="duty.km", help_text="there, back and empty legs")
    driving_minutes = serializers.IntegerField(source="duty.driving_minutes")
    duty_minutes = serializers.IntegerField(source="duty.duty_minutes")
    leaves_depot_at = MomentOut(source="duty.leaves_depot_at")
    departs_at = MomentOut(source="trip.departs_at")
    returns_at = MomentOut(source="trip.returns_at")
    back_at_depot = MomentOut(source="duty.back_at")
    decides_at = MomentOut(source="trip.decides_at")
    threshold = serializers.IntegerField(source="trip.threshold")
    seats_pledged = serializers.IntegerField(source="trip.seats_pledged")
    seats_held = serializers.IntegerField(source="trip.seats_funded")
    money_pledged = MoneyField(source="pledged")
    money_held = MoneyField(source="held")
    pay_at_threshold = MoneyField(source="pay_at_least")
    pay_today = MoneyField()
    paid = serializers.CharField(help_text="how the run is paid, in words that follow “You are paid”")


class VehicleOut(serializers.ModelSerializer[Vehicle]):
    """A vehicle of your fleet."""

    class Meta:
        model = Vehicle
        fields = ["id", "name", "plate", "vehicle_class", "seats", "wheelchair_spaces", "amenities"]


class VehicleList(serializers.Serializer[Any]):
    """Your vehicles in service."""

    results = VehicleOut(many=True)


class DriverOut(serializers.ModelSerializer[Member]):
    """Somebody who may drive for you. `id` is what `POST trips/{code}/runs` takes."""

    name = serializers.CharField(source="user.name")

    class Meta:
        model = Member
        fields = ["id", "name", "role"]


class DriverList(serializers.Serializer[Any]):
    """Who may drive for you."""

    results = DriverOut(many=True)


class RunIn(serializers.Serializer[Any]):
    """A commitment: vehicle and driver by their ids (`GET operator/vehicles`, `GET operator/drivers`)."""

    vehicle = serializers.UUIDField()
    driver = serializers.UUIDField()
    operator = serializers.CharField(required=False, help_text="code of the company, if you work for several")


class WithdrawIn(serializers.Serializer[Any]):
    """Why, if you like."""

    why = serializers.CharField(required=False, max_length=200, allow_blank=True)


class RunOut(serializers.ModelSerializer[Run]):
    """A run."""

    trip = serializers.CharField(source="trip.code")
    operator = serializers.CharField(source="operator.code")
    operator_name = serializers.CharField(source="operator.name")
    vehicle = VehicleOut()
    driver = DriverOut()
    leaves_depot_at = MomentOut(source="period.lower")
    back_at_depot = MomentOut(source="period.upper")
    next_stop = serializers.CharField(source="next_stop.name", default=None, allow_null=True)
    committed_at = MomentOut()
    started_at = MomentOut()
    arrived_at = MomentOut()
    return_started_at = MomentOut()
    completed_at = MomentOut()
    pay = MoneyField()

    class Meta:
        model = Run
        fields = [
            "code",
            "trip",
            "operator",
            "operator_name",
            "state",
            "vehicle",
            "driver",
            "seats",
            "leaves_depot_at",
            "back_at_depot",
            "next_stop",
            "committed_at",
            "started_at",
            "arrived_at",
            "return_started_at",
            "completed_at",
            "pay",
        ]


class CheckIn(serializers.ModelSerializer[Boarding]):
    """When a seat was checked in on a leg, and by whom."""

    at = MomentOut()
    by = serializers.CharField(source="by.short_name")

    class Meta:
        model = Boarding
        fields = ["at", "by", "device"]


class PassengerOut(serializers.Serializer[Passenger]):
    """One seat. `seat` is the boarding code that `POST runs/{code}/boardings` takes; null while names are withheld."""

    seat = serializers.SerializerMethodField()
    name = serializers.SerializerMethodField()
    needs = serializers.ListField(child=serializers.CharField())
    outbound = CheckIn(allow_null=True)

    def get_seat(self, passenger: Passenger) -> str | None:
        """The boarding code, with the name."""
        return passenger.seat.code if passenger.name else None

    def get_name(self, passenger: Passenger) -> str | None:
        """The name, once the trip is certain."""
        return passenger.name or None

    def get_fields(self) -> dict[str, Any]:
        """`return` is a word of Python, so this field is named here."""
        return {**super().get_fields(), "return": CheckIn(source="back", allow_null=True)}


class StopOut(serializers.Serializer[Any]):
    """One stop with its passengers."""

    position = serializers.IntegerField(source="stop.position")
    name = serializers.CharField(source="stop.name")
    address = serializers.CharField(source="stop.address")
    time_zone = serializers.CharField(source="stop.time_zone")
    departs_at = MomentOut(source="stop.departs_at")
    returns_at = MomentOut(source="stop.returns_at")
    boarded_outbound = serializers.IntegerField(source="outbound_count")
    boarded_return = serializers.IntegerField(source="back_count")
    passengers = PassengerOut(many=True)


class ManifestOut(serializers.Serializer[Manifest]):
    """The seats of a run by stop."""

    run = serializers.CharField(source="run.code")
    trip = serializers.CharField(source="run.trip.code")
    state = serializers.CharField(source="run.state")
    seats = serializers.IntegerField(source="total")
    boarded_outbound = serializers.IntegerField(source="outbound_count")
    boarded_return = serializers.IntegerField(source="back_count")
    stops = StopOut(many=True)


class BoardingIn(serializers.Serializer[Any]):
    """A check-in: the boarding code, the leg, when it happened by the device's clock, and which device."""

    seat = serializers.CharField(
        max_length=300, help_text="boarding code, or the address on the boarding pass"
    )
    leg = serializers.ChoiceField(choices=Leg.choices)
    at = MomentOut(required=False, help_text="with zone; now, if left out")
    device = serializers.CharField(max_length=60, required=False, allow_blank=True, default="")


class BoardingOut(serializers.ModelSerializer[Boarding]):
    """A check-in as it is on record."""

    seat = serializers.CharField(source="seat.code")
    name = serializers.CharField(source="seat.name")
    stop = serializers.CharField(source="seat.pledge.stop.name")
    needs = serializers.ListField(source="seat.needs", child=serializers.CharField())
    at = MomentOut()
    by = serializers.CharField(source="by.short_name")
    undone = serializers.SerializerMethodField()

    class Meta:
        model = Boarding
        fields = ["seat", "name", "stop", "needs", "leg", "at", "by", "device", "undone"]

    def get_undone(self, boarding: Boarding) -> bool:
        """It was taken back since."""
        return boarding.undone_at is not None
