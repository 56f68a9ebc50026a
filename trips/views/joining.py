"""Taking seats: stop, passengers, consent; no account needed before."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth import login
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from rally import clock, codes, rules
from rally.errors import Refusal
from rally.models import User
from trips.actions import pledges, waiting
from trips.forms.riding import PassengerForms, PledgeForm
from trips.models import Pledge, Stop, Trip
from trips.queries import fares, leaving, riding, terms
from trips.queries.terms import Terms
from trips.states import PledgeState
from trips.views import covering, friends
from trips.views.limits import too_often
from trips.views.looking import SeeOther, anybody, print_of

_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def make_pledge(request: HttpRequest, code: str) -> HttpResponse:
    """Stop, passengers, consent; no account needed before. Ends at the checkout."""
    trip = get_object_or_404(riding.trips_for_page(), code=codes.clean(code))
    mine = riding.mine(trip, request.user)
    if mine is not None:
        waits = mine.state == PledgeState.WAITING
        messages.info(
            request,
            _("You are on the waiting list of this trip. Here is your place.")
            if waits
            else _("You already have seats on this trip. Here they are."),
        )
        return redirect(mine)
    if request.method != "POST":
        return _fresh_form(request, trip)

    stops = list(trip.stops.all())
    form = PledgeForm(request.POST, stops=stops, known=request.user.is_authenticated)
    people = PassengerForms(request.POST, most=rules.current().max_seats_per_pledge)
    do = request.POST.get("do", "take")
    if do not in {"take", "wait"}:
        return _other_lines(request, trip, stops, people, do)
    if limited := too_often(request, "pledge", most=60, minutes=10):
        return limited
    valid, people_valid = form.is_valid(), people.is_valid()
    shown = _terms(trip, stops, len(people.forms), clock.now())
    if valid and people_valid and request.POST.get("shown") != print_of(shown):
        form.add_error(
            None, _("What happens to your card has changed meanwhile. Please read it again and agree.")
        )
        return _form_page(request, trip, stops, form, people, status=409)
    if not (valid and people_valid):
        return _form_page(request, trip, stops, form, people, status=422)
    if not request.user.is_authenticated and User.objects.filter(email=form.cleaned_data["email"]).exists():
        return _sign_in_first(request, trip)
    try:
        pledge = _take(request, trip, stops=stops, form=form, people=people, shown=shown, wait=do == "wait")
    except Refusal as refusal:
        form.add_error(refusal.field if refusal.field == "promotion" else None, refusal.message)
        trip.refresh_from_db(fields=["seats_taken", "capacity", "state"])
        return _form_page(request, trip, stops, form, people, status=409)
    request.session.pop(_typed_key(trip), None)
    if pledge.state == PledgeState.WAITING:
        messages.success(request, _("You are on the waiting list. We write as soon as seats become free."))
        return SeeOther(pledge.get_absolute_url())
    return SeeOther(pledges.pay_link(pledge))


def _take(
    request: HttpRequest,
    trip: Trip,
    *,
    stops: list[Stop],
    form: PledgeForm,
    people: PassengerForms,
    shown: Terms,
    wait: bool,
) -> Pledge:
    """The seats or a place on the waiting list, and for somebody new the account, or neither."""
    now = clock.now()
    stop = next(stop for stop in stops if stop.position == form.cleaned_data["stop"])
    rider = anybody(request)
    if not wait:
        covering.check_code(request, trip, form, now)
    with transaction.atomic():
        if rider is None:
            rider = User.objects.create_user(form.cleaned_data["email"], name=form.cleaned_data["rider"])
            friends.came(request, rider, now)
        consent: dict[str, Any] = {
            "consent_text": shown.text,
            "consent_version": shown.version,
            "consented": form.cleaned_data["consent"],
            "fare": fares.to_agree(stop, len(people.forms)),
        }
        if wait:
            pledge = waiting.wait(
                trip_id=trip.id, rider=rider, stop=stop, passengers=people.passengers, now=now, **consent
            )
        else:
            pledge = pledges.make(
                trip_id=trip.id,
                rider=rider,
                stop_id=stop.id,
                passengers=people.passengers,
                now=now,
                **consent,
            )
            covering.cover(request, pledge, form, now)
    if not request.user.is_authenticated:
        login(request, rider, backend=_BACKEND)
    return pledge


def _fresh_form(request: HttpRequest, trip: Trip) -> HttpResponse:
    stops = list(trip.stops.all())
    most = rules.current().max_seats_per_pledge
    known = request.user.is_authenticated
    typed = request.session.get(_typed_key(trip)) if known else None
    if typed:
        form = PledgeForm(
            initial={"stop": typed.get("stop"), "promotion": typed.get("promotion"), "use_credit": True},
            stops=stops,
            known=known,
        )
        people = PassengerForms(None, most=most, initial=typed["people"])
    else:
        form = PledgeForm(
            initial={"stop": stops[0].position if len(stops) == 1 else None, "use_credit": True},
            stops=stops,
            known=known,
        )
        user = anybody(request)
        people = PassengerForms(None, most=most, initial=[{"name": user.name if user else ""}])
    return _form_page(request, trip, stops, form, people)


def _other_lines(
    request: HttpRequest, trip: Trip, stops: list[Stop], people: PassengerForms, do: str
) -> HttpResponse:
    """One passenger more or less, or only the sum again: what was typed stays, nothing is judged yet."""
    form = PledgeForm(
        initial={name: request.POST.get(name) for name in _TYPED},
        stops=stops,
        known=request.user.is_authenticated,
    )
    return _form_page(request, trip, stops, form, people.pressed(do))


#: What stays typed while lines come and go.
_TYPED = ("stop", "email", "rider", "consent", "promotion", "use_credit")


def _sign_in_first(request: HttpRequest, trip: Trip) -> HttpResponse:
    """The address has an account: only its owner may take seats in its name. What was typed waits in the session."""
    people = PassengerForms(request.POST, most=rules.current().max_seats_per_pledge).again()
    request.session[_typed_key(trip)] = {
        "stop": request.POST.get("stop", "")[:4],
        "promotion": request.POST.get("promotion", "")[:40],
        "people": [
            {
                "name": str(line.initial.get("name", ""))[:400],
                "needs": list(line.initial.get("needs", []))[:10],
            }
            for line in people.forms
        ],
    }
    messages.info(request, _("This address has an account. Sign in, and your seats are as you left them."))
    back = reverse("trips:make_pledge", kwargs={"code": trip.code})
    return SeeOther(f"{reverse('account_login')}?{urlencode({'next': back})}")


def _typed_key(trip: Trip) -> str:
    return f"typed:{trip.code}"


def _terms(trip: Trip, stops: list[Stop], seats: int, now: datetime) -> Terms:
    return terms.terms(trip, [fares.to_agree(stop, seats) for stop in stops], now)


def _form_page(
    request: HttpRequest,
    trip: Trip,
    stops: list[Stop],
    form: PledgeForm,
    people: PassengerForms,
    *,
    status: int = 200,
) -> HttpResponse:
    now = clock.now()
    seats = len(people.forms)
    shown = _terms(trip, stops, seats, now)
    closed = ""
    try:
        pledges.check_open(trip, now)
    except Refusal as refusal:
        closed = refusal.message
    chosen = str(form["stop"].value() or "")
    stop = next((stop for stop in stops if str(stop.position) == chosen), None)
    whole = fares.to_agree(stop, seats) * seats if stop else None
    context = {
        "trip": trip,
        "stops": stops,
        "stop": stop,
        "chosen": chosen,
        "form": form,
        "people": people,
        "terms": shown,
        "shown": print_of(shown),
        "closed": closed,
        "full": trip.seats_left < seats,
        "ladder": leaving.steps(shown.policy, trip.departs_at),
        "seats": seats,
        "sum": whole,
        "order": covering.order(request, trip, whole, form, now),
        "next": reverse("trips:make_pledge", kwargs={"code": trip.code}),
    }
    fragment = "#order" if request.headers.get("HX-Request") else ""
    return render(request, f"trips/riding/make_pledge.html{fragment}", context, status=status)
