"""A company's statement of a month, on paper and as a table."""

from __future__ import annotations

from django.conf import settings
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from operators.queries.statements import CURRENCY, Line, Statement
from rally.money import Money
from rally.paper import Sheet, Table, exact, harmless, pdf, plain
from rally.templatetags.look import local_date


def statement_pdf(found: Statement) -> bytes:
    """The statement as a PDF: what the runs earned, then the account line by line."""
    operator = found.operator
    return pdf(
        Sheet(
            title=_("Statement"),
            number=found.number,
            seller=settings.SELLER,
            to=[operator.name, operator.base_name, operator.email],
            facts=[
                (_("Month"), date_format(found.month, "F Y")),
                (_("Balance before"), exact(found.extract.opening_balance)),
                (_("Balance after"), exact(found.extract.closing_balance)),
                (_("Of it due to you"), exact(found.due_then)),
                (_("Of it owed by you"), exact(found.debt_then)),
            ],
            parts=[
                _("What your runs earned"),
                _earned(found),
                _("Your account"),
                _account(found),
                *_held(found),
            ],
        )
    )


def _earned(found: Statement) -> Table:
    head = [
        _("Run"), _("Riders paid"), _("Given back"), _("Tax"), _("Partner"), _("Our part"), _("Other companies"), _("Your pay"),
    ]  # fmt: skip
    lines = [line for line in found.lines if line.told]
    sums = [Money.total(column, CURRENCY) for column in zip(*map(_whole, lines), strict=True)]
    rows = [[_named(line), *map(exact, _whole(line))] for line in lines]
    rows.append([_("Together"), *map(exact, sums or [Money.zero(CURRENCY)] * 7)])
    if found.shared:
        return Table(head, rows, sums=1, widths=(3, 1.2, 1.2, 1, 1, 1.1, 1.3, 1.2))
    alone = [[*row[:-2], row[-1]] for row in (head, *rows)]
    return Table(alone[0], alone[1:], sums=1, widths=(3, 1.2, 1.2, 1, 1, 1.1, 1.2))


def _named(line: Line) -> str:
    name = f"{line.run.trip}, {line.run.code}"
    return name if line.booked else _("%(run)s, booked earlier") % {"run": name}


def _account(found: Statement) -> Table:
    rows = [["", _("Balance before"), "", exact(found.extract.opening_balance)]]
    for event in found.events:
        what = f"{event.what} ({exact(event.netted)})" if event.netted else event.what
        rows.append([date_format(event.day, "j M Y"), what, exact(event.change), exact(event.balance)])
    rows.append(["", _("Balance after"), "", exact(found.extract.closing_balance)])
    head = (_("Day"), _("What"), _("Amount"), _("Balance"))
    return Table(head, rows, sums=1, words=(1,), widths=(1.1, 4, 1.2, 1.2))


def _held(found: Statement) -> list[str]:
    """Why the pay of a run still waits, as it stands now."""
    return [
        _("Held back: %(run)s, because: %(why)s") % {"run": line.run.code, "why": line.held.why}
        for line in found.lines
        if line.held
    ]


def _whole(line: Line) -> list[Money]:
    """What came of riders, then where it went: the first two together are what the others are together."""
    return [line.paid, -line.given_back, line.tax, line.partner, line.our_part, line.others, line.pay]


def statement_table(found: Statement) -> list[list[str]]:
    """The statement as rows for a spreadsheet: a head, the balance before, each run, the sums, the balance after. Days are
    those of the depot.

    Amounts are plain numbers such as `1234.50`. Of each run, and together, the pay less what was kept back, charged and
    sent, with what was forgiven and taken back, is by how much the balance changed.
    """
    moves = ("kept", "charged", "given_up", "netted", "sent", "returned")
    head = [
        _("run"), _("trip"), _("day of the trip"), _("riders paid"), _("given back"), _("tax"), _("partner"),
        _("our part"), _("other companies"), _("your pay"), _("kept back"), _("charged"), _("forgiven"),
        _("kept against debts"), _("sent"), _("taken back"), _("sent on"), _("held back now because"), _("balance"),
    ]  # fmt: skip
    wide = len(head)
    rows = [head, [_("balance before"), *[""] * (wide - 2), plain(found.extract.opening_balance)]]
    for line in found.lines:
        amounts = [*_whole(line), *(Money(getattr(line.moves, name), CURRENCY) for name in moves)]
        rows.append(
            [
                line.run.code,
                harmless(str(line.run.trip)),
                f"{local_date(line.run.trip.departs_at, found.operator)}",
                *map(plain, amounts),
                " ".join(day.isoformat() for day in line.sent_on),
                harmless(line.held.why) if line.held else "",
                "",
            ]
        )
    for group, other in found.extract.by_group.items():
        if group not in {f"trip:{line.run.trip_id}" for line in found.lines}:
            amounts = [Money(getattr(other, name), CURRENCY) for name in ("pay", *moves)]
            rows.append([_("besides"), *[""] * 8, *map(plain, amounts), *[""] * 3])
    sums = [plain(found.total(name)) for name in ("pay", *moves)]
    rows.append([_("together"), *[""] * 8, *sums, *[""] * 3])
    rows.append([_("balance after"), *[""] * (wide - 2), plain(found.extract.closing_balance)])
    return rows
