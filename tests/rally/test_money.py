"""Amounts stay exact and never mix."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rally.money import MixedCurrencies, Money


def usd(minor: int) -> Money:
    return Money(minor, "USD")


@pytest.mark.parametrize("wrong", [1.0, True, "1", None])
def test_only_whole_minor_units(wrong: object) -> None:
    with pytest.raises(TypeError):
        Money(wrong, "USD")  # type: ignore[arg-type]


def test_unknown_currency_is_refused() -> None:
    with pytest.raises(ValueError, match="XXX"):
        Money(1, "XXX")


def test_currencies_do_not_mix() -> None:
    euro = Money(100, "EUR")
    for mix in (lambda: usd(1) + euro, lambda: usd(1) - euro, lambda: usd(1) < euro, lambda: usd(1) >= euro):
        with pytest.raises(MixedCurrencies):
            mix()
    with pytest.raises(TypeError):
        usd(1) + 1  # type: ignore[operator]
    with pytest.raises(TypeError):
        usd(1) * 1.5  # type: ignore[operator]
    assert usd(100) != euro


def test_arithmetic() -> None:
    assert usd(100) + usd(50) == usd(150)
    assert usd(100) - usd(150) == usd(-50)
    assert -usd(5) == usd(-5)
    assert 3 * usd(7) == usd(7) * 3 == usd(21)
    assert Money.total([usd(1), usd(2)], "USD") == usd(3)
    assert Money.total([], "USD") == Money.zero("USD")
    assert usd(1) < usd(2) <= usd(2)
    assert usd(3) > usd(2) >= usd(2)
    assert not usd(0)
    assert usd(1)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (usd(4200), "$42"),
        (usd(4250), "$42.50"),
        (usd(5), "$0.05"),
        (usd(-300), "-$3"),
        (usd(123456700), "$1,234,567"),
        (Money(900, "JPY"), "¥900"),
    ],
)
def test_reads_as_people_write_it(amount: Money, text: str) -> None:
    assert str(amount) == text


@given(st.integers(-10_000_000, 10_000_000), st.lists(st.integers(0, 1000), min_size=1, max_size=60))
def test_split_loses_no_cent_and_is_fair(minor: int, weights: list[int]) -> None:
    if not sum(weights):
        with pytest.raises(ValueError, match="positive"):
            usd(minor).split(weights)
        return
    shares = usd(minor).split(weights)
    assert sum(share.minor for share in shares) == minor
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share.minor - minor * weight / sum(weights)) < 1 + 1e-6


def test_the_odd_cent_goes_to_the_earlier_of_equals() -> None:
    assert usd(100).split([1, 1, 1]) == [usd(34), usd(33), usd(33)]
    assert usd(-100).split([1, 1, 1]) == [usd(-34), usd(-33), usd(-33)]


@given(st.integers(0, 10_000_000), st.integers(0, 100))
def test_percent_rounds_down_and_the_rest_keeps_the_remainder(minor: int, percent: int) -> None:
    part = usd(minor).percent(percent)
    assert part.minor * 100 <= minor * percent < (part.minor + 1) * 100
    assert part + (usd(minor) - part) == usd(minor)
