"""Looking again at what should have moved by now, in case nobody told us."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import CharField, Exists, F, OuterRef, Q, Value
from django.db.models.functions import Cast, Concat

from payments import gateway, locks
from payments.actions import sightings, standings
from payments.gateway import words
from payments.models import Attempt, Checkout, LedgerTransfer, Payment, Transfer
from payments.states import UNKNOWN, AttemptState, CheckoutState, PaymentState, TransferState

logger = logging.getLogger(__name__)

#: What takes longer than this without news is looked at.
_OLD = timedelta(minutes=10)


def check_holds(*, now: datetime, limit: int = 100) -> int:
    """Look at holds whose time is over, pages that should be closed, captures without their line in the ledger and
    payees who could not be paid; and let payments that wait take their next step. Answers how many were looked at. Outside action.
    """
    count = 0
    for kind, object_id in _overdue(now, limit):
        try:
            sightings.look(kind, object_id, now=now)
        except words.ProviderTrouble as trouble:
            logger.warning("sweep.not_seen kind=%s id=%s error=%s", kind, object_id, trouble)
        count += 1
    for payment_id in _waiting(now, limit):
        _follow(payment_id, now)
    return count


def _overdue(now: datetime, limit: int) -> Iterator[tuple[str, str]]:
    ours = {"payment__provider": gateway.provider()}
    lapsed = Q(state=AttemptState.HELD, capture_before__lte=now)
    unbooked = Q(state=AttemptState.CAPTURED, booked=False)
    key = Concat(Value("capture:"), Cast(OuterRef("id"), CharField()))
    attempts = Attempt.objects.filter(~Q(intent=""), **ours).annotate(
        booked=Exists(LedgerTransfer.objects.filter(event_key=key))
    )
    for intent in attempts.filter(lapsed | unbooked).values_list("intent", flat=True)[:limit]:
        yield "payment_intent", intent
    closed = Checkout.objects.filter(state=CheckoutState.OPEN, expires_at__lte=now, **ours)
    for session in closed.values_list("session", flat=True)[:limit]:
        yield "checkout.session", session
    # News of payees' own accounts is pushed, and not part of our feed.
    waiting = Transfer.objects.filter(
        state=TransferState.PENDING, due_at__lte=now, payee__can_be_paid=False, **ours
    )
    accounts = waiting.exclude(payee__account="").order_by().values_list("payee__account", flat=True)
    for account in accounts.distinct()[:limit]:
        yield "account", account


def _waiting(now: datetime, limit: int) -> list[object]:
    """Payments in the middle of something for long; and holds that the payment does not know of."""
    stale = Q(state__in=UNKNOWN) | Q(state=PaymentState.HELD, hold_expires_at__lte=F("changed_at"))
    found = Payment.objects.filter(stale, changed_at__lte=now - _OLD, provider=gateway.provider())
    return list(found.values_list("id", flat=True)[:limit])


@transaction.atomic
def _follow(payment_id: object, now: datetime) -> None:
    standings.follow(locks.locked_payment(payment_id), now=now)  # type: ignore[arg-type]
