"""What a bank gave the payer after a dispute that we lost: it keeps promises of ours that could not be sent meanwhile.

They are never sent once more. Should the bank give the money back to us after all, they are owed again.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet, Sum

from payments.actions import ledger
from payments.models import Account, Payment, Refund
from payments.states import REFUND, RefundState
from rally import journal as changes
from rally.ids import uuid7

_WHY = "given back by the bank"


def keep_promises(payment: Payment, *, now: datetime) -> bool:
    """Promises that failed count as kept as far as the charge has no room for them beside what the bank took for good.
    Answers whether there were any. Twice is once. With the payment locked.
    """
    over = _too_much(payment)
    kept = False
    for promise in _refunds(payment).filter(state=RefundState.FAILED).order_by("created_at", "id"):
        if over <= 0:
            break
        part = min(over, promise.amount_minor)
        _keep(promise if part == promise.amount_minor else _split(promise, part, now), now)
        over, kept = over - part, True
    return kept


def owe_again(payment: Payment, *, now: datetime) -> None:
    """The bank has given something back to us: what it had kept is owed once more. With the payment locked."""
    for promise in _refunds(payment).filter(by_bank=True):
        promise.by_bank = False
        why = "the bank gave it back to us"
        changes.move(promise, REFUND, RefundState.FAILED, now=now, by=None, why=why, also=("by_bank",))
        ledger.not_kept_by_bank(promise, now=now)


def kept_of(payment: Payment) -> int:
    """What banks have kept of our promises, in minor units."""
    return int(_refunds(payment).filter(by_bank=True).aggregate(sum=Sum("amount_minor"))["sum"] or 0)


def _refunds(payment: Payment) -> QuerySet[Refund]:
    return Refund.objects.filter(attempt__payment=payment, attempt__unwanted=False)


def _too_much(payment: Payment) -> int:
    """By how much what is promised and what the bank took are more than the charge. What it kept already is among both."""
    lost = -ledger.balance_of(Account.LOSS_DISPUTE, payment_id=payment.id)
    promised = sum(_refunds(payment).values_list("amount_minor", flat=True))
    return lost + promised - payment.captured_minor if lost > 0 else 0


def _split(promise: Refund, part: int, now: datetime) -> Refund:
    """The part of a promise that the bank kept, as a refund of its own; the rest stays promised."""
    promise.amount_minor -= part
    promise.save(update_fields=["amount_minor"])
    row = Refund.objects.create(
        attempt=promise.attempt, reason=f"bank:{uuid7()}", amount_minor=part, created_at=now
    )
    changes.begin(row, REFUND, now=now, by=None, why=_WHY)
    return row


def _keep(promise: Refund, now: datetime) -> None:
    promise.by_bank = True
    if promise.state == RefundState.FAILED:
        changes.move(promise, REFUND, RefundState.PENDING, now=now, by=None, why=_WHY)
    changes.move(promise, REFUND, RefundState.SUCCEEDED, now=now, by=None, why=_WHY, also=("by_bank",))
    ledger.kept_by_bank(promise, now=now)
