"""Money: whole minor units that never travel without their currency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Minor units per major unit, ISO 4217. Currencies we do not list are refused rather than guessed.
MINOR_PER_MAJOR = {"USD": 100, "CAD": 100, "EUR": 100, "GBP": 100, "MXN": 100, "JPY": 1}
SYMBOLS = {"USD": "$", "CAD": "CA$", "EUR": "€", "GBP": "£", "MXN": "MX$", "JPY": "¥"}


class MixedCurrencies(TypeError):
    """Two amounts in different currencies were put together."""


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An exact amount: `minor` whole minor units (cents) of an ISO 4217 `currency`.

    Raises `TypeError` for a float or a bool, `ValueError` for a currency that is not in `MINOR_PER_MAJOR`.
    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError(f"Money takes whole minor units, not {type(self.minor).__name__}.")
        if self.currency not in MINOR_PER_MAJOR:
            raise ValueError(f"Unknown currency {self.currency!r}.")

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Nothing, in this currency."""
        return cls(0, currency)

    @classmethod
    def total(cls, amounts: Iterable[Money], currency: str) -> Money:
        """The sum of the amounts; zero of `currency` for none. Raises `MixedCurrencies`."""
        result = cls.zero(currency)
        for amount in amounts:
            result += amount
        return result

    def _same(self, other: object) -> Money:
        if not isinstance(other, Money):
            raise TypeError(f"Money goes with Money, not {type(other).__name__}.")
        if other.currency != self.currency:
            raise MixedCurrencies(f"{self.currency} does not go with {other.currency}.")
        return other

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other).minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other).minor, self.currency)

    def __mul__(self, times: int) -> Money:
        if type(times) is not int:
            raise TypeError(f"Money is multiplied by a whole number, not {type(times).__name__}.")
        return Money(self.minor * times, self.currency)

    __rmul__ = __mul__

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __bool__(self) -> bool:
        return self.minor != 0

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other).minor

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other).minor

    def __gt__(self, other: Money) -> bool:
        return self.minor > self._same(other).minor

    def __ge__(self, other: Money) -> bool:
        return self.minor >= self._same(other).minor

    def percent(self, numerator: int, denominator: int = 100) -> Money:
        """`numerator / denominator` of the amount, rounded down to a whole minor unit.

        The remainder stays with whoever holds the rest: `amount - amount.percent(p)` loses no cent.
        """
        return Money(self.minor * numerator // denominator, self.currency)

    def split(self, weights: Sequence[int]) -> list[Money]:
        """Share the amount in proportion to `weights`; the shares add up exactly.

        Largest remainder; equal remainders go to the earlier one. This is the one place that decides who
        gets the odd cent. Raises `ValueError` for no weights, a negative weight, or all zero.
        """
        whole = sum(weights)
        if not weights or whole <= 0 or min(weights) < 0:
            raise ValueError("Split needs weights of zero or more with a positive sum.")
        sign = -1 if self.minor < 0 else 1
        amount = abs(self.minor)
        shares = [amount * weight // whole for weight in weights]
        by_remainder = sorted(range(len(weights)), key=lambda i: (-(amount * weights[i] % whole), i))
        for i in by_remainder[: amount - sum(shares)]:
            shares[i] += 1
        return [Money(sign * share, self.currency) for share in shares]

    def __str__(self) -> str:
        """`$42`, `$42.50`, `-$3`: cents only when there are some."""
        per_major = MINOR_PER_MAJOR[self.currency]
        major, minor = divmod(abs(self.minor), per_major)
        cents = f".{minor:0{len(str(per_major)) - 1}d}" if minor else ""
        return f"{'-' if self.minor < 0 else ''}{SYMBOLS[self.currency]}{major:,}{cents}"
