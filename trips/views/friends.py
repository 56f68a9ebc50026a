"""Personal links at the door: the code waits in the visitor's session until an account is made, and is forgotten then."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest

from rally import codes
from rally.models import User
from trips.actions import invitations
from trips.queries.inviting import PARAMETER


def remember(request: HttpRequest) -> None:
    """Keep the code of a personal link for somebody who has no account yet. Anything else in its place is ignored.

    Without the parameter nobody is looked up: neither session nor account is touched, and the page varies by no cookie.
    """
    if PARAMETER not in request.GET:
        return
    code = codes.clean(request.GET[PARAMETER])
    fits = len(code) == codes.LONG and set(code) <= set(codes.ALPHABET)
    if fits and not request.user.is_authenticated:
        request.session[PARAMETER] = code


def came(request: HttpRequest, friend: User, now: datetime) -> None:
    """An account was made in this session: write down by whose link, if by any."""
    code = request.session.pop(PARAMETER, "")
    if code:
        invitations.accept(code=code, friend=friend, now=now)
