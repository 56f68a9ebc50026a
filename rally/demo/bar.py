"""What the bar at the foot of each page shows: who one is, what time it is, what just happened."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from operators.models import Run
from rally import clock, codes
from rally.demo import cast, schedule
from rally.demo.clock import ZONE
from trips.models import Pledge, Seat, Trip

#: Where in the session the news of the last move wait for the next page.
NEWS = "demo_news"

#: By namespace and name of an address: what its `code` is the code of.
_TRIP_PAGES = {
    "trips:trip", "trips:make_pledge", "trips:captain", "operators:trip", "operators:commit",
}  # fmt: skip
_PLEDGE_PAGES = {"trips:pledge", "trips:pay", "trips:paid", "trips:withdraw", "trips:change_seats"}
_RUN_PAGES = {"operators:run", "operators:manifest", "driving:run", "driving:scan", "driving:board"}


def context(request: HttpRequest) -> dict[str, Any]:
    """What `_parts/demo_bar.html` is given. News are shown once."""
    persona = cast.BY_KEY.get(cast.key_of(getattr(request, "user", None)))
    trip, zone = _trip_of(request)
    session = getattr(request, "session", None)
    return {
        "now": clock.now(),
        "zone": zone,
        "persona": persona.key if persona else "",
        "home": reverse(persona.home) if persona else "",
        "news": session.pop(NEWS, []) if session is not None else [],
        "trip": trip,
        "moved_weeks": schedule.moved_weeks(),
    }


def _trip_of(request: HttpRequest) -> tuple[str, str]:
    """The code of the trip that this page is about and the zone it starts in; empty and the usual zone if none."""
    match = request.resolver_match
    code = codes.clean(match.kwargs.get("code", "")) if match else ""
    name = match.view_name if match else ""
    trips = None
    if name in _TRIP_PAGES:
        trips = Trip.objects.filter(code=code)
    elif name in _PLEDGE_PAGES:
        trips = Trip.objects.filter(id__in=Pledge.objects.filter(code=code).values("trip"))
    elif name in _RUN_PAGES:
        trips = Trip.objects.filter(id__in=Run.objects.filter(code=code).values("trip"))
    elif name == "trips:pass":
        trips = Trip.objects.filter(id__in=Seat.objects.filter(code=code).values("pledge__trip"))
    found = (
        trips.filter(stops__position=1).values_list("code", "stops__time_zone").first()
        if trips is not None
        else None
    )
    return found or ("", ZONE)
