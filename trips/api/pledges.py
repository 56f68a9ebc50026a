"""Pledges for programs: join a trip, look, leave."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from django.db import transaction
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

from payments.queries import parts_paid
from rally import clock, codes
from rally.models import GivenAnswer, User
from rally.money import Money
from rally.rest import Keep, MoneyField, Pages, money, repeatable, repeatable_by_the_work
from trips.actions import covering, pledges, waiting
from trips.actions.pledges import Passenger
from trips.api.credit import HELPS, HelpIn, PartsOut, check_code, cover, parts_out
from trips.api.inputs import StopField
from trips.errors import TripFull
from trips.models import Pledge, Trip
from trips.queries import leaving, riding, terms
from trips.queries import waiting as waiting_list
from trips.states import Need, PledgeState


class PassengerIn(serializers.Serializer[Any]):
    """One seat: who sits on it and what they need."""

    name = serializers.CharField(max_length=20_000, trim_whitespace=True)
    needs = serializers.ListField(
        child=serializers.ChoiceField(choices=Need.choices), required=False, default=list, max_length=10
    )


class PledgeIn(HelpIn):
    """Seats to take. `consent: true` agrees to the trip's `terms` for this stop; the answer gives them back word for word."""

    stop = StopField()
    passengers = PassengerIn(many=True, allow_empty=False)
    consent = serializers.BooleanField()
    wait = serializers.BooleanField(
        required=False, default=False, help_text="go on the waiting list if the bus has too few seats"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """On the waiting list nothing is paid yet, so nothing is set aside for it. Raises `ValidationError`."""
        if attrs["wait"] and (attrs["promotion"] or attrs["use_credit"]):
            why = _(
                "Not on the waiting list: once seats are offered, pledges/{code}/take uses codes and credit."
            )
            raise serializers.ValidationError({name: [why] for name in HELPS if attrs[name]})
        return attrs


#: A serializer without input is a description; put together once, it checks any number of inputs.
_PLEDGE_IN = PledgeIn()


class PledgeMade(serializers.Serializer[Any]):
    """Seats reserved: now the rider goes to `checkout_url`. Or a place on the waiting list (`state` waiting): no card yet."""

    code = serializers.CharField()
    state = serializers.ChoiceField(choices=PledgeState.choices)
    seats = serializers.IntegerField()
    amount = MoneyField()
    paid_by = PartsOut()
    reserved_until = serializers.DateTimeField()
    checkout_url = serializers.URLField(allow_null=True)
    consent_text = serializers.CharField()


class SeatOut(serializers.Serializer[Any]):
    """One passenger with the code that is scanned at the door."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    needs = serializers.ListField(child=serializers.ChoiceField(choices=Need.choices))
    boarding_code = serializers.CharField(source="code")
    handed_over = serializers.SerializerMethodField()

    @extend_schema_field(OpenApiTypes.BOOL)
    def get_handed_over(self, seat: Any) -> bool:
        """Somebody else holds it."""
        return seat.holder_id is not None


class PledgeOut(serializers.Serializer[Any]):
    """One's own pledge. `seats` and `amount` without what was added later; that is in `added`."""

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
        return _checkout_url(pledge)


def _checkout_url(pledge: Pledge) -> str | None:
    needs = {PledgeState.DRAFT, PledgeState.NEEDS_CARD, PledgeState.PAYMENT_DUE}
    return pledges.pay_link(pledge) if pledge.state in needs else None


class LeavingOut(serializers.Serializer[Any]):
    """What leaving with the whole ride means now: `refund` comes back at once, `if_resold` in all once somebody else has
    paid for the seats."""

    paid = MoneyField()
    percent = serializers.IntegerField()
    refund = MoneyField()
    kept = MoneyField()
    if_resold = MoneyField()
    others_short = serializers.BooleanField(
        help_text="less, because the others alone do not pay the bus at the price in force"
    )
    by_the_bank = serializers.BooleanField(help_text="the bank has given the money back already")


class AddedOut(serializers.Serializer[Any]):
    """Seats that were added to a paid ride, with their own payment."""

    code = serializers.CharField()
    state = serializers.ChoiceField(choices=PledgeState.choices)
    seats = serializers.IntegerField()
    amount = MoneyField(source="charge")
    paid_by = serializers.SerializerMethodField()
    checkout_url = serializers.SerializerMethodField()
    passengers = SeatOut(many=True)

    @extend_schema_field(PartsOut)
    def get_paid_by(self, pledge: Any) -> Any:
        """By a code, from credit, by card."""
        return parts_out(parts_paid(pledge.payment, pledge.charge))

    @extend_schema_field({"type": ["string", "null"], "format": "uri"})
    def get_checkout_url(self, pledge: Any) -> str | None:
        """Where to pay, while they are not paid."""
        return _checkout_url(pledge)


class PledgeDetail(PledgeOut):
    """One's own pledge with its passengers, what was added to it, and what leaving now would give back."""

    paid_by = serializers.SerializerMethodField()
    place = serializers.SerializerMethodField(help_text="on the waiting list: 1 is the next; 0: not on it")
    offered_until = serializers.SerializerMethodField(
        help_text="until when seats from the waiting list are kept"
    )
    added = serializers.SerializerMethodField()
    leaving = serializers.SerializerMethodField()
    passengers = SeatOut(many=True)
    consent_text = serializers.CharField()
    refund_if_left_now = serializers.SerializerMethodField()

    @extend_schema_field(MoneyField)
    def get_refund_if_left_now(self, pledge: Any) -> dict[str, Any]:
        """Exact, at this moment."""
        return money(pledges.leaving(pledge, clock.now()).refund)

    @extend_schema_field(PartsOut)
    def get_paid_by(self, pledge: Any) -> Any:
        """By a code, from credit, by card: of `amount`, at the price in force."""
        return parts_out(parts_paid(pledge.payment, pledge.charge))

    @extend_schema_field(OpenApiTypes.INT)
    def get_place(self, pledge: Any) -> int:
        """One's place in line."""
        return waiting_list.place(pledge)

    @extend_schema_field({"type": ["string", "null"], "format": "date-time"})
    def get_offered_until(self, pledge: Any) -> str | None:
        """Null when nothing is offered."""
        offered = pledge.state == PledgeState.DRAFT and pledge.offered_at is not None
        return pledge.reserved_until.isoformat() if offered else None

    @extend_schema_field(AddedOut(many=True))
    def get_added(self, pledge: Any) -> Any:
        """What lives of it."""
        return AddedOut(leaving.ride(pledge)[1:], many=True).data

    @extend_schema_field(LeavingOut)
    def get_leaving(self, pledge: Any) -> Any:
        """Exact, at this moment."""
        return LeavingOut(pledges.leaving(pledge, clock.now())).data


class PledgePage(serializers.Serializer[Any]):
    """A page of one's pledges."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = PledgeOut(many=True)


class AgreedIn(serializers.Serializer[Any]):
    """What the rider was told comes back and stays; with `agreed` left out, whatever does is accepted."""

    agreed = serializers.IntegerField(
        required=False,
        min_value=0,
        help_text="in minor units, as `leaving.refund` said; less comes back: 409 amount_changed",
    )
    agreed_kept = serializers.IntegerField(
        required=False,
        min_value=0,
        default=0,
        help_text="in minor units, as `leaving.kept` said, beside `agreed`; more stays: 409 amount_changed",
    )


def _agreed(given: dict[str, Any], currency: str) -> dict[str, Money]:
    if "agreed" not in given:
        return {}
    return {
        "agreed": Money(given["agreed"], currency),
        "agreed_kept": Money(given["agreed_kept"], currency),
    }


class SeatIn(PassengerIn):
    """One seat as it shall be: with the id of a seat that is kept, without for a new one."""

    id = serializers.UUIDField(required=False, allow_null=True, default=None)


class SeatsIn(HelpIn, AgreedIn):
    """All seats as they shall be. More need `consent`; fewer of a paid ride give back what `agreed` says or more, and
    keep what `agreed_kept` says or less. A code and credit pay for seats that are added to a paid ride."""

    passengers = SeatIn(many=True, allow_empty=False)
    consent = serializers.BooleanField(required=False, default=False)


class TripPledges(APIView):
    """Join a trip."""

    permission_classes = [IsAuthenticated]

    @extend_schema(request=PledgeIn, responses={201: PledgeMade}, operation_id="pledge_make")
    @repeatable_by_the_work
    def post(self, request: Request, code: str, *, keep: Keep) -> Response:
        """Reserve the seats and answer where to pay. 409 `trip_full`, `pledges_closed`, `already_pledged`.

        Full, it says so with `"waiting": true`: the same again with `"wait": true` puts the rider on the waiting list.
        """
        given = _PLEDGE_IN.run_validation(request.data)
        told: dict[str, Any] = {}

        made: list[Pledge] = []
        #: Then there is more to do than the claim, and the answer is kept with the last of it.
        helped = bool(given["promotion"] or given["use_credit"])

        def answer(pledge: Pledge) -> GivenAnswer | None:
            made[:] = [pledge]
            told.update(_made(pledge))
            return None if helped else keep(201, told)

        wanted: dict[str, Any] = {
            "rider": User.asking(request),
            "passengers": [Passenger(each["name"], tuple(each["needs"])) for each in given["passengers"]],
            "consented": given["consent"],
            "answer": answer,
            "now": clock.now(),
        }
        try:
            check_code(request, code, given["promotion"], wanted["now"])
            with transaction.atomic() if helped else nullcontext():
                self._take(code, given, wanted)
                if helped:
                    cover(made[0], given, told, keep=keep, now=wanted["now"])
        except Trip.DoesNotExist:
            raise Http404 from None
        return Response(told, status=201)

    def _take(self, code: str, given: dict[str, Any], wanted: dict[str, Any]) -> None:
        try:
            pledges.join(code=codes.clean(code), stop=given["stop"], **wanted)
        except TripFull:
            if not given["wait"]:
                raise
            waiting.wait_at(code=codes.clean(code), stop=given["stop"], **wanted)


def _made(pledge: Pledge) -> dict[str, Any]:
    """`PledgeMade`, also before it is written."""
    return {
        "code": pledge.code,
        "state": pledge.state,
        "seats": pledge.seats,
        "amount": money(pledge.amount),
        "paid_by": parts_out(parts_paid(None, pledge.charge)),
        "reserved_until": pledge.reserved_until.isoformat(),
        "checkout_url": _checkout_url(pledge),
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
            .filter(enlarges=None)
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
        return Response(PledgeDetail(own(request, code)).data)


class Withdraw(APIView):
    """Leave a trip."""

    permission_classes = [IsAuthenticated]

    @extend_schema(request=AgreedIn, responses={200: PledgeDetail}, operation_id="pledge_withdraw")
    @repeatable
    def post(self, request: Request, code: str) -> Response:
        """Free before the bus is certain, by the ladder after it. Twice is once."""
        form = AgreedIn(data=request.data)
        form.is_valid(raise_exception=True)
        pledge = own(request, code)
        pledges.withdraw(
            pledge_id=pledge.id,
            by=User.asking(request),
            now=clock.now(),
            **_agreed(form.validated_data, pledge.currency),
        )
        return Response(PledgeDetail(own(request, code)).data)


class Seats(APIView):
    """The seats of a pledge."""

    permission_classes = [IsAuthenticated]

    @extend_schema(request=SeatsIn, responses={200: PledgeDetail}, operation_id="pledge_seats")
    @repeatable
    def post(self, request: Request, code: str) -> Response:
        """Names, needs, fewer seats, more seats. Added to a paid ride they are in `added`, with where to pay for them."""
        form = SeatsIn(data=request.data)
        form.is_valid(raise_exception=True)
        given, pledge, now = form.validated_data, own(request, code), clock.now()
        fare = leaving.fare_for_more(pledge, len(given["passengers"]))
        words = terms.terms(pledge.trip, fare, now)
        check_code(request, pledge.trip.code, given["promotion"], now)
        changed = pledges.change_seats(
            pledge_id=pledge.id,
            passengers=[
                Passenger(each["name"], tuple(each["needs"]), each["id"]) for each in given["passengers"]
            ],
            by=User.asking(request),
            now=now,
            consent_text=words.text,
            consent_version=words.version,
            consented=given["consent"],
            fare=fare,
            **_agreed(given, pledge.currency),
        )
        if any(given[name] for name in HELPS):
            covering.cover(pledge_id=changed.id, now=now, **{name: given[name] for name in HELPS})
        return Response(PledgeDetail(own(request, code)).data)


def own(request: Request, code: str) -> Pledge:
    """One's own pledge, ready for `PledgeDetail`. Anybody else's: 404."""
    return get_object_or_404(riding.pledges_for_page().visible_to(request.user), code=codes.clean(code))
