"""The start page of staff, and what is odd about money today."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from payments.actions import earnings, inbox, operations, payments, reconciling
from payments.models import InboxEvent, Operation, Reconciliation, Refund, Transfer
from payments.queries import desk
from payments.views import doors
from rally import clock
from rally.models import User


@doors.staff
@require_safe
def home(request: HttpRequest, _user: User) -> HttpResponse:
    """What waits for staff, in numbers."""
    today = desk.today(now=clock.now())
    recent = desk.staff_actions()[:10]
    return render(request, "payments/desk/home.html", {"today": today, "open": today.open, "recent": recent})


@doors.staff
@require_safe
def money(request: HttpRequest, user: User) -> HttpResponse:
    """What is odd about money, with the buttons that mend it."""
    today = desk.today(now=clock.now())
    context = {
        "today": today,
        "subjects": desk.subjects_of(today.requests.rows),
        "me": user,
    }
    return render(request, "payments/desk/money.html", context)


@doors.staff
@require_safe
def reconciliation(request: HttpRequest, _user: User, reconciliation_id: UUID) -> HttpResponse:
    """One comparison with the provider, difference by difference."""
    row = get_object_or_404(Reconciliation, id=reconciliation_id)
    return render(request, "payments/desk/reconciliation.html", {"row": row})


@doors.staff
@require_POST
def compare(request: HttpRequest, user: User) -> HttpResponse:
    """Compare with the provider now."""
    return doors.done(
        request,
        lambda: reconciling.ask_for_one(now=clock.now(), by=user),
        said=_("The comparison has begun. Load this page again in a minute."),
        to="desk:money",
    )


@doors.staff
@require_POST
def run_again(request: HttpRequest, user: User, operation_id: UUID) -> HttpResponse:
    """Try a stuck operation again."""
    row = get_object_or_404(Operation, id=operation_id)
    return doors.done(
        request,
        lambda: operations.run_again(row.id, now=clock.now(), by=user),
        said=_("It is being tried again."),
        to="desk:money",
    )


@doors.staff
@require_POST
def run_all_again(request: HttpRequest, user: User) -> HttpResponse:
    """Try everything that is stuck again, as after an outage."""
    count = operations.run_all_again(now=clock.now(), by=user)
    said = ngettext("%(n)s operation is being tried again.", "%(n)s operations are being tried again.", count)
    return doors.done(request, lambda: None, said=said % {"n": count}, to="desk:money")


@doors.staff
@require_POST
def refund_again(request: HttpRequest, user: User, refund_id: UUID) -> HttpResponse:
    """Send a refund that failed once more."""
    row = get_object_or_404(Refund, id=refund_id)
    return doors.done(
        request,
        lambda: payments.refund_again(refund_id=row.id, now=clock.now(), by=user),
        said=_("The refund is being sent again."),
        to="desk:money",
    )


@doors.staff
@require_POST
def transfer_again(request: HttpRequest, user: User, transfer_id: UUID) -> HttpResponse:
    """Send a transfer that was refused once more."""
    row = get_object_or_404(Transfer, id=transfer_id)
    return doors.done(
        request,
        lambda: earnings.send_again(transfer_id=row.id, now=clock.now(), by=user),
        said=_("The transfer is being sent again."),
        to="desk:money",
    )


@doors.staff
@require_POST
def read_again(request: HttpRequest, user: User, event_id: str) -> HttpResponse:
    """Read an event that could not be read once more."""
    row = get_object_or_404(InboxEvent, id=event_id)
    return doors.done(
        request,
        lambda: inbox.read_again(event_id=row.id, now=clock.now(), by=user),
        said=_("It is being read again."),
        to="desk:money",
    )
