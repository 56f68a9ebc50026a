"""Paper: facts laid out on pages, as the bytes of a PDF. One look for receipts, invoices and statements."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO, StringIO
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from django.conf import settings
from django.http import HttpResponse
from django.utils.translation import gettext as _

from rally.money import MINOR_PER_MAJOR, SYMBOLS, Money

if TYPE_CHECKING:
    from reportlab.lib.styles import ParagraphStyle

#: What a file is, by its ending.
_KINDS = {
    ".pdf": "application/pdf",
    ".csv": "text/csv; charset=utf-8",
    ".ics": "text/calendar; charset=utf-8",
}

_INK, _SOFT, _LINE = "#1c1a17", "#6b655c", "#cfc8bb"


@dataclass(frozen=True)
class Table:
    """Rows under a head. The first column is read, the others are numbers at the right edge unless named in `words`.

    `sums` is how many of the last rows are totals, in bold under a line.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    sums: int = 0
    words: Sequence[int] = field(default_factory=tuple)
    widths: Sequence[float] = field(default_factory=tuple)  #: shares of the page; equal if left out


@dataclass(frozen=True)
class Sheet:
    """One document: who writes (`seller`, line by line), to whom, what it is, facts beside it, then its parts in order.

    A part is a `Table`, or text that becomes a paragraph.
    """

    title: str
    number: str
    seller: Sequence[str]
    to: Sequence[str]
    facts: Sequence[tuple[str, str]]
    parts: Sequence[Table | str]


def exact(amount: Money) -> str:
    """An amount as it stands in a column: `$42.00`, `-$3.50`; always with its minor units."""
    per_major = MINOR_PER_MAJOR[amount.currency]
    major, minor = divmod(abs(amount.minor), per_major)
    cents = f".{minor:0{len(str(per_major)) - 1}d}" if per_major > 1 else ""
    return f"{'-' if amount.minor < 0 else ''}{SYMBOLS[amount.currency]}{major:,}{cents}"


def plain(amount: Money) -> str:
    """An amount as every spreadsheet takes it for a number: `-1234.50`."""
    per_major = MINOR_PER_MAJOR[amount.currency]
    major, minor = divmod(abs(amount.minor), per_major)
    cents = f".{minor:0{len(str(per_major)) - 1}d}" if per_major > 1 else ""
    return f"{'-' if amount.minor < 0 else ''}{major}{cents}"


def harmless(text: str) -> str:
    """The text so that no spreadsheet takes it for a formula: a leading `= + - @`, tab or return gets a quote before it.

    OWASP, "CSV Injection".
    """
    return (
        f"'{text}" if text.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")) else text
    )


def handed_over(file: bytes, *, name: str, shown: bool = False) -> HttpResponse:
    """The file as an answer, to keep under this name, or (`shown`) to look at first. Its ending says what it is."""
    answer = HttpResponse(file, content_type=_KINDS[PurePath(name).suffix])
    answer["Content-Disposition"] = f'{"inline" if shown else "attachment"}; filename="{name}"'
    return answer


def table(rows: Iterable[Sequence[str]]) -> bytes:
    """Rows as a CSV file in UTF-8 that spreadsheets take for what it is. Texts are to be `harmless`."""
    output = StringIO()
    csv.writer(output).writerows(rows)
    return b"\xef\xbb\xbf" + output.getvalue().encode()


def pdf(sheet: Sheet) -> bytes:
    """The sheet as a PDF on US letter, with page numbers. The same sheet gives the same bytes.

    Letters of Latin, Greek and Cyrillic alphabets print; whatever is in the texts is text and no markup.
    """
    from reportlab.lib.pagesizes import LETTER
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate, Spacer

    styles = _styles()
    output = BytesIO()
    document = SimpleDocTemplate(
        output,
        pagesize=LETTER,
        title=f"{sheet.title} {sheet.number}",
        author=sheet.seller[0] if sheet.seller else "",
        leftMargin=20 * mm,
        rightMargin=20 * mm,
        topMargin=20 * mm,
        bottomMargin=22 * mm,
        invariant=1,
    )
    story: list[Any] = [_top(sheet, document.width), Spacer(1, 8 * mm), _text(sheet.title, styles["title"])]
    story += [_facts(sheet.facts, document.width), Spacer(1, 6 * mm)]
    for part in sheet.parts:
        made = _text(part, styles["text"]) if isinstance(part, str) else _table(part, document.width)
        story += [made, Spacer(1, 5 * mm)]

    def foot(canvas: Any, _document: Any) -> None:
        canvas.setFont("Paper", 8)
        canvas.setFillColor(_SOFT)
        canvas.drawString(20 * mm, 12 * mm, f"{sheet.title} {sheet.number}")
        canvas.drawRightString(
            LETTER[0] - 20 * mm, 12 * mm, _("Page %(number)s") % {"number": canvas.getPageNumber()}
        )

    document.build(story, onFirstPage=foot, onLaterPages=foot)
    return output.getvalue()


@cache
def _styles() -> dict[str, ParagraphStyle]:
    """The few ways in which words stand on paper; registers the fonts, once for each process."""
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    folder = settings.BASE_DIR / "static" / "vendor" / "dejavu-sans"
    pdfmetrics.registerFont(TTFont("Paper", folder / "DejaVuSans.ttf"))
    pdfmetrics.registerFont(TTFont("Paper-Bold", folder / "DejaVuSans-Bold.ttf"))
    text = ParagraphStyle("text", fontName="Paper", fontSize=9, leading=13, textColor=_INK)
    return {
        "text": text,
        "soft": ParagraphStyle("soft", parent=text, textColor=_SOFT),
        "bold": ParagraphStyle("bold", parent=text, fontName="Paper-Bold"),
        "number": ParagraphStyle("number", parent=text, alignment=2),
        "sum": ParagraphStyle("sum", parent=text, fontName="Paper-Bold", alignment=2),
        "head": ParagraphStyle("head", parent=text, fontSize=8, textColor=_SOFT),
        "head_number": ParagraphStyle("head_number", parent=text, fontSize=8, textColor=_SOFT, alignment=2),
        "title": ParagraphStyle("title", parent=text, fontName="Paper-Bold", fontSize=18, leading=24),
    }


def _text(words: str, style: ParagraphStyle) -> Any:
    from reportlab.platypus import Paragraph

    return Paragraph(escape(words).replace("\n", "<br/>"), style)


def _top(sheet: Sheet, width: float) -> Any:
    """To whom at the left, from whom at the right."""
    from reportlab.platypus import Table as Grid

    styles = _styles()
    to = [_text(line, styles["bold" if at == 0 else "text"]) for at, line in enumerate(sheet.to)]
    seller = [_text(line, styles["bold" if at == 0 else "soft"]) for at, line in enumerate(sheet.seller)]
    return Grid([[to or "", seller or ""]], colWidths=[width * 0.55, width * 0.45], style=[("VALIGN", (0, 0), (-1, -1), "TOP"), *_flush()])  # fmt: skip


def _facts(facts: Sequence[tuple[str, str]], width: float) -> Any:
    from reportlab.platypus import Spacer
    from reportlab.platypus import Table as Grid

    if not facts:
        return Spacer(1, 1)
    styles = _styles()
    rows = [[_text(name, styles["soft"]), _text(value, styles["text"])] for name, value in facts]
    return Grid(rows, colWidths=[width * 0.25, width * 0.75], style=[("VALIGN", (0, 0), (-1, -1), "TOP"), *_flush()])  # fmt: skip


def _table(table: Table, width: float) -> Any:
    from reportlab.platypus import Table as Grid

    styles, words = _styles(), {0, *table.words}
    shares = table.widths or [1.0] * len(table.head)
    first_sum = len(table.rows) - table.sums

    def cell(row: int, column: int, value: str) -> Any:
        plain = "text" if column in words else "number"
        bold = "bold" if column in words else "sum"
        return _text(value, styles[bold if row >= first_sum else plain])

    grid: list[list[Any]] = [
        [_text(name, styles["head" if at in words else "head_number"]) for at, name in enumerate(table.head)]
    ]
    grid += [
        [cell(row, at, value) for at, value in enumerate(values)] for row, values in enumerate(table.rows)
    ]
    style: list[Any] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, _INK),
        ("LINEBELOW", (0, 1), (-1, -1), 0.3, _LINE),
        ("TOPPADDING", (0, 0), (-1, -1), 3),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
    ]
    if table.sums:
        style.append(("LINEABOVE", (0, first_sum + 1), (-1, first_sum + 1), 0.8, _INK))
    whole = sum(shares)
    return Grid(
        grid, colWidths=[width * share / whole for share in shares], repeatRows=1, style=[*style, *_flush()]
    )


def _flush() -> list[Any]:
    """No padding at the edges: what is written stands at the margin."""
    return [("LEFTPADDING", (0, 0), (0, -1), 0), ("RIGHTPADDING", (-1, 0), (-1, -1), 0)]
