"""What a rider gets for the books: the receipt, and invoices for a company."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from payments.actions import papers
from rally import clock
from rally.errors import BadInput, Refusal
from rally.paper import handed_over
from trips.documents.receipts import invoice_pdf, receipt_pdf
from trips.forms.receipts import CompanyForm
from trips.queries.receipts import RideReceipt, receipt_of
from trips.views.looking import SeeOther, own


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def receipt(request: HttpRequest, code: str) -> HttpResponse:
    """What was paid with its parts; a POST makes it out to a company."""
    ride = _ride(request, code)
    form = CompanyForm(request.POST if request.method == "POST" else None, initial=_company(ride))
    if request.method == "POST" and form.is_valid() and _issue(ride, form):
        messages.success(request, _("The invoice is ready."))
        return SeeOther(request.path)
    context = {"ride": ride, "pledge": ride.pledge, "trip": ride.pledge.trip, "paid": ride.paid, "form": form}
    return render(request, "trips/receipts/receipt.html", context, status=422 if form.errors else 200)


@never_cache
@require_safe
@login_required
def receipt_paper(request: HttpRequest, code: str) -> HttpResponse:
    """The receipt as a PDF."""
    ride = _ride(request, code)
    return handed_over(receipt_pdf(ride), name=f"{ride.number}.pdf", shown=True)


@never_cache
@require_safe
@login_required
def invoice_paper(request: HttpRequest, code: str, number: str) -> HttpResponse:
    """An invoice or a credit note as a PDF."""
    ride = _ride(request, code)
    for invoice in ride.invoices:
        if invoice.number == number:
            return handed_over(invoice_pdf(ride, invoice), name=f"{invoice.number}.pdf", shown=True)
    raise Http404


def _ride(request: HttpRequest, code: str) -> RideReceipt:
    ride = receipt_of(own(request, code))
    if ride is None:
        raise Http404
    return ride


def _company(ride: RideReceipt) -> dict[str, str]:
    if not ride.invoices:
        return {}
    last = ride.invoices[-1]
    return {"billed_to": last.billed_to, "address": last.address, "tax_number": last.tax_number}


def _issue(ride: RideReceipt, form: CompanyForm) -> bool:
    try:
        papers.issue(payment_id=ride.paid.payment.id, tax=ride.tax, now=clock.now(), **form.cleaned_data)
    except BadInput as refusal:
        form.add_error(refusal.field, refusal.message)
    except Refusal as refusal:
        form.add_error(None, refusal.message)
    else:
        return True
    return False
