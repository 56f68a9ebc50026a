"""Comparing everything that is open with the provider: what nobody told us of is taken over, what is left is written down.

A light comparison every quarter of an hour looks at what is open and new; a full one each night at everything. Nothing is
posted by it but what the provider's own objects say (adopting), and holds that nobody wants are let go; any other
difference is a person's task and stands in the `Reconciliation`. Each step is bounded and goes round (`rounds`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from payments import gateway, locks, queries, signals
from payments.actions import bookings, ledger, rounds, sightings, standings
from payments.gateway import words
from payments.models import (
    Attempt,
    FeedCursor,
    Operation,
    Payment,
    Reconciliation,
    Refund,
    Transfer,
)
from payments.queries import ageing
from payments.states import UNKNOWN, AttemptState, OperationState, PaymentState
from rally import audit
from rally.errors import NotAllowed
from rally.later import later
from rally.models import User

logger = logging.getLogger(__name__)

#: A full one is ended by the worker after this long. At ten calls a second that is 30,000 calls, many times what its limits
#: need; and it is less than the hour after which the broker hands a task that nobody has finished to a second worker.
FULL_TAKES_AT_MOST = timedelta(minutes=50)
#: Whoever began longer ago than this has died: the next one may begin. Longer than any comparison may take.
DEAD_AFTER = timedelta(hours=1)
#: A full one that finds another one at work asks again after so long …
AGAIN_AFTER = timedelta(minutes=5)
#: … so often: until a dead one blocks no more.
ASKS_AGAIN = DEAD_AFTER // AGAIN_AFTER + 1
#: An operation that waits longer than this is worth a line, and so is an attempt that nobody asks for.
LATE = timedelta(hours=1)
#: Younger ones are being worked on.
_YOUNG = timedelta(minutes=10)
#: How far back objects are looked for that have no row; the light one goes on from where the last one was.
BACK = timedelta(days=3)
_OVERLAP = timedelta(hours=1)
#: The app above is told of holds that lapse sooner than this.
ENDS_SOON = timedelta(hours=12)
#: Objects looked at in one step.
LIMITS = {Reconciliation.Kind.LIGHT: 200, Reconciliation.Kind.FULL: 5_000}
#: Differences of one kind that are written down one by one.
_SHOWN = 100


@dataclass
class Findings:
    """What one comparison has come to so far."""

    full: bool
    now: datetime
    looked_at: int = 0
    mended: int = 0
    differences: dict[str, list[str]] = field(default_factory=dict)

    @property
    def limit(self) -> int:
        """Objects looked at in one step."""
        return LIMITS[Reconciliation.Kind.FULL if self.full else Reconciliation.Kind.LIGHT]

    def differ(self, name: str, lines: list[str]) -> None:
        """Leave something for a person."""
        if lines:
            self.differences.setdefault(name, []).extend(lines)

    def written(self) -> dict[str, list[str]]:
        """The differences as they are kept: a hundred of each kind, and how many more there are."""
        return {
            name: lines[:_SHOWN] + ([f"… {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else [])
            for name, lines in self.differences.items()
        }


def reconcile(*, full: bool, now: datetime) -> Reconciliation | None:
    """Compare, mend what may be mended, and write down the rest. None when another comparison is at work.

    Outside action; safe to repeat. While the provider is away, what needs nobody else is done all the same, and `error`
    says what was not.
    """
    row = _begin(full, now)
    if row is None:
        return None
    began, found, errors = monotonic(), Findings(full, now), []
    for name, step in _STEPS.items():
        try:
            step(found)
        except words.ProviderTrouble as trouble:
            errors.append(f"{name}: {trouble}")
        except Exception:
            # Our own fault in one step must not hide what the others find.
            logger.exception("reconciliation.crashed step=%s", name)
            errors.append(f"{name}: crashed")
    return _end(row, found, "; ".join(errors), took=timedelta(seconds=monotonic() - began))


@transaction.atomic
def ask_for_one(*, now: datetime, by: User) -> None:
    """Have a worker compare what is open, now. Raises `NotAllowed` for people who are not staff."""
    if not by.is_staff:
        raise NotAllowed
    audit.note(by=by, what="reconciliation.ask", subject="reconciliation:light", now=now)
    later("payments.reconcile_light")


@transaction.atomic
def _begin(full: bool, now: datetime) -> Reconciliation | None:
    """The row of this comparison, unless another one has not ended: both would look at the same things."""
    FeedCursor.objects.get_or_create(feed="reconciling", defaults={"read_to": now})
    FeedCursor.objects.select_for_update().get(feed="reconciling")
    running = Reconciliation.objects.filter(ended_at=None, started_at__gt=now - DEAD_AFTER)
    if running.exists():
        return None
    kind = Reconciliation.Kind.FULL if full else Reconciliation.Kind.LIGHT
    return Reconciliation.objects.create(kind=kind, started_at=now)


def _end(row: Reconciliation, found: Findings, error: str, *, took: timedelta) -> Reconciliation:
    row.ended_at = row.started_at + took
    row.looked_at, row.mended = found.looked_at, found.mended
    row.differences, row.error = found.written(), error[:200]
    row.save()
    for name, lines in row.differences.items():
        logger.error("reconciliation.differs check=%s differences=%s", name, lines[:5])
    if error:
        logger.error("reconciliation.unfinished error=%s", row.error)
    return row


# ---- 1: what we have asked


def _operations(found: Findings) -> None:
    """Operations that are stuck, and those that have waited for long."""
    stuck = queries.stuck_operations().values_list("id", "kind", "error")
    found.differ("operations_stuck", [f"{kind} {key}: {error}" for key, kind, error in stuck])
    waiting = Operation.objects.filter(state=OperationState.PENDING, created_at__lt=found.now - LATE)
    late = waiting.order_by("created_at").values_list("id", "kind", "error")
    found.differ("operations_late", [f"{kind} {key}: {error or 'never sent'}" for key, kind, error in late])


# ---- 2: what has no end yet


def _attempts(found: Findings) -> None:
    """Look at each attempt that has not ended and is not young, in turn."""
    old = Attempt.objects.filter(
        state__in=[AttemptState.PENDING, AttemptState.HELD],
        created_at__lt=found.now - _YOUNG,
        payment__provider=gateway.provider(),
    )
    for attempt in rounds.following("attempts", old.exclude(intent=""), limit=found.limit, now=found.now):
        found.looked_at += 1
        try:
            sightings.look("payment_intent", attempt.intent, now=found.now)
        except words.Refused as no:
            found.differ("unseen", [f"attempt {attempt.id}: {no}"])
        found.mended += not Attempt.objects.filter(id=attempt.id, state=attempt.state).exists()
    asked = Operation.objects.filter(
        subject=OuterRef("id"), state__in=[OperationState.PENDING, OperationState.STUCK]
    )
    nobodys = old.filter(~Exists(asked), intent="", checkout=None).values_list("id", "payment_id")
    found.differ("attempts_unasked", [f"attempt {key} of payment {payment}" for key, payment in nobodys])


# ---- 3: what they have and we do not


def _orphans(found: Findings) -> None:
    """Everything made lately that carries our tag, or hangs on something of ours, and has no row: taken in or let go."""
    since = found.now - BACK
    if not found.full:
        read_to = FeedCursor.objects.filter(feed="orphans").values_list("read_to", flat=True).first()
        since = max(since, read_to - _OVERLAP) if read_to else since
    for intent in gateway.intents_since(since):
        _orphan_intent(found, intent)
    for refund in gateway.refunds_since(since):
        _orphan_refund(found, refund)
    for transfer in gateway.transfers_since(since):
        _orphan_transfer(found, transfer)
    FeedCursor.objects.update_or_create(feed="orphans", defaults={"read_to": found.now})


def _orphan_intent(found: Findings, seen: words.Intent) -> None:
    found.looked_at += 1
    pending = seen.status in ("waiting", "failed")
    if seen.tags.install != settings.INSTALL or pending or Attempt.objects.filter(intent=seen.id).exists():
        return
    if sightings.intent(seen, now=found.now) is not None or seen.status == "held":
        found.mended += 1  # taken in; or nobody's, and being released
    elif seen.status == "captured":
        found.differ("orphans", [f"{seen.id}: {seen.captured} {seen.currency} taken, and no payment for it"])


def _orphan_refund(found: Findings, seen: words.RefundSeen) -> None:
    found.looked_at += 1
    known = Refund.objects.filter(refund=seen.id).exists()
    if known or ledger.posted(f"refund:{seen.id}"):
        return
    try:
        ours = sightings.refund(seen, now=found.now)
    except words.Unknown:
        return  # its news is read once the answer that is open has come
    if ours is not None:
        found.mended += 1
    elif seen.tags.install == settings.INSTALL:
        found.differ("orphans", [f"{seen.id}: {seen.amount} given back, and no payment for it"])


def _orphan_transfer(found: Findings, seen: words.TransferSeen) -> None:
    found.looked_at += 1
    known = Transfer.objects.filter(transfer=seen.id).values_list("reversed_minor", flat=True).first()
    if known == seen.reversed or (known is None and seen.tags.install != settings.INSTALL):
        return
    if sightings.transfer(seen, now=found.now) is not None:
        found.mended += 1
    else:
        found.differ("orphans", [f"{seen.id}: {seen.amount} sent to a payee, and no transfer for it"])


# ---- 4: holds


def _holds(found: Findings) -> None:
    """Holds that nobody wants are let go, with an alert; of those that lapse soon the app above is told, to decide now."""
    wanted = [PaymentState.HELD, PaymentState.CAPTURING, *UNKNOWN]
    left = Attempt.objects.filter(state=AttemptState.HELD, payment__provider=gateway.provider())
    unwanted = left.exclude(payment__state__in=wanted)
    for attempt in rounds.following("holds:left", unwanted, limit=found.limit, now=found.now):
        logger.error("hold.left attempt=%s payment=%s", attempt.id, attempt.payment_id)
        if _let_go(attempt.payment_id, attempt.id, found.now):
            found.mended += 1
        else:
            found.differ("holds_left", [f"attempt {attempt.id} of payment {attempt.payment_id}"])
    soon = Payment.objects.filter(
        state=PaymentState.HELD, hold_expires_at__lt=found.now + ENDS_SOON, provider=gateway.provider()
    )
    for payment in rounds.following("holds", soon, limit=found.limit, now=found.now):
        for receiver, answer in signals.hold_ends_soon.send_robust(sender=Payment, payment_id=payment.id):
            if isinstance(answer, Exception):
                logger.error("hold_ends_soon.failed receiver=%r", receiver, exc_info=answer)
        found.mended += not Payment.objects.filter(id=payment.id, state=PaymentState.HELD).exists()


@transaction.atomic
def _let_go(payment_id: UUID, attempt_id: UUID, now: datetime) -> bool:
    """Whether the hold is being released now."""
    standings.follow(locks.locked_payment(payment_id), now=now)
    asked = Operation.objects.filter(kind=Operation.Kind.CANCEL, subject=attempt_id)
    return asked.filter(state=OperationState.PENDING).exists()


# ---- 5: the books


def _books(found: Findings) -> None:
    """The provider's lines against ours; at night the balance and the holds as well."""
    compare = bookings.compare_all if found.full else bookings.compare_new
    outcome = compare(now=found.now)
    found.looked_at += outcome.looked_at
    found.mended += outcome.mended
    for name, lines in outcome.differences.items():
        found.differ(name, lines)


# ---- 6: what must always be true


def _invariants(found: Findings) -> None:
    """At night every invariant of the ledger; always what has lain in a clearing account for too long."""
    if found.full:
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            # All of it as it was at one moment: payments go on, and their rows come one after the other.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            wrong = queries.check_ledger()
        for name, lines in wrong.items():
            found.differ(name, lines)
    old = [each for each in ageing.all_waiting(now=found.now) if each.old]
    found.differ(
        "ageing",
        [f"{each.account} {each.subject}: {each.amount} since {each.since:%Y-%m-%d}" for each in old],
    )


_STEPS: dict[str, Callable[[Findings], None]] = {
    "attempts": _attempts,
    "orphans": _orphans,
    "holds": _holds,
    "books": _books,
    "operations": _operations,
    "invariants": _invariants,
}
