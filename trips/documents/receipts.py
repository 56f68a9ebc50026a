"""Receipts and invoices of riders, on paper."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from payments.models import Invoice
from rally.money import Money
from rally.paper import Sheet, Table, exact, pdf
from rally.templatetags.look import local_day, local_time_zoned
from trips.queries.receipts import RideReceipt


def receipt_pdf(ride: RideReceipt) -> bytes:
    """The receipt of a pledge: its price with its parts, what came back and when, what was paid in the end."""
    pledge, paid = ride.pledge, ride.paid
    head = (_("What"), _("Amount"))
    seats = _("Seats: %(seats)s, from %(stop)s, there and back") % {
        "seats": pledge.bought,
        "stop": pledge.stop.name,
    }
    rows = [(seats, exact(paid.price))]
    if paid.promotion:
        rows.append((_("Promotion"), exact(-paid.promotion)))
    rows.append((_("Paid"), exact(paid.price - paid.promotion)))
    back = [(f"{why}, {day}", exact(-amount)) for day, amount, why, _arrived in ride.returned]
    if paid.credit_returned:
        back.append((_("Given back as credit"), exact(-paid.credit_returned)))
    back.append((_("Paid in the end"), exact(paid.kept)))
    parts: list[Table | str] = [Table(head, rows, sums=1, widths=(3, 1))]
    if len(back) > 1:
        parts.append(Table((_("Given back"), _("Amount")), back, sums=1, widths=(3, 1)))
    if ride.tax.basis_points:
        parts.append(_tax_in_words(exact(ride.tax_part), ride.tax.name, ride.tax.percent))
    return pdf(
        Sheet(
            title=_("Receipt"),
            number=ride.number,
            seller=settings.SELLER,
            to=[pledge.rider.name or pledge.rider.email],
            facts=_facts(ride),
            parts=parts,
        )
    )


def invoice_pdf(ride: RideReceipt, invoice: Invoice) -> bytes:
    """An invoice, or the credit note that cancels one, as it was issued."""
    note = invoice.cancels
    sign = -1 if note else 1

    def amount(minor: Any) -> str:
        return exact(Money(sign * int(minor), invoice.currency))

    rows = [(str(line["text"]), amount(line["total_minor"])) for line in invoice.lines]
    rows.append((_("Total, tax included"), amount(invoice.total_minor)))
    parts: list[Table | str] = [Table((_("What"), _("Amount")), rows, sums=1, widths=(3, 1))]
    if invoice.tax_basis_points:
        parts.append(
            _tax_in_words(amount(invoice.tax_minor), invoice.tax_name, f"{invoice.tax_basis_points / 100:g}")
        )
    facts = [(_("Issued on"), local_day(invoice.issued_at, ride.pledge.stop)), *_facts(ride)]
    if note:
        facts.insert(1, (_("Cancels"), note.number))
    return pdf(
        Sheet(
            title=_("Credit note") if note else _("Invoice"),
            number=invoice.number,
            seller=settings.SELLER,
            to=[
                invoice.billed_to,
                *invoice.address.splitlines(),
                *(
                    [_("Tax number %(number)s") % {"number": invoice.tax_number}]
                    if invoice.tax_number
                    else []
                ),
            ],
            facts=facts,
            parts=parts,
        )
    )


def _facts(ride: RideReceipt) -> list[tuple[str, str]]:
    pledge, paid = ride.pledge, ride.paid
    facts = [
        (_("Trip"), str(pledge.trip)),
        (_("Leaves"), local_time_zoned(pledge.stop.departs_at, pledge.stop)),
        (_("Pledge"), pledge.code),
        (_("Paid on"), local_day(paid.paid_at, pledge.stop)),
    ]
    card = (
        f"{paid.payment.card_brand.title()} …{paid.payment.card_last4}"
        if paid.payment.card_last4
        else _("card")
    )
    how = [_("%(amount)s by %(card)s") % {"amount": exact(paid.card), "card": card}]
    if paid.credit:
        how.append(_("%(amount)s from credit") % {"amount": exact(paid.credit)})
    return [*facts, (_("Paid by"), ", ".join(how))]


def _tax_in_words(amount: str, name: str, percent: str) -> str:
    return _("Contains %(amount)s %(name)s (%(percent)s %%).") % {
        "amount": amount,
        "name": name,
        "percent": percent,
    }
