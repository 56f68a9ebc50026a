"""What a bank gave the payer after a dispute that we lost: it keeps promises of ours that could not be sent meanwhile.

They are never sent once more. Should the bank give the money back to us after all, they are owed again.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet, Sum

from payments.actions import ledger, standings
from payments.models import Payment, Refund
from payments.states import REFUND, RefundState
from rally import journal as changes
from rally.ids import uuid7

_WHY = "given back by the bank"


def keep_promises(payment: Payment, *, now: datetime) -> None:
    """Promises that failed count as kept as far as the charge has no room for them beside what the bank took for good; the
    payment goes where that takes it. Twice is once. With the payment locked.
    """
    over = _too_much(payment)
    failed = _refunds(payment).filter(state=RefundState.FAILED).order_by("created_at", "id")
    for promise in failed:
        part = min(over, promise.amount_minor)
        if part <= 0:
            break
        _keep(promise if part == promise.amount_minor else _split(promise, part, now), now)
        over -= part
    standings.follow(payment, now=now)


def owe_again(payment: Payment, *, now: datetime) -> None:
    """The bank has given something back to us: what it had kept is owed once more. With the payment locked."""
    for promise in _refunds(payment).filter(by_bank=True):
        promise.by_bank = False
        why = "the bank gave it back to us"
        changes.move(promise, REFUND, RefundState.FAILED, now=now, by=None, why=why, also=("by_bank",))
        ledger.kept_by_bank(promise, amount=-promise.amount_minor, now=now)


def kept_of(payment: Payment) -> int:
    """What banks have kept of our promises, in minor units."""
    return int(_refunds(payment).filter(by_bank=True).aggregate(sum=Sum("amount_minor"))["sum"] or 0)


def _refunds(payment: Payment) -> QuerySet[Refund]:
    return Refund.objects.filter(attempt__payment=payment, attempt__unwanted=False)


def _too_much(payment: Payment) -> int:
    """By how much what is promised and what the bank took for good are more than what was charged. What it kept already is
    among what is promised, and no more among what it took."""
    lost = ledger.lost_of(payment)
    if not lost:
        return 0
    charged = payment.attempts.filter(unwanted=False).aggregate(sum=Sum("captured_minor"))["sum"] or 0
    promised = _refunds(payment).aggregate(sum=Sum("amount_minor"))["sum"] or 0
    return int(lost + promised - charged)


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
    ledger.kept_by_bank(promise, amount=promise.amount_minor, now=now)
