"""Looking again at what should have moved by now, in case nobody told us."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import CharField, Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat

from payments import gateway, locks
from payments.actions import rounds, sightings, standings
from payments.gateway import words
from payments.models import Attempt, Checkout, LedgerTransfer, Payee, Payment, Transfer
from payments.states import UNKNOWN, AttemptState, CheckoutState, PaymentState, TransferState

logger = logging.getLogger(__name__)

#: What takes longer than this without news is looked at.
_OLD = timedelta(minutes=10)


def check_holds(*, now: datetime, limit: int = 100) -> int:
    """Look at holds whose time is over, pages that should be closed, captures without their line in the ledger and
    payees who could not be paid; and let payments that wait take their next step. Answers how many were looked at.

    Each kind goes round (`rounds`), at most `limit` at a time: what cannot be seen keeps nothing else waiting. Outside action.
    """
    count = 0
    for kind, object_id in _overdue(now, limit):
        try:
            sightings.look(kind, object_id, now=now)
        except words.ProviderTrouble as trouble:
            logger.warning("sweep.not_seen kind=%s id=%s error=%s", kind, object_id, trouble)
        count += 1
    for payment in rounds.following("waiting", _waiting(now), limit=limit, now=now):
        _follow(payment.id, now)
    return count


def _overdue(now: datetime, limit: int) -> Iterator[tuple[str, str]]:
    for attempt in rounds.following("overdue:attempts", _overdue_attempts(now), limit=limit, now=now):
        yield "payment_intent", attempt.intent
    closed = Checkout.objects.filter(
        state=CheckoutState.OPEN, expires_at__lte=now, payment__provider=gateway.provider()
    )
    for checkout in rounds.following("overdue:pages", closed, limit=limit, now=now):
        yield "checkout.session", checkout.session
    # News of payees' own accounts is pushed, and not part of our feed.
    unpaid = Transfer.objects.filter(payee=OuterRef("id"), state=TransferState.PENDING, due_at__lte=now)
    payees = Payee.objects.filter(Exists(unpaid), can_be_paid=False, provider=gateway.provider())
    for payee in rounds.following("overdue:payees", payees.exclude(account=""), limit=limit, now=now):
        yield "account", payee.account


def _overdue_attempts(now: datetime) -> QuerySet[Attempt]:
    lapsed = Q(state=AttemptState.HELD, capture_before__lte=now)
    unbooked = Q(state=AttemptState.CAPTURED, booked=False)
    key = Concat(Value("capture:"), Cast(OuterRef("id"), CharField()))
    attempts = Attempt.objects.filter(~Q(intent=""), payment__provider=gateway.provider()).annotate(
        booked=Exists(LedgerTransfer.objects.filter(event_key=key))
    )
    return attempts.filter(lapsed | unbooked)


def _waiting(now: datetime) -> QuerySet[Payment]:
    """Payments in the middle of something for long; and holds that the payment does not know of."""
    stale = Q(state__in=UNKNOWN) | Q(state=PaymentState.HELD, hold_expires_at__lte=F("changed_at"))
    return Payment.objects.filter(stale, changed_at__lte=now - _OLD, provider=gateway.provider())


@transaction.atomic
def _follow(payment_id: UUID, now: datetime) -> None:
    standings.follow(locks.locked_payment(payment_id), now=now)
