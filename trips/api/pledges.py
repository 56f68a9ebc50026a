"""Pledges for programs: join a trip, look, leave."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from rally import clock, codes
from rally.models import GivenAnswer, User
from rally.money import Money
from rally.rest import Keep, MoneyField, Pages, repeatable, repeatable_by_the_work
from trips.actions import pledges
from trips.actions.pledges import Passenger
from trips.models import Pledge, Trip
from trips.queries import riding
from trips.states import Need, PledgeState


@extend_schema_field(
    {"oneOf": [{"type": "integer", "description": "position"}, {"type": "string", "format": "uuid"}]}
)
class StopField(serializers.Field[Any, Any, Any, Any]):
    """A stop by its position on the trip or by its id."""

    def to_internal_value(self, data: Any) -> int | uuid.UUID:
        """An int is a position, anything else must be an id."""
        if isinstance(data, int) and not isinstance(data, bool):
            return data
        try:
            return uuid.UUID(str(data))
        except ValueError:
            raise serializers.ValidationError(_("Give the position or the id of a stop.")) from None

    def to_representation(self, value: Any) -> Any:
        """As it is."""
        return value


class PassengerIn(serializers.Serializer[Any]):
    """One seat: who sits on it and what they need."""

    name = serializers.CharField(max_length=20_000, trim_whitespace=True)
    needs = serializers.ListField(
        child=serializers.ChoiceField(choices=Need.choices), required=False, default=list, max_length=10
    )


class PledgeIn(serializers.Serializer[Any]):
    """Seats to take. `consent: true` agrees to the trip's `terms` for this stop; the answer gives them back word for word."""

    stop = StopField()
    passengers = PassengerIn(many=True, allow_empty=False)
    consent = serializers.BooleanField()


#: A serializer without input is a description; put together once, it checks any number of inputs.
_PLEDGE_IN = PledgeIn()


class PledgeMade(serializers.Serializer[Any]):
    """Seats reserved; now the rider goes to `checkout_url`."""

    code = serializers.CharField()
    state = serializers.ChoiceField(choices=PledgeState.choices)
    seats = serializers.IntegerField()
    amount = MoneyField()
    reserved_until = serializers.DateTimeField()
    checkout_url = serializers.URLField()
    consent_text = serializers.CharField()


class SeatOut(serializers.Serializer[Any]):
    """One passenger with the code that is scanned at the door."""

    name = serializers.CharField()
    needs = serializers.ListField(child=serializers.ChoiceField(choices=Need.choices))
    boarding_code = serializers.CharField(source="code")
    handed_over = serializers.SerializerMethodField()

    @extend_schema_field(OpenApiTypes.BOOL)
    def get_handed_over(self, seat: Any) -> bool:
        """Somebody else holds it."""
        return seat.holder_id is not None


class PledgeOut(serializers.Serializer[Any]):
    """One's own pledge."""

    code = serializers.CharField()
    state = serializers.ChoiceField(choices=PledgeState.choices)
    trip = serializers.CharField(source="trip.code")
    trip_state = serializers.CharField(source="trip.state")
    stop = serializers.CharField(source="stop.name")
    departs_at = serializers.DateTimeField(source="stop.departs_at")
    seats = serializers.IntegerField()
    fare = MoneyField()
    amount = MoneyField()
    created_at = serializers.DateTimeField()
    checkout_url = serializers.SerializerMethodField()

    @extend_schema_field({"type": ["string", "null"], "format": "uri"})
    def get_checkout_url(self, pledge: Any) -> str | None:
        """Where to give a card, while one is needed."""
        needs = {PledgeState.DRAFT, PledgeState.NEEDS_CARD, PledgeState.PAYMENT_DUE}
        return pledges.pay_link(pledge) if pledge.state in needs else None


class PledgeDetail(PledgeOut):
    """One's own pledge with its passengers, and what leaving now would give back."""

    passengers = SeatOut(many=True)
    consent_text = serializers.CharField()
    refund_if_left_now = serializers.SerializerMethodField()

    @extend_schema_field(MoneyField)
    def get_refund_if_left_now(self, pledge: Any) -> dict[str, Any]:
        """Exact, at this moment."""
        refund = pledges.leaving(pledge, clock.now()).refund
        return {"minor": refund.minor, "currency": refund.currency}


class PledgePage(serializers.Serializer[Any]):
    """A page of one's pledges."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = PledgeOut(many=True)


class LeaveIn(serializers.Serializer[Any]):
    """What the rider was told comes back; left out, whatever comes back is accepted."""

    refund_minor = serializers.IntegerField(required=False, min_value=0)


class TripPledges(APIView):
    """Join a trip."""

    permission_classes = [IsAuthenticated]

    @extend_schema(request=PledgeIn, responses={201: PledgeMade}, operation_id="pledge_make")
    @repeatable_by_the_work
    def post(self, request: Request, code: str, *, keep: Keep) -> Response:
        """Reserve the seats and answer where to pay. 409 `trip_full`, `pledges_closed`, `already_pledged`."""
        given = _PLEDGE_IN.run_validation(request.data)
        told: dict[str, Any] = {}

        def answer(pledge: Pledge) -> GivenAnswer | None:
            told.update(_made(pledge))
            return keep(201, told)

        try:
            pledges.join(
                code=codes.clean(code),
                stop=given["stop"],
                rider=User.asking(request),
                passengers=[
                    Passenger(name=each["name"], needs=tuple(each["needs"])) for each in given["passengers"]
                ],
                consented=given["consent"],
                answer=answer,
                now=clock.now(),
            )
        except Trip.DoesNotExist:
            raise Http404 from None
        return Response(told, status=201)


def _made(pledge: Pledge) -> dict[str, Any]:
    """`PledgeMade`, also before it is written."""
    return {
        "code": pledge.code,
        "state": pledge.state,
        "seats": pledge.seats,
        "amount": {"minor": pledge.amount.minor, "currency": pledge.currency},
        "reserved_until": pledge.reserved_until.isoformat(),
        "checkout_url": pledges.pay_link(pledge),
        "consent_text": pledge.consent_text,
    }


class Pledges(APIView):
    """My pledges."""

    permission_classes = [IsAuthenticated]

    @extend_schema(responses={200: PledgePage}, operation_id="pledges_list")
    def get(self, request: Request) -> Response:
        """Latest first, in pages of 20 with `next`."""
        rows = (
            Pledge.objects.visible_to(request.user)
            .select_related("trip", "stop")
            .order_by("-created_at", "-id")
        )
        pages = Pages()
        page = pages.paginate_queryset(rows, request, view=self)
        return pages.get_paginated_response(PledgeOut(page, many=True).data)


class OnePledge(APIView):
    """One of my pledges."""

    permission_classes = [IsAuthenticated]

    @extend_schema(responses={200: PledgeDetail}, operation_id="pledge_detail")
    def get(self, request: Request, code: str) -> Response:
        """With passengers and boarding codes. Another rider's: 404."""
        return Response(PledgeDetail(_own(request, code)).data)


class Withdraw(APIView):
    """Leave a trip."""

    permission_classes = [IsAuthenticated]

    @extend_schema(request=LeaveIn, responses={200: PledgeDetail}, operation_id="pledge_withdraw")
    @repeatable
    def post(self, request: Request, code: str) -> Response:
        """Free before the bus is certain, by the ladder after it. Twice is once."""
        form = LeaveIn(data=request.data)
        form.is_valid(raise_exception=True)
        pledge = _own(request, code)
        shown = form.validated_data.get("refund_minor")
        pledges.withdraw(
            pledge_id=pledge.id,
            by=User.asking(request),
            now=clock.now(),
            agreed=None if shown is None else Money(shown, pledge.currency),
        )
        return Response(PledgeDetail(_own(request, code)).data)


def _own(request: Request, code: str) -> Pledge:
    return get_object_or_404(riding.pledges_for_page().visible_to(request.user), code=codes.clean(code))
