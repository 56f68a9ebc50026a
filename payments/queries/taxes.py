"""The part of a price that is tax: rates are data, and prices include them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.db.models import Q

from payments.models import TaxRate
from rally.money import Money


@dataclass(frozen=True)
class Tax:
    """A rate as it applies to one price. `basis_points` are hundredths of a percent on the net price; 0: none."""

    name: str = ""
    basis_points: int = 0

    def included(self, amount: Money) -> Money:
        """The tax in an amount that includes it: amount × rate / (1 + rate), half a minor unit rounded up."""
        whole = 10_000 + self.basis_points
        return Money((2 * amount.minor * self.basis_points + whole) // (2 * whole), amount.currency)

    @property
    def percent(self) -> str:
        """Such as `7.25`."""
        return f"{self.basis_points / 100:g}"


def tax_of(jurisdiction: str, on: date) -> Tax:
    """The tax on rides that start there on that day. `jurisdiction` is ISO 3166-2 such as US-WI; without a rate of its own
    that of the country (US) applies, and without one no tax."""
    places = [jurisdiction, jurisdiction.partition("-")[0]]
    lasting = Q(applies_until=None) | Q(applies_until__gte=on)
    rates = {
        rate.jurisdiction: rate
        for rate in TaxRate.objects.filter(lasting, jurisdiction__in=places, applies_from__lte=on).order_by(
            "applies_from"
        )
    }
    found = rates.get(places[0]) or rates.get(places[1])
    return Tax(found.name, found.basis_points) if found else Tax()
