"""How people come into a company's pages: who they are there, and what every page of the office shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from operators.models import Member
from operators.queries.companies import offices_of
from rally.errors import NotAllowed, Refusal
from rally.models import User

CHOSEN = "operator"


def user_of(request: HttpRequest) -> User:
    """The signed-in person. Only behind `login_required`."""
    return User.asking(request)


def office(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The page is for owners and dispatchers: the view is given their `Member`. For everybody else, `nobody_here`.

    Who works in several offices is in the one chosen last (`operators:choose`), at first in the oldest.
    """

    @never_cache
    @login_required
    @wraps(view)
    def office_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        members = offices_of(user_of(request))
        if not members:
            return nobody_here(request)
        chosen = request.session.get(CHOSEN)
        member = next((m for m in members if str(m.operator_id) == chosen), members[0])
        request.offices = members  # type: ignore[attr-defined]
        try:
            return view(request, member, *args, **kwargs)
        except NotAllowed as refusal:
            raise PermissionDenied(refusal.message) from refusal

    return office_view


def nobody_here(request: HttpRequest) -> HttpResponse:
    """404; but whose address was given a place and is not proven yet is asked for the proof."""
    user = user_of(request)
    if user.is_proven or not user.memberships.active().exists():
        raise Http404
    return render(request, "account/prove.html", status=403)


@contextmanager
def telling(request: HttpRequest) -> Iterator[None]:
    """Say on the next page why something was refused. What is not allowed at all ends at the door."""
    try:
        yield
    except NotAllowed:
        raise
    except Refusal as refusal:
        messages.error(request, refusal.message)


def page(
    request: HttpRequest, template: str, member: Member, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """A page of the office: `member`, `company` and `offices` are there besides `context`."""
    everywhere = {"member": member, "company": member.operator, "offices": getattr(request, "offices", [])}
    return render(request, template, {**everywhere, **context}, status=status)
