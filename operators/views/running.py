"""Runs as the office sees them: the list, one run, exchanging, giving back, the manifest."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from operators.actions import runs as action
from operators.forms import PairForm, blaming
from operators.models import Member, Run
from operators.queries import agreements, commitments, earned, manifests
from operators.queries import board as board_look
from operators.queries import companies as look
from operators.states import RunState
from operators.views import doors
from rally import clock, rules
from rally.paper import handed_over, table

_PAGE = 20


@doors.office
@require_safe
def runs(request: HttpRequest, member: Member) -> HttpResponse:
    """Every run, what is ahead first."""
    past = Paginator(look.past_runs(member.operator), _PAGE).get_page(request.GET.get("page"))
    context = {"ahead": list(look.upcoming_runs(member.operator)), "past": past}
    return doors.page(request, "operators/running/runs.html", member, context)


@doors.office
@require_safe
def run(request: HttpRequest, member: Member, code: str) -> HttpResponse:
    """One run: where it stands, who drives what, the plan, the pay."""
    return _run_page(request, member, _load(member, code), PairForm())


@doors.office
@require_POST
def change(request: HttpRequest, member: Member, code: str) -> HttpResponse:
    """Another vehicle or driver."""
    found = _load(member, code)
    form = PairForm(request.POST)
    if form.is_valid():
        with blaming(form):
            action.change(
                run_id=found.id,
                vehicle_id=form.cleaned_data["vehicle"],
                driver_id=form.cleaned_data["driver"],
                now=clock.now(),
                by=doors.user_of(request),
            )
            messages.success(request, _("Saved. Everybody concerned is told."))
            return redirect("operators:run", code=code)
    return _run_page(request, member, found, form, status=422)


@doors.office
@require_POST
def withdraw(request: HttpRequest, member: Member, code: str) -> HttpResponse:
    """Give the trip back."""
    found = _load(member, code)
    with doors.telling(request):
        action.withdraw(
            run_id=found.id,
            why=request.POST.get("why", "")[:200],
            now=clock.now(),
            by=doors.user_of(request),
        )
        messages.success(request, _("Given back. Vehicle and driver are free again."))
    return redirect("operators:run", code=code)


@doors.office
@require_safe
def manifest(request: HttpRequest, member: Member, code: str) -> HttpResponse:
    """Who rides, by stop. Prints well."""
    found = _load(member, code)
    context = {"run": found, "manifest": manifests.manifest(found), "now": clock.now()}
    return doors.page(request, "operators/running/manifest.html", member, context)


@doors.office
@require_safe
def manifest_csv(request: HttpRequest, member: Member, code: str) -> HttpResponse:
    """The same as a table to download, safe to open in a spreadsheet."""
    found = _load(member, code)
    rows = manifests.table(manifests.manifest(found))
    return handed_over(table(rows), name=f"manifest-{found.code}.csv")


def _load(member: Member, code: str) -> Run:
    return get_object_or_404(look.with_trip(member.operator.runs.all()), code=code)


def _run_page(
    request: HttpRequest, member: Member, found: Run, form: PairForm, *, status: int = 200
) -> HttpResponse:
    company, law = member.operator, rules.current()
    offer = board_look.offer_of(company, found.trip, law, terms=found.terms)
    giving_up = agreements.cost_of_giving_up(found.terms, found.trip, clock.now())
    context = {
        "run": found,
        "trip": found.trip,
        "offer": offer,
        "giving_up": giving_up,
        "stops": look.stops_with_riders(found.trip),
        "counts": manifests.seat_counts([found])[found.id],
        "journal": [(line, RunState(line.new).label) for line in look.journal_of(found)],
        "form": form,
        "payee": company.payee,
        "pay": earned.pay_of_run(found) if found.booked_at or found.completed_at else None,
    }
    if found.may_change:
        duty = commitments.duty_of(found.trip, company, law)
        case = commitments.situation(
            trip=found.trip, operator=company, duty=duty, rules=law, except_run=found.id
        )
        context["vehicles"] = [
            (bus, commitments.against_vehicle(case, bus)) for bus in look.fleet(company) if bus.active
        ]
        context["drivers"] = [(one, commitments.against_driver(case, one)) for one in look.drivers(company)]
    return doors.page(request, "operators/running/run.html", member, context, status=status)
