"""Credit and promotion codes for programs: what I have, where it came from, how a pledge is paid."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from payments.queries import Parts, credit_of
from rally import codes
from rally.models import GivenAnswer, User
from rally.rest import Keep, MoneyField, Pages, money
from trips.actions import covering, promotions
from trips.models import Pledge, Trip
from trips.queries import credit


class PartsOut(serializers.Serializer[Any]):
    """How an amount is paid; the parts add up to it."""

    by_code = MoneyField()
    from_credit = MoneyField()
    by_card = MoneyField()


class MoveOut(serializers.Serializer[Any]):
    """Credit that came or went. `trip` is the trip it was about, if there is one."""

    at = serializers.DateTimeField()
    amount = MoneyField(help_text="below zero: it went")
    kind = serializers.ChoiceField(choices=credit.Kind.choices)
    why = serializers.CharField()
    trip = serializers.CharField(allow_null=True)


class CreditOut(serializers.Serializer[Any]):
    """What can be spent, and where it came from, latest first."""

    balance = MoneyField()
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = MoveOut(many=True)


class Credit(APIView):
    """My credit."""

    permission_classes = [IsAuthenticated]

    @extend_schema(responses={200: CreditOut}, operation_id="credit")
    def get(self, request: Request) -> Response:
        """The balance and the moves behind it, in pages of 20 with `next`."""
        user = User.asking(request)
        pages = Pages()
        moves = pages.fill(request, lambda offset, limit: credit.history(user, offset=offset, limit=limit))
        balance = {"balance": MoneyField().to_representation(credit_of(user))}
        page = pages.get_paginated_response(MoveOut(moves, many=True).data)
        page.data = {**balance, **page.data}
        return page


def check_code(request: Request, code: str, typed: str, now: datetime) -> None:
    """Whether this code can be used on this trip, before seats are taken. Raises `Trip.DoesNotExist` besides."""
    if typed:
        user = User.asking(request)
        trip = Trip.objects.select_related("event__venue").get(code=codes.clean(code))
        promotions.guess(typed, trip=trip, rider=user, who=str(user.pk), now=now)


#: The fields of `HelpIn`, as `covering.cover` calls them too.
HELPS = ("promotion", "use_credit")


class HelpIn(serializers.Serializer[Any]):
    """What may pay a part of seats beside the card. Refused once their payment was opened."""

    promotion = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=40,
        help_text="a promotion code; who leaves before giving a card has not used it",
    )
    use_credit = serializers.BooleanField(
        required=False, default=False, help_text="let my credit pay what it can"
    )


def cover(pledge: Pledge, given: dict[str, Any], told: dict[str, Any], *, keep: Keep, now: datetime) -> None:
    """Use what was given for a draft that was just made, and say in what is `told` how it is paid; that is kept."""

    def answer(parts: Parts) -> GivenAnswer | None:
        told["paid_by"] = parts_out(parts)
        return keep(201, told)

    covering.cover(
        pledge_id=pledge.id,
        promotion=given["promotion"],
        use_credit=given["use_credit"],
        answer=answer,
        now=now,
    )


def parts_out(parts: Parts) -> dict[str, Any]:
    """`PartsOut`, without the framework: every answer to a claim says it."""
    return {
        "by_code": money(parts.by_code),
        "from_credit": money(parts.from_credit),
        "by_card": money(parts.by_card),
    }
