"""Finding a payment and seeing all that belongs to it."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from payments.actions import looking, payments
from payments.models import Payment, Refund
from payments.queries import desk
from payments.views import doors
from rally import clock
from rally.models import User

_PAGE = 25
_ROWS = 200


@doors.staff
@require_safe
def search(request: HttpRequest, _user: User) -> HttpResponse:
    """Payments by reference, address of the payer, or an id of the provider's; to the one that there is."""
    text = request.GET.get("q", "")
    paged = Paginator(desk.payments_like(text), _PAGE).get_page(request.GET.get("page"))
    if len(paged.object_list) == 1 and paged.number == 1:
        return redirect("desk:payment", payment_id=paged.object_list[0].id)
    context = {"q": text, "paged": paged, "query": urlencode({"q": text}) + "&"}
    return render(request, "payments/desk/payments.html", context)


@doors.staff
@require_safe
def payment(request: HttpRequest, _user: User, payment_id: UUID) -> HttpResponse:
    """One payment: what was asked of banks, what they said, and every line in the books."""
    row = get_object_or_404(Payment.objects.select_related("payer"), id=payment_id)
    context = {
        "payment": row,
        "left": payments.left_to_refund(row),
        "attempts": row.attempts.order_by("n")[:_ROWS],
        "checkouts": row.checkouts.order_by("created_at")[:_ROWS],
        "operations": row.operations.order_by("created_at")[:_ROWS],
        "refunds": Refund.objects.filter(attempt__payment=row).order_by("created_at")[:_ROWS],
        "transfers": row.transfers.select_related("payee").order_by("created_at")[:_ROWS],
        "contributions": row.contributions.order_by("created_at"),
        "disputes": row.disputes.order_by("opened_at"),
        "ledger": row.ledger.select_related("payee").order_by("occurred_at", "id")[:_ROWS],
        "moves": desk.timeline(row),
    }
    return render(request, "payments/desk/payment.html", context)


@doors.staff
@require_POST
def look_again(request: HttpRequest, user: User, payment_id: UUID) -> HttpResponse:
    """Ask the provider about everything of this payment now."""
    row = get_object_or_404(Payment, id=payment_id)
    return doors.done(
        request,
        lambda: looking.look_again(payment_id=row.id, now=clock.now(), by=user),
        said=_("Looked again: what stands here is what the payment service says now."),
        to="desk:payment",
        payment_id=row.id,
    )
