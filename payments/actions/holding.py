"""Holding back what a payee is due for one group until something is cleared up, and what payees owe us for what went wrong."""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import UUID

from django.db import transaction

from payments import locks
from payments.actions import bearers, ledger
from payments.models import Payment, Transfer
from payments.queries import groups
from rally.money import Money

logger = logging.getLogger(__name__)


class NotThere(ValueError):
    """Our own fault: more is to be kept than waits."""


@transaction.atomic
def hold(*, group: str, payee_id: UUID, amount: Money | None, reference: str, now: datetime) -> None:
    """Let what a payee is due for a group and was not sent yet wait until `lift`: all of it, or `amount` of it.

    A part waits in a transfer of its own, so that the rest goes out as it would have. Once per reference. Nothing for
    what was sent already.
    """
    every = _locked(group, payee_id)
    own = f"held:{reference}"
    if any(each.reference == own for each in every):
        return
    if amount is None:
        for transfer in every:
            if bearers.unsent(transfer):
                _mark(transfer, held=True)
        return
    left, due_at = amount.minor, now
    # What no card stands behind first: a charge's own transfer is the surest to arrive.
    for transfer in sorted(every, key=lambda each: each.payment_id is not None):
        due_at = max(due_at, transfer.due_at)
        left -= bearers.take_unsent(transfer, left, why="held back", now=now)
    if left < amount.minor:
        bearers.loose(
            payee_id,
            group=group,
            amount=Money(amount.minor - left, amount.currency),
            reference=own,
            due_at=due_at,
            held=True,
            now=now,
        )


@transaction.atomic
def lift(*, group: str, payee_id: UUID, kept: Money, reference: str, now: datetime) -> None:
    """Let go what waits, but for what is `kept`: that the payee does not get at all. Twice is once.

    Raises `NotThere` when less than that waits.
    """
    waiting = [each for each in _locked(group, payee_id) if each.held]
    left = kept.minor
    for transfer in waiting:
        left -= bearers.take_unsent(transfer, left, why="kept", now=now)
    if left and ledger.posted(ledger.kept_key(reference)):
        return
    if left:
        raise NotThere(f"{kept} of {groups.waits(group, payee_id, kept.currency)}")
    ledger.kept_back(
        reference, payee_id=payee_id, group=group, amount=kept.minor, currency=kept.currency, now=now
    )
    for transfer in waiting:
        _mark(transfer, held=False)


@transaction.atomic
def penalise(*, payee_id: UUID, amount: Money, reference: str, now: datetime) -> bool:
    """Let a payee owe us for something that went wrong; it is kept from what is sent next. Once per reference: False if
    it was there. Raises `ValueError` for an amount that is not above zero."""
    if amount.minor <= 0:
        raise ValueError(f"{amount} is no penalty.")
    # What they owe is kept from a transfer while they are locked.
    locks.locked_payee(payee_id)
    if ledger.posted(ledger.penalty_key(reference)):
        return False
    ledger.penalised(reference, payee_id=payee_id, amount=amount.minor, currency=amount.currency, now=now)
    logger.warning("payee.penalised payee=%s amount=%s", payee_id, amount.minor)
    return True


def _locked(group: str, payee_id: UUID) -> list[Transfer]:
    """What a payee is due for a group as an operator, with every payment of the group and the payee held: a refund would
    take its part from what is being moved."""
    locks.locked_payments(Payment.objects.filter(group=group).values_list("id", flat=True))
    locks.locked_payee(payee_id)
    every = Transfer.objects.filter(group=group, payee_id=payee_id).exclude(purpose=Transfer.Purpose.PARTNER)
    return list(every.select_related("payee").order_by("created_at", "id"))


def _mark(transfer: Transfer, *, held: bool) -> None:
    transfer.held = held
    transfer.save(update_fields=["held"])
