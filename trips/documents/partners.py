"""A partner's statement of a month, on paper and as a table."""

from __future__ import annotations

from django.conf import settings
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from rally.paper import Sheet, Table, exact, harmless, pdf, plain
from trips.queries.partnering import Statement


def statement_pdf(found: Statement) -> bytes:
    """The statement as a PDF: the account line by line."""
    rows = [["", _("Balance before"), "", "", exact(found.extract.opening_balance)]]
    for event in found.events:
        seats = "" if event.seats is None else str(event.seats)
        day = date_format(event.day, "j M Y")
        rows.append([day, event.what, seats, exact(event.change), exact(event.balance)])
    rows.append(["", _("Balance after"), "", "", exact(found.extract.closing_balance)])
    head = (_("Day (UTC)"), _("What"), _("Seats"), _("Amount"), _("Balance"))
    return pdf(
        Sheet(
            title=_("Statement"),
            number=found.number,
            seller=settings.SELLER,
            to=[found.partner.name],
            facts=[
                (_("Month"), date_format(found.month, "F Y")),
                (_("Balance before"), exact(found.extract.opening_balance)),
                (_("Balance after"), exact(found.extract.closing_balance)),
            ],
            parts=[Table(head, rows, sums=1, words=(1,), widths=(1.1, 4, 0.8, 1.2, 1.2))],
        )
    )


def statement_table(found: Statement) -> list[list[str]]:
    """The statement as rows for a spreadsheet. Amounts are plain numbers."""
    rows = [[_("day (UTC)"), _("what"), _("seats"), _("amount"), _("balance")]]
    rows.append(["", _("balance before"), "", "", plain(found.extract.opening_balance)])
    rows += [
        [
            event.day.isoformat(),
            harmless(event.what),
            "" if event.seats is None else str(event.seats),
            plain(event.change),
            plain(event.balance),
        ]
        for event in found.events
    ]
    rows.append(["", _("balance after"), "", "", plain(found.extract.closing_balance)])
    return rows
