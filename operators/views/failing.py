"""A run that cannot be driven, told by the office: given up before it leaves, or one way that was not driven."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from operators.actions import failing as action
from operators.models import Member, Run
from operators.views import doors
from rally import clock


@doors.office
@require_POST
def give_up(request: HttpRequest, member: Member, code: str) -> HttpResponse:
    """The company cannot drive a trip that is certain; another one is looked for."""
    found = _load(member, code)
    with doors.telling(request):
        action.give_up(
            run_id=found.id,
            why=request.POST.get("why", ""),
            now=clock.now(),
            by=doors.user_of(request),
        )
        messages.success(
            request, _("Given up. The riders are told, and the trip looks for another bus at once.")
        )
    return redirect("operators:run", code=code)


@doors.office
@require_POST
def leg_failed(request: HttpRequest, member: Member, code: str) -> HttpResponse:
    """One way was not driven: riders get their share back at once."""
    found = _load(member, code)
    with doors.telling(request):
        back = action.leg_failed(
            run_id=found.id,
            leg=request.POST.get("leg", ""),
            why=request.POST.get("why", ""),
            now=clock.now(),
            by=doors.user_of(request),
        )
        messages.success(
            request, _("Noted. %(back)s go back to the riders, and they are told.") % {"back": back}
        )
    return redirect("operators:run", code=code)


def _load(member: Member, code: str) -> Run:
    return get_object_or_404(Run, code=code, operator=member.operator)
