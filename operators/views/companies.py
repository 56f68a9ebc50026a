"""The company itself: its front page, registering, choosing among several, what it says of itself."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from operators.actions import companies
from operators.forms import CompanyForm, blaming
from operators.models import Member
from operators.queries import companies as look
from operators.queries.day import runs_ahead
from operators.views import doors
from rally import clock

#: The front page shows so many runs; the rest is a page of its own.
_SOON = 6


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Today and what needs the office; for people of no company, what Rally offers bus companies."""
    if request.user.is_authenticated:
        if look.offices_of(doors.user_of(request)):
            return today(request)
        if doors.user_of(request).memberships.active().exists():
            return redirect("driving:today")
    return render(request, "operators/companies/welcome.html")


@doors.office
def today(request: HttpRequest, member: Member) -> HttpResponse:
    """What needs the office now."""
    company = member.operator
    day = look.today_at(company, clock.now())
    return doors.page(
        request,
        "operators/companies/home.html",
        member,
        {
            "runs": list(look.upcoming_runs(company)[:_SOON]),
            "papers_running_out": look.papers_running_out(company, day),
            "papers_missing": look.papers_missing(company, day),
            "has_vehicles": company.vehicles.filter(active=True).exists(),
            "has_drivers": look.drivers(company).exists(),
            "drives": runs_ahead(doors.user_of(request)).exists(),
            "today": day,
        },
    )


@login_required
@require_http_methods(["GET", "POST"])
def register(request: HttpRequest) -> HttpResponse:
    """Open a company."""
    user = doors.user_of(request)
    form = CompanyForm(request.POST or None, initial={"email": user.email, "phone": user.phone})
    if request.method == "POST" and form.is_valid():
        with blaming(form):
            operator = companies.register(**form.cleaned_data, by=user, now=clock.now())
            request.session[doors.CHOSEN] = str(operator.id)
            messages.success(
                request, _("%(name)s is on the road. Next: your vehicles.") % {"name": operator.name}
            )
            return redirect("operators:home")
    return render(
        request, "operators/companies/register.html", {"form": form}, status=422 if form.errors else 200
    )


@doors.office
@require_http_methods(["GET", "POST"])
def change(request: HttpRequest, member: Member) -> HttpResponse:
    """What the company says of itself."""
    form = CompanyForm(request.POST or None, initial=CompanyForm.initial_of(member.operator))
    if request.method == "POST" and form.is_valid():
        with blaming(form):
            companies.change(operator_id=member.operator_id, **form.cleaned_data, by=doors.user_of(request))
            messages.success(request, _("Saved."))
            return redirect("operators:home")
    return doors.page(
        request, "operators/companies/change.html", member, {"form": form}, status=422 if form.errors else 200
    )


@login_required
@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Go on in another company's office."""
    wanted = request.POST.get("operator", "")
    for member in look.offices_of(doors.user_of(request)):
        if member.operator.code == wanted:
            request.session[doors.CHOSEN] = str(member.operator_id)
            return redirect("operators:home")
    raise Http404
