"""Money out by hand: asking, and agreeing as the second person."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from payments.actions import requests as action
from payments.forms import RequestForm, blame
from payments.models import MoneyRequest
from payments.queries import desk
from payments.views import doors
from rally import clock
from rally.errors import Refusal
from rally.models import User

_PAGE = 25
_GIVEN = ("what", "about", "amount")


@doors.staff
@require_safe
def requests(request: HttpRequest, user: User) -> HttpResponse:
    """Open requests, and those that were decided."""
    found = MoneyRequest.objects.select_related("asked_by", "decided_by")
    open_ = list(desk.open_requests()[:_PAGE])
    decided = found.filter(decided_at__isnull=False).order_by("-decided_at")
    paged = Paginator(decided, _PAGE).get_page(request.GET.get("page"))
    context = {
        "open": open_,
        "paged": paged,
        "subjects": desk.subjects_of([*open_, *paged.object_list]),
        "me": user,
    }
    return render(request, "payments/desk/requests.html", context)


@doors.staff
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest, user: User) -> HttpResponse:
    """Ask for money to go out."""
    given = {name: request.GET[name] for name in _GIVEN if name in request.GET}
    form = RequestForm(request.POST or None, initial=given)
    if request.method == "POST" and form.is_valid():
        facts = form.cleaned_data
        try:
            action.ask(
                what=facts["what"],
                subject=facts["subject"],
                amount=facts["money"],
                why=facts["why"],
                now=clock.now(),
                by=user,
            )
        except Refusal as refusal:
            blame(form, refusal)
        else:
            messages.success(request, _("Asked. It is done once somebody else agrees."))
            return redirect("desk:requests")
    return render(request, "payments/desk/ask.html", {"form": form}, status=422 if form.errors else 200)


@doors.staff
@require_POST
def agree(request: HttpRequest, user: User, request_id: UUID) -> HttpResponse:
    """Agree as the second person."""
    row = get_object_or_404(MoneyRequest, id=request_id)
    act = partial(action.agree, request_id=row.id, now=clock.now(), by=user)
    return doors.done(request, act, said=_("Done."), to="desk:requests")


@doors.staff
@require_POST
def refuse(request: HttpRequest, user: User, request_id: UUID) -> HttpResponse:
    """Say no, or take one's own request back."""
    row = get_object_or_404(MoneyRequest, id=request_id)
    why = request.POST.get("why", "").strip()[:200]
    act = partial(action.refuse, request_id=row.id, why=why, now=clock.now(), by=user)
    return doors.done(request, act, said=_("Nothing goes out."), to="desk:requests")
