"""The trip's page and the piece of it that stays up to date."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from rally import clock, codes
from rally.errors import Refusal
from rally.models import User
from rally.templatetags.look import local_time
from trips.actions import pledges
from trips.models import Pledge, Trip
from trips.permissions import may_captain
from trips.queries import leaving, riding, terms
from trips.states import PledgeState, TripState, Visibility
from trips.views import friends


@require_safe
def trip(request: HttpRequest, code: str) -> HttpResponse:
    """What is this, is it going, what does it cost, what happens to my money, what do I do next."""
    friends.remember(request)
    found = get_object_or_404(riding.trips_for_page(), code=codes.clean(code))
    mine = riding.mine(found, request.user)
    awaiting = riding.seats_awaiting_a_card(found)
    page = render(request, "trips/trip/trip.html", _context(request, found, mine, awaiting))
    return _private(page)


@require_safe
def live(request: HttpRequest, code: str) -> HttpResponse:
    """The part that changes, with a tag: nothing new is answered by 304."""
    found = get_object_or_404(riding.trips_for_page(), code=codes.clean(code))
    mine = riding.mine(found, request.user)
    awaiting = riding.seats_awaiting_a_card(found)
    tag = _tag(found, mine, awaiting)
    unchanged = get_conditional_response(request, etag=tag)
    if unchanged is not None:
        return _private(unchanged)
    page = render(request, "trips/trip/trip.html#live", _context(request, found, mine, awaiting))
    page["ETag"] = tag
    return _private(page)


def _private(page: HttpResponse) -> HttpResponse:
    page["Cache-Control"] = "private, no-cache"
    patch_vary_headers(page, ["Cookie", "HX-Request"])
    return page


def _tag(found: Trip, mine: Pledge | None, awaiting: int) -> str:
    """Changes whenever the part looks different: counts, state, bus, price, refused cards, my own seats."""
    facts = (
        found.state,
        found.seats_pledged,
        found.seats_taken,
        found.capacity,
        found.seats_supplied,
        found.operator_name,
        found.why_ended,
        found.seats_funded if found.ladder else 0,
        found.locked_percent,
        found.fares_closed_at,
        awaiting,
        (mine.code, mine.state, mine.seats) if mine else None,
    )
    return f'"{hashlib.sha256(repr(facts).encode()).hexdigest()[:24]}"'


def _context(request: HttpRequest, found: Trip, mine: Pledge | None, awaiting: int) -> dict[str, Any]:
    now = clock.now()
    stops = riding.stops_with_riders(found)
    address = f"{settings.SITE_URL}{found.get_absolute_url()}"
    words = _("%(trip)s: %(day)s. Want to come? %(link)s") % {
        "trip": found,
        "day": local_time(found.event.starts_at, found.event.venue),
        "link": address,
    }
    return {
        "trip": found,
        "venue": found.event.venue,
        "stops": stops,
        "fare": stops[0].fare_minor,
        "lowest": min(stop.fare_minor for stop in stops),
        "mine": mine,
        "awaiting": awaiting,
        "open": _is_open(found, now),
        "joins_at": reverse("trips:make_pledge", kwargs={"code": found.code}),
        "instrument": terms.instrument_for(found, now),
        "my_seats": _seats_of(mine),
        "may_wait": _takes_riders(found, now) and found.seats_left <= 0,
        "ladder": leaving.steps(terms.policy(), found.departs_at),
        "parts": riding.price_parts(found),
        "total": riding.price_total(found),
        "share": address,
        "share_words": words,
        "share_mail": f"mailto:?subject={quote(str(found))}&body={quote(words)}",
        "captains": isinstance(request.user, User) and may_captain(found, request.user),
        "hidden": found.visibility == Visibility.LINK,
        "forming": found.state in {TripState.GATHERING, TripState.SETTLING},
        "going": found.state in {TripState.CONFIRMED, TripState.UNDER_WAY},
        "past": found.state in {TripState.COMPLETED, TripState.CLOSED},
        "off": found.state in {TripState.LAPSED, TripState.CANCELLED},
    }


def _seats_of(mine: Pledge | None) -> int:
    """Seats that are somebody's own; who waits has none, what was added counts."""
    if mine is None or mine.state == PledgeState.WAITING:
        return 0
    return sum(part.seats for part in leaving.ride(mine))


def _is_open(found: Trip, now: Any) -> bool:
    """Whether the page offers a seat."""
    return _takes_riders(found, now) and found.seats_left > 0


def _takes_riders(found: Trip, now: Any) -> bool:
    """Whether somebody may join now, if only there is a seat."""
    try:
        pledges.check_open(found, now)
    except Refusal:
        return False
    return True
