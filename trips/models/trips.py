"""Trips and their stops."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.contrib.postgres.indexes import GistIndex
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from rally import codes
from rally.geo import Point
from rally.models import Row, codes_constraint
from rally.money import Money
from trips.models.events import Event, Partner
from trips.models.fields import Earth, on_earth
from trips.states import JOINABLE, LEGS, TRIP, TripState, VehicleClass, Visibility


class Trip(Row):
    """One crowd-powered journey: outbound from its stops to one event's venue, and back.

    `seats_taken`, `seats_pledged` and `seats_funded` are kept by a trigger on pledges, so that the constraint
    `seats_taken <= capacity` is the database's own word that no seat is sold twice.
    """

    code = models.CharField(max_length=12, unique=True, default=codes.short)
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="trips")
    captain = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="captained_trips"
    )
    state = models.CharField(max_length=12, choices=TripState, default=TripState.GATHERING)
    visibility = models.CharField(max_length=8, choices=Visibility, default=Visibility.PUBLIC)
    vehicle_class = models.CharField(max_length=8, choices=VehicleClass)
    capacity = models.PositiveSmallIntegerField(validators=[MinValueValidator(1)])
    threshold = models.PositiveSmallIntegerField(help_text="seats whose money must be held before it runs")
    origin = models.CharField(max_length=120, help_text="the town it starts from, as in the title")

    decides_at = models.DateTimeField()
    departs_at = models.DateTimeField(help_text="from the first stop")
    arrives_at = models.DateTimeField(help_text="at the venue")
    leaves_at = models.DateTimeField(help_text="from the venue, after the event")
    returns_at = models.DateTimeField(help_text="at the first stop")
    distance_km = models.PositiveIntegerField(help_text="by road, one way, first stop to venue")
    drive_minutes = models.PositiveIntegerField(help_text="one way, stops included")

    currency = models.CharField(max_length=3, default="USD")
    cost_minor = models.PositiveIntegerField(help_text="what the bus costs, without the platform's part")
    cost_parts = models.JSONField(
        help_text="call-out, distance, duty, platform in minor units: why this price"
    )
    platform_percent = models.PositiveSmallIntegerField(help_text="on top of the cost; fixed when proposed")

    partner = models.ForeignKey(
        Partner,
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="who has a part of our fee; as the event said when the trip was confirmed",
    )
    partner_percent = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="that part; as agreed when the trip was confirmed"
    )

    ladder = models.JSONField(
        default=list,
        blank=True,
        help_text="how the fare falls as the coach fills: [[seats, percent of the agreed fare], …]; empty: it does not",
    )
    locked_percent = models.PositiveSmallIntegerField(
        null=True, editable=False, help_text="of the agreed fares, once settled; it only falls from there"
    )
    fares_closed_at = models.DateTimeField(
        null=True, editable=False, help_text="when riders got back what later joiners saved them"
    )

    seats_taken = models.PositiveSmallIntegerField(default=0, editable=False)
    seats_pledged = models.PositiveSmallIntegerField(default=0, editable=False)
    seats_funded = models.PositiveSmallIntegerField(default=0, editable=False)
    seats_supplied = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="seats of the runs that operators committed; 0 = no bus yet"
    )
    operator_name = models.CharField(
        max_length=120, blank=True, editable=False, help_text="who drives, for display"
    )

    settling_since = models.DateTimeField(null=True, editable=False)
    grace_ends_at = models.DateTimeField(null=True, editable=False)
    decided_at = models.DateTimeField(
        null=True, editable=False, help_text="when it was confirmed, lapsed or cancelled"
    )
    why_ended = models.CharField(
        max_length=40, blank=True, editable=False, help_text="code of the reason it lapsed"
    )
    told_tentative_at = models.DateTimeField(
        null=True, editable=False, help_text="seats still needed: riders were told"
    )
    told_passes_at = models.DateTimeField(null=True, editable=False, help_text="boarding passes were sent")
    thanked_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="once it had run: when captain and friends were thanked in credit",
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            codes_constraint(TRIP, "trip"),
            models.CheckConstraint(
                name="trip_never_oversold", condition=Q(seats_taken__gte=0, seats_taken__lte=F("capacity"))
            ),
            models.CheckConstraint(
                name="trip_threshold_fits", condition=Q(threshold__gte=1, threshold__lte=F("capacity"))
            ),
            models.CheckConstraint(
                name="trip_locked_percent_fits",
                condition=Q(locked_percent=None) | Q(locked_percent__gte=1, locked_percent__lte=100),
            ),
            models.CheckConstraint(
                name="trip_locked_by_its_decision",
                condition=Q(locked_percent=None) | Q(decided_at__isnull=False),
            ),
            models.CheckConstraint(
                name="trip_partner_share_fits",
                condition=Q(partner_percent=0) | Q(partner__isnull=False, partner_percent__lte=100),
            ),
            models.CheckConstraint(
                name="trip_times_in_order",
                condition=Q(decides_at__lt=F("departs_at"))
                & Q(departs_at__lt=F("arrives_at"))
                & Q(arrives_at__lt=F("leaves_at"))
                & Q(leaves_at__lt=F("returns_at")),
            ),
            models.CheckConstraint(
                name="trip_confirmed_has_bus",
                condition=~Q(state__in=[TripState.CONFIRMED, TripState.UNDER_WAY])
                | Q(decided_at__isnull=False),
            ),
            models.CheckConstraint(
                name="trip_settling_has_times",
                condition=~Q(state=TripState.SETTLING)
                | Q(settling_since__isnull=False, grace_ends_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["decides_at"],
                name="trip_due",
                condition=Q(state__in=[TripState.GATHERING, TripState.SETTLING]),
            ),
            models.Index(fields=["departs_at"], name="trip_departs", condition=Q(state__in=list(JOINABLE))),
            models.Index(
                fields=["departs_at"],
                name="trip_fares_open",
                condition=Q(
                    locked_percent__isnull=False,
                    state__in=[TripState.CONFIRMED, TripState.UNDER_WAY, TripState.COMPLETED],
                ),
            ),
            models.Index(fields=["event", "state"], name="trip_event_state"),
            models.Index(
                fields=["returns_at"],
                name="trip_to_thank_for",
                condition=Q(state__in=[TripState.COMPLETED, TripState.CLOSED], thanked_at=None),
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="trip_forming_stops",
                when=pgtrigger.After,
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__state__df=pgtrigger.F("new__state"))
                | pgtrigger.Q(old__visibility__df=pgtrigger.F("new__visibility")),
                func="""
                    UPDATE trips_stop SET findable =
                        (NEW.state IN ('gathering', 'confirmed') AND NEW.visibility = 'public')
                    WHERE trip_id = NEW.id;
                    RETURN NULL;
                """,
            ),
            pgtrigger.Trigger(
                name="trip_news",
                when=pgtrigger.After,
                operation=pgtrigger.Update,
                func="PERFORM pg_notify('rally_news', 'trip:' || NEW.code); RETURN NULL;",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.origin} to {self.event.short_title}"

    def get_absolute_url(self) -> str:
        """The public page."""
        return reverse("trips:trip", kwargs={"code": self.code})

    @property
    def seats_left(self) -> int:
        """Seats nobody has reserved."""
        return self.capacity - self.seats_taken

    @property
    def seats_to_go(self) -> int:
        """Seats still missing to the threshold; 0 once it is reached."""
        return max(0, self.threshold - self.seats_pledged)

    @property
    def has_bus(self) -> bool:
        """An operator has committed a vehicle and a driver."""
        return self.seats_supplied > 0

    @property
    def lost_its_bus(self) -> bool:
        """It was certain, and the company gave up since: another one is looked for (`queries.stranded`)."""
        return self.state == TripState.CONFIRMED and not self.has_bus

    @property
    def cost(self) -> Money:
        """What the bus costs, without the platform's part."""
        return Money(self.cost_minor, self.currency)


class Stop(Row):
    """A pick-up point of a trip, in order. Passengers return to the stop where they got on."""

    trip = models.ForeignKey(Trip, on_delete=models.CASCADE, related_name="stops")
    position = models.PositiveSmallIntegerField(help_text="1 is where the bus starts")
    name = models.CharField(_("name"), max_length=120)
    address = models.CharField(_("address"), max_length=200, blank=True)
    latitude = models.FloatField()
    longitude = models.FloatField()
    time_zone = models.CharField(max_length=64)
    departs_at = models.DateTimeField(help_text="outbound")
    returns_at = models.DateTimeField(help_text="on the way back")
    km_to_venue = models.PositiveIntegerField()
    fare_minor = models.PositiveIntegerField(help_text="one seat, there and back, in the trip's currency")
    findable = models.BooleanField(
        default=True, editable=False, help_text="kept by a trigger on the trip's state"
    )

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["trip", "position"], name="stop_position_once"),
            on_earth("stop"),
            models.CheckConstraint(name="stop_fare_positive", condition=Q(fare_minor__gt=0)),
        ]
        indexes = [
            GistIndex(Earth("latitude", "longitude"), name="stop_earth_findable", condition=Q(findable=True)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def point(self) -> Point:
        """Where it is."""
        return Point(self.latitude, self.longitude)


class FailedLeg(Row):
    """A way of a trip that was not driven, and the share of what they paid that its riders get for it. It only grows."""

    trip = models.ForeignKey(Trip, on_delete=models.PROTECT, related_name="failed_legs")
    leg = models.CharField(max_length=8, help_text="outbound or return")
    percent = models.PositiveSmallIntegerField(help_text="of what was paid for both ways")
    told_at = models.DateTimeField(help_text="when we first heard of it")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["trip", "leg"], name="failedleg_once"),
            models.CheckConstraint(name="failedleg_leg_known", condition=Q(leg__in=LEGS)),
            models.CheckConstraint(
                name="failedleg_percent_fits", condition=Q(percent__gte=1, percent__lte=100)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.leg} of {self.trip}, {self.percent} %"
