"""What must always be true of credit and promotions (docs/money.md, L11 and L12). Each answers the differences."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, Max, Q, Sum

from payments.models import Account, Contribution, LedgerTransfer, Payment, Wallet
from payments.queries.balances import by_payment
from payments.states import ContributionState, PaymentState

#: Where nothing is paid any more, and where it was paid.
_OVER = (PaymentState.PAID, PaymentState.RELEASED, PaymentState.REFUNDED)
_PAID = (PaymentState.PAID, PaymentState.REFUNDED)


def l11_wallets_agree() -> list[str]:
    """What riders can spend is what the ledger says of each of them."""
    ours: dict[tuple[UUID | None, str], int] = {
        (row.user_id, row.currency): row.balance_minor for row in Wallet.objects.all()
    }
    ledger: Counter[tuple[UUID | None, str]] = Counter()
    for field, sign in (("credit", 1), ("debit", -1)):
        rows = LedgerTransfer.objects.filter(**{field: Account.RIDER_CREDIT}).values_list(
            "user_id", "currency"
        )
        for user_id, currency, amount in rows.annotate(amount=Sum("amount_minor")):
            ledger[user_id, currency] += sign * amount
    return [
        f"user {key[0]}: can spend {ours.get(key, 0)} {key[1]}, ledger {ledger[key]}"
        for key in ours.keys() | ledger.keys()
        if ours.get(key, 0) != ledger[key]
    ]


def l12_contributions_agree() -> list[str]:
    """What credit and promotions pay is what the ledger has set aside and spent for each payment, and what the payment
    says covers it; set aside only where it may still be paid, spent only where it was."""
    aside: Counter[UUID | None] = Counter()
    spent: Counter[UUID | None] = Counter()
    covers: Counter[UUID | None] = Counter()
    wrong = []
    states = dict(Payment.objects.filter(contributions__isnull=False).values_list("id", "state"))
    for row in Contribution.objects.all():
        aside[row.payment_id] += row.aside_minor
        if row.state == ContributionState.RETURNED:
            continue
        covers[row.payment_id] += row.amount_minor
        over, paid = states[row.payment_id] in _OVER, states[row.payment_id] in _PAID
        if row.state == ContributionState.SPENT:
            spent[row.payment_id] += row.amount_minor
        if (row.state == ContributionState.SPENT and not paid) or (
            row.state == ContributionState.SET_ASIDE and row.amount_minor and over
        ):
            wrong.append(f"payment {row.payment_id} is {states[row.payment_id]} and {row}")
    covered: Counter[UUID | None] = Counter()
    covered.update(dict(Payment.objects.exclude(covered_minor=0).values_list("id", "covered_minor")))
    posted = Counter(by_payment(Account.CREDIT_SET_ASIDE))
    deposited: Counter[UUID | None] = Counter()
    lines = LedgerTransfer.objects.filter(debit=Account.CREDIT_SET_ASIDE, credit=Account.RIDER_DEPOSIT)
    for payment_id, amount in lines.values_list("payment_id", "amount_minor"):
        deposited[payment_id] += amount
    for what, kept, said in (
        ("set aside", aside, posted),
        ("spent", spent, deposited),
        ("covered", covers, covered),
    ):
        wrong += [
            f"payment {key}: {what} {kept[key]}, and it should be {said[key]}"
            for key in kept.keys() | said.keys()
            if kept[key] != said[key]
        ]
    return wrong


def waits_to_be_handed_back(*, now: datetime, days: int) -> list[str]:
    """What is set aside, not needed, and has been so for days."""
    needed = Q(state=ContributionState.SET_ASIDE, aside_minor__lte=F("amount_minor"))
    rows = Contribution.objects.filter(aside_minor__gt=0).exclude(needed)
    found = rows.annotate(newest=Max("payment__ledger__occurred_at")).filter(
        newest__lt=now - timedelta(days=days)
    )
    return [
        f"payment {row.payment_id}: {row.too_much_minor} set aside since {row.newest:%Y-%m-%d}"
        for row in found
    ]
