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


def parts_of(whole: Money, *, saving: Saving | None, credit: Money, least_by_card: Money) -> Parts:
    """How `whole` is paid with at most `credit`. The promotion comes first, so that credit is not used up for what it
    takes off; and a card always pays `least_by_card`, or all of a smaller amount."""
    nothing = Money.zero(whole.currency)
    room = whole - min(whole, least_by_card)
    by_code = min(saving.of(whole), room) if saving else nothing
    from_credit = min(credit, room - by_code)
    return Parts(by_code=by_code, from_credit=from_credit, by_card=whole - by_code - from_credit)
