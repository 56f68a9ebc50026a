"""Seats offered from the waiting list, for programs: agree, and say what beside the card pays."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from rally import clock
from rally.rest import repeatable
from trips.actions import covering, waiting
from trips.api.credit import HELPS, HelpIn, check_code
from trips.api.pledges import PledgeDetail, own
from trips.errors import ConsentMissing
from trips.queries import terms


class TakeIn(HelpIn):
    """`consent: true` agrees to the trip's `terms` of this moment; the answer gives them back word for word."""

    consent = serializers.BooleanField()


class Take(APIView):
    """Seats that are offered from the waiting list."""

    permission_classes = [IsAuthenticated]

    @extend_schema(request=TakeIn, responses={200: PledgeDetail}, operation_id="pledge_take")
    @repeatable
    def post(self, request: Request, code: str) -> Response:
        """Agree to what happens to the card, and say what beside it pays; then go to `checkout_url`.

        409 `not_changeable` when nothing is offered, or it was taken before: without an `Idempotency-Key` twice is refused.
        """
        form = TakeIn(data=request.data)
        form.is_valid(raise_exception=True)
        given, pledge, now = form.validated_data, own(request, code), clock.now()
        if not given["consent"]:
            raise ConsentMissing
        check_code(request, pledge.trip.code, given["promotion"], now)
        waiting.agree(pledge_id=pledge.id, shown=terms.terms(pledge.trip, pledge.price, now).text, now=now)
        covering.cover(pledge_id=pledge.id, now=now, **{name: given[name] for name in HELPS})
        return Response(PledgeDetail(own(request, code)).data)
