"""Sharing out what riders paid: operators by their terms, a partner, the tax office, and what is left for us.

All numbers are whole minor units of one currency. What is shared out is exactly what is kept of the payments; what
operators are promised beyond that is ours to bear.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rally.money import Money

SHARE, FIXED, GUARANTEE, RESELLER = "share", "fixed", "guarantee", "reseller"
_ANY = "USD"  # only whole numbers matter here


@dataclass(frozen=True, slots=True)
class Terms:
    """How one operator is paid: the kind of agreement and its percentage, of whatever that kind takes a percentage."""

    kind: str = SHARE
    percent: int = 100


@dataclass(frozen=True, slots=True)
class Kept:
    """One payment: what is kept of it, the part of that which is tax, and the full fares of the seats sold with it."""

    worth: int
    tax: int = 0
    fares: int = 0

    @property
    def net(self) -> int:
        """What can be shared out."""
        return self.worth - self.tax


@dataclass(frozen=True, slots=True)
class Driven:
    """A run: its terms, and the part of the ways that it really drove."""

    terms: Terms = field(default_factory=Terms)
    legs_percent: int = 100


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the split depends on. `bus_price` is the cost of the bus without the platform's part."""

    kept: tuple[Kept, ...]
    driven: tuple[Driven, ...]
    bus_price: int
    platform_percent: int
    partner_percent: int = 0


@dataclass(frozen=True, slots=True)
class Pay:
    """What one run earns: out of each payment, in their order, and `firm` besides, whatever becomes of the payments."""

    parts: tuple[int, ...]
    firm: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.parts) + self.firm


@dataclass(frozen=True, slots=True)
class Split:
    """The shares, each by payment. `platform` is what is left for us; below zero, what we add."""

    operators: tuple[Pay, ...]
    partner: tuple[int, ...]
    tax: tuple[int, ...]
    platform: int


def split(facts: Facts) -> Split:
    """Share out what is kept. Everything together is what was kept, to the cent.

    Share: kept without tax × 100 / (100 + platform percent), divided by the ways driven; times the percentage of the
    terms. Fixed: the percentage of the price of the bus. Guarantee: the usual share, and at least the percentage of the
    price. Reseller: the percentage of the full fares. The last three by the ways driven. All rounded down; odd cents of a
    sum go to the payments with the largest remainders.
    """
    room = [max(0, each.net) for each in facts.kept]
    net = sum(room)
    usual = net * 100 // (100 + facts.platform_percent)
    ways = sum(each.legs_percent for each in facts.driven)
    operators = []
    for run in facts.driven:
        pay = _pay(facts, run, usual * run.legs_percent // max(1, ways), room)
        room = [left - part for left, part in zip(room, pay.parts, strict=True)]
        operators.append(pay)
    fee = sum(room) - sum(each.firm for each in operators)
    partner = _spread(max(0, fee) * facts.partner_percent // 100, room)
    return Split(
        operators=tuple(operators),
        partner=partner,
        tax=tuple(each.worth - max(0, each.net) for each in facts.kept),
        platform=fee - sum(partner),
    )


def promised(run: Driven, bus_price: int) -> int:
    """What a run earns of the price of its bus whatever riders paid, by the ways driven. Nothing on other terms."""
    if run.terms.kind not in (FIXED, GUARANTEE):
        return 0
    return bus_price * run.terms.percent * run.legs_percent // 10_000


def _pay(facts: Facts, run: Driven, usual: int, room: list[int]) -> Pay:
    """What one run earns where `usual` is its share on usual terms, and `room` is left of each payment."""
    terms, nothing = run.terms, (0,) * len(room)
    of_price = promised(run, facts.bus_price)
    match terms.kind:
        case "fixed":
            return Pay(nothing, of_price)
        case "guarantee":
            return Pay(_spread(min(max(0, usual - of_price), sum(room)), room), of_price)
        case "reseller":
            fares = [each.fares for each in facts.kept]
            sold = _spread(sum(fares) * terms.percent * run.legs_percent // 10_000, fares)
            parts = tuple(min(wanted, left) for wanted, left in zip(sold, room, strict=True))
            return Pay(parts, sum(sold) - sum(parts))
        case _:
            return Pay(_spread(min(usual * terms.percent // 100, sum(room)), room))


def _spread(amount: int, over: list[int]) -> tuple[int, ...]:
    """Divide an amount in proportion; nothing where there is nothing to divide it over."""
    if not amount or not sum(over):
        return (0,) * len(over)
    return tuple(part.minor for part in Money(amount, _ANY).split(over))
