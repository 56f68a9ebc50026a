"""Disputes: what banks ask, what we answer."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from payments.actions import blames, journal
from payments.actions import disputes as action
from payments.forms import WhyForm, WordsForm, blame
from payments.models import Dispute, Operation
from payments.queries import open_disputes
from payments.states import DisputeState
from payments.views import doors
from rally import clock
from rally.errors import Refusal
from rally.models import User
from rally.money import Money

_PAGE = 25


@doors.staff
@require_safe
def disputes(request: HttpRequest, _user: User) -> HttpResponse:
    """Open ones by due date; then those that ended."""
    ended = Dispute.objects.filter(ended_at__isnull=False).select_related("payment").order_by("-ended_at")
    paged = Paginator(ended, _PAGE).get_page(request.GET.get("page"))
    return render(request, "payments/desk/disputes.html", {"open": open_disputes()[:_PAGE], "paged": paged})


@doors.staff
@require_http_methods(["GET", "HEAD", "POST"])
def dispute(request: HttpRequest, user: User, dispute_id: UUID) -> HttpResponse:
    """One dispute with its evidence; words of staff can be added until it is sent."""
    row = get_object_or_404(Dispute.objects.select_related("payment__payer"), id=dispute_id)
    form = WordsForm(request.POST or None, initial={"text": row.evidence.get(action.WORDS, "")})
    if request.method == "POST" and form.is_valid():
        try:
            action.add_words(dispute_id=row.id, now=clock.now(), by=user, **form.cleaned_data)
        except Refusal as refusal:
            blame(form, refusal)
        else:
            return redirect("desk:dispute", dispute_id=row.id)
    asked = Operation.objects.filter(subject=row.id).order_by("created_at")
    context = {
        "dispute": row,
        "form": form,
        "why": WhyForm(),
        "evidence": [(name, text) for name, text in row.evidence.items() if name != action.WORDS],
        "operations": asked,
        "awaits": action.awaits(row),
        "blamable": action.can_be_blamed(row) if row.state == DisputeState.LOST else [],
        "left": Money(blames.left(row), row.currency),
    }
    return render(request, "payments/desk/dispute.html", context, status=422 if form.errors else 200)


@doors.staff
@require_POST
def submit(request: HttpRequest, user: User, dispute_id: UUID) -> HttpResponse:
    """Send the evidence, for good."""
    row = get_object_or_404(Dispute, id=dispute_id)
    act = partial(action.submit, dispute_id=row.id, now=clock.now(), by=user)
    said = _("The evidence is on its way to the bank.")
    return doors.done(request, act, said=said, to="desk:dispute", dispute_id=row.id)


@doors.staff
@require_POST
def accept(request: HttpRequest, user: User, dispute_id: UUID) -> HttpResponse:
    """Let the payer keep the money."""
    row = get_object_or_404(Dispute, id=dispute_id)
    act = partial(action.accept, dispute_id=row.id, why=_why(request), now=clock.now(), by=user)
    said = _("The bank is told that the payer is right.")
    return doors.done(request, act, said=said, to="desk:dispute", dispute_id=row.id)


@doors.staff
@require_POST
def charge(request: HttpRequest, user: User, dispute_id: UUID) -> HttpResponse:
    """A lost dispute is to bear by one of those who were paid for the trip."""
    row = get_object_or_404(Dispute, id=dispute_id)
    act = partial(
        action.blame,
        dispute_id=row.id,
        payee_id=journal.id_in(request.POST.get("payee", "")),
        why=_why(request),
        now=clock.now(),
        by=user,
    )
    said = _("The company owes us what the dispute cost.")
    return doors.done(request, act, said=said, to="desk:dispute", dispute_id=row.id)


def _why(request: HttpRequest) -> str:
    return request.POST.get("why", "").strip()[:200]
