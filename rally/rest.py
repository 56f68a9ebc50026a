"""What the API's doorways share: one answer to errors, safe repeats, pages of lists, money and codes as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.pagination import CursorPagination, LimitOffsetPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import exception_handler

from rally import clock
from rally.errors import BadInput, NotAllowed, Refusal
from rally.models import GivenAnswer
from rally.money import Money

_CODES = {
    400: "invalid",
    401: "not_signed_in",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
}


def answer_errors(error: Exception, context: dict[str, Any]) -> Response | None:
    """One shape for every no: `{"code", "message"}`, with `fields` where a field is to blame.

    400 is the shape of the input, 403 permission, 404 not yours or not there, 409 a refusal of the business.
    """
    if isinstance(error, BadInput):
        fields = {error.field: [error.message]} if error.field else {}
        return Response({"code": error.code, "message": error.message, "fields": fields}, status=400)
    if isinstance(error, NotAllowed):
        return Response({"code": error.code, "message": error.message}, status=403)
    if isinstance(error, Refusal):
        return Response({"code": error.code, "message": error.message}, status=409)
    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, serializers.ValidationError):
        fields = response.data if isinstance(response.data, dict) else {"non_field_errors": response.data}
        response.data = {"code": "invalid", "message": _("Some fields need another look."), "fields": fields}
    elif isinstance(error, Http404):
        response.data = {"code": "not_found", "message": _("There is nothing here for you.")}
    elif isinstance(error, APIException | PermissionDenied):
        code = getattr(error, "default_code", _CODES.get(response.status_code, "refused"))
        response.data = {"code": code, "message": str(getattr(error, "detail", error))}
    return response


class KeyReused(Refusal):
    """The same Idempotency-Key came with another request."""

    code = "idempotency_key_reused"
    text = "This Idempotency-Key was used for a different request. Use a fresh key for each new request."


def repeatable(view: Callable[..., Response]) -> Callable[..., Response]:
    """Honour `Idempotency-Key` on a POST method of an APIView: the same key and body get the same answer.

    The key, the work and the answer commit in one transaction: a crash leaves none of them, and of two requests at
    the same moment the second waits and is given the first one's answer. Refusals are not kept; they may change.
    The action inside must not talk to the outside world. Raises `KeyReused` (409) for another body, 400 for a key
    that is too long.
    """

    @wraps(view)
    def repeatable_view(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get("Idempotency-Key", "")
        if not key or not request.user.is_authenticated:
            return view(self, request, *args, **kwargs)
        if len(key) > 255:
            raise BadInput(_("An Idempotency-Key has at most 255 characters."), field="Idempotency-Key")
        print_of_it = _fingerprint(request)
        try:
            with transaction.atomic():
                answer = GivenAnswer.objects.create(
                    user=request.user, key=key, fingerprint=print_of_it, created_at=clock.now()
                )
                response = view(self, request, *args, **kwargs)
                answer.status, answer.body = response.status_code, response.data
                answer.save(update_fields=["status", "body"])
                return response
        except IntegrityError as error:
            if "answer_once" not in str(error):
                raise
        given = GivenAnswer.objects.get(user=request.user, key=key)
        if given.fingerprint != print_of_it:
            raise KeyReused
        return Response(given.body, status=given.status, headers={"Idempotent-Replayed": "true"})

    return repeatable_view


def _fingerprint(request: Request) -> str:
    # The view may have read the stream already; the parsed data is the same for the same body.
    body = repr(sorted(request.data.items())) if isinstance(request.data, dict) else repr(request.data)
    return hashlib.sha256(f"{request.method} {request.path}\n{body}".encode()).hexdigest()


class MoneyField(serializers.Field):  # type: ignore[type-arg]
    """`{"minor": 2500, "currency": "USD"}`, out only."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, value: Money) -> dict[str, Any]:
        """The amount and its currency."""
        return {"minor": value.minor, "currency": value.currency}


class Pages(LimitOffsetPagination):
    """Lists in pages of 20 (at most 100) with `next`; no total is counted."""

    default_limit = 20
    max_limit = 100


class Timeline(CursorPagination):
    """Lists by time that grow without end, in pages of 20 with `next`."""

    page_size = 20
    max_page_size = 100
    page_size_query_param = "limit"
