"""What people travel to, where it happens, and who sends us their fans."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex, GistIndex, OpClass
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from payments.models import Payee
from rally import codes
from rally.geo import Point
from rally.models import Row
from trips.models.fields import Earth, on_earth


class Partner(Row):
    """A league, team, venue or promoter who embeds our widgets and sends events."""

    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=60, unique=True)
    website = models.URLField(blank=True)
    members = models.ManyToManyField("rally.User", blank=True, related_name="partners")
    share_percent = models.PositiveSmallIntegerField(
        default=0, validators=[MaxValueValidator(100)], help_text="of our fee for trips to its events"
    )
    payee = models.OneToOneField(
        Payee, null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="who is paid"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(name="partner_share_fits", condition=models.Q(share_percent__lte=100))
        ]

    def __str__(self) -> str:
        return self.name


class Venue(Row):
    """Where events happen and coaches stop."""

    name = models.CharField(max_length=120)
    city = models.CharField(max_length=80)
    state = models.CharField(max_length=60, blank=True)
    latitude = models.FloatField()
    longitude = models.FloatField()
    time_zone = models.CharField(max_length=64)
    capacity = models.PositiveIntegerField(null=True, blank=True)
    coach_stop = models.CharField(_("where coaches stop"), max_length=200, blank=True)

    class Meta:
        constraints = [
            on_earth("venue"),
            models.UniqueConstraint("name", "city", name="venue_once"),
        ]
        indexes = [GistIndex(Earth("latitude", "longitude"), name="venue_earth")]

    def __str__(self) -> str:
        return self.name

    @property
    def point(self) -> Point:
        """Where it is."""
        return Point(self.latitude, self.longitude)


class EventState(models.TextChoices):
    """Whether it takes place."""

    SCHEDULED = "scheduled", _("Scheduled")
    CANCELLED = "cancelled", _("Cancelled")


class Event(Row):
    """Something people travel to."""

    code = models.CharField(max_length=12, unique=True, default=codes.short)
    slug = models.SlugField(max_length=140)
    name = models.CharField(max_length=160)
    category = models.CharField(max_length=40, default="sport")
    home = models.CharField(max_length=80, blank=True)
    away = models.CharField(max_length=80, blank=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="expected")
    venue = models.ForeignKey(Venue, on_delete=models.PROTECT, related_name="events")
    partner = models.ForeignKey(
        Partner, null=True, blank=True, on_delete=models.PROTECT, related_name="events"
    )
    state = models.CharField(max_length=10, choices=EventState, default=EventState.SCHEDULED)
    source = models.CharField(max_length=60, help_text="the feed it came from, or 'rider'")
    source_id = models.CharField(max_length=200, help_text="its number or UID in that feed")
    search_text = models.TextField(help_text="lower-case words people search by: name, teams, venue, city")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "source_id"], name="event_once_per_source"),
            models.CheckConstraint(name="event_ends_after_start", condition=Q(ends_at__gt=F("starts_at"))),
            models.CheckConstraint(name="event_state_known", condition=Q(state__in=EventState.values)),
        ]
        indexes = [
            models.Index(fields=["starts_at"], name="event_starts"),
            GinIndex(OpClass("search_text", "gin_trgm_ops"), name="event_search_trgm"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """The public page."""
        return reverse("trips:event", kwargs={"slug": self.slug, "code": self.code})

    @property
    def short_title(self) -> str:
        """`Packers – Bills` where there are two teams (last word of each), else the name."""
        if self.home and self.away:
            return f"{self.home.rsplit(' ', 1)[-1]} – {self.away.rsplit(' ', 1)[-1]}"
        return self.name
