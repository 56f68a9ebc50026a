"""What the settlement of a trip is worked out from."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from operators.models import Run
from operators.queries.agreements import terms_of
from operators.settling.splits import Driven, Facts, Kept
from payments import queries as money
from payments.models import Payment
from trips.models import Pledge, Trip
from trips.queries.receipts import tax_of
from trips.states import PledgeState


def facts_of(trip: Trip, runs: Sequence[Run], payments: Sequence[Payment]) -> Facts:
    """What is known of a trip's money, the payments in their order. With the payments locked."""
    worths, paid, fares = money.worths(payments), money.paid_by_payers(payments), _fares(payments)
    tax = tax_of(trip)  # of what riders paid: there is none on what a code took off, as their receipts say
    return Facts(
        kept=tuple(
            Kept(
                worths[each.id].minor,
                tax=tax.included(paid[each.id]).minor,
                fares=fares.get(each.id, 0),
            )
            for each in payments
        ),
        driven=tuple(Driven(terms_of(run.terms), run.legs_percent) for run in runs),
        bus_price=trip.cost_minor,
        platform_percent=trip.platform_percent,
        partner_percent=trip.partner_percent,
    )


def _fares(payments: Sequence[Payment]) -> dict[UUID | None, int]:
    """The full fares of the seats that each payment holds."""
    sold = Pledge.objects.filter(payment__in=payments, state=PledgeState.PAID)
    return {each.payment_id: each.price.minor * each.seats for each in sold}
