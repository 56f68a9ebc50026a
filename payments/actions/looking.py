"""Looking again at everything of one payment, because a person wants to know now."""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import UUID

from django.db import transaction

from payments import locks
from payments.actions import sightings, standings
from payments.errors import ProviderUnavailable
from payments.gateway import words
from payments.models import Payment, Refund
from payments.states import CheckoutState, OperationState
from rally import audit
from rally.errors import NotAllowed
from rally.later import later
from rally.models import User

logger = logging.getLogger(__name__)


def look_again(*, payment_id: UUID, now: datetime, by: User) -> Payment:
    """Fetch every attempt, page, refund, transfer and dispute of a payment and take over what became of them; then let
    the payment take its next step. Outside action; harmless to repeat.

    Raises `NotAllowed` for people who are not staff, `ProviderUnavailable` when it does not answer.
    """
    payment = _note(payment_id, now, by)
    try:
        for kind, object_id in _things_of(payment):
            sightings.look(kind, object_id, now=now)
    except words.Refused as no:
        logger.warning("look_again.not_found payment=%s error=%s", payment_id, no)
    except words.ProviderTrouble as trouble:
        raise ProviderUnavailable from trouble
    return _follow(payment_id, now)


@transaction.atomic
def _note(payment_id: UUID, now: datetime, by: User) -> Payment:
    payment = Payment.objects.get(id=payment_id)
    if not by.is_staff:
        raise NotAllowed
    audit.note(
        by=by, what="payment.look_again", subject=f"payment:{payment.id}", now=now, state=payment.state
    )
    return payment


def _things_of(payment: Payment) -> list[tuple[str, str]]:
    intents = payment.attempts.exclude(intent="").order_by("n").values_list("intent", flat=True)
    pages = payment.checkouts.filter(state=CheckoutState.OPEN).values_list("session", flat=True)
    refunds = Refund.objects.filter(attempt__payment=payment).exclude(refund="")
    return [
        *(("payment_intent", each) for each in intents),
        *(("checkout.session", each) for each in pages),
        *(("refund", each) for each in refunds.values_list("refund", flat=True)),
        *(
            ("transfer", each)
            for each in payment.transfers.exclude(transfer="").values_list("transfer", flat=True)
        ),
        *(("dispute", each) for each in payment.disputes.values_list("dispute", flat=True)),
    ]


@transaction.atomic
def _follow(payment_id: UUID, now: datetime) -> Payment:
    payment = locks.locked_payment(payment_id)
    standings.follow(payment, now=now)
    for each in payment.operations.filter(state=OperationState.PENDING, due_at__lte=now):
        later("payments.run_operation", operation_id=each.id)
    return payment
