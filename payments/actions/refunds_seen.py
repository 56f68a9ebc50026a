"""What we saw of money on its way back: refunds that we asked for, and those that somebody made at the provider.

A refund by hand keeps what we had promised, as far as it can; what it cannot is a refund of its own. When it comes back,
everything that it had kept is owed again. What of ours has gone out is known first: while an answer is open it waits.
"""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from payments import locks
from payments.actions import bank_refunds, bearers, journal, ledger, standings
from payments.gateway import words
from payments.models import Attempt, Operation, Refund
from payments.states import REFUND, OperationState, RefundState
from rally import journal as changes

logger = logging.getLogger(__name__)


@transaction.atomic
def take_over(seen: words.RefundSeen, *, now: datetime) -> Refund | None:
    """Write down what became of a refund, including one that somebody made at the provider. None when not ours.

    Raises `words.Unknown` for one that somebody made while the answer to one of ours is open: it is to be looked at again.
    """
    found = Attempt.of_intent(seen.intent)
    if found is None:
        return None
    payment = locks.locked_payment(found.payment_id)
    attempt = payment.attempts.get(id=found.id)
    row = _row_of(attempt, seen, now)

    reached = RefundState(seen.status)
    # A refund may succeed and fail later, never the other way round; an earlier try says nothing about a later one, nor
    # about what a bank has kept since.
    current = row.refund == seen.id and row.state not in (RefundState.FAILED, reached) and not row.by_bank
    if current and reached != RefundState.PENDING:
        changes.move(row, REFUND, reached, now=now, by=None)
        if reached == RefundState.FAILED:
            logger.error("refund.failed refund=%s", row.id)
            _owe_again(row, now)
            bank_refunds.keep_promises(payment, now=now)
        standings.tell(payment, now=now)
    if seen.booking is not None:
        ledger.refunded(
            row, amount=-seen.booking.amount, provider_id=seen.id, transaction=seen.booking.id, now=now
        )
    if seen.returned is not None:
        ledger.refund_came_back(
            row, amount=seen.returned.amount, provider_id=seen.id, transaction=seen.returned.id, now=now
        )
    standings.follow(payment, now=now)
    return row


def _row_of(attempt: Attempt, seen: words.RefundSeen, now: datetime) -> Refund:
    """The row of a refund: by its id, by the operation that asked for it, by what is owed, else a new one."""
    known = Refund.objects.filter(attempt=attempt, refund=seen.id).first()
    if known is not None:
        return known
    operation = Operation.objects.filter(id=journal.id_in(seen.tags.op), kind=Operation.Kind.REFUND).first()
    asked = Refund.objects.filter(id=operation.subject, attempt=attempt).first() if operation else None
    if operation is not None and asked is not None:
        later_tries = Operation.objects.filter(kind=operation.kind, subject=asked.id, n__gt=operation.n)
        if not asked.refund and not later_tries.exists():
            asked.refund = seen.id
            asked.save(update_fields=["refund"])
        return asked
    return _made_by_hand(attempt, seen, now)


def _made_by_hand(attempt: Attempt, seen: words.RefundSeen, now: datetime) -> Refund:
    """The row of a refund that nobody here asked for, and the promises that it keeps, which are asked for no more."""
    unsent = _not_sent_yet(attempt)
    if seen.tags.op:
        logger.error("refund.lost_its_row payment=%s amount=%s", attempt.payment_id, seen.amount)
    kept, partly = _promises(attempt, seen)
    for promise in [*kept, partly] if partly is not None else kept:
        _ask_no_more(unsent.get(promise.id), now)
    rest = seen.amount - sum(each.amount_minor for each in kept)
    if not rest:
        row = _is(kept.pop(), seen.id, now)
        _keep(kept, row, now)
        return row
    row = Refund.objects.create(
        attempt=attempt,
        reason=f"provider:{seen.id}"[:60],
        amount_minor=rest,
        refund=seen.id,
        created_at=now,
    )
    changes.begin(row, REFUND, now=now, by=None, why="made at the provider")
    _keep(kept, row, now)
    if partly is not None:
        partly.amount_minor -= rest  # what was promised with it covers both
        partly.save(update_fields=["amount_minor"])
        if partly.state == RefundState.PENDING and partly.id in unsent:
            standings.ask_for_refund(partly, now=now)
        return row
    ledger.promised(row, sources=bearers.of(payment=attempt.payment, refund=row, now=now), now=now)
    return row


def _not_sent_yet(attempt: Attempt) -> dict[UUID, Operation]:
    """The calls for refunds of a locked payment's attempt that no worker has taken yet, by their refund; none takes them now.
    Raises `words.Unknown` when one was taken and its answer is open: whether there was room for it is not known."""
    asked = Operation.objects.select_for_update().filter(
        kind=Operation.Kind.REFUND, subject__in=attempt.refunds.values("id"), state=OperationState.PENDING
    )
    found = {each.subject: each for each in asked}
    if any(each.first_sent_at for each in found.values()):
        raise words.Unknown("refund_under_way")
    return found


def _ask_no_more(operation: Operation | None, now: datetime) -> None:
    """A refund by hand keeps the promise: asked for as well it would take the room of another one."""
    if operation is not None:
        operation.state, operation.error, operation.ended_at = OperationState.FAILED, "made_by_hand", now
        operation.save(update_fields=["state", "error", "ended_at"])


def _is(promise: Refund, provider_id: str, now: datetime) -> Refund:
    """The refund that was made is the one that was promised."""
    promise.refund = provider_id
    if promise.state == RefundState.FAILED:
        why = "made at the provider"
        changes.move(promise, REFUND, RefundState.PENDING, now=now, by=None, why=why, also=("refund",))
    else:
        promise.save(update_fields=["refund"])
    return promise


#: Promised, and nothing of it is at the provider.
_OPEN = Q(state=RefundState.FAILED) | Q(state=RefundState.PENDING, refund="")


def _promises(attempt: Attempt, seen: words.RefundSeen) -> tuple[list[Refund], Refund | None]:
    """The promises that a refund by hand keeps wholly, and the one that what is left of it is a part of.

    The same sum again after ours failed; else, where it leaves no room for all that is promised, one that is as large, or
    smaller ones until there is room.
    """
    if seen.status == "failed":
        return [], None
    every = Refund.objects.filter(attempt=attempt)
    again = every.filter(state=RefundState.FAILED, amount_minor=seen.amount).order_by("created_at").first()
    if again is not None:
        return [again], None
    too_much = sum(every.values_list("amount_minor", flat=True)) + seen.amount - attempt.captured_minor
    if too_much <= 0:
        return [], None
    larger = every.filter(_OPEN, amount_minor__gte=seen.amount).order_by("amount_minor", "created_at").first()
    if larger is not None:
        return ([larger], None) if larger.amount_minor == seen.amount else ([], larger)
    return _smaller(every.filter(_OPEN).order_by("created_at", "id"), seen.amount, too_much)


def _smaller(promises: QuerySet[Refund], amount: int, too_much: int) -> tuple[list[Refund], Refund | None]:
    found: list[Refund] = []
    partly, kept = None, 0
    for promise in promises:
        if kept >= too_much:
            return found, None
        if kept + promise.amount_minor <= amount:
            found.append(promise)
            kept += promise.amount_minor
        else:
            partly = promise  # larger than what will be left of the refund
    return found, partly if kept < too_much else None


def _keep(promises: list[Refund], row: Refund, now: datetime) -> None:
    """They are paid with this refund; should it come back, they are owed once more."""
    why = "made at the provider with more"
    for promise in promises:
        promise.kept_by = row
        if promise.state == RefundState.FAILED:
            changes.move(promise, REFUND, RefundState.PENDING, now=now, by=None, why=why)
        changes.move(promise, REFUND, RefundState.SUCCEEDED, now=now, by=None, why=why, also=("kept_by",))


def _owe_again(row: Refund, now: datetime) -> None:
    """A refund came back: nothing of what it had kept has arrived either."""
    for promise in row.keeps.filter(state=RefundState.SUCCEEDED):
        promise.kept_by = None
        why = "what was made at the provider came back"
        changes.move(promise, REFUND, RefundState.FAILED, now=now, by=None, why=why, also=("kept_by",))
