"""What complaints at banks mean for a payment: whether anything may be sent on or given back meanwhile."""

from __future__ import annotations

from uuid import UUID

from django.db.models import F, Q, QuerySet

from payments.models import Account, Dispute, Payment
from payments.queries.balances import balance
from payments.states import DisputeState

OPEN = (DisputeState.NEEDS_RESPONSE, DisputeState.UNDER_REVIEW)


def open_disputes() -> QuerySet[Dispute]:
    """Those that no bank has decided, the most urgent first."""
    found = Dispute.objects.filter(state__in=OPEN).select_related("payment")
    return found.order_by("state", F("respond_by").asc(nulls_last=True), "id")


def disputed(payment_id: UUID) -> bool:
    """A bank may still take this payment away, or has taken it: nothing of it is sent on."""
    told = Dispute.objects.filter(payment_id=payment_id, state__in=OPEN).exists()
    return told or _taken(payment_id)


def disputed_in(group: str) -> list[Payment]:
    """The payments of a group that are `disputed`, the oldest first."""
    known = Q(disputes__state__in=OPEN) | Q(ledger__debit=Account.DISPUTE_OPEN)
    found = Payment.objects.filter(known, group=group).distinct().order_by("id")
    return [each for each in found if disputed(each.id)]


def refund_pays_twice(payment_id: UUID) -> bool:
    """Whether giving money back now would give it twice: a dispute is open that a refund does not settle.

    The provider says of each dispute whether it would; without a dispute that we know, the books decide.
    """
    refundable = Dispute.objects.filter(payment_id=payment_id, state__in=OPEN).values_list(
        "refundable", flat=True
    )
    known = list(refundable)
    return not all(known) if known else _taken(payment_id)


def _taken(payment_id: UUID) -> bool:
    return balance(Account.DISPUTE_OPEN, payment_id=payment_id) < 0
