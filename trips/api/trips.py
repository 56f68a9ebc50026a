"""Trips for programs: search, look, propose."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from rally import clock, codes
from rally.models import User
from rally.money import Money
from rally.rest import MoneyField, Pages, money, repeatable
from trips.actions import pledges, proposals
from trips.actions.proposals import NewStop
from trips.api.events import PageQuery, VenueOut, asked
from trips.api.inputs import Degrees, Nearby
from trips.errors import PledgesClosed
from trips.models import Event, Stop, Trip
from trips.models.pledges import Instrument
from trips.queries import fares, finding, terms
from trips.queries.finding import Found
from trips.states import JOINABLE, TripState, VehicleClass, Visibility


class TripQuery(Nearby):
    """What to look for."""

    event = serializers.CharField(required=False, max_length=12, help_text="code of an event")
    state = serializers.ChoiceField(
        required=False, choices=TripState.choices, help_text="without it those that riders can join"
    )

    def validate_event(self, code: str) -> Event:
        """An event we know."""
        return known_event(code)


class NewStopIn(serializers.Serializer[Any]):
    """A stop to propose."""

    name = serializers.CharField(max_length=10_000)
    latitude = Degrees()
    longitude = Degrees()
    address = serializers.CharField(max_length=10_000, required=False, allow_blank=True, default="")


class TripIn(serializers.Serializer[Any]):
    """A trip to propose. Times, cost and fares are computed."""

    event = serializers.CharField(max_length=12, help_text="code of the event")
    vehicle_class = serializers.ChoiceField(choices=VehicleClass.choices)
    stops = serializers.ListField(
        child=NewStopIn(), max_length=100, help_text="1 to 8, in the order in which the bus calls"
    )
    threshold = serializers.IntegerField(
        required=False, allow_null=True, default=None, help_text="seats; the usual one if left out"
    )
    visibility = serializers.ChoiceField(choices=Visibility.choices, default=Visibility.PUBLIC)
    falling_fares = serializers.BooleanField(
        default=False, help_text="the fares are the most riders pay; they fall as the coach fills"
    )

    def validate_event(self, code: str) -> Event:
        """An event we know."""
        return known_event(code)


class TripStop(serializers.Serializer[Any]):
    """Where one gets on, and off again on the way home."""

    id = serializers.UUIDField()
    position = serializers.IntegerField()
    name = serializers.CharField()
    address = serializers.CharField()
    latitude = serializers.FloatField()
    longitude = serializers.FloatField()
    time_zone = serializers.CharField()
    departs_at = serializers.DateTimeField()
    returns_at = serializers.DateTimeField()
    km_to_venue = serializers.IntegerField()
    fare = serializers.SerializerMethodField()
    price_now = serializers.SerializerMethodField()
    price_next = serializers.SerializerMethodField()

    @extend_schema_field(MoneyField)
    def get_fare(self, stop: Stop) -> dict[str, Any]:
        """One seat, there and back: the most it costs."""
        return money(Money(stop.fare_minor, stop.trip.currency))

    @extend_schema_field(MoneyField)
    def get_price_now(self, stop: Stop) -> Any:
        """What everybody from this stop pays with the seats there are now; the fare, where it does not fall."""
        return money(fares.price(stop, fares.percent_now(stop.trip)))

    @extend_schema_field(MoneyField(allow_null=True))
    def get_price_next(self, stop: Stop) -> Any:
        """What they pay once the trip's `next_step` is reached."""
        step = fares.next_step(stop.trip)
        return money(fares.price(stop, step.percent)) if step else None


class TripEvent(serializers.Serializer[Any]):
    """Where the trip goes."""

    code = serializers.CharField()
    name = serializers.CharField()
    starts_at = serializers.DateTimeField()
    venue = VenueOut()


class LadderStep(serializers.Serializer[Any]):
    """From so many seats on everybody pays this share of the fare."""

    seats = serializers.IntegerField()
    percent = serializers.IntegerField(help_text="of the fare of each stop, prices rounded up to the cent")


class NextStep(LadderStep):
    """The step that riders can reach next."""

    missing = serializers.IntegerField(help_text="seats still to come")


class TripOut(serializers.Serializer[Any]):
    """One crowd-powered journey, there and back."""

    code = serializers.CharField()
    state = serializers.ChoiceField(choices=TripState.choices)
    visibility = serializers.ChoiceField(choices=Visibility.choices)
    event = TripEvent()
    origin = serializers.CharField()
    captain = serializers.CharField(source="captain.short_name", help_text="first name")
    operator = serializers.SerializerMethodField()
    vehicle_class = serializers.ChoiceField(choices=VehicleClass.choices)
    capacity = serializers.IntegerField()
    threshold = serializers.IntegerField(help_text="seats whose money must be held before it runs")
    seats_pledged = serializers.IntegerField(help_text="seats with a card behind them")
    seats_held = serializers.IntegerField(
        source="seats_funded", help_text="seats whose money is held or paid"
    )
    seats_left = serializers.IntegerField(help_text="seats nobody has reserved")
    decides_at = serializers.DateTimeField()
    departs_at = serializers.DateTimeField()
    arrives_at = serializers.DateTimeField(help_text="at the venue")
    leaves_at = serializers.DateTimeField(help_text="from the venue")
    returns_at = serializers.DateTimeField()
    percent_now = serializers.SerializerMethodField()
    next_step = serializers.SerializerMethodField()
    stops = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField()

    @extend_schema_field({"type": ["string", "null"]})
    def get_operator(self, trip: Trip) -> str | None:
        """Who drives, once a bus is committed."""
        return trip.operator_name or None

    @extend_schema_field({"type": "integer"})
    def get_percent_now(self, trip: Trip) -> int:
        """The share of the fares that everybody pays with the seats there are now; 100 where they do not fall."""
        return fares.percent_now(trip)

    @extend_schema_field(NextStep(allow_null=True))
    def get_next_step(self, trip: Trip) -> Any:
        """What riders can reach next. Null where fares stand, at the last step, and once they are closed."""
        step = fares.next_step(trip)
        return NextStep(step).data if step else None

    @extend_schema_field(TripStop(many=True))
    def get_stops(self, trip: Trip) -> Any:
        """In the order in which the bus calls."""
        stops = trip.stops.all()
        for stop in stops:
            stop.trip = trip
        return TripStop(stops, many=True).data

    def get_url(self, trip: Trip) -> str:
        """Its page."""
        return settings.SITE_URL + trip.get_absolute_url()


class FoundTrip(TripOut):
    """A trip in a list, with how near it comes."""

    distance_km = serializers.SerializerMethodField()
    nearest_stop = serializers.SerializerMethodField()

    @extend_schema_field({"type": ["number", "null"]})
    def get_distance_km(self, trip: Trip) -> float | None:
        """From `near` to the nearest stop, as the crow flies, to a tenth."""
        km = self.context["found"][trip.pk].km
        return round(km, 1) if km is not None else None

    @extend_schema_field({"type": "integer"})
    def get_nearest_stop(self, trip: Trip) -> int:
        """Its position; without `near` the cheapest stop's."""
        found: Found = self.context["found"][trip.pk]
        return found.stop.position


class CostOut(serializers.Serializer[Any]):
    """Why this price: the parts of what the bus costs, and what comes on top for the platform."""

    call_out = MoneyField()
    distance = MoneyField()
    duty = MoneyField()
    platform = MoneyField()


class StopTerms(serializers.Serializer[Any]):
    """What a rider agrees to who gets on at this stop."""

    stop = serializers.IntegerField(help_text="its position")
    text = serializers.CharField(help_text="kept with the pledge word for word, as its `consent_text`")


class TermsOut(serializers.Serializer[Any]):
    """What `consent: true` agrees to if it is sent now."""

    version = serializers.CharField(help_text="changes with the sentences")
    instrument = serializers.ChoiceField(choices=Instrument.choices)
    stops = StopTerms(many=True)


class TripDetail(TripOut):
    """A trip with what its price is made of and how it falls, and what riders agree to."""

    ladder = serializers.SerializerMethodField()
    price_locked = serializers.SerializerMethodField()
    cost = serializers.SerializerMethodField()
    terms = serializers.SerializerMethodField()

    @extend_schema_field(LadderStep(many=True))
    def get_ladder(self, trip: Trip) -> Any:
        """The steps by which the fares fall as the coach fills; none where they stand."""
        return [{"seats": seats, "percent": percent} for seats, percent in trip.ladder]

    @extend_schema_field({"type": "boolean"})
    def get_price_locked(self, trip: Trip) -> bool:
        """The decision has locked the price; from there it only falls, until `fares_close_hours_before` departure."""
        return trip.locked_percent is not None

    @extend_schema_field(TermsOut(allow_null=True))
    def get_terms(self, trip: Trip) -> dict[str, Any] | None:
        """Show them before you send `consent: true`. Null once nobody can join any more."""
        now = clock.now()
        try:
            pledges.check_open(trip, now)
        except PledgesClosed:
            return None
        found = {stop.position: terms.terms(trip, fares.to_agree(stop, 1), now) for stop in trip.stops.all()}
        first = next(iter(found.values()))
        return {
            "version": first.version,
            "instrument": first.instrument,
            "stops": [{"stop": position, "text": words.text} for position, words in found.items()],
        }

    @extend_schema_field(CostOut)
    def get_cost(self, trip: Trip) -> Any:
        """The parts, exact."""
        return CostOut({part: Money(minor, trip.currency) for part, minor in trip.cost_parts.items()}).data


class TripPage(serializers.Serializer[Any]):
    """A page of trips."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = FoundTrip(many=True)


class Trips(APIView):
    """Trips: search and propose."""

    @extend_schema(
        operation_id="trips_list",
        parameters=[TripQuery, PageQuery],
        responses=TripPage,
        summary="Search trips",
        auth=[],
    )
    def get(self, request: Request) -> Response:
        """Public trips, nearest stop first for near, else soonest first."""
        wanted = asked(TripQuery, request)
        now, event = clock.now(), wanted.get("event")
        pages = Pages()
        found = pages.fill(
            request,
            lambda offset, limit: finding.trips(
                now=now,
                near=wanted.get("near"),
                km=wanted.get("radius_km"),
                events=[event.pk] if event else None,
                states=[wanted["state"]] if "state" in wanted else JOINABLE,
                offset=offset,
                limit=limit,
            ),
        )
        by_key = {one.trip.pk: one for one in found}
        shown = FoundTrip([one.trip for one in found], many=True, context={"found": by_key})
        return pages.get_paginated_response(shown.data)

    @extend_schema(
        operation_id="trips_propose",
        request=TripIn,
        responses={201: TripDetail},
        parameters=[
            OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER, description="repeat safely")
        ],
        summary="Propose a trip",
    )
    @repeatable
    def post(self, request: Request) -> Response:
        """Opens a trip with you as its captain. Take your own seats with the next call."""
        given = TripIn(data=request.data)
        given.is_valid(raise_exception=True)
        wanted = given.validated_data
        trip = proposals.propose(
            event_id=wanted["event"].pk,
            captain=User.asking(request),
            vehicle_class=wanted["vehicle_class"],
            stops=[NewStop(**stop) for stop in wanted["stops"]],
            threshold=wanted["threshold"],
            visibility=wanted["visibility"],
            falling_fares=wanted["falling_fares"],
            now=clock.now(),
        )
        shown = TripDetail(finding.trip(trip.code)).data
        return Response(shown, status=201, headers={"Location": f"/api/v1/trips/{trip.code}"})


class OneTrip(APIView):
    """One trip."""

    @extend_schema(operation_id="trips_get", responses=TripDetail, summary="One trip", auth=[])
    def get(self, request: Request, code: str) -> Response:
        """By its code; one that is not public is for those who have the link."""
        try:
            trip = finding.trip(codes.clean(code))
        except Trip.DoesNotExist:
            raise Http404 from None
        return Response(TripDetail(trip).data)


def known_event(code: str) -> Event:
    """The event of a code somebody gave. Raises `ValidationError`."""
    event = Event.objects.filter(code=codes.clean(code)).first()
    if event is None:
        raise serializers.ValidationError(_("There is no event with this code."))
    return event
