"""Leaving, changing seats, handing one over."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from rally import clock, codes, rules
from rally.errors import Refusal
from rally.models import User
from rally.money import Money
from trips.actions import pledges
from trips.forms.riding import HandOverForm, PassengerForms
from trips.models import Pledge, Seat, Trip
from trips.queries import covering, fares, leaving, riding
from trips.states import PledgeState
from trips.views.limits import too_often
from trips.views.looking import SeeOther, own, pay_url, pledge_facts, print_of


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def withdraw(request: HttpRequest, code: str) -> HttpResponse:
    """What leaving means, exactly; then leave."""
    found = own(request, code)
    user = User.asking(request)
    refused = ""
    if request.method == "POST":
        try:
            pledges.withdraw(
                pledge_id=found.id, by=user, now=clock.now(), agreed=_agreed(request, found.currency)
            )
        except Refusal as refusal:
            refused = refusal.message
        else:
            waited = found.state == PledgeState.WAITING
            messages.success(
                request, _("You have left the waiting list.") if waited else _("You have left this trip.")
            )
            return SeeOther(found.get_absolute_url())
    facts = pledge_facts(found, clock.now())
    context = {**facts, "codes": covering.codes_of(facts["parts"]), "refused": refused}
    return render(request, "trips/riding/withdraw.html", context, status=409 if refused else 200)


def _agreed(request: HttpRequest, currency: str) -> Money | None:
    shown = request.POST.get("refund", "")
    return Money(int(shown), currency) if shown.isascii() and shown.isdigit() and len(shown) < 9 else None


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def change_seats(request: HttpRequest, code: str) -> HttpResponse:
    """Names, needs, more seats, fewer seats. More seats of a paid ride end at the checkout."""
    found = own(request, code)
    if found.enlarges is not None and found.state == PledgeState.PAID:
        return redirect("trips:change_seats", code=found.enlarges.code)
    user = User.asking(request)
    seats = [seat for part in _changed_together(found) for seat in part.passengers.all()]
    most = max(rules.current().max_seats_per_pledge, len(seats))
    if request.method != "POST":
        lines = [{"name": seat.name, "needs": seat.needs, "seat": seat.id} for seat in seats]
        return _change_page(request, found, PassengerForms(None, most=most, initial=lines))
    people = PassengerForms(request.POST, most=most)
    do = request.POST.get("do", "save")
    if do == "add":
        return _change_page(request, found, people.again(add=1))
    if do.startswith("remove-") and do[7:].isdigit():
        return _change_page(request, found, people.again(without=int(do[7:])))
    if not people.is_valid():
        return _change_page(request, found, people, status=422)
    words = leaving.words_for_more(found, len(people.forms), clock.now())
    try:
        changed = pledges.change_seats(
            pledge_id=found.id,
            passengers=people.passengers,
            by=user,
            now=clock.now(),
            consent_text=words.text,
            consent_version=words.version,
            consented=request.POST.get("consent") == "on" and request.POST.get("shown") == print_of(words),
            agreed=_agreed(request, found.currency),
        )
    except Refusal as refusal:
        return _change_page(request, found, people, refused=refusal.message, status=409)
    if changed.id != found.id:
        return SeeOther(pay_url(changed))
    messages.success(request, _("Your seats are changed."))
    return SeeOther(found.get_absolute_url())


def _changed_together(found: Pledge) -> list[Pledge]:
    """A paid ride is changed with all that was paid for later; before paying there is one pledge."""
    if found.state != PledgeState.PAID:
        return [found]
    return [part for part in leaving.ride(found) if part.state == PledgeState.PAID]


def _change_page(
    request: HttpRequest, found: Pledge, people: PassengerForms, *, refused: str = "", status: int = 200
) -> HttpResponse:
    now = clock.now()
    parts = _changed_together(found)
    count, before = len(people.forms), sum(part.seats for part in parts)
    more, fewer = max(0, count - before), max(0, before - count)
    words = leaving.words_for_more(found, count, now)
    paid = found.state == PledgeState.PAID
    zero = Money.zero(found.currency)
    found.stop.trip = found.trip
    going = leaving.giving_up(found, fewer, now)
    ending = [part.pledge for part in going.parts if part.seats == part.pledge.seats]
    context = {
        **pledge_facts(found, now),
        "people": people,
        "count": count,
        "more": more,
        "fewer": fewer,
        "sum": sum((part.charge for part in parts), zero) if paid else found.price * count,
        "to_pay": fares.to_agree(found.stop, max(1, more)) * more if paid else zero,
        "going": going,
        "codes": covering.codes_of(ending),
        "terms": words,
        "shown": print_of(words),
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
    user = User.asking(request)
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
