"""The vehicles of the company."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from operators.actions import fleet as action
from operators.forms import VehicleForm, blaming
from operators.models import Member
from operators.queries import companies as look
from operators.views import doors
from rally import clock


@doors.office
@require_safe
def fleet(request: HttpRequest, member: Member) -> HttpResponse:
    """Every vehicle with its insurance."""
    today = look.today_at(member.operator, clock.now())
    vehicles = [
        (vehicle, look.holding(vehicle.papers.all(), today)) for vehicle in look.fleet(member.operator)
    ]
    return doors.page(request, "operators/fleet/fleet.html", member, {"vehicles": vehicles, "today": today})


@doors.office
@require_http_methods(["GET", "POST"])
def add(request: HttpRequest, member: Member) -> HttpResponse:
    """A new vehicle."""
    form = VehicleForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with blaming(form):
            vehicle = action.add(
                operator_id=member.operator_id,
                **form.cleaned_data,
                now=clock.now(),
                by=doors.user_of(request),
            )
            messages.success(
                request,
                _("%(vehicle)s is in your fleet. Add its insurance next.") % {"vehicle": vehicle.name},
            )
            return redirect("operators:fleet")
    return doors.page(
        request, "operators/fleet/vehicle.html", member, {"form": form}, status=422 if form.errors else 200
    )


@doors.office
@require_http_methods(["GET", "POST"])
def vehicle(request: HttpRequest, member: Member, vehicle_id: UUID) -> HttpResponse:
    """One vehicle: what is said of it, its papers, its runs to come."""
    bus = get_object_or_404(member.operator.vehicles, id=vehicle_id)
    form = VehicleForm(request.POST or None, initial=VehicleForm.initial_of(bus))
    if request.method == "POST" and form.is_valid():
        with blaming(form):
            action.change(vehicle_id=bus.id, **form.cleaned_data, by=doors.user_of(request))
            messages.success(request, _("Saved."))
            return redirect("operators:fleet")
    context = {
        "form": form,
        "vehicle": bus,
        "about": f"insurance:{bus.id}",
        "papers": bus.papers.order_by("-expires_on"),
        "runs": look.upcoming_runs(member.operator).filter(vehicle=bus),
        "today": look.today_at(member.operator, clock.now()),
    }
    return doors.page(
        request, "operators/fleet/vehicle.html", member, context, status=422 if form.errors else 200
    )


@doors.office
@require_POST
def retire(request: HttpRequest, member: Member, vehicle_id: UUID) -> HttpResponse:
    """Out of service, or back into it."""
    bus = get_object_or_404(member.operator.vehicles, id=vehicle_id)
    with doors.telling(request):
        if bus.active:
            action.retire(vehicle_id=bus.id, by=doors.user_of(request))
            messages.success(request, _("%(vehicle)s is out of service.") % {"vehicle": bus.name})
        else:
            action.bring_back(vehicle_id=bus.id, by=doors.user_of(request))
            messages.success(request, _("%(vehicle)s is in service again.") % {"vehicle": bus.name})
    return redirect("operators:fleet")
