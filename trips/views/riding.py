"""What a rider does: take seats, pay, look at rides, change, hand over, leave, show the boarding pass."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from payments.actions import checkouts
from payments.errors import PaymentClosed, ProviderUnavailable
from rally import clock, codes, rules
from rally.errors import Refusal
from rally.models import User
from rally.money import Money
from trips.actions import backing, pledges
from trips.errors import NotChangeable
from trips.forms.riding import HandOverForm, PassengerForms, PledgeForm
from trips.models import Pledge, Seat, Stop, Trip
from trips.queries import links, riding, terms
from trips.queries.calendar import calendar_file
from trips.queries.codes import qr
from trips.queries.terms import Terms
from trips.states import OCCUPYING, PledgeState, TripState
from trips.views.limits import too_often

_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


class SeeOther(HttpResponseRedirect):
    """Go there with GET, whatever you came with."""

    status_code = 303


def _anybody(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


# --- taking seats


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def make_pledge(request: HttpRequest, code: str) -> HttpResponse:
    """Stop, passengers, consent; no account needed before. Ends at the checkout."""
    trip = get_object_or_404(riding.trips_for_page(), code=codes.clean(code))
    mine = riding.mine(trip, request.user)
    if mine is not None:
        messages.info(request, _("You already have seats on this trip. Here they are."))
        return redirect(mine)
    if request.method != "POST":
        return _fresh_form(request, trip)

    stops = list(trip.stops.all())
    form = PledgeForm(request.POST, stops=stops, known=request.user.is_authenticated)
    people = PassengerForms(request.POST, most=rules.current().max_seats_per_pledge)
    do = request.POST.get("do", "take")
    if do != "take":
        return _other_lines(request, trip, stops, people, do)
    if limited := too_often(request, "pledge", most=60, minutes=10):
        return limited
    valid, people_valid = form.is_valid(), people.is_valid()
    shown = _terms(trip, stops, clock.now())
    if valid and people_valid and request.POST.get("shown") != _print_of(shown):
        form.add_error(
            None, _("What happens to your card has changed meanwhile. Please read it again and agree.")
        )
        return _form_page(request, trip, stops, form, people, status=409)
    if not (valid and people_valid):
        return _form_page(request, trip, stops, form, people, status=422)
    if not request.user.is_authenticated and User.objects.filter(email=form.cleaned_data["email"]).exists():
        return _sign_in_first(request, trip)
    try:
        pledge = _take(request, trip, stops=stops, form=form, people=people, shown=shown)
    except Refusal as refusal:
        form.add_error(None, refusal.message)
        return _form_page(request, trip, stops, form, people, status=409)
    request.session.pop(_typed_key(trip), None)
    return SeeOther(pledges.pay_link(pledge))


def _take(
    request: HttpRequest,
    trip: Trip,
    *,
    stops: list[Stop],
    form: PledgeForm,
    people: PassengerForms,
    shown: Terms,
) -> Pledge:
    """The seats, and for somebody new the account, or neither."""
    now = clock.now()
    stop = next(stop for stop in stops if stop.position == form.cleaned_data["stop"])
    rider = _anybody(request)
    with transaction.atomic():
        if rider is None:
            rider = User.objects.create_user(form.cleaned_data["email"], name=form.cleaned_data["rider"])
        pledge = pledges.make(
            trip_id=trip.id,
            rider=rider,
            stop_id=stop.id,
            passengers=people.passengers,
            consent_text=shown.text,
            consent_version=shown.version,
            consented=form.cleaned_data["consent"],
            now=now,
        )
    if not request.user.is_authenticated:
        login(request, rider, backend=_BACKEND)
    return pledge


def _fresh_form(request: HttpRequest, trip: Trip) -> HttpResponse:
    stops = list(trip.stops.all())
    most = rules.current().max_seats_per_pledge
    known = request.user.is_authenticated
    typed = request.session.get(_typed_key(trip)) if known else None
    if typed:
        form = PledgeForm(initial={"stop": typed.get("stop")}, stops=stops, known=known)
        people = PassengerForms(None, most=most, initial=typed["people"])
    else:
        form = PledgeForm(
            initial={"stop": stops[0].position if len(stops) == 1 else None}, stops=stops, known=known
        )
        user = _anybody(request)
        people = PassengerForms(None, most=most, initial=[{"name": user.name if user else ""}])
    return _form_page(request, trip, stops, form, people)


def _other_lines(
    request: HttpRequest, trip: Trip, stops: list[Stop], people: PassengerForms, do: str
) -> HttpResponse:
    """One passenger more or less, or only the sum again: what was typed stays, nothing is judged yet."""
    if do == "add":
        people = people.again(add=1)
    elif do.startswith("remove-") and do[7:].isdigit():
        people = people.again(without=int(do[7:]))
    else:
        people = people.again()
    form = PledgeForm(
        initial={name: request.POST.get(name) for name in ("stop", "email", "rider", "consent")},
        stops=stops,
        known=request.user.is_authenticated,
    )
    return _form_page(request, trip, stops, form, people)


def _sign_in_first(request: HttpRequest, trip: Trip) -> HttpResponse:
    """The address has an account: only its owner may take seats in its name. What was typed waits in the session."""
    people = PassengerForms(request.POST, most=rules.current().max_seats_per_pledge).again()
    request.session[_typed_key(trip)] = {
        "stop": request.POST.get("stop", "")[:4],
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


def _terms(trip: Trip, stops: list[Stop], now: datetime) -> Terms:
    return terms.terms(trip, [Money(stop.fare_minor, trip.currency) for stop in stops], now)


def _print_of(shown: Terms) -> str:
    return hashlib.sha256(shown.text.encode()).hexdigest()[:32]


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
    shown = _terms(trip, stops, now)
    closed = ""
    try:
        pledges.check_open(trip, now)
    except Refusal as refusal:
        closed = refusal.message
    chosen = str(form["stop"].value() or "")
    stop = next((stop for stop in stops if str(stop.position) == chosen), None)
    context = {
        "trip": trip,
        "stops": stops,
        "stop": stop,
        "chosen": chosen,
        "form": form,
        "people": people,
        "terms": shown,
        "shown": _print_of(shown),
        "closed": closed,
        "seats": len(people.forms),
        "sum": Money(stop.fare_minor, trip.currency) * len(people.forms) if stop else None,
        "next": reverse("trips:make_pledge", kwargs={"code": trip.code}),
    }
    fragment = "#order" if request.headers.get("HX-Request") else ""
    return render(request, f"trips/riding/make_pledge.html{fragment}", context, status=status)


# --- paying


@never_cache
@require_safe
def pay(request: HttpRequest, code: str) -> HttpResponse:
    """Go to the hosted checkout page; with nothing to pay, say what happened and what to do."""
    pledge = _pledge_by_link(request, code)
    if limited := too_often(request, "pay", most=60, minutes=10):
        return limited
    now = clock.now()
    key = links.key(pledge.code)
    try:
        to_pay = pledges.open_payment(pledge_id=pledge.id, now=now)
        address = checkouts.go(
            payment_id=to_pay.payment_id,
            mode=to_pay.mode,
            success_url=links.paid_link(pledge),
            cancel_url=f"{links.paid_link(pledge)}&left=1",
            now=now,
        )
    except (NotChangeable, PaymentClosed):
        if pledge.payment_id is not None:
            # Perhaps it was paid in another tab and nobody told us yet.
            checkouts.come_back(payment_id=pledge.payment_id, now=now)
        return SeeOther(f"{reverse('trips:paid', kwargs={'code': pledge.code})}?k={key}")
    except ProviderUnavailable as refusal:
        context = {"pledge": pledge, "trip": pledge.trip, "refusal": refusal, "key": key}
        page = render(request, "trips/riding/pay_later.html", context, status=503)
        page["Retry-After"] = "60"
        return page
    return SeeOther(address)


@never_cache
@require_safe
def paid(request: HttpRequest, code: str) -> HttpResponse:
    """Back from the checkout: look at once what came of it. Whoever owns the pledge goes on to its page."""
    pledge = _pledge_by_link(request, code)
    if pledge.payment_id is not None:
        now = clock.now()
        checkouts.come_back(payment_id=pledge.payment_id, now=now)
        backing.follow(payment_id=pledge.payment_id, now=now)
        pledge = riding.pledges_for_page().get(id=pledge.id)
    if pledge.rider_id == request.user.pk:
        return SeeOther(f"{pledge.get_absolute_url()}{'?left=1' if 'left' in request.GET else ''}")
    context = {
        **_pledge_context(pledge, clock.now()),
        "waiting": pledge.state == PledgeState.DRAFT and "left" not in request.GET,
        "key": links.key(pledge.code),
    }
    page = render(request, "trips/riding/paid.html", context)
    if context["waiting"]:
        page["Refresh"] = "5"
    return page


def _pledge_by_link(request: HttpRequest, code: str) -> Pledge:
    """The pledge of a signed link, or one's own. Anybody else: 404."""
    pledge = get_object_or_404(riding.pledges_for_page(), code=codes.clean(code))
    if pledge.rider_id != request.user.pk and not links.is_key(pledge.code, request.GET.get("k", "")):
        raise Http404
    return pledge


# --- my rides


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
    found = _own(request, code)
    context = {**_pledge_context(found, clock.now()), "left": "left" in request.GET}
    fragment = "#live" if request.headers.get("HX-Target") == "live" else ""
    return render(request, f"trips/riding/pledge.html{fragment}", context)


def _own(request: HttpRequest, code: str) -> Pledge:
    return get_object_or_404(riding.pledges_for_page().visible_to(request.user), code=codes.clean(code))


def _pledge_context(found: Pledge, now: datetime) -> dict[str, Any]:
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


# --- changing


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def withdraw(request: HttpRequest, code: str) -> HttpResponse:
    """What leaving means, exactly; then leave."""
    found = _own(request, code)
    user = _anybody(request)
    assert user is not None  # noqa: S101 - login_required
    refused = ""
    if request.method == "POST":
        try:
            pledges.withdraw(
                pledge_id=found.id, by=user, now=clock.now(), agreed=_agreed(request, found.currency)
            )
        except Refusal as refusal:
            refused = refusal.message
        else:
            messages.success(request, _("You have left this trip."))
            return SeeOther(found.get_absolute_url())
    context = {**_pledge_context(found, clock.now()), "refused": refused}
    return render(request, "trips/riding/withdraw.html", context, status=409 if refused else 200)


def _agreed(request: HttpRequest, currency: str) -> Money | None:
    shown = request.POST.get("refund", "")
    return Money(int(shown), currency) if shown.isascii() and shown.isdigit() and len(shown) < 9 else None


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def change_seats(request: HttpRequest, code: str) -> HttpResponse:
    """Names, needs, more seats, fewer seats."""
    found = _own(request, code)
    user = _anybody(request)
    assert user is not None  # noqa: S101 - login_required
    most = max(rules.current().max_seats_per_pledge, found.seats)
    if request.method != "POST":
        lines = [{"name": seat.name, "needs": seat.needs, "seat": seat.id} for seat in found.passengers.all()]
        return _change_page(request, found, PassengerForms(None, most=most, initial=lines))
    people = PassengerForms(request.POST, most=most)
    do = request.POST.get("do", "save")
    if do == "add":
        return _change_page(request, found, people.again(add=1))
    if do.startswith("remove-") and do[7:].isdigit():
        return _change_page(request, found, people.again(without=int(do[7:])))
    if not people.is_valid():
        return _change_page(request, found, people, status=422)
    words = terms.terms(found.trip, found.fare, clock.now())
    try:
        pledges.change_seats(
            pledge_id=found.id,
            passengers=people.passengers,
            by=user,
            now=clock.now(),
            consent_text=words.text,
            consent_version=words.version,
            consented=request.POST.get("consent") == "on" and request.POST.get("shown") == _print_of(words),
            agreed=_agreed(request, found.currency),
        )
    except Refusal as refusal:
        return _change_page(request, found, people, refused=refusal.message, status=409)
    messages.success(request, _("Your seats are changed."))
    return SeeOther(found.get_absolute_url())


def _change_page(
    request: HttpRequest, found: Pledge, people: PassengerForms, *, refused: str = "", status: int = 200
) -> HttpResponse:
    now = clock.now()
    seats = len(people.forms)
    words = terms.terms(found.trip, found.fare, now)
    fewer = found.seats - seats
    back = Money.zero(found.currency)
    if fewer > 0 and found.state == PledgeState.PAID:
        percent = terms.refund_percent(found.policy, found.trip.departs_at, now)
        back = terms.refund_of(found.fare * fewer, percent)
    context = {
        **_pledge_context(found, now),
        "people": people,
        "count": seats,
        "more": max(0, -fewer),
        "fewer": max(0, fewer),
        "sum": found.fare * seats,
        "back": back,
        "terms": words,
        "shown": _print_of(words),
        "refused": refused,
    }
    fragment = "#order" if request.headers.get("HX-Request") else ""
    return render(request, f"trips/riding/change_seats.html{fragment}", context, status=status)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def hand_over(request: HttpRequest, code: str) -> HttpResponse:
    """Give one seat to somebody else; by the seat's code."""
    seat = get_object_or_404(Seat.objects.select_related("pledge"), code=codes.clean(code))
    user = _anybody(request)
    assert user is not None  # noqa: S101 - login_required
    if user.id not in {seat.pledge.rider_id, seat.holder_id}:
        raise Http404
    if request.method == "POST":
        if limited := too_often(request, "hand-over", most=20, minutes=60):
            return limited
        form = HandOverForm(request.POST)
        if form.is_valid():
            try:
                pledges.hand_over(
                    seat_id=seat.id,
                    email=form.cleaned_data["email"],
                    name=form.cleaned_data["name"],
                    by=user,
                    now=clock.now(),
                )
            except Refusal as refusal:
                form.add_error(None, refusal.message)
            else:
                messages.success(request, _("Done. %(name)s has the boarding pass now.") % form.cleaned_data)
                mine = seat.pledge.rider_id == user.id
                return SeeOther(seat.pledge.get_absolute_url() if mine else reverse("trips:rides"))
    else:
        form = HandOverForm()
    context = {"form": form, "seat": seat, "pledge": seat.pledge, "trip": _trip_of(seat.pledge)}
    return render(request, "trips/riding/hand_over.html", context, status=422 if form.errors else 200)


def _trip_of(found: Pledge) -> Trip:
    return riding.trips_for_page().get(id=found.trip_id)


# --- on the day


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
    found = _pledge_by_link(request, code)
    answer = HttpResponse(calendar_file(found, clock.now()), content_type="text/calendar; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="rally-{found.trip.code}.ics"'
    return answer
