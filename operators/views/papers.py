"""Documents of the company, its vehicles and its drivers."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from operators.actions import papers as action
from operators.forms import PaperForm, blaming
from operators.models import Member
from operators.queries import companies as look
from operators.views import doors
from rally import clock


@doors.office
@require_http_methods(["GET", "POST"])
def papers(request: HttpRequest, member: Member) -> HttpResponse:
    """Everything on file with its last day, and a form to hand in the next. `?about=` chooses what it is for."""
    company, now = member.operator, clock.now()
    form = PaperForm(
        request.POST or None,
        vehicles=list(company.vehicles.filter(active=True).order_by("name")),
        members=list(company.members.active().select_related("user").order_by("user__name")),
        initial={"about": request.GET.get("about", "")},
    )
    if request.method == "POST" and form.is_valid():
        with blaming(form):
            paper = action.add(operator_id=company.id, **form.paper(), now=now, by=doors.user_of(request))
            messages.success(request, _("On file: %(paper)s.") % {"paper": paper})
            return redirect("operators:papers")
    context = {"form": form, "papers": look.papers_on_file(company), "today": look.today_at(company, now)}
    return doors.page(
        request, "operators/papers/papers.html", member, context, status=422 if form.errors else 200
    )
