"""Pay that was booked and turns out to be less: corrected by new lines, from what was not sent, else as a debt."""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import UUID

from django.db import transaction

from payments import locks
from payments.actions import bearers, ledger
from payments.models import Account, LedgerTransfer, Payment, Transfer
from rally.money import Money

logger = logging.getLogger(__name__)

#: Where firm pay came from. What we added comes back first.
_FROM = (Account.GUARANTEE, Account.PLATFORM_FEE)


@transaction.atomic
def lower_firm(*, group: str, payee_id: UUID, amount: Money, reference: str, now: datetime) -> Money:
    """A payee has earned so much less of their firm pay for a group than was booked. Answers by how much it was lowered:
    never by more than was booked and not lowered before.

    It is taken from what was not sent yet; the rest they owe, and it is kept from what is sent next. Once per reference,
    and again it answers the same.
    """
    key = ledger.lowered_key(reference)
    # A refund takes its part from the same transfers, and a debt is kept from one while its payee is locked.
    locks.locked_payments(Payment.objects.filter(group=group).values_list("id", flat=True))
    locks.locked_payee(payee_id)
    known = LedgerTransfer.objects.filter(event_key=key).values_list("amount_minor", flat=True)
    if known:
        return Money(sum(known), amount.currency)

    left = {account: _booked(group, payee_id, account) for account in _FROM}
    less = min(amount.minor, sum(left.values()))
    taken = 0
    every = Transfer.objects.filter(group=group, payee_id=payee_id).exclude(purpose=Transfer.Purpose.PARTNER)
    for transfer in sorted(every.order_by("created_at", "id"), key=lambda each: each.payment_id is not None):
        taken += bearers.take_unsent(transfer, less - taken, why="earned less", now=now)
    added = min(less, left[Account.GUARANTEE])
    unsent, owed = min(taken, added), added - min(taken, added)
    sources = [
        (Account.OPERATOR_PAYABLE, Account.GUARANTEE, unsent),
        (Account.OPERATOR_PAYABLE, Account.PLATFORM_FEE, taken - unsent),
        (Account.OPERATOR_RECEIVABLE, Account.GUARANTEE, owed),
        (Account.OPERATOR_RECEIVABLE, Account.PLATFORM_FEE, less - taken - owed),
    ]
    ledger.lowered(
        reference, sources=sources, payee_id=payee_id, group=group, currency=amount.currency, now=now
    )
    logger.info("pay.lowered payee=%s amount=%s", payee_id, less)
    return Money(less, amount.currency)


def _booked(group: str, payee_id: UUID, account: str) -> int:
    """What of a payee's firm pay was booked out of this account, less what was lowered already."""
    rows = LedgerTransfer.objects.filter(group=group, payee_id=payee_id)
    booked = rows.filter(event_key=ledger.firm_key(group), debit=account)
    lowered = rows.filter(event_key__startswith=ledger.lowered_key(""), credit=account)
    return sum(booked.values_list("amount_minor", flat=True)) - sum(
        lowered.values_list("amount_minor", flat=True)
    )
