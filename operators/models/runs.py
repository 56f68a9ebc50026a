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
from rally.models import Row, User, codes_constraint
from rally.money import Money
from trips.models import Seat, Stop, Trip


class RunQuerySet(models.QuerySet["Run"]):
    """Runs, narrowed."""

    def visible_to(self, user: User) -> RunQuerySet:
        """Those of companies in whose office the person works, and those the person drives."""
        offices = Member.objects.of(user).in_office().values("operator_id")
        mine = Q(person=user, driver__active=True)
        return self.filter(Q(operator__in=offices) | mine) if user.is_proven else self.none()

    def driven_by(self, user: User) -> RunQuerySet:
        """Those the person sits at the wheel of."""
        return self.filter(person=user, driver__active=True) if user.is_proven else self.none()

    def live(self) -> RunQuerySet:
        """Those that bind a vehicle and a driver."""
        return self.filter(state__in=BUSY)


class Run(Row):
    """An operator's commitment of a vehicle and a driver to a trip.

    `person` is the driver as a human being: one person may drive for two companies, and still has only one pair of
    hands.
    """

    code = models.CharField(max_length=12, unique=True, default=codes.short)
    trip = models.ForeignKey(Trip, on_delete=models.PROTECT, related_name="runs")
    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="runs")
    vehicle = models.ForeignKey(Vehicle, on_delete=models.PROTECT, related_name="runs")
    driver = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="runs")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=RunState, default=RunState.COMMITTED)
    period = DateTimeRangeField(help_text="from leaving the depot to being back there")
    drive_minutes = models.PositiveSmallIntegerField(
        help_text="at the wheel, there and back with the empty legs"
    )
    seats = models.PositiveSmallIntegerField(help_text="of the vehicle when it was committed")
    next_stop = models.ForeignKey(Stop, null=True, on_delete=models.SET_NULL, related_name="+")
    terms = models.JSONField(
        default=dict,
        help_text="as agreed when it was committed: kind, percent (without: the usual share), given_up_late [hours, cost]",
    )
    legs_percent = models.PositiveSmallIntegerField(
        default=100, help_text="the part of the pay for the ways that were really driven"
    )
    pay_minor = models.PositiveIntegerField(default=0, help_text="earned, once completed")
    currency = models.CharField(max_length=3, default="USD")
    committed_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    arrived_at = models.DateTimeField(null=True)
    return_started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    booked_at = models.DateTimeField(null=True, help_text="when its pay was booked")

    objects = RunQuerySet.as_manager()

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
                expressions=[("person", RangeOperators.EQUAL), ("period", RangeOperators.OVERLAPS)],
                condition=Q(state__in=list(BUSY)),
            ),
            models.UniqueConstraint(
                fields=["trip"], name="run_one_live_per_trip", condition=Q(state__in=list(BUSY))
            ),
            models.CheckConstraint(
                name="run_under_way_has_times",
                condition=~Q(
                    state__in=[RunState.OUTBOUND, RunState.AT_EVENT, RunState.RETURNING, RunState.COMPLETED]
                )
                | Q(started_at__isnull=False),
            ),
            models.CheckConstraint(name="run_legs_percent_fits", condition=Q(legs_percent__lte=100)),
            models.CheckConstraint(
                name="run_completed_has_time",
                condition=~Q(state=RunState.COMPLETED) | Q(completed_at__isnull=False),
            ),
            models.CheckConstraint(
                name="run_booked_has_driven",
                condition=Q(booked_at=None)
                | Q(state=RunState.COMPLETED)
                | Q(state__in=[RunState.FAILED, RunState.REPLACED], arrived_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["operator", "state"], name="run_operator_state"),
            models.Index(
                fields=["completed_at"],
                name="run_unbooked",
                condition=Q(state=RunState.COMPLETED, booked_at=None),
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def pay(self) -> Money:
        """What the run has earned."""
        return Money(self.pay_minor, self.currency)

    @property
    def leg(self) -> Leg:
        """The way that is being boarded or driven now."""
        back = {RunState.AT_EVENT, RunState.RETURNING, RunState.COMPLETED}
        return Leg.RETURN if self.state in back else Leg.OUTBOUND

    @property
    def is_live(self) -> bool:
        """It binds a vehicle and a driver."""
        return self.state in BUSY

    @property
    def names_riders(self) -> bool:
        """The operator may see who rides: the trip is certain, so the names are needed."""
        return self.is_live and self.state != RunState.COMMITTED

    @property
    def may_change(self) -> bool:
        """Vehicle and driver can still be exchanged: the bus has not left."""
        return self.state in {RunState.COMMITTED, RunState.CONFIRMED, RunState.BOARDING}


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
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["seat", "leg"], name="boarding_once", condition=Q(undone_at=None)
            ),
            models.UniqueConstraint(fields=["seat", "leg", "at", "device"], name="boarding_same_tap_once"),
            models.CheckConstraint(name="boarding_leg_known", condition=Q(leg__in=Leg.values)),
        ]

    def __str__(self) -> str:
        return f"{self.leg} {self.at:%H:%M}"
