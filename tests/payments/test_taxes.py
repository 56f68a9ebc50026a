"""Taxes as data: which rate applies where and when, and the part of a price that it is."""

from __future__ import annotations

from datetime import date

import pytest
from django.db import IntegrityError
from hypothesis import given
from hypothesis import strategies as st

from payments.models import TaxRate
from payments.queries.taxes import Tax, tax_of
from rally.money import Money

NEW_YEAR = date(2026, 1, 1)


@pytest.mark.django_db
def test_the_state_goes_before_the_country_and_only_while_it_lasts() -> None:
    TaxRate.objects.create(jurisdiction="US", name="Federal", basis_points=100, applies_from=NEW_YEAR)
    TaxRate.objects.create(
        jurisdiction="US-WI",
        name="WI old",
        basis_points=500,
        applies_from=NEW_YEAR,
        applies_until=date(2026, 6, 30),
    )
    TaxRate.objects.create(jurisdiction="US-WI", name="WI", basis_points=550, applies_from=date(2026, 7, 1))
    assert tax_of("US-WI", date(2025, 12, 31)) == Tax()
    assert tax_of("US-WI", date(2026, 6, 30)) == Tax("WI old", 500)
    assert tax_of("US-WI", date(2026, 7, 1)) == Tax("WI", 550)
    assert tax_of("US-IL", date(2026, 7, 1)) == Tax("Federal", 100)
    assert tax_of("CA-ON", date(2026, 7, 1)) == Tax()


@pytest.mark.parametrize(
    ("minor", "rate", "tax"),
    [(10_550, 550, 550), (4_200, 725, 284), (0, 550, 0), (1, 9_999, 0), (4_200, 0, 0)],
)
def test_the_tax_in_a_price(minor: int, rate: int, tax: int) -> None:
    assert Tax("x", rate).included(Money(minor, "USD")) == Money(tax, "USD")


@given(st.integers(0, 10**9), st.integers(0, 9_999))
def test_tax_and_net_price_are_the_price(minor: int, rate: int) -> None:
    tax = Tax("x", rate).included(Money(minor, "USD")).minor
    net = minor - tax
    assert 0 <= tax <= minor
    # The net price times the rate is the tax, within the half cent that rounding moved (and what the rate makes of it).
    assert abs(net * rate - tax * 10_000) <= 10_000


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong", [{"basis_points": 10_000}, {"applies_until": date(2025, 1, 1)}, {"basis_points": -1}]
)
def test_nonsense_is_refused_by_the_database(wrong: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        TaxRate.objects.create(
            **({"jurisdiction": "US-WI", "name": "x", "basis_points": 1, "applies_from": NEW_YEAR} | wrong)
        )
