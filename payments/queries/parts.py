"""How an amount is paid: what a promotion takes off, what the payer's credit pays, and the rest by card."""

from __future__ import annotations

from dataclasses import dataclass

from rally.money import Money


@dataclass(frozen=True)
class Saving:
    """What a promotion takes off: a share in percent, rounded down to a whole minor unit, or a sum."""

    percent: int = 0
    amount: Money | None = None

    def of(self, whole: Money) -> Money:
        """What it takes off this much, if there is room for it."""
        if self.percent or self.amount is None:
            return whole.percent(self.percent)
        return min(self.amount, whole)


@dataclass(frozen=True)
class Parts:
    """The parts of an amount; they add up to it exactly."""

    by_code: Money
    from_credit: Money
    by_card: Money

    @property
    def whole(self) -> Money:
        """All of it."""
        return self.by_code + self.from_credit + self.by_card

    @property
    def covered(self) -> Money:
        """What no card pays."""
        return self.by_code + self.from_credit


@dataclass(frozen=True)
class Back:
    """Where an amount goes that is given back: to the card as far as that paid, the rest to the payer's credit."""

    to_card: Money
    to_credit: Money

    @classmethod
    def nothing(cls, currency: str) -> Back:
        """Nothing goes back."""
        return cls(to_card=Money.zero(currency), to_credit=Money.zero(currency))

    @property
    def whole(self) -> Money:
        """All of it."""
        return self.to_card + self.to_credit

    def __add__(self, other: Back) -> Back:
        return Back(to_card=self.to_card + other.to_card, to_credit=self.to_credit + other.to_credit)

    def __bool__(self) -> bool:
        return bool(self.whole)


def parts_of(whole: Money, *, saving: Saving | None, credit: Money, least_by_card: Money) -> Parts:
    """How `whole` is paid with at most `credit`. The promotion comes first, so that credit is not used up for what it
    takes off; and a card always pays `least_by_card`, or all of a smaller amount."""
    nothing = Money.zero(whole.currency)
    room = whole - min(whole, least_by_card)
    by_code = min(saving.of(whole), room) if saving else nothing
    from_credit = min(credit, room - by_code)
    return Parts(by_code=by_code, from_credit=from_credit, by_card=whole - by_code - from_credit)
