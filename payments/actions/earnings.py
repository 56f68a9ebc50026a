"""What a payee has earned by a trip that has run, and sending it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from payments import gateway, locks
from payments.actions import journal, ledger
from payments.models import Account, LedgerTransfer, Operation, Payee, Payment, Transfer
from payments.states import TRANSFER, AttemptState, PaymentState, TransferState
from rally import journal as changes
from rally.errors import NotAllowed
from rally.models import User
from rally.money import Money

logger = logging.getLogger(__name__)


class ShareTooLarge(ValueError):
    """Our own fault: more was to be shared out than the payers paid."""


@transaction.atomic
def book(
    *,
    group: str,
    payee_id: UUID,
    payment_ids: Sequence[UUID],
    share: Money,
    due_at: datetime,
    now: datetime,
    by: User | None,
) -> list[Transfer]:
    """Book what these payments earned: `share` for the payee, split over them by what each still holds (largest
    remainder), the rest for the platform. One transfer each, sent when due. Twice is once.

    Payments that hold nothing (not paid, or given back) are left out. Raises `ShareTooLarge`.
    """
    payments = [each for each in locks.locked_payments(payment_ids) if each.group == group]

    keys = [f"earned:{each.id}" for each in payments]
    if LedgerTransfer.objects.filter(event_key__in=keys).exists():
        return list(Transfer.objects.filter(payment__in=payments, payee_id=payee_id).order_by("payment_id"))
    paid = [each for each in payments if each.state == PaymentState.PAID and each.refundable]
    whole = Money.total((each.refundable for each in paid), share.currency)
    if share > whole or share.minor < 0:
        raise ShareTooLarge(f"{share} of {whole}")
    if not paid:
        return []

    payee = Payee.objects.get(id=payee_id)
    parts = share.split([each.refundable.minor for each in paid])
    made = []
    for payment, part in zip(paid, parts, strict=True):
        rest = payment.refundable - part
        ledger.earned(payment, payee=payee, share=part.minor, rest=rest.minor, now=now)
        if part:
            transfer = Transfer.objects.create(
                payee=payee,
                payment=payment,
                group=group,
                amount_minor=part.minor,
                currency=part.currency,
                due_at=due_at,
                created_at=now,
            )
            changes.begin(transfer, TRANSFER, now=now, by=by)
            made.append(transfer)
    return made


def send_due(*, now: datetime, limit: int = 200) -> int:
    """Journal the transfers that are due and whose payee can be paid. Answers how many. Harmless to repeat."""
    waiting = Transfer.objects.filter(
        state=TransferState.PENDING,
        due_at__lte=now,
        payee__can_be_paid=True,
        payment__provider=gateway.provider(),
    )
    asked = Operation.objects.filter(kind=Operation.Kind.TRANSFER).values("subject")
    ids = waiting.exclude(id__in=asked).order_by("due_at", "id").values_list("id", flat=True)
    return sum(_send(each, now) for each in list(ids[:limit]))


@transaction.atomic
def _send(transfer_id: UUID, now: datetime) -> bool:
    """Journal one transfer, unless its payment is disputed: then it waits for the bank."""
    payment_id = Transfer.objects.values_list("payment_id", flat=True).get(id=transfer_id)
    # A refund takes its part from what was not sent yet; both must not happen at once.
    payment = locks.locked_payment(payment_id)
    transfer = Transfer.objects.select_related("payee").get(id=transfer_id)
    disputed = ledger.balance_of(Account.DISPUTE_OPEN, payment_id=payment.id) < 0
    if transfer.state != TransferState.PENDING or disputed or not transfer.payee.can_be_paid:
        return False
    _ask(transfer, payment, now)
    return True


def _ask(transfer: Transfer, payment: Payment, now: datetime) -> Operation:
    charge = payment.attempts.get(state=AttemptState.CAPTURED, unwanted=False).charge
    return journal.write(
        kind=Operation.Kind.TRANSFER,
        subject=transfer.id,
        payment=payment,
        params={
            "amount": transfer.amount_minor,
            "currency": transfer.currency,
            "account": transfer.payee.account,
            "charge": charge,
            "group": payment.group,
        },
        now=now,
    )


@transaction.atomic
def send_again(*, transfer_id: UUID, now: datetime, by: User) -> Transfer:
    """Try a transfer that the provider refused once more. Nothing for one that has not failed.

    Raises `NotAllowed` for people who are not staff.
    """
    payment_id = Transfer.objects.values_list("payment_id", flat=True).get(id=transfer_id)
    payment = locks.locked_payment(payment_id)
    transfer = Transfer.objects.select_related("payee").get(id=transfer_id)

    if not by.is_staff:
        raise NotAllowed

    if transfer.state == TransferState.FAILED:
        changes.move(transfer, TRANSFER, TransferState.PENDING, now=now, by=by, why="sent again")
        _ask(transfer, payment, now)
    return transfer
