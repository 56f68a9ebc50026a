"""Runs, and who is on board."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import Q

from operators.models.companies import Member, Operator, Vehicle
from operators.states import BUSY, RUN, Leg, RunState
from rally import codes
from rally.models import Row, codes_constraint
from rally.money import Money
from trips.models import Seat, Stop, Trip


class Run(Row):
    """An operator's commitment of a vehicle and a driver to a trip."""

    code = models.CharField(max_length=12, unique=True, default=codes.short)
    trip = models.ForeignKey(Trip, on_delete=models.PROTECT, related_name="runs")
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="runs")
    vehicle = models.ForeignKey(Vehicle, on_delete=models.PROTECT, related_name="runs")
    driver = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="runs")
    state = models.CharField(max_length=10, choices=RunState, default=RunState.COMMITTED)
    period = DateTimeRangeField(help_text="from leaving the depot to being back there")
    seats = models.PositiveSmallIntegerField(help_text="of the vehicle when it was committed")
    next_stop = models.ForeignKey(Stop, null=True, on_delete=models.SET_NULL, related_name="+")
    pay_minor = models.PositiveIntegerField(default=0, help_text="earned, once completed")
    currency = models.CharField(max_length=3, default="USD")
    committed_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    arrived_at = models.DateTimeField(null=True)
    return_started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            codes_constraint(RUN, "run"),
            ExclusionConstraint(
                name="run_vehicle_not_twice",
                expressions=[("vehicle", RangeOperators.EQUAL), ("period", RangeOperators.OVERLAPS)],
                condition=Q(state__in=list(BUSY)),
            ),
            ExclusionConstraint(
                name="run_driver_not_twice",
                expressions=[("driver", RangeOperators.EQUAL), ("period", RangeOperators.OVERLAPS)],
                condition=Q(state__in=list(BUSY)),
            ),
            models.UniqueConstraint(
                fields=["trip"], name="run_one_live_per_trip", condition=Q(state__in=list(BUSY))
            ),
        ]
        indexes = [models.Index(fields=["operator", "state"], name="run_operator_state")]

    def __str__(self) -> str:
        return self.code

    @property
    def pay(self) -> Money:
        """What the run has earned."""
        return Money(self.pay_minor, self.currency)


class Boarding(Row):
    """A seat checked in on a leg. Undone, it stays as evidence."""

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="boardings")
    seat = models.ForeignKey(Seat, on_delete=models.PROTECT, related_name="boardings")
    leg = models.CharField(max_length=8, choices=Leg)
    at = models.DateTimeField(help_text="on the device")
    received_at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    device = models.CharField(max_length=60, blank=True)
    undone_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["seat", "leg"], name="boarding_once", condition=Q(undone_at=None)),
            models.CheckConstraint(name="boarding_leg_known", condition=Q(leg__in=Leg.values)),
        ]

    def __str__(self) -> str:
        return f"{self.leg} {self.at:%H:%M}"
