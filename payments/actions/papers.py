"""Invoices: a receipt made out to a company, with a number of its own. What was issued is never changed, only cancelled."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from payments import locks
from payments.actions import rounds
from payments.errors import NothingPaid
from payments.models import Invoice, Payment, Series
from payments.queries.receipts import Receipt, receipt
from payments.queries.taxes import Tax
from rally.errors import BadInput

_LONGEST = {"billed_to": 120, "address": 500, "tax_number": 40}


@transaction.atomic
def issue(
    *, payment_id: UUID, billed_to: str, address: str, tax_number: str, tax: Tax, now: datetime
) -> Invoice:
    """The invoice for what the payer has paid by now, to this company. The same again: the one that is there.

    Another company, or another amount or tax since: the old one is cancelled by a credit note and a new one is issued. Raises
    `NothingPaid`, and `BadInput` for a company without a name or an address.
    """
    typed = {"billed_to": billed_to, "address": address, "tax_number": tax_number}
    company = {name: _clean(name, value) for name, value in typed.items()}
    payment = locks.locked_payment(payment_id)
    paid = receipt(payment)
    if paid is None or not paid.kept:
        raise NothingPaid

    current = _current(payment)
    if current is not None:
        same = all(getattr(current, name) == value for name, value in company.items())
        taxed = (current.tax_name, current.tax_basis_points) == (tax.name, tax.basis_points)
        if same and taxed and current.total_minor == paid.kept.minor:
            return current
        _cancel(current, now)
    return _write(payment, paid, company, tax, now)


@transaction.atomic
def correct(*, payment_id: UUID, now: datetime) -> Invoice | None:
    """Bring the invoice of a payment to what was paid in the end: cancelled after a refund, and issued again for what is
    left. None when nothing is left, or none was ever issued. Twice is once."""
    payment = locks.locked_payment(payment_id)
    current, paid = _current(payment), receipt(payment)
    if current is None or paid is None or current.total_minor == paid.kept.minor:
        return current

    _cancel(current, now)
    if not paid.kept:
        return None
    company = {name: getattr(current, name) for name in _LONGEST}
    return _write(payment, paid, company, Tax(current.tax_name, current.tax_basis_points), now)


def standing(*, now: datetime, limit: int = 200) -> list[UUID]:
    """The next payments with an invoice that counts, going round: what was given back since to a card, as credit or by a
    clock that was behind shows in the sum alone."""
    rows = Invoice.objects.filter(cancelled_by=None, cancels=None)
    return [each.payment_id for each in rounds.following("invoices", rows, limit=limit, now=now)]


def _current(payment: Payment) -> Invoice | None:
    return Invoice.objects.filter(payment=payment, cancelled_by=None, cancels=None).first()


def _write(payment: Payment, paid: Receipt, company: dict[str, str], tax: Tax, now: datetime) -> Invoice:
    return Invoice.objects.create(
        number=_number("INV", now),
        payment=payment,
        **company,
        lines=_lines(paid),
        total_minor=paid.kept.minor,
        tax_name=tax.name,
        tax_basis_points=tax.basis_points,
        tax_minor=tax.included(paid.kept).minor,
        currency=payment.currency,
        issued_at=now,
    )


def _cancel(invoice: Invoice, now: datetime) -> None:
    """A credit note for the whole invoice."""
    Invoice.objects.create(
        number=_number("CN", now),
        payment_id=invoice.payment_id,
        billed_to=invoice.billed_to,
        address=invoice.address,
        tax_number=invoice.tax_number,
        lines=invoice.lines,
        total_minor=invoice.total_minor,
        tax_name=invoice.tax_name,
        tax_basis_points=invoice.tax_basis_points,
        tax_minor=invoice.tax_minor,
        currency=invoice.currency,
        issued_at=now,
        cancels=invoice,
    )


def _lines(paid: Receipt) -> list[dict[str, object]]:
    """What was bought, what a code took off, what was given back; they add up to what was kept."""
    lines: list[tuple[str, int]] = [(paid.payment.description, paid.price.minor)]
    if paid.promotion:
        lines.append((_("Promotion"), -paid.promotion.minor))
    back = paid.card + paid.credit - paid.kept
    if back:
        lines.append((_("Given back"), -back.minor))
    return [{"text": text, "total_minor": minor} for text, minor in lines]


def _number(kind: str, now: datetime) -> str:
    """The next number of a series, without gaps: `INV-2026-00001`. The row stays locked until this is committed."""
    name = f"{kind}-{now.year}"
    Series.objects.get_or_create(name=name)
    series = Series.objects.select_for_update().get(name=name)
    Series.objects.filter(name=name).update(last=F("last") + 1)
    return f"{name}-{series.last + 1:05d}"


def _clean(name: str, value: str) -> str:
    kept = "\n".join(" ".join(line.split()) for line in value.replace("\x00", "").splitlines()).strip()
    if not kept and name != "tax_number":
        raise BadInput(_("An invoice needs the name and the address of the company."), field=name)
    if len(kept) > _LONGEST[name]:
        raise BadInput(_("At most %(most)s characters.") % {"most": _LONGEST[name]}, field=name)
    return kept
