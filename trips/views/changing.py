"""Leaving, changing seats, handing one over."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
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
from trips.forms.riding import CoveringForm, HandOverForm, PassengerForms
from trips.models import Pledge, Seat, Trip
from trips.queries import leaving, riding, terms
from trips.queries.covering import codes_of
from trips.states import PledgeState
from trips.views import covering
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
            pledges.withdraw(pledge_id=found.id, by=user, now=clock.now(), **_agreed(request, found.currency))
        except Refusal as refusal:
            refused = refusal.message
        else:
            waited = found.state == PledgeState.WAITING
            messages.success(
                request, _("You have left the waiting list.") if waited else _("You have left this trip.")
            )
            return SeeOther(found.get_absolute_url())
    facts = pledge_facts(found, clock.now())
    context = {**facts, "codes": codes_of(facts["parts"]), "refused": refused}
    return render(request, "trips/riding/withdraw.html", context, status=409 if refused else 200)


def _agreed(request: HttpRequest, currency: str) -> dict[str, Money]:
    """What comes back and what stays, as the page said; where it said nothing of what stays, nothing may."""
    refund, kept = (_amount(request.POST.get(name, ""), currency) for name in ("refund", "kept"))
    if refund is None:
        return {}
    return {"agreed": refund, "agreed_kept": kept or Money.zero(currency)}


def _amount(shown: str, currency: str) -> Money | None:
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
        people = PassengerForms(None, most=most, initial=lines)
        return _change_page(request, found, people, CoveringForm.as_typed({}))
    people, form = PassengerForms(request.POST, most=most), CoveringForm(request.POST)
    do = request.POST.get("do", "save")
    if do != "save":
        return _other_lines(request, found, people, do)
    if not (people.is_valid() and form.is_valid()):
        return _change_page(request, found, people, form, status=422)
    fare = leaving.fare_for_more(found, len(people.forms))
    words = terms.terms(found.trip, fare, clock.now())
    try:
        covering.check_code(request, found.trip, form, clock.now())
        with transaction.atomic():
            changed = pledges.change_seats(
                pledge_id=found.id,
                passengers=people.passengers,
                by=user,
                now=clock.now(),
                consent_text=words.text,
                consent_version=words.version,
                consented=request.POST.get("consent") == "on"
                and request.POST.get("shown") == print_of(words),
                fare=fare,
                **_agreed(request, found.currency),
            )
            if changed.id != found.id:
                covering.cover(request, changed, form, clock.now())
    except Refusal as refusal:
        return _change_page(request, found, people, form, refused=refusal.message, status=409)
    if changed.id != found.id:
        return SeeOther(pay_url(changed))
    messages.success(request, _("Your seats are changed."))
    return SeeOther(found.get_absolute_url())


def _other_lines(request: HttpRequest, found: Pledge, people: PassengerForms, do: str) -> HttpResponse:
    """One passenger more or less, or only the sum again: what was typed stays, nothing is judged yet."""
    return _change_page(request, found, people.pressed(do), CoveringForm.as_typed(request.POST))


def _changed_together(found: Pledge) -> list[Pledge]:
    """A paid ride is changed with all that was paid for later; before paying there is one pledge."""
    if found.state != PledgeState.PAID:
        return [found]
    return [part for part in leaving.ride(found) if part.state == PledgeState.PAID]


def _change_page(
    request: HttpRequest,
    found: Pledge,
    people: PassengerForms,
    form: CoveringForm,
    *,
    refused: str = "",
    status: int = 200,
) -> HttpResponse:
    now = clock.now()
    parts = _changed_together(found)
    count, before = len(people.forms), sum(part.seats for part in parts)
    more, fewer = max(0, count - before), max(0, before - count)
    fare = leaving.fare_for_more(found, count)
    words = terms.terms(found.trip, fare, now)
    paid = found.state == PledgeState.PAID
    zero = Money.zero(found.currency)
    going = leaving.giving_up(found, fewer, now)
    to_pay = fare * more if paid else zero
    ending = [part.pledge for part in going.parts if part.seats == part.pledge.seats]
    context = {
        **pledge_facts(found, now),
        "people": people,
        "count": count,
        "more": more,
        "fewer": fewer,
        "sum": sum((part.charge for part in parts), zero) if paid else found.price * count,
        "to_pay": to_pay,
        "form": form,
        "order": covering.order(request, found.trip, to_pay, form, now) if paid and more else None,
        "agreed": request.POST.get("consent") == "on",
        "next": reverse("trips:change_seats", kwargs={"code": found.code}),
        "going": going,
        "codes": codes_of(ending),
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
    if user.id != seat.pledge.rider_id and not Seat.objects.held_by(user).filter(id=seat.id).exists():
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
