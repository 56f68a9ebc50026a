"""The receipt of a pledge: what the rider bought, what it cost with its parts, what came back."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from payments.models import Invoice
from payments.queries import receipts, taxes
from payments.queries.receipts import Receipt
from payments.queries.taxes import Tax
from rally.money import Money
from rally.templatetags.look import local_date, local_day
from trips.models import Pledge, Trip
from trips.queries.places import nearest


@dataclass(frozen=True)
class RideReceipt:
    """A pledge with the receipt of its payment. `tax` is part of what was kept."""

    pledge: Pledge
    paid: Receipt
    tax: Tax
    invoices: tuple[Invoice, ...]

    @property
    def number(self) -> str:
        """What it is called; one for each pledge."""
        return f"R-{self.pledge.code}"

    @property
    def tax_part(self) -> Money:
        """The tax in what the rider has paid in the end."""
        return self.tax.included(self.paid.kept)

    @property
    def returned(self) -> list[tuple[str, Money, str, bool]]:
        """Day, amount, why in words, and whether it has been sent."""
        zone = self.pledge.stop.time_zone
        return [
            (local_day(each.at, zone), each.amount, why_in_words(each.why), each.arrived)
            for each in self.paid.returned
        ]


def receipt_of(pledge: Pledge) -> RideReceipt | None:
    """The receipt of a pledge; None when nothing was ever taken for it."""
    if pledge.payment is None:
        return None
    paid = receipts.receipt(pledge.payment)
    if paid is None:
        return None
    return RideReceipt(
        pledge=pledge,
        paid=paid,
        tax=tax_of(pledge.trip),
        invoices=tuple(receipts.invoices_of(pledge.payment)),
    )


def tax_of(trip: Trip) -> Tax:
    """The tax in the fares of a trip: that of the state it starts in, on the day it leaves."""
    first = trip.stops.order_by("position")[0]
    towns = nearest(first.point, most=1)
    state = f"US-{towns[0].state}" if towns else "US"
    leaves_on = local_date(trip.departs_at, first)
    assert leaves_on is not None  # noqa: S101 - every trip has a time
    return taxes.tax_of(state, leaves_on)


def why_in_words(reason: str) -> str:
    """Why something was given back, as the rider reads it."""
    kinds = {
        "left": _("You left the trip"),
        "fewer": _("You gave up seats"),
        "resold": _("Your seat was taken by somebody else"),
        "fare_fell": _("The fare fell as the coach filled"),
        "leg": _("One way was not driven"),
        "cancelled": _("The trip was called off"),
        "event_cancelled": _("The event was called off"),
        "came_late": _("Your payment came too late"),
    }
    return kinds.get(reason.partition(":")[0], _("Given back"))
