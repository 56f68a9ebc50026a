"""How people find a ride: home, events, one event, one town, the places they type."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

from rally import clock, codes
from trips.forms.finding import Here, SearchForm
from trips.models import Event, Place
from trips.models.events import EventState
from trips.queries import finding
from trips.views import friends

#: How far people ride to an event, and how far they go to the bus.
REACH_KM, STOP_KM = 300, 160
_NEAR = "near"
_A_FEW, _PAGE = 6, 24
#: Inside a script element these signs could end it.
_JSON_ESCAPES = {ord(">"): "\\u003E", ord("<"): "\\u003C", ord("&"): "\\u0026"}


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The search box; what forms near you; what is coming up."""
    friends.remember(request)
    now = clock.now()
    form, here = _search(request)
    words = form.cleaned_data.get("q", "")
    after, before = form.span(here)
    asked = bool(words or after or before)
    found = finding.events(
        now=now,
        words=words,
        after=after and max(after, now),
        before=before,
        near=None if asked or not here else here.point,
    )
    events = list(found[: _PAGE if asked else _A_FEW])
    trips = finding.trips(
        now=now,
        near=here.point if here else None,
        km=None if asked else STOP_KM,
        events=[event.pk for event in events] if asked else None,
        limit=_A_FEW * 2 if asked else _A_FEW,
    )
    return _personal(
        render(
            request,
            "trips/finding/home.html",
            {"form": form, "here": here, "asked": asked, "words": words, "events": events, "trips": trips},
        )
    )


@require_safe
def events(request: HttpRequest) -> HttpResponse:
    """All events to come, by words, place and date, in pages."""
    now = clock.now()
    form, here = _search(request, remembered=False)
    after, before = form.span(here)
    near = here.point if here else None
    found = finding.events(
        now=now,
        words=form.cleaned_data.get("q", ""),
        near=near,
        after=after and max(after, now),
        before=before,
    )
    page = Paginator(found, _PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    return _personal(
        render(
            request,
            "trips/finding/events.html",
            {"form": form, "here": here, "page": page, "query": f"{query.urlencode()}&" if query else ""},
        )
    )


@require_safe
def event(request: HttpRequest, slug: str, code: str) -> HttpResponse:
    """One event: when, where, and the buses that form to it, nearest first."""
    now = clock.now()
    found = get_object_or_404(finding.any_events(now=now), code=codes.clean(code))
    if request.path != found.get_absolute_url():
        return redirect(found, permanent=True)
    form, here = _search(request)
    trips = finding.trips(now=now, near=here.point if here else None, events=[found.pk], limit=60)
    return _personal(
        render(
            request,
            "trips/finding/event.html",
            {
                "event": found,
                "form": form,
                "here": here,
                "trips": trips,
                "over": found.starts_at <= now,
                "cancelled": found.state == EventState.CANCELLED,
                "facts": _facts(found),
            },
        )
    )


@require_safe
def from_place(request: HttpRequest, slug: str) -> HttpResponse:
    """One town: the buses near it and the events within reach."""
    now = clock.now()
    place = get_object_or_404(Place, slug=slug)
    return render(
        request,
        "trips/finding/from_place.html",
        {
            "place": place,
            "trips": finding.trips(now=now, near=place.point, km=STOP_KM, limit=_A_FEW * 2),
            "events": finding.events(now=now, near=place.point, km=REACH_KM).order_by("starts_at", "pk")[
                :_PAGE
            ],
            "neighbours": finding.neighbours(place),
        },
    )


@require_safe
def places(request: HttpRequest) -> JsonResponse:
    """Towns for the field that suggests them."""
    found = finding.places(request.GET.get("q", "")[:100])
    results = [
        {
            "id": place.pk,
            "name": place.name,
            "detail": place.state,
            "slug": place.slug,
            "latitude": place.latitude,
            "longitude": place.longitude,
            "time_zone": place.time_zone,
        }
        for place in found
    ]
    return JsonResponse({"results": results}, headers={"Cache-Control": "public, max-age=3600"})


def _search(request: HttpRequest, *, remembered: bool = True) -> tuple[SearchForm, Here | None]:
    """The search as asked for, and where this person starts from: as they say now, or (`remembered`) said before."""
    form = SearchForm(request.GET.dict())
    form.is_valid()
    before = Here.from_kept(request.session.get(_NEAR))
    here: Here | None = form.cleaned_data.get("near")
    if here is None and "near" in request.GET and "near" not in form.errors:
        request.session.pop(_NEAR, None)  # the field was emptied
        before = None
    if here and here != before:
        request.session[_NEAR] = here.kept()
    here = here or (before if remembered else None)
    if here and "near" not in form.errors:
        form.data = {**form.data, "near": here.label}
    return form, here


def _personal(response: HttpResponse) -> HttpResponse:
    """It shows what is near one person: nobody else's cache may keep it."""
    response["Cache-Control"] = "private, no-cache"
    return response


def _facts(event: Event) -> SafeString:
    """The event for search engines (schema.org), safe inside a script element that is never run."""
    venue = event.venue
    facts: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "SportsEvent" if event.home else "Event",
        "name": event.name,
        "startDate": event.starts_at.isoformat(),
        "endDate": event.ends_at.isoformat(),
        "eventStatus": "https://schema.org/Event"
        + ("Cancelled" if event.state == EventState.CANCELLED else "Scheduled"),
        "eventAttendanceMode": "https://schema.org/OfflineEventAttendanceMode",
        "url": settings.SITE_URL + event.get_absolute_url(),
        "location": {
            "@type": "Place",
            "name": venue.name,
            "address": {
                "@type": "PostalAddress",
                "addressLocality": venue.city,
                "addressRegion": venue.state,
            },
            "geo": {"@type": "GeoCoordinates", "latitude": venue.latitude, "longitude": venue.longitude},
        },
    }
    if event.home:
        facts["homeTeam"] = {"@type": "SportsTeam", "name": event.home}
        facts["awayTeam"] = {"@type": "SportsTeam", "name": event.away}
    return mark_safe(json.dumps(facts).translate(_JSON_ESCAPES))  # noqa: S308 - escaped in this very line
