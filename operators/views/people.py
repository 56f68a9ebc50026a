"""Who works for the company."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from operators import permissions
from operators.actions import people as action
from operators.forms import PersonForm, RoleForm, blaming
from operators.models import Member
from operators.queries import companies as look
from operators.views import doors
from rally import clock
from rally.errors import NotAllowed, Refusal


@doors.office
@require_safe
def people(request: HttpRequest, member: Member) -> HttpResponse:
    """Everybody, with roles and driving licences."""
    today = look.today_at(member.operator, clock.now())
    members = [(one, look.holding(one.papers.all(), today)) for one in look.people(member.operator)]
    return doors.page(request, "operators/people/people.html", member, {"members": members, "today": today})


@doors.office
@require_http_methods(["GET", "POST"])
def add(request: HttpRequest, member: Member) -> HttpResponse:
    """Somebody new."""
    permissions.check_can_own(doors.user_of(request), member.operator)
    form = PersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with blaming(form):
            fresh = action.add(
                operator_id=member.operator_id,
                **form.cleaned_data,
                now=clock.now(),
                by=doors.user_of(request),
            )
            messages.success(request, _("We have written to %(who)s how to sign in.") % {"who": fresh.user})
            return redirect("operators:people")
    return doors.page(
        request, "operators/people/add.html", member, {"form": form}, status=422 if form.errors else 200
    )


@doors.office
@require_http_methods(["GET", "POST"])
def person(request: HttpRequest, member: Member, member_id: UUID) -> HttpResponse:
    """One member: role, papers, runs to come."""
    one = get_object_or_404(member.operator.members.select_related("user"), id=member_id)
    form = RoleForm(request.POST or None, initial={"role": one.role})
    if request.method == "POST" and form.is_valid():
        with blaming(form):
            action.change_role(member_id=one.id, role=form.cleaned_data["role"], by=doors.user_of(request))
            messages.success(request, _("Saved."))
            return redirect("operators:people")
    context = {
        "form": form,
        "person": one,
        "about": f"driving:{one.id}",
        "papers": one.papers.order_by("-expires_on"),
        "runs": look.upcoming_runs(member.operator).filter(driver=one),
        "today": look.today_at(member.operator, clock.now()),
    }
    return doors.page(
        request, "operators/people/person.html", member, context, status=422 if form.errors else 200
    )


@doors.office
@require_POST
def deactivate(request: HttpRequest, member: Member, member_id: UUID) -> HttpResponse:
    """Somebody leaves."""
    one = get_object_or_404(member.operator.members.select_related("user"), id=member_id)
    try:
        action.deactivate(member_id=one.id, by=doors.user_of(request))
    except NotAllowed:
        raise
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("operators:person", member_id=one.id)
    messages.success(request, _("%(who)s no longer works for you.") % {"who": one.user})
    return redirect("operators:people")
