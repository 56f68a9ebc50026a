"""What the apps above ask: what is held, what is outstanding, what a group of payments came to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Sum

from payments.models import Account, Attempt, Payment, Transfer
from payments.queries.balances import balance
from payments.states import UNKNOWN, AttemptState, TransferState
from rally.money import Money


def held_amounts(payment_ids: Iterable[UUID]) -> dict[UUID, Money]:
    """What banks hold for each of these payments; those that hold nothing are left out."""
    rows = (
        Attempt.objects.filter(payment_id__in=list(payment_ids), state=AttemptState.HELD, unwanted=False)
        .values_list("payment_id", "payment__currency")
        .annotate(held=Sum("amount_minor"))
    )
    return {payment_id: Money(held, currency) for payment_id, currency, held in rows}


def outstanding(group: str) -> bool:
    """Whether an answer of the provider is outstanding for any payment of the group: unknown is not "no"."""
    return Payment.objects.filter(group=group, state__in=UNKNOWN).exists()


@dataclass(frozen=True)
class TripMoney:
    """What the payments of one group came to."""

    captured: Money
    refunded: Money  #: promised back, arrived or not
    fee: Money  #: the provider's
    paid_out: Money  #: sent to payees and not taken back


def trip_money(group: str, currency: str = "USD") -> TripMoney:
    """What was captured, given back, kept by the provider and paid out for one group of payments."""
    sums = Payment.objects.filter(group=group).aggregate(c=Sum("captured_minor"), r=Sum("refunded_minor"))
    sent = Transfer.objects.filter(group=group, state=TransferState.PAID).aggregate(
        a=Sum("amount_minor") - Sum("netted_minor"), r=Sum("reversed_minor")
    )
    return TripMoney(
        captured=Money(sums["c"] or 0, currency),
        refunded=Money(sums["r"] or 0, currency),
        fee=Money(-balance(Account.STRIPE_FEE, group=group), currency),
        paid_out=Money((sent["a"] or 0) - (sent["r"] or 0), currency),
    )


def waits(group: str, payee_id: UUID, currency: str = "USD") -> Money:
    """What is held back of a payee's pay for one group."""
    held = Transfer.objects.filter(
        group=group, payee_id=payee_id, held=True, state__in=[TransferState.PENDING, TransferState.FAILED]
    )
    sums = held.aggregate(a=Sum("amount_minor"), n=Sum("netted_minor"))
    return Money((sums["a"] or 0) - (sums["n"] or 0), currency)
