"""Who is blamed for lost disputes, and for how much: never for more than is still lost.

A payee is blamed once for a dispute, and owes that as any other debt. Where the loss turns out to be smaller they owe so
much less.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from payments import locks
from payments.actions import bearers, by_hand, ledger
from payments.models import Attempt, Dispute, LedgerTransfer
from rally.money import Money


class Blame(NamedTuple):
    """What a payee is still blamed for of one dispute, in minor units."""

    dispute: Dispute
    payee_id: UUID
    amount: int


def left(dispute: Dispute) -> int:
    """What somebody can be blamed for, in minor units: what is still lost by the dispute, as far as the loss of its charge
    leaves room beside what is blamed for its other disputes. Nothing once somebody is blamed for this one.
    """
    blames = _of(dispute.attempt)
    if dispute in [each.dispute for each in blames]:
        return 0
    room = ledger.lost_of([dispute.attempt]) - sum(each.amount for each in blames)
    return max(0, min(ledger.lost_by(dispute), room))


def fit(attempt: Attempt, *, now: datetime) -> None:
    """Less of a charge is lost than before: nobody stays blamed for more. Twice is once. With the payment locked; locks who
    is blamed.
    """
    blames = _of(attempt)
    locks.locked_payees(each.payee_id for each in blames)
    room = ledger.lost_of([attempt])
    for each in blames:
        stays = min(each.amount, ledger.lost_by(each.dispute), room)
        if stays < each.amount:
            _clear(each, stays, now)
        room -= stays


def _of(attempt: Attempt) -> list[Blame]:
    """Who is blamed for the disputes of a charge, the oldest dispute first."""
    found = []
    for dispute in attempt.disputes.select_related("payment").order_by("opened_at", "id"):
        row = LedgerTransfer.objects.filter(event_key=by_hand.blame_key(dispute.dispute)).first()
        if row is not None and row.payee_id is not None:
            cleared = LedgerTransfer.objects.filter(
                payee_id=row.payee_id, event_key__startswith=by_hand.cleared_key(dispute.dispute)
            )
            amount = row.amount_minor - sum(cleared.values_list("amount_minor", flat=True))
            found.append(Blame(dispute, row.payee_id, amount))
    return found


def _clear(blame: Blame, stays: int, now: datetime) -> None:
    """A payee stays blamed for so much and no more; what was kept from their pay for the rest already is sent to them."""
    payment, event = blame.dispute.payment, by_hand.cleared_key(blame.dispute.dispute, stays)
    amount = blame.amount - stays
    debt = min(amount, bearers.debt_of(blame.payee_id, payment.currency))
    by_hand.cleared(
        blame.payee_id,
        event_key=event,
        debt=debt,
        due=amount - debt,
        currency=payment.currency,
        group=payment.group,
        now=now,
    )
    if amount > debt:
        bearers.loose(
            blame.payee_id,
            group=payment.group,
            amount=Money(amount - debt, payment.currency),
            reference=event[:80],
            due_at=now,
            now=now,
        )
