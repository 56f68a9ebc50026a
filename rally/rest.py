"""What the API's doorways share: one answer to errors, safe repeats, pages of lists, money and codes as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.pagination import LimitOffsetPagination
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
        return Response({"code": error.code, "message": error.message, **error.hints}, status=409)
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


class OnlyJson(DefaultContentNegotiation):
    """The API speaks JSON to everybody, whatever they would rather have: nobody is told 406. Its schema has a choice."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> tuple[Any, Any]:
        """The only one, where there is one."""
        if len(renderers) == 1:
            return renderers[0], renderers[0].media_type
        chosen: tuple[Any, Any] = super().select_renderer(request, renderers, format_suffix)
        return chosen


class KeyReused(Refusal):
    """The same Idempotency-Key came with another request."""

    code = "idempotency_key_reused"
    text = "This Idempotency-Key was used for a different request. Use a fresh key for each new request."


@dataclass(frozen=True)
class _Repeat:
    """One request that may come again: whose, under which key, asking for what."""

    user: Any
    key: str
    fingerprint: str

    def row(self, status: int, data: Any) -> GivenAnswer:
        """The answer as it will be kept."""
        return GivenAnswer(
            user=self.user,
            key=self.key,
            fingerprint=self.fingerprint,
            status=status,
            body=data,
            created_at=clock.now(),
        )

    def given(self) -> Response | None:
        """What was answered before, if anything. Raises `KeyReused` when that was another request."""
        given = GivenAnswer.objects.filter(user=self.user, key=self.key).first()
        if given is None:
            return None
        if given.fingerprint != self.fingerprint:
            raise KeyReused
        return Response(given.body, status=given.status, headers={"Idempotent-Replayed": "true"})


#: Gives the row that keeps this status and body, for the work to write; None when the request has no key.
Keep = Callable[[int, Any], GivenAnswer | None]


def repeatable(view: Callable[..., Response]) -> Callable[..., Response]:
    """Honour `Idempotency-Key` on a POST method of an APIView: the same key and body get the same answer.

    The work and the answer commit in one transaction: a crash leaves neither. The unique index lets one of two requests at
    the same moment through; the other's work is undone and it is given the first one's answer. Refusals are not kept; they
    may change. The action inside must not talk to the outside world. Raises `KeyReused` (409) for another body, 400 for
    a key that is too long.
    """

    def work_then_answer(self: Any, request: Request, *args: Any, keep: Keep, **kwargs: Any) -> Response:
        with transaction.atomic():
            response = view(self, request, *args, **kwargs)
            if row := keep(response.status_code, response.data):
                row.save(force_insert=True)
            return response

    return wraps(view)(repeatable_by_the_work(work_then_answer))


def repeatable_by_the_work(view: Callable[..., Response]) -> Callable[..., Response]:
    """`repeatable` for work that writes its own answer: the view is given `keep` and hands its row to the action.

    For the one action that everybody stands in line for (`trips.actions.claims`): nothing may be asked of the database
    between its write and its commit.
    """

    @wraps(view)
    def repeatable_view(self: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get("Idempotency-Key", "")
        if not key or not request.user.is_authenticated:
            return view(self, request, *args, keep=lambda _status, _data: None, **kwargs)
        if len(key) > 255:
            raise BadInput(_("An Idempotency-Key has at most 255 characters."), field="Idempotency-Key")
        repeat = _Repeat(request.user, key, _fingerprint(request))
        try:
            return view(self, request, *args, keep=repeat.row, **kwargs)
        except (Refusal, IntegrityError) as error:
            # Done before: either the work refuses to be done twice, or the index refuses its answer.
            if isinstance(error, IntegrityError) and "answer_once" not in str(error):
                raise
            given = repeat.given()
            if given is None:
                raise
            return given

    return repeatable_view


def _fingerprint(request: Request) -> str:
    # The view may have read the stream already; the parsed data is the same for the same body.
    body = repr(sorted(request.data.items())) if isinstance(request.data, dict) else repr(request.data)
    return hashlib.sha256(f"{request.method} {request.path}\n{body}".encode()).hexdigest()


def money(amount: Money) -> dict[str, Any]:
    """An amount as JSON: `{"minor": 2500, "currency": "USD"}`."""
    return {"minor": amount.minor, "currency": amount.currency}


@extend_schema_field(
    {
        "type": "object",
        "required": ["minor", "currency"],
        "properties": {
            "minor": {"type": "integer", "description": "whole minor units, such as cents"},
            "currency": {"type": "string", "description": "ISO 4217", "example": "USD"},
        },
    }
)
class MoneyField(serializers.Field[Any, Any, Any, Any]):
    """`money`, out only."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, value: Money) -> dict[str, Any]:
        """The amount and its currency."""
        return money(value)


class Pages(LimitOffsetPagination):
    """Lists in pages of 20 (at most 100) with `next`; no total is counted, as that would read the whole table."""

    default_limit = 20
    max_limit = 100
    #: Whoever reads this far wants another search, not another page.
    max_offset = 10_000

    def fill(self, request: Request, rows: Callable[[int, int], Sequence[Any]]) -> list[Any]:
        """One page of what `rows(offset, limit)` gives; it is asked for one row more, to know whether there is a next.

        Raises `BadInput` for a `limit` or `offset` that is none.
        """
        self.request = request
        self.limit = _whole(request, self.limit_query_param, self.default_limit, least=1, most=self.max_limit)
        self.offset = _whole(request, self.offset_query_param, 0, least=0, most=self.max_offset)
        found = list(rows(self.offset, self.limit + 1))
        self.count = self.offset + len(found)
        return found[: self.limit]

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:  # noqa: ARG002 - the name is the framework's
        """One page of a QuerySet."""
        return self.fill(request, lambda offset, limit: queryset[offset : offset + limit])

    def get_paginated_response(self, data: Any) -> Response:
        """`{"next", "previous", "results"}`."""
        links = {"next": self.get_next_link(), "previous": self.get_previous_link()}
        return Response({**links, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The same for OpenAPI."""
        link = {"type": ["string", "null"], "format": "uri"}
        shape = {"next": link, "previous": link, "results": schema}
        return {"type": "object", "required": list(shape), "properties": shape}


def _whole(request: Request, name: str, otherwise: int, *, least: int, most: int) -> int:
    given = request.query_params.get(name)
    if given is None or given == "":
        return otherwise
    if not (given.isascii() and given.isdigit() and len(given) <= 9) or int(given) < least:
        raise BadInput(
            _("%(name)s is a whole number from %(least)s on.") % {"name": name, "least": least}, field=name
        )
    if name == Pages.limit_query_param:
        return min(int(given), most)
    if int(given) > most:
        raise BadInput(_("%(name)s is at most %(most)s.") % {"name": name, "most": most}, field=name)
    return int(given)
