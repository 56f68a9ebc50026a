"""How a captain starts a bus: stops, bus and minimum; what it costs and when it runs; then the own seats."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from rally import clock, codes, rules
from rally.errors import Refusal
from rally.geo import distance_km
from rally.models import User
from rally.money import Money
from trips.actions import pledges, proposals
from trips.actions.proposals import Plan
from trips.errors import StopsOutOfOrder
from trips.forms.finding import Here
from trips.forms.proposing import BusForm, PointForm, StopForms, bus_facts
from trips.forms.riding import PassengerForms
from trips.models import Event, Pledge, Stop, Trip
from trips.queries import finding, terms
from trips.queries.terms import Terms
from trips.states import Visibility
from trips.views.finding import REACH_KM
from trips.views.limits import too_often

#: Kept for who signs in first: at most this many answers of at most this length.
_MOST_KEPT, _LONGEST_KEPT = 200, 400


@dataclass
class Typed:
    """Everything on the page as it stands, and what came of working it out."""

    bus: BusForm
    stops: StopForms
    people: PassengerForms
    point: PointForm
    plan: Plan | None = None
    trip: Trip | None = None
    trip_stops: tuple[Stop, ...] = ()
    terms: Terms | None = None
    refusal: Refusal | None = None
    chosen: str = ""
    consented: bool = False
    problem: str = ""

    @property
    def fares(self) -> list[Money]:
        """What a seat costs from each stop."""
        return [Money(stop.fare_minor, proposals.CURRENCY) for stop in self.trip_stops]

    @property
    def shown(self) -> str:
        """What the captain read and agrees to, as one short word."""
        return hashlib.sha256(self.terms.text.encode()).hexdigest()[:32] if self.terms else ""

    @property
    def better(self) -> list[int]:
        """The order to offer, as old positions."""
        return list(self.refusal.facts["better"]) if isinstance(self.refusal, StopsOutOfOrder) else []


@require_http_methods(["GET", "HEAD", "POST"])
def propose(request: HttpRequest, code: str) -> HttpResponse:
    """Nothing is saved before the captain has seen times, price and terms; then trip and own seats are made together."""
    event = get_object_or_404(finding.any_events(now=clock.now()), code=codes.clean(code))
    now = clock.now()
    if request.method != "POST":
        return _page(request, event, _fresh(request, event, now))

    do = request.POST.get("do", "preview")
    typed = _typed(request, request.POST)
    if changed := _changed_lines(typed, do):
        return _page(request, event, _work_out(changed, event, now, judge=False))
    if do == "better":
        typed = _work_out(typed, event, now)
        if typed.better:
            typed.stops = typed.stops.reordered(typed.better)
            typed = _work_out(_rebound(typed), event, now)
        return _page(request, event, typed)
    typed = _work_out(typed, event, now)
    if do != "propose":
        return _page(request, event, typed)
    if not request.user.is_authenticated:
        return _sign_in_first(request, event)
    if limited := too_often(request, "propose", most=20, minutes=60):
        return limited
    return _open(request, event, typed, now)


def _open(request: HttpRequest, event: Event, typed: Typed, now: datetime) -> HttpResponse:
    """The trip and its captain's own seats, or neither."""
    captain = User.asking(request)
    people_valid = typed.people.is_valid()
    if typed.plan is None or typed.terms is None or not people_valid:
        return _page(request, event, typed, status=422)
    stop_at = int(typed.chosen) if typed.chosen.isdigit() else 0
    if not 1 <= stop_at <= len(typed.trip_stops):
        typed.problem = _("Choose the stop where you get on.")
        return _page(request, event, typed, status=422)
    if request.POST.get("shown") != typed.shown:
        typed.problem = _("What happens to your card has changed meanwhile. Please read it again and agree.")
        return _page(request, event, typed, status=409)
    try:
        pledge = _propose_and_pledge(captain, event, typed, stop_at, now)
    except Refusal as refusal:
        typed.problem = refusal.message
        return _page(request, event, typed, status=409)
    request.session.pop(_kept_key(event), None)
    answer = HttpResponseRedirect(pledges.pay_link(pledge))
    answer.status_code = 303
    return answer


@transaction.atomic
def _propose_and_pledge(captain: User, event: Event, typed: Typed, stop_at: int, now: datetime) -> Pledge:
    assert typed.terms is not None  # noqa: S101 - for the type checker
    trip = proposals.propose(
        event_id=event.pk,
        captain=captain,
        vehicle_class=typed.bus.cleaned_data["vehicle_class"],
        stops=typed.stops.stops,
        threshold=typed.bus.cleaned_data["threshold"],
        visibility=typed.bus.cleaned_data["visibility"],
        falling_fares=typed.bus.cleaned_data["falling_fares"],
        now=now,
    )
    return pledges.make(
        trip_id=trip.pk,
        rider=captain,
        stop_id=Stop.objects.get(trip=trip, position=stop_at).pk,
        passengers=typed.people.passengers,
        consent_text=typed.terms.text,
        consent_version=typed.terms.version,
        consented=typed.consented,
        now=now,
    )


# What stands on the page


def _most() -> tuple[int, int]:
    law = rules.current()
    return law.max_stops, law.max_seats_per_pledge


def _fresh(request: HttpRequest, event: Event, now: datetime) -> Typed:
    """A first visit: the town somebody searched from stands in the first line; or what they typed before signing in."""
    kept = request.session.get(_kept_key(event))
    if kept and request.user.is_authenticated:
        return _work_out(_typed(request, kept), event, now)
    most_stops, most_seats = _most()
    here = Here.from_kept(request.session.get("near"))
    near = here is not None and distance_km(here.point, event.venue.point) < REACH_KM
    line = (
        {"where": here.label, "latitude": here.latitude, "longitude": here.longitude} if here and near else {}
    )
    name = request.user.name if isinstance(request.user, User) else ""
    return Typed(
        bus=BusForm(),
        stops=StopForms(None, most=most_stops, initial=[line]),
        people=PassengerForms(None, most=most_seats, initial=[{"name": name}]),
        point=PointForm(),
    )


def _typed(request: HttpRequest, data: Any) -> Typed:
    most_stops, most_seats = _most()
    people = PassengerForms(data, most=most_seats)
    if "lines" not in data:
        name = request.user.name if isinstance(request.user, User) else ""
        people = PassengerForms(None, most=most_seats, initial=[{"name": name}])
    return Typed(
        bus=BusForm(data),
        stops=StopForms(data, most=most_stops),
        people=people,
        point=PointForm(),
        chosen=str(data.get("stop", "")),
        consented=data.get("consent") in {"on", "true", "1"},
    )


def _changed_lines(typed: Typed, do: str) -> Typed | None:
    """A button that only changes lines: what was typed stays, nothing is judged yet."""
    if do == "add-point":
        point = PointForm(typed.bus.data)
        if point.is_valid():
            spot = point.cleaned_data
            typed.stops = typed.stops.with_another(
                where=f"{spot['point_latitude']:.5f}, {spot['point_longitude']:.5f}",
                spot=spot["point_name"],
                latitude=spot["point_latitude"],
                longitude=spot["point_longitude"],
            )
            return _rebound(typed)
        typed.point = point
        return typed
    if do == "add":
        typed.people = typed.people.again(add=1)
        return typed
    if do.startswith("remove-") and do[7:].isdigit():
        typed.people = typed.people.again(without=int(do[7:]))
        return typed
    changed = typed.stops.done(do)
    if changed is None:
        return None
    typed.stops = changed
    return _rebound(typed)


def _rebound(typed: Typed) -> Typed:
    """The lines as if they had been sent in their new order, so that they can be worked out."""
    data: dict[str, Any] = {"stops": str(len(typed.stops.forms))}
    for form in typed.stops.forms:
        data |= {form.add_prefix(name): value for name, value in form.initial.items()}
    typed.stops = StopForms(data, most=typed.stops.most)
    typed.refusal, typed.plan, typed.trip, typed.trip_stops = None, None, None, ()
    return typed


def _work_out(typed: Typed, event: Event, now: datetime, *, judge: bool = True) -> Typed:
    """Plan, unsaved trip and terms, where the answers allow it; else why not. With `judge=False` blank lines are no fault."""
    bus_valid = typed.bus.is_valid()
    blank = [form for form in typed.stops.forms if form.is_blank]
    if not judge and blank:
        for form in blank:
            form.is_bound = False
        stops_valid = False
    else:
        stops_valid = typed.stops.is_valid()
    if not (bus_valid and stops_valid):
        return typed
    try:
        typed.plan = proposals.plan(
            event=event,
            vehicle_class=typed.bus.cleaned_data["vehicle_class"],
            stops=typed.stops.stops,
            threshold=typed.bus.cleaned_data["threshold"],
            falling_fares=typed.bus.cleaned_data["falling_fares"],
            now=now,
        )
    except Refusal as refusal:
        typed.refusal = refusal
        if refusal.field in typed.bus.fields:
            typed.bus.add_error(refusal.field, refusal.message)
        return typed
    visibility = typed.bus.cleaned_data.get("visibility") or Visibility.PUBLIC
    typed.trip, stops = proposals.draft(event=event, worked_out=typed.plan, visibility=visibility, now=now)
    typed.trip_stops = tuple(stops)
    typed.terms = terms.terms(typed.trip, typed.fares, now)
    if len(stops) == 1:
        typed.chosen = "1"
    return typed


def _page(request: HttpRequest, event: Event, typed: Typed, *, status: int = 200) -> HttpResponse:
    now = clock.now()
    points = [
        {
            "name": event.venue.name,
            "latitude": event.venue.latitude,
            "longitude": event.venue.longitude,
            "kind": "venue",
        }
    ]
    points[:0] = [
        {"name": stop.name, "latitude": stop.latitude, "longitude": stop.longitude, "kind": "stop"}
        for stop in typed.trip_stops
    ]
    context = {
        "event": event,
        "typed": typed,
        "over": event.starts_at <= now,
        "buses": bus_facts(rules.current()),
        "points": points,
        "tiles": settings.TILE_URL,
        "cheapest": min(typed.trip_stops, key=lambda stop: stop.fare_minor, default=None),
        "reserve_minutes": rules.current().reserve_minutes,
    }
    template = "trips/proposing/propose.html"
    page = render(
        request,
        f"{template}#preview" if request.headers.get("HX-Request") else template,
        context,
        status=status,
    )
    page["Cache-Control"] = "private, no-store"
    patch_vary_headers(page, ["HX-Request"])
    return page


# Signing in first


def _sign_in_first(request: HttpRequest, event: Event) -> HttpResponse:
    """What was typed waits in the session, and comes back after signing in."""
    kept = {name[:60]: value[:_LONGEST_KEPT] for name, value in list(request.POST.items())[:_MOST_KEPT]}
    kept.pop("csrfmiddlewaretoken", None)
    request.session[_kept_key(event)] = kept
    back = reverse("trips:propose", kwargs={"code": event.code})
    answer = HttpResponseRedirect(f"{reverse('account_login')}?{urlencode({'next': back})}")
    answer.status_code = 303
    return answer


def _kept_key(event: Event) -> str:
    return f"proposal:{event.code}"
