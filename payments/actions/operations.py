"""Running the operation journal: claim, ask, record. Crashes, lost answers and second workers end in the same place."""

from __future__ import annotations

import logging
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from payments import gateway, locks
from payments.actions import calls, earnings
from payments.errors import DisputeOpen
from payments.gateway import words
from payments.models import Operation, Payee, Payment, Transfer
from payments.states import OperationState
from rally import audit
from rally.errors import NotAllowed
from rally.later import later
from rally.models import User

logger = logging.getLogger(__name__)

#: Longer than any call may take (20 s) with its turn to wait for: then whoever had it is dead.
LEASE = timedelta(seconds=120)
#: The provider keeps keys for 24 h at least.
KEY_IS_SAFE = timedelta(hours=23)
#: After a stored failure, how long to wait before the absence of an object is believed.
QUIET = timedelta(seconds=60)
_STORED_FAILURES = 2
#: With a back-off of up to 15 minutes: ten hours of an outage, then a person looks.
MAX_TRIES = 48
_LONGEST_PAUSE = 900.0
#: Calls under way at once: enough for 10 a second at a provider that takes 0.7 s.
THREADS = 8


def due(*, now: datetime, limit: int = 200) -> list[UUID]:
    """Operations that may be sent now, oldest first."""
    free = Q(leased_until=None) | Q(leased_until__lt=now)
    waiting = Operation.objects.filter(free, state=OperationState.PENDING, due_at__lte=now)
    return list(waiting.order_by("due_at", "id").values_list("id", flat=True)[:limit])


def run_due(*, now: datetime, limit: int = 200) -> int:
    """Send what is due, several at once, each in a thread with a connection of its own. Answers how many.

    The pace of all workers together is kept by the gateway. Two of these at once share the work.
    """
    waiting = due(now=now, limit=limit)
    if not waiting:
        return 0
    with ThreadPoolExecutor(max_workers=min(THREADS, len(waiting)), thread_name_prefix="provider") as pool:
        for done in [pool.submit(_run_in_thread, each, now) for each in waiting]:
            done.result()
    return len(waiting)


def _run_in_thread(operation_id: UUID, now: datetime) -> None:
    try:
        with gateway.patient():
            run(operation_id, now=now)
    except Exception:
        # Our own fault, in one operation: the lease runs out and it is tried again; the others go on.
        logger.exception("operation.crashed operation=%s", operation_id)
    finally:
        connection.close()


def run(operation_id: UUID | str, *, now: datetime) -> OperationState:
    """Send one operation if it is due and nobody is at it, and record the answer. Answers its state afterwards.

    Never raises for trouble of the provider. Safe to call from anywhere, at any time, any number of times; never
    inside a transaction.
    """
    claim = _claim(operation_id, now)
    if claim is None:
        return OperationState(Operation.objects.values_list("state", flat=True).get(id=operation_id))
    operation, sent_before = claim
    if _belongs_elsewhere(operation):
        return _end(operation, OperationState.STUCK, error="belongs to another provider", now=now)
    try:
        return _ask(operation, sent_before, now)
    except words.Declined as no:
        return _give_up(operation, no, now)
    except words.AlreadyMoved as moved:
        return _finish_from_truth(operation, moved, now)
    except words.Refused as no:
        return _refused(operation, no, now)
    except words.ServerError as error:
        if error.replayed:
            operation.server_errors += 1
        pause = QUIET if operation.server_errors >= _STORED_FAILURES else None
        return _postpone(operation, error, now, pause=pause)
    except words.ProviderTrouble as unknown:
        return _postpone(operation, unknown, now)


def _ask(operation: Operation, sent_before: datetime | None, now: datetime) -> OperationState:
    """The second beat: look first where the key alone is not safe, then send. Raises `ProviderTrouble`."""
    call = calls.KINDS[operation.kind]
    if sent_before is None and calls.needless(operation, operation.payment):
        # It stays unwanted until this has ended, so nothing can go wrong between looking and giving up.
        return _give_up(operation, words.Refused(calls.NOT_SENT), now)
    if calls.is_frozen(operation) and operation.server_errors < _STORED_FAILURES:
        # What came of the call before is not known: looked up when its absence can be believed, not sent meanwhile.
        operation.server_errors = _STORED_FAILURES
        return _postpone(operation, words.Unknown("disputed"), now, pause=QUIET)
    if _must_look_first(operation, sent_before, now):
        found = call.find(operation)
        if found is not None:
            return _finish(operation, found, now)
        if not _renew_key(operation, now):
            return OperationState(operation.state)
    return _finish(operation, call.send(operation), now)


# ---- first beat


@transaction.atomic
def _claim(operation_id: UUID | str, now: datetime) -> tuple[Operation, datetime | None] | None:
    """Take the operation for ourselves until the lease runs out, and say when it was first sent before, if ever.

    None when it is not ours to take.
    """
    free = Q(leased_until=None) | Q(leased_until__lt=now)
    operation = (
        Operation.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("payment")
        .filter(free, id=operation_id, state=OperationState.PENDING, due_at__lte=now)
        .first()
    )
    if operation is None:
        return None
    sent_before = operation.first_sent_at
    operation.leased_until = now + LEASE
    operation.tries += 1
    operation.first_sent_at = operation.first_sent_at or now
    operation.last_sent_at = now
    operation.save(update_fields=["leased_until", "tries", "first_sent_at", "last_sent_at"])
    return operation, sent_before


def _belongs_elsewhere(operation: Operation) -> bool:
    """A row of the sandbox must not become a call to Stripe, nor the other way round."""
    whose = operation.payment.provider if operation.payment is not None else _payee_s_provider(operation)
    return whose not in (None, gateway.provider())


def _payee_s_provider(operation: Operation) -> str | None:
    """Whose books the payee is in that is opened or paid by it, if one is."""
    concerned = Payee.objects.filter(Q(id=operation.subject) | Q(transfers=operation.subject))
    return concerned.values_list("provider", flat=True).first()


def _must_look_first(operation: Operation, sent_before: datetime | None, now: datetime) -> bool:
    """The key may be forgotten by now, or what is stored under it is a failure that says nothing."""
    too_old = sent_before is not None and now - sent_before > KEY_IS_SAFE
    return too_old or operation.server_errors >= _STORED_FAILURES


@transaction.atomic
def _renew_key(operation: Operation, now: datetime) -> bool:
    """It never happened: go on under a new key. False when nobody wants it any more and it is given up instead."""
    row = _row(operation)
    if row.state != OperationState.PENDING or row.generation != operation.generation:
        operation.state = row.state
        return False  # another worker was here while we looked
    if calls.needless(row, row.payment):
        calls.KINDS[row.kind].give_up(row, words.Refused(calls.NOT_SENT), now)
        _mark(row, OperationState.FAILED, error=calls.NOT_SENT, now=now)
        operation.state = row.state
        return False
    row.generation += 1
    row.server_errors = 0
    row.first_sent_at = row.last_sent_at = now
    row.save(update_fields=["generation", "server_errors", "first_sent_at", "last_sent_at"])
    operation.generation, operation.server_errors = row.generation, 0
    return True


# ---- third beat


def _finish(operation: Operation, seen: Any, now: datetime) -> OperationState:
    """Take over what the provider answered. A second worker with the same answer finds nothing left to do."""
    with transaction.atomic():
        row = _row(operation)
        if row.state != OperationState.PENDING:
            return OperationState(row.state)
        if calls.KINDS[row.kind].finish(row, seen, now):
            row.result = seen.id
            return _mark(row, OperationState.DONE, now=now)
        row.save(update_fields=["result"])
    return _postpone(operation, words.Unknown("still_waiting"), now)


def _finish_from_truth(operation: Operation, moved: words.ProviderTrouble, now: datetime) -> OperationState:
    """The object is in another state than we thought: what it is in decides."""
    try:
        found = calls.KINDS[operation.kind].find(operation)
    except words.Refused:
        found = None  # there is no such thing
    except words.ProviderTrouble as unknown:
        return _postpone(operation, unknown, now)
    if found is not None:
        return _finish(operation, found, now)
    if isinstance(moved, words.AlreadyMoved) and calls.may_yet_come(operation):
        # On its way from one state to the next: it has not had its effect, and will say more in a moment.
        return _postpone(operation, words.Unknown(moved.code), now, pause=QUIET, fresh_key=True)
    return _give_up(operation, moved, now)


def _refused(operation: Operation, no: words.Refused, now: datetime) -> OperationState:
    """Our fault, or stale. If it has had its effect nevertheless, that counts."""
    logger.error("operation.refused operation=%s kind=%s code=%s", operation.id, operation.kind, no.code)
    if operation.tries == 1 and not operation.target:
        return _give_up(operation, no, now)
    return _finish_from_truth(operation, no, now)


@transaction.atomic
def _give_up(operation: Operation, no: words.ProviderTrouble, now: datetime) -> OperationState:
    row = _row(operation)
    if row.state != OperationState.PENDING:
        return OperationState(row.state)
    settled = calls.KINDS[row.kind].give_up(row, no, now)
    return _mark(
        row, OperationState.FAILED if settled else OperationState.STUCK, error=no.code or no.message, now=now
    )


def _postpone(
    operation: Operation,
    unknown: words.ProviderTrouble,
    now: datetime,
    *,
    pause: timedelta | None = None,
    fresh_key: bool = False,
) -> OperationState:
    """Nobody knows: the same key again later, a little longer each time; a fresh one where the old one has certainly
    had no effect and its answer is stored."""
    seconds = min(_LONGEST_PAUSE, 2.0 ** min(operation.tries, 10)) * random.uniform(0.5, 1.0)  # noqa: S311
    with transaction.atomic():
        row = _row(operation)
        if row.state != OperationState.PENDING:
            return OperationState(row.state)
        row.server_errors = max(row.server_errors, operation.server_errors)
        if row.tries >= MAX_TRIES:
            return _mark(row, OperationState.STUCK, error=unknown.code or unknown.message, now=now)
        row.generation += fresh_key
        row.leased_until = None
        row.due_at = now + max(timedelta(seconds=seconds), pause or timedelta(0))
        row.error = (unknown.code or unknown.message)[:200]
        row.save(update_fields=["leased_until", "due_at", "error", "server_errors", "generation"])
    logger.warning("operation.unknown operation=%s kind=%s error=%s", row.id, row.kind, row.error)
    return OperationState.PENDING


def _row(operation: Operation) -> Operation:
    """The operation as it is now, locked after its payment."""
    payment: Payment | None = None
    if operation.payment_id:
        payment = locks.locked_payment(operation.payment_id)
    row = Operation.objects.select_for_update().get(id=operation.id)
    row.payment = payment
    return row


@transaction.atomic
def _end(operation: Operation, state: OperationState, *, error: str, now: datetime) -> OperationState:
    return _mark(_row(operation), state, error=error, now=now)


def _mark(row: Operation, state: OperationState, *, now: datetime, error: str = "") -> OperationState:
    row.state, row.error, row.leased_until = state, error[:200], None
    row.ended_at = now if state in (OperationState.DONE, OperationState.FAILED) else None
    row.save(update_fields=["state", "error", "leased_until", "ended_at", "result"])
    if state == OperationState.STUCK:
        logger.error("operation.stuck operation=%s kind=%s error=%s", row.id, row.kind, row.error)
    return state


# ---- what staff may do

#: How many stuck operations one press of the button starts again.
AGAIN_AT_ONCE = 200


@transaction.atomic
def run_again(operation_id: UUID | str, *, now: datetime, by: User) -> Operation:
    """Let a stuck operation be tried again, under the same key while that is safe. Twice is once.

    Raises `NotAllowed` for people who are not staff, `DisputeOpen` for a transfer of what a bank may take away.
    """
    operation = Operation.objects.select_for_update().get(id=operation_id)

    if not by.is_staff:
        raise NotAllowed

    if operation.state == OperationState.STUCK:
        if operation.kind == Operation.Kind.TRANSFER and earnings.is_frozen(
            Transfer.objects.get(id=operation.subject)
        ):
            raise DisputeOpen
        error = operation.error
        operation.state, operation.tries, operation.due_at = OperationState.PENDING, 0, now
        operation.save(update_fields=["state", "tries", "due_at"])
        logger.warning("operation.run_again operation=%s by=%s", operation.id, by.id)
        audit.note(
            by=by,
            what="operation.run_again",
            subject=f"operation:{operation.id}",
            now=now,
            kind=operation.kind,
            error=error,
        )

        later("payments.run_operation", operation_id=operation.id)
    return operation


def run_all_again(*, now: datetime, by: User, limit: int = AGAIN_AT_ONCE) -> int:
    """Let everything that is stuck be tried again, the oldest first, as after a long outage. Answers how many.

    At most `limit` at once; those of another provider are left, they would only get stuck again, and so are transfers that
    wait for a bank. Raises `NotAllowed`.
    """
    if not by.is_staff:
        raise NotAllowed
    elsewhere = Q(payment__isnull=False) & ~Q(payment__provider=gateway.provider())
    stuck = Operation.objects.filter(state=OperationState.STUCK).exclude(elsewhere)
    chosen = list(stuck.order_by("created_at", "id").values_list("id", flat=True)[:limit])
    again = 0
    for each in chosen:
        with suppress(DisputeOpen):
            again += run_again(each, now=now, by=by).state != OperationState.STUCK
    return again
