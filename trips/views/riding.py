"""What a rider looks at: the rides, one pledge, the boarding pass, the calendar."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from rally import clock, codes
from rally.paper import handed_over
from trips.models import Seat
from trips.queries import links, riding
from trips.queries.calendar import calendar_file
from trips.queries.codes import qr
from trips.states import OCCUPYING, PledgeState
from trips.views.looking import own, pledge_facts, unlisted


@never_cache
@require_safe
@login_required
def rides(request: HttpRequest) -> HttpResponse:
    """Everything that is mine: ahead, behind, handed to me, captained by me."""
    return render(
        request, "trips/riding/rides.html", {"rides": riding.rides_of(request.user), "now": clock.now()}
    )


@never_cache
@require_safe
@login_required
def pledge(request: HttpRequest, code: str) -> HttpResponse:
    """One pledge: where it stands, the money so far and next, the seats, what can be done."""
    found = own(request, code)
    if found.enlarges is not None:
        return redirect(found.enlarges)
    context = {**pledge_facts(found, clock.now()), "left": "left" in request.GET}
    fragment = "#live" if request.headers.get("HX-Target") == "live" else ""
    return render(request, f"trips/riding/pledge.html{fragment}", context)


@never_cache
@require_safe
def boarding_pass(request: HttpRequest, code: str) -> HttpResponse:
    """The boarding pass. Its code is a bearer's ticket: whoever has it may show it, signed in or not."""
    seat = get_object_or_404(Seat, code=codes.clean(code))
    found = riding.pledges_for_page().get(id=seat.pledge_id)
    context = {
        "seat": seat,
        "pledge": found,
        "trip": found.trip,
        "stop": found.stop,
        "qr": qr(seat.code),
        "spelled": " ".join(seat.code[at : at + 4] for at in range(0, len(seat.code), 4)),
        "valid": found.state in {PledgeState.PAID, PledgeState.CAPTURING, PledgeState.HELD},
        "live": found.state in OCCUPYING,
    }
    page = render(request, "trips/riding/boarding_pass.html", context)
    page["X-Robots-Tag"] = "noindex"
    return page


@never_cache
@require_safe
def calendar(request: HttpRequest, code: str) -> HttpResponse:
    """The trip as a calendar file, for the owner or whoever got our mail."""
    found = get_object_or_404(riding.pledges_for_page(), code=codes.clean(code))
    if found.rider_id != request.user.pk and not links.is_calendar_key(found, request.GET.get("k", "")):
        raise Http404
    file = calendar_file(found, clock.now())
    return unlisted(handed_over(file, name=f"rally-{found.trip.code}.ics"))
