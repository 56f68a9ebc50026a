"""What the pages about a pledge have in common: who may see it, and what they are told."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from rally import codes
from rally.models import User
from trips.actions import pledges
from trips.models import Pledge
from trips.queries import links, riding, terms
from trips.queries.terms import Terms
from trips.states import OCCUPYING, PledgeState, TripState


class SeeOther(HttpResponseRedirect):
    """Go there with GET, whatever you came with."""

    status_code = 303


def anybody(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


def print_of(shown: Terms) -> str:
    return hashlib.sha256(shown.text.encode()).hexdigest()[:32]


def own(request: HttpRequest, code: str) -> Pledge:
    return get_object_or_404(riding.pledges_for_page().visible_to(request.user), code=codes.clean(code))


def by_link(request: HttpRequest, code: str) -> Pledge:
    """The pledge of a signed link, or one's own. Anybody else: 404."""
    pledge = get_object_or_404(riding.pledges_for_page(), code=codes.clean(code))
    if pledge.rider_id != request.user.pk and not links.is_key(pledge.code, request.GET.get("k", "")):
        raise Http404
    return pledge


def pledge_facts(found: Pledge, now: datetime) -> dict[str, Any]:
    trip = found.trip
    before = (
        trip.state in {TripState.GATHERING, TripState.SETTLING, TripState.CONFIRMED} and now < trip.departs_at
    )
    live = found.state in OCCUPYING
    return {
        "pledge": found,
        "trip": trip,
        "stop": found.stop,
        "payment": found.payment,
        "seats": list(found.passengers.all()),
        "live": live,
        "owes": found.state in {PledgeState.NEEDS_CARD, PledgeState.PAYMENT_DUE, PledgeState.DRAFT}
        and before,
        "changeable": live and before,
        "transferable": live and before and found.state != PledgeState.DRAFT,
        "boards": found.state in {PledgeState.PAID, PledgeState.CAPTURING},
        "pay_url": f"{reverse('trips:pay', kwargs={'code': found.code})}?k={links.key(found.code)}",
        "ladder": terms.ladder_in_words(found.policy),
        "leaving": pledges.leaving(found, now),
        "now": now,
    }
