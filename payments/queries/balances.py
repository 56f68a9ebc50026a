"""What the accounts of the ledger hold."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

from django.db.models import Q, Sum

from payments.models import LedgerTransfer


def balance(account: str, **of: Any) -> int:
    """Credits less debits of an account in minor units, of all rows or of those with these values.

    Liabilities and income come out positive, assets and expenses negative.
    """
    rows = LedgerTransfer.objects.filter(**of)
    sums = rows.aggregate(
        credit=Sum("amount_minor", filter=Q(credit=account)),
        debit=Sum("amount_minor", filter=Q(debit=account)),
    )
    return (sums["credit"] or 0) - (sums["debit"] or 0)


def balances() -> dict[str, int]:
    """Credits less debits of every account that was ever used."""
    sums: Counter[str] = Counter()
    for debit, credit, amount in LedgerTransfer.objects.values_list("debit", "credit").annotate(
        amount=Sum("amount_minor")
    ):
        sums[debit] -= amount
        sums[credit] += amount
    return dict(sums)


def by_payment(account: str) -> dict[UUID | None, int]:
    """Credits less debits of one account for each payment; those with nothing left out."""
    sums: Counter[UUID | None] = Counter()
    for field, sign in (("credit", 1), ("debit", -1)):
        rows = LedgerTransfer.objects.filter(**{field: account}).values_list("payment_id")
        for payment_id, amount in rows.annotate(amount=Sum("amount_minor")):
            sums[payment_id] += sign * amount
    return {payment_id: amount for payment_id, amount in sums.items() if amount}
