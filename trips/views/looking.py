"""What the pages about a pledge have in common: who may see it, and what they are told."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.http import urlencode

from payments.queries import Back, given_back
from rally import codes
from rally.models import User
from rally.money import Money
from trips.models import Pledge, Seat
from trips.queries import covering, leaving, links, riding, waiting
from trips.queries.terms import Terms
from trips.states import OCCUPYING, PledgeState, TripState


class SeeOther(HttpResponseRedirect):
    """Go there with GET, whatever you came with."""

    status_code = 303


def anybody(request: HttpRequest) -> User | None:
    """Who is signed in, if anybody is."""
    return request.user if isinstance(request.user, User) else None


def print_of(shown: Terms) -> str:
    """By which a form says which words were read."""
    return hashlib.sha256(shown.text.encode()).hexdigest()[:32]


def unlisted(page: HttpResponse) -> HttpResponse:
    """A page behind a signed link: in no search engine, and its address goes to nobody else."""
    page["X-Robots-Tag"] = "noindex, nofollow"
    page["Referrer-Policy"] = "same-origin"
    return page


def own(request: HttpRequest, code: str) -> Pledge:
    """One's own pledge. Anybody else's: 404."""
    return get_object_or_404(riding.pledges_for_page().visible_to(request.user), code=codes.clean(code))


def pay_url(pledge: Pledge) -> str:
    """Where this pledge is paid, on this site."""
    way = reverse("trips:pay", kwargs={"code": pledge.code})
    return f"{way}?{urlencode({'k': links.pay_key(pledge)})}"


def pledge_facts(found: Pledge, now: datetime) -> dict[str, Any]:
    """What every page about a pledge shows: where it stands, with what was added to it, and what leaving means."""
    trip = found.trip
    before = (
        trip.state in {TripState.GATHERING, TripState.SETTLING, TripState.CONFIRMED} and now < trip.departs_at
    )
    live = found.state in OCCUPYING
    parts = leaving.ride(found) if live else [found]
    for part in parts:
        part.stop = found.stop
    return {
        "pledge": found,
        "trip": trip,
        "stop": found.stop,
        "payment": found.payment,
        "parts": parts,
        "added": [part for part in parts if part.id != found.id],
        "receipts": [each for each in _all_of(found) if each.payment and each.payment.captured_minor],
        "seats": [_of(seat, part) for part in parts for seat in part.passengers.all()],
        "count": sum(part.seats for part in parts),
        "charge": sum((part.charge for part in parts), Money.zero(found.currency)),
        "captured": _sum_of(parts, "captured_minor", found.currency),
        "refunded": _sum_of(parts, "refunded_minor", found.currency),
        "back": _back(found),
        "covered": covering.covered(found),
        "live": live,
        "owes": found.state in {PledgeState.NEEDS_CARD, PledgeState.PAYMENT_DUE, PledgeState.DRAFT}
        and before,
        "changeable": live and before,
        "transferable": live and before and found.state != PledgeState.DRAFT,
        "boards": found.state in {PledgeState.PAID, PledgeState.CAPTURING},
        "place": waiting.place(found),
        "pay_url": pay_url(found),
        "ladder": leaving.steps(found.policy, trip.departs_at),
        "leaving": leaving.leaving(found, now),
        "freed": leaving.freed(found) if found.payment_id else None,
        "now": now,
    }


def _back(found: Pledge) -> Back:
    """What was given back of a pledge and all that was ever added to it."""
    paid = [part.payment for part in _all_of(found) if part.payment is not None]
    return sum(map(given_back, paid), Back.nothing(found.currency))


def _all_of(found: Pledge) -> list[Pledge]:
    """The pledge and all that was ever added to it, also what was given up since: each has its own payment."""
    return [found, *sorted(found.enlargements.all(), key=lambda each: each.created_at)]


def _of(seat: Seat, part: Pledge) -> Seat:
    """With the pledge that pays for it: an added seat may still wait for its money."""
    seat.pledge = part
    return seat


def _sum_of(parts: list[Pledge], name: str, currency: str) -> Money:
    return Money(sum(getattr(part.payment, name) for part in parts if part.payment is not None), currency)
