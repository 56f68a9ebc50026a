"""What a captain does: see who joined, invite, call it off."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from rally import clock, codes
from rally.errors import Refusal
from rally.models import User
from rally.templatetags.look import local_day, local_time
from trips.actions import trips
from trips.models import Trip
from trips.permissions import NotTheCaptain, check_can_cancel, may_captain
from trips.queries import riding
from trips.views.looking import SeeOther


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def captain(request: HttpRequest, code: str) -> HttpResponse:
    """The captain's page of a trip; a 404 to everybody else."""
    trip = get_object_or_404(riding.trips_for_page(), code=codes.clean(code))
    user = request.user
    if not isinstance(user, User) or not may_captain(trip, user):
        raise Http404
    refused = ""
    if request.method == "POST":
        if request.POST.get("sure") != "on":
            refused = _("Please tick the box: this cannot be undone.")
        else:
            try:
                trips.cancel(trip_id=trip.id, now=clock.now(), by=user, why="called_off")
            except Refusal as refusal:
                refused = refusal.message
            else:
                messages.success(request, _("The trip is called off and everybody is told. Nobody pays."))
                return SeeOther(trip.get_absolute_url())
    try:
        check_can_cancel(trip, user)
        may_cancel = trip.state in {"gathering", "settling", "confirmed"}
    except NotTheCaptain:
        may_cancel = False
    address = f"{settings.SITE_URL}{trip.get_absolute_url()}"
    context = {
        "trip": trip,
        "joined": riding.who_joined(trip),
        "cheapest": trip.stops.order_by("fare_minor", "position").first() if trip.ladder else None,
        "may_cancel": may_cancel,
        "refused": refused,
        "share": address,
        "share_words": _share_words(trip, address),
    }
    return render(request, "trips/captaining/captain.html", context, status=409 if refused else 200)


def _share_words(trip: Trip, address: str) -> str:
    """What a captain may send to friends, as true as the trip stands."""
    words = _("%(trip)s, %(when)s: the bus is certain. Come along: %(link)s")
    if trip.state in {"gathering", "settling"}:
        words = _(
            "I am getting a bus together: %(trip)s, %(when)s. We need %(threshold)s seats by %(by)s, and nobody pays"
            " unless it goes. %(link)s"
        )
    return words % {
        "trip": trip,
        "when": local_time(trip.event.starts_at, trip.event.venue),
        "threshold": trip.threshold,
        "by": local_day(trip.decides_at, trip.event.venue),
        "link": address,
    }
