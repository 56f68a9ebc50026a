"""Clearing accounts: what waits in them, for whom, and since when it has not moved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Max, Sum

from payments.models import Account, LedgerTransfer
from rally import rules
from rally.money import Money

#: The rule that says how many days an amount may lie there before a person should look; and by what its rows hang together.
ACCOUNTS: dict[Account, tuple[str, str]] = {
    Account.RIDER_REFUND_DUE: ("refund_waits_days", "payment_id"),
    Account.DISPUTE_OPEN: ("dispute_waits_days", "payment_id"),
    Account.OPERATOR_RECEIVABLE: ("debt_waits_days", "payee_id"),
    Account.CREDIT_SET_ASIDE: ("set_aside_waits_days", "payment_id"),
}


@dataclass(frozen=True)
class Waiting:
    """An amount in a clearing account. `subject` is the payment, or for debts of payees the payee."""

    account: str
    subject: UUID | None
    amount: Money
    since: datetime  #: when it moved last
    old: bool

    @property
    def is_payee(self) -> bool:
        """The subject is a payee."""
        return ACCOUNTS[Account(self.account)][1] == "payee_id"


def waiting_in(account: Account, *, now: datetime) -> list[Waiting]:
    """What lies in one clearing account, the oldest first. Two queries, whatever lies there."""
    rule, key = ACCOUNTS[account]
    days: int = getattr(rules.current(), rule)
    sums: dict[tuple[UUID | None, str], int] = {}
    moved: dict[tuple[UUID | None, str], datetime] = {}
    for side, sign in (("credit", 1), ("debit", -1)):
        rows = LedgerTransfer.objects.filter(**{side: account}).values_list(key, "currency")
        for subject, currency, amount, newest in rows.annotate(a=Sum("amount_minor"), n=Max("occurred_at")):
            which = (subject, currency)
            sums[which] = sums.get(which, 0) + sign * amount
            moved[which] = max(newest, moved.get(which, newest))
    found = [
        Waiting(account, which[0], Money(abs(amount), which[1]), moved[which], moved[which] < now - timedelta(days=days))
        for which, amount in sums.items()
        if amount
    ]  # fmt: skip
    return sorted(found, key=lambda each: each.since)


def all_waiting(*, now: datetime) -> list[Waiting]:
    """What lies in all clearing accounts."""
    return [each for account in ACCOUNTS for each in waiting_in(account, now=now)]
