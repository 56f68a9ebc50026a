"""Paper: what is put in stands on the page, whatever it is."""

from __future__ import annotations

from io import BytesIO

import pytest
from pypdf import PdfReader

from rally.money import Money
from rally.paper import Sheet, Table, exact, pdf


def sheet(**changes: object) -> Sheet:
    facts: dict[str, object] = {
        "title": "Receipt",
        "number": "R-7",
        "seller": ["Rally Coaches Inc.", "1 Main Street"],
        "to": ["Zoë <b>Żółć</b>", "Αθήνα"],
        "facts": [("Paid on", "November 21, 2026")],
        "parts": [
            Table(["What", "Amount"], [["2 seats & a dog", "$84.00"], ["Total", "$84.00"]], sums=1),
            "Thank you.",
        ],
    }
    return Sheet(**(facts | changes))  # type: ignore[arg-type]


def words(file: bytes) -> list[str]:
    return [page.extract_text() for page in PdfReader(BytesIO(file)).pages]


def test_everything_stands_on_the_page_and_is_no_markup() -> None:
    (page,) = words(pdf(sheet()))
    for text in ("Rally Coaches Inc.", "Zoë <b>Żółć</b>", "Αθήνα", "Paid on", "2 seats & a dog", "$84.00", "Thank you.", "Page 1"):  # fmt: skip
        assert text in page


def test_the_same_sheet_gives_the_same_bytes() -> None:
    assert pdf(sheet()) == pdf(sheet())


def test_a_long_table_goes_on_with_its_head_on_each_page() -> None:
    rows = [[f"Run {number}", "$1.00"] for number in range(120)]
    pages = words(pdf(sheet(parts=[Table(["Run of the month", "Pay"], rows)])))
    assert len(pages) > 2
    assert all("Run of the month" in page for page in pages)
    assert "Page 3" in pages[2]


def test_nothing_but_a_title_is_a_page_too() -> None:
    (page,) = words(pdf(sheet(seller=[], to=[], facts=[], parts=[])))
    assert "Receipt" in page


@pytest.mark.parametrize(
    ("minor", "currency", "written"),
    [
        (4200, "USD", "$42.00"),
        (-350, "USD", "-$3.50"),
        (123456705, "EUR", "€1,234,567.05"),
        (500, "JPY", "¥500"),
        (0, "USD", "$0.00"),
    ],
)
def test_amounts_in_columns_have_all_their_digits(minor: int, currency: str, written: str) -> None:
    assert exact(Money(minor, currency)) == written
