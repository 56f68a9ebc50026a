"""Bus companies, who works there, what they drive, and the papers that allow it."""

from __future__ import annotations

from datetime import date

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper

from operators.states import OFFICE, OperatorState, PaperKind, Role
from payments.models import Payee
from rally import codes
from rally.geo import Point
from rally.models import Row, User
from trips.models.fields import on_earth
from trips.states import VehicleClass


class Operator(Row):
    """A bus company."""

    code = models.CharField(max_length=12, unique=True, default=codes.short)
    name = models.CharField(max_length=120)
    email = models.EmailField(help_text="for bookings and statements")
    phone = models.CharField(max_length=32, help_text="answered on the day")
    base_name = models.CharField(max_length=120, help_text="town of the depot")
    latitude = models.FloatField()
    longitude = models.FloatField()
    time_zone = models.CharField(max_length=64)
    usdot = models.CharField("USDOT number", max_length=12, blank=True)
    state = models.CharField(max_length=10, choices=OperatorState, default=OperatorState.ACTIVE)
    payee = models.OneToOneField(Payee, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            on_earth("operator"),
            models.CheckConstraint(name="operator_state_known", condition=Q(state__in=OperatorState.values)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def point(self) -> Point:
        """Where the depot is."""
        return Point(self.latitude, self.longitude)


class MemberQuerySet(models.QuerySet["Member"]):
    """Members, narrowed."""

    def active(self) -> MemberQuerySet:
        """Those who still work there."""
        return self.filter(active=True)

    def of(self, user: User) -> MemberQuerySet:
        """The person's active places; none before the address is proven: a place is given to an address."""
        return self.filter(user=user, active=True) if user.is_proven else self.none()

    def in_office(self) -> MemberQuerySet:
        """Those who decide for the company: owners and dispatchers."""
        return self.filter(active=True, role__in=OFFICE)


class Member(Row):
    """A person in a company, in one role."""

    operator = models.ForeignKey(Operator, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role)
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    objects = MemberQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["operator", "user"], name="member_once"),
            models.CheckConstraint(name="member_role_known", condition=Q(role__in=Role.values)),
        ]

    def __str__(self) -> str:
        return str(self.user)

    @property
    def is_owner(self) -> bool:
        """May do everything in the company."""
        return self.active and self.role == Role.OWNER

    @property
    def is_office(self) -> bool:
        """Decides for the company: commits, dispatches, sees the money."""
        return self.active and self.role in OFFICE


class Vehicle(Row):
    """A bus."""

    operator = models.ForeignKey(Operator, on_delete=models.CASCADE, related_name="vehicles")
    name = models.CharField(max_length=60, help_text="what the company calls it")
    plate = models.CharField(max_length=20)
    vehicle_class = models.CharField(max_length=8, choices=VehicleClass)
    seats = models.PositiveSmallIntegerField(validators=[MinValueValidator(4), MaxValueValidator(90)])
    wheelchair_spaces = models.PositiveSmallIntegerField(default=0)
    amenities = models.CharField(max_length=200, blank=True)
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint("operator", Upper("plate"), name="vehicle_plate_once"),
            models.CheckConstraint(name="vehicle_seats_sensible", condition=Q(seats__gte=4, seats__lte=90)),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.plate})"


class Paper(Row):
    """A document with an expiry: insurance of a vehicle, licence of the company, licence of a driver."""

    operator = models.ForeignKey(Operator, on_delete=models.CASCADE, related_name="papers")
    vehicle = models.ForeignKey(
        Vehicle, null=True, blank=True, on_delete=models.CASCADE, related_name="papers"
    )
    member = models.ForeignKey(Member, null=True, blank=True, on_delete=models.CASCADE, related_name="papers")
    kind = models.CharField(max_length=10, choices=PaperKind)
    number = models.CharField(max_length=60)
    valid_from = models.DateField()
    expires_on = models.DateField(help_text="the last day on which it holds")
    refused = models.BooleanField(default=False, help_text="staff looked at it and it does not count")
    refused_why = models.CharField(max_length=200, blank=True)
    warned_at = models.DateTimeField(null=True, help_text="when the company was told that it runs out")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="paper_dates_in_order", condition=Q(expires_on__gte=models.F("valid_from"))
            ),
            models.CheckConstraint(name="paper_kind_known", condition=Q(kind__in=PaperKind.values)),
            models.CheckConstraint(
                name="paper_refused_with_reason", condition=Q(refused=False) | ~Q(refused_why="")
            ),
            models.CheckConstraint(
                name="paper_belongs",
                condition=Q(kind=PaperKind.INSURANCE, vehicle__isnull=False, member__isnull=True)
                | Q(kind=PaperKind.LICENCE, vehicle__isnull=True, member__isnull=True)
                | Q(kind=PaperKind.DRIVING, vehicle__isnull=True, member__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_on"], name="paper_to_warn_of", condition=Q(warned_at=None, refused=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.number}"

    def holds_on(self, day: date) -> bool:
        """Whether it counts on that day."""
        return not self.refused and self.valid_from <= day <= self.expires_on
