"""Trips that look for a bus, and committing one."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from operators.actions import runs
from operators.forms import BoardForm, PairForm, blaming
from operators.models import Member
from operators.queries import agreements, commitments
from operators.queries import board as look
from operators.queries import companies as companies_look
from operators.views import doors
from rally import clock, rules
from trips.models import Trip

_PAGE = 20


@doors.office
@require_safe
def board(request: HttpRequest, member: Member) -> HttpResponse:
    """Trips that look for a bus, nearest first."""
    form = BoardForm(request.GET or {"within_km": look.NEAR_KM, "order": look.ORDERS[0]})
    wanted = form.wanted()
    stops = look.open_stops(member.operator, wanted, clock.now())
    paged = Paginator(stops, _PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    return doors.page(
        request,
        "operators/board/board.html",
        member,
        {
            "form": form,
            "wanted": wanted,
            "paged": paged,
            "offers": look.offers(
                member.operator,
                list(paged.object_list),
                rules.current(),
                terms=agreements.snapshot(
                    member.operator, companies_look.today_at(member.operator, clock.now())
                ),
            ),
            "query": f"{query.urlencode()}&" if query else "",
        },
    )


@doors.office
@require_safe
def trip(request: HttpRequest, member: Member, code: str) -> HttpResponse:
    """One trip: stops, needs, the plan of the day, the pay, and what is missing to commit."""
    return _trip_page(request, member, code, PairForm())


@doors.office
@require_http_methods(["GET", "POST"])
def commit(request: HttpRequest, member: Member, code: str) -> HttpResponse:
    """Bind a vehicle and a driver. Opened by its address it is the trip page, where the form stands."""
    if request.method != "POST":
        return redirect("operators:trip", code=code)
    found = get_object_or_404(Trip, code=code)
    form = PairForm(request.POST)
    if form.is_valid():
        with blaming(form):
            run = runs.commit(
                trip_id=found.id,
                operator_id=member.operator_id,
                vehicle_id=form.cleaned_data["vehicle"],
                driver_id=form.cleaned_data["driver"],
                now=clock.now(),
                by=doors.user_of(request),
            )
            messages.success(request, _("Yours. Vehicle and driver are kept free for this trip."))
            return redirect("operators:run", code=run.code)
    return _trip_page(request, member, code, form, status=422)


def _trip_page(
    request: HttpRequest, member: Member, code: str, form: PairForm, *, status: int = 200
) -> HttpResponse:
    company, now, law = member.operator, clock.now(), rules.current()
    found = get_object_or_404(Trip.objects.select_related("event__venue"), code=code)
    own = companies_look.with_trip(company.runs.live().filter(trip=found)).first()
    terms = own.terms if own else agreements.snapshot(company, companies_look.today_at(company, now))
    offer = look.offer_of(company, found, law, terms=terms)
    case = commitments.situation(trip=found, operator=company, duty=offer.duty, rules=law)
    closed = commitments.why_not_open(found, now)
    vehicles = [
        (bus, commitments.against_vehicle(case, bus)) for bus in companies_look.fleet(company) if bus.active
    ]
    drivers = [(one, commitments.against_driver(case, one)) for one in companies_look.drivers(company)]
    against = commitments.against_company(case)
    some_vehicle = any(not why for _bus, why in vehicles)
    some_driver = any(not why for _one, why in drivers)
    context = {
        "trip": found,
        "offer": offer,
        "stops": companies_look.stops_with_riders(found),
        "needs": commitments.needs_of(found),
        "closed": closed,
        "run": own,
        "against": against,
        "vehicles": vehicles,
        "drivers": drivers,
        "seats_needed": commitments.seats_needed(found),
        "some_vehicle": some_vehicle,
        "some_driver": some_driver,
        "can_commit": not closed and not against and some_vehicle and some_driver,
        "form": form,
    }
    return doors.page(request, "operators/board/trip.html", member, context, status=status)
