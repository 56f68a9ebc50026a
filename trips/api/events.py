"""Events for programs: search and look."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from rally import clock, codes
from rally.geo import distance_km
from rally.rest import Pages
from trips.api.inputs import MomentField, Nearby
from trips.models import Event, Partner
from trips.models.events import EventState
from trips.queries import finding


class EventQuery(Nearby):
    """What to look for."""

    q = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=200,
        help_text="team, event, venue or city; typing mistakes are forgiven",
    )
    after = MomentField(required=False, help_text="starts at or after; without it nothing that has begun")
    before = MomentField(required=False, help_text="starts before")
    partner = serializers.CharField(required=False, max_length=60, help_text="slug of a partner")

    def validate_partner(self, slug: str) -> Partner:
        """A partner we know."""
        partner = Partner.objects.filter(slug=slug).first()
        if partner is None:
            raise serializers.ValidationError(_("There is no such partner."))
        return partner


class VenueOut(serializers.Serializer[Any]):
    """Where it is."""

    name = serializers.CharField()
    city = serializers.CharField()
    state = serializers.CharField()
    latitude = serializers.FloatField()
    longitude = serializers.FloatField()
    time_zone = serializers.CharField()
    coach_stop = serializers.CharField()


class EventOut(serializers.Serializer[Any]):
    """Something people travel to."""

    code = serializers.CharField()
    name = serializers.CharField()
    category = serializers.CharField()
    home = serializers.CharField()
    away = serializers.CharField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(help_text="expected")
    state = serializers.ChoiceField(choices=EventState.choices)
    venue = VenueOut()
    partner = serializers.SerializerMethodField()
    trips_forming = serializers.IntegerField(source="forming")
    distance_km = serializers.SerializerMethodField(help_text="from near, as the crow flies")
    url = serializers.SerializerMethodField()

    def get_partner(self, event: Event) -> str | None:
        """Its slug."""
        return event.partner.slug if event.partner else None

    def get_distance_km(self, event: Event) -> float | None:
        """Rounded to a tenth."""
        near = self.context.get("near")
        return round(distance_km(near, event.venue.point), 1) if near else None

    def get_url(self, event: Event) -> str:
        """Its page."""
        return settings.SITE_URL + event.get_absolute_url()


class EventPage(serializers.Serializer[Any]):
    """A page of events."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = EventOut(many=True)


class PageQuery(serializers.Serializer[Any]):
    """Which page."""

    limit = serializers.IntegerField(required=False, min_value=1, max_value=100, default=20)
    offset = serializers.IntegerField(required=False, min_value=0, max_value=10_000, default=0)


class Events(APIView):
    """Events that can be travelled to."""

    @extend_schema(
        operation_id="events_list",
        parameters=[EventQuery, PageQuery],
        responses=EventPage,
        summary="Search events",
        auth=[],
    )
    def get(self, request: Request) -> Response:
        """Best match first for q, else nearest first for near, else soonest first."""
        wanted = asked(EventQuery, request)
        found = finding.events(
            now=clock.now(),
            words=wanted.get("q", ""),
            near=wanted.get("near"),
            km=wanted.get("radius_km"),
            after=wanted.get("after"),
            before=wanted.get("before"),
            partner=wanted.get("partner"),
        )
        pages = Pages()
        page = pages.paginate_queryset(found.select_related("venue", "partner"), request)
        return pages.get_paginated_response(
            EventOut(page, many=True, context={"near": wanted.get("near")}).data
        )


class OneEvent(APIView):
    """One event."""

    @extend_schema(operation_id="events_get", responses=EventOut, summary="One event", auth=[])
    def get(self, request: Request, code: str) -> Response:
        """By its code, also past and cancelled ones."""
        event = get_object_or_404(finding.any_events(now=clock.now()), code=codes.clean(code))
        return Response(EventOut(event).data)


def asked(shape: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The query of a request in this shape; parameters left empty were not given. Raises `ValidationError`."""
    given = shape(data={name: value for name, value in request.query_params.items() if value != ""})
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)
