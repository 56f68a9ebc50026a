"""What a bank gave the payer after a dispute that we lost: it keeps promises of ours that could not be sent meanwhile.

They are never sent once more. Should the bank give the money back to us after all, they are owed again.
"""

from __future__ import annotations

from datetime import datetime

from payments.actions import blames, ledger, standings
from payments.models import Attempt, Payment, Refund
from payments.states import REFUND, AttemptState, RefundState
from rally import journal as changes
from rally.ids import uuid7

_WHY = "given back by the bank"


def keep_promises(payment: Payment, *, now: datetime) -> None:
    """Promises that failed count as kept as far as their charge has no room for them beside what the bank took of it for
    good. Nobody stays blamed for what was promised anyway, and the payment goes where all that takes it. Twice is once.
    With the payment locked.
    """
    for attempt in payment.attempts.filter(state=AttemptState.CAPTURED).order_by("n"):
        _keep_of(attempt, now)
        blames.fit(attempt, now=now)
    standings.follow(payment, now=now)


def owe_again(attempt: Attempt, *, now: datetime) -> None:
    """The bank has given something of a charge back to us: what it had kept is owed once more. With the payment locked."""
    for promise in attempt.refunds.filter(by_bank=True):
        promise.by_bank = False
        why = "the bank gave it back to us"
        changes.move(promise, REFUND, RefundState.FAILED, now=now, by=None, why=why, also=("by_bank",))
        ledger.kept_by_bank(promise, amount=-promise.amount_minor, now=now)


def _keep_of(attempt: Attempt, now: datetime) -> None:
    over = _too_much(attempt)
    for promise in attempt.refunds.filter(state=RefundState.FAILED).order_by("created_at", "id"):
        part = min(over, promise.amount_minor)
        if part <= 0:
            break
        _keep(promise if part == promise.amount_minor else _split(promise, part, now), now)
        over -= part


def _too_much(attempt: Attempt) -> int:
    """By how much what is promised and what the bank took for good are more than what was charged. What it kept already is
    among what is promised, and no more among what it took."""
    lost = ledger.lost_of([attempt])
    promised = sum(attempt.refunds.values_list("amount_minor", flat=True))
    return lost + promised - attempt.captured_minor if lost else 0


def _split(promise: Refund, part: int, now: datetime) -> Refund:
    """The part of a promise that the bank kept, as a refund of its own whose reason begins as that of the rest."""
    promise.amount_minor -= part
    promise.save(update_fields=["amount_minor"])
    row = Refund.objects.create(
        attempt=promise.attempt, reason=f"{promise.reason[:20]}:{uuid7()}", amount_minor=part, created_at=now
    )
    changes.begin(row, REFUND, now=now, by=None, why=_WHY)
    return row


def _keep(promise: Refund, now: datetime) -> None:
    promise.by_bank = True
    if promise.state == RefundState.FAILED:
        changes.move(promise, REFUND, RefundState.PENDING, now=now, by=None, why=_WHY)
    changes.move(promise, REFUND, RefundState.SUCCEEDED, now=now, by=None, why=_WHY, also=("by_bank",))
    ledger.kept_by_bank(promise, amount=promise.amount_minor, now=now)
