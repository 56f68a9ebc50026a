"""What payees have earned by a trip that has run: booked, sent, and what they owe us kept from it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from payments import gateway, locks
from payments.actions import bearers, journal, ledger
from payments.actions.ledger import Source
from payments.errors import DisputeOpen
from payments.models import Account, LedgerTransfer, Operation, Payment, Transfer
from payments.queries import worth
from payments.queries.disputes import OPEN, disputed, disputed_in
from payments.states import TRANSFER, AttemptState, OperationState, TransferState
from rally import audit
from rally import journal as changes
from rally.errors import NotAllowed
from rally.models import User
from rally.money import Money

logger = logging.getLogger(__name__)

#: What our balance does not cover yet is asked for again after this.
_UNTIL_COVERED = timedelta(hours=6)


class ShareTooLarge(ValueError):
    """Our own fault: more was to be shared out than the payers paid."""


@dataclass(frozen=True)
class Due:
    """What one payee is due for a group of payments, in minor units.

    `parts` are out of each payment, by its id: who gets them also bears what is given back of that payment later. `firm`
    is due besides, whatever becomes of the payments.
    """

    payee_id: UUID
    parts: Mapping[UUID, int] = field(default_factory=dict)
    firm: int = 0


@transaction.atomic
def book(
    *,
    group: str,
    payment_ids: Sequence[UUID],
    operators: Sequence[Due],
    partner: Due | None = None,
    taxes: Mapping[UUID, int] | None = None,
    currency: str = "USD",
    due_at: datetime,
    now: datetime,
    by: User | None,
) -> list[Transfer]:
    """Book what these payments earned: for operators, a partner and the tax office what they are due of each, the rest
    for the platform. What operators are due besides comes out of that rest, and beyond it out of our own pocket. Twice is
    once.

    Operators are sent one transfer for each payment as far as its card paid, tied to its charge, and one for the rest;
    a partner one for all. Payments of other groups are left out. Raises `ShareTooLarge` when a payment is worth less
    than is due of it, `ValueError` below zero.
    """
    payments = [each for each in locks.locked_payments(payment_ids) if each.group == group]

    if is_booked(group):
        return list(Transfer.objects.filter(group=group).order_by("created_at", "id"))
    fees = 0
    for payment in payments:
        fees += _share_out(payment, operators, partner, taxes or {}, now)
    _book_firm(group, operators, fees, currency, now)

    made = [
        *_tied(payments, operators, due_at=due_at, now=now, by=by),
        *_loose(group, operators, currency, due_at, now),
    ]
    share = sum(partner.parts.values()) if partner else 0
    if partner and share:
        made.append(
            bearers.loose(
                partner.payee_id,
                group=group,
                amount=Money(share, currency),
                reference=f"partner:{group}",
                due_at=due_at,
                purpose=Transfer.Purpose.PARTNER,
                now=now,
            )
        )
    return made


def is_booked(group: str) -> bool:
    """Whether what the group earned was booked."""
    shared = LedgerTransfer.objects.filter(group=group, event_key__startswith="earned:")
    return shared.exists() or ledger.posted(ledger.firm_key(group))


def _share_out(
    payment: Payment, operators: Sequence[Due], partner: Due | None, taxes: Mapping[UUID, int], now: datetime
) -> int:
    """Book who gets what of one payment. Answers what is left for the platform."""
    parts = [
        Source(Account.OPERATOR_PAYABLE, due.parts.get(payment.id, 0), due.payee_id) for due in operators
    ]
    if partner:
        parts.append(Source(Account.PARTNER_PAYABLE, partner.parts.get(payment.id, 0), partner.payee_id))
    parts.append(Source(Account.TAX_PAYABLE, taxes.get(payment.id, 0)))
    if min(each.amount for each in parts) < 0:
        raise ValueError("Nobody is due less than nothing.")
    whole = worth(payment).minor
    rest = whole - sum(each.amount for each in parts)
    if rest < 0:
        raise ShareTooLarge(f"{whole - rest} of {whole} for {payment.id}")
    ledger.earned(payment, parts=[*parts, Source(Account.PLATFORM_FEE, rest)], now=now)
    return rest


def _book_firm(group: str, operators: Sequence[Due], fees: int, currency: str, now: datetime) -> None:
    sources = []
    for due in operators:
        by_fees = min(due.firm, fees)
        fees -= by_fees
        sources.append(Source(Account.PLATFORM_FEE, by_fees, due.payee_id))
        sources.append(Source(Account.GUARANTEE, due.firm - by_fees, due.payee_id))
    ledger.firm(group, sources=sources, currency=currency, now=now)


def _tied(
    payments: Sequence[Payment],
    operators: Sequence[Due],
    *,
    due_at: datetime,
    now: datetime,
    by: User | None,
) -> list[Transfer]:
    """The transfers out of charges: first each payee's parts, then firm pay out of what cards have left."""
    left = {each.id: each.refundable.minor for each in payments}
    made = []
    for due in operators:
        tied = {each: min(part, left[each]) for each, part in due.parts.items() if each in left}
        room = {each: left[each] - tied.get(each, 0) for each in left}
        lacking = min(sum(due.parts.values()) + due.firm - sum(tied.values()), sum(room.values()))
        if lacking:
            more = Money(lacking, payments[0].currency).split(list(room.values()))
            tied = {each: tied.get(each, 0) + part.minor for each, part in zip(room, more, strict=True)}
        for payment in payments:
            amount = tied.get(payment.id, 0)
            if amount:
                left[payment.id] -= amount
                transfer = Transfer.objects.create(
                    payee_id=due.payee_id,
                    payment=payment,
                    group=payment.group,
                    amount_minor=amount,
                    currency=payment.currency,
                    due_at=due_at,
                    created_at=now,
                )
                changes.begin(transfer, TRANSFER, now=now, by=by)
                made.append(transfer)
    return made


def _loose(
    group: str, operators: Sequence[Due], currency: str, due_at: datetime, now: datetime
) -> list[Transfer]:
    """What no card paid for: credit, promotions, guarantees."""
    made = []
    for due in operators:
        tied = Transfer.objects.filter(payee_id=due.payee_id, group=group, payment__isnull=False)
        rest = sum(due.parts.values()) + due.firm - sum(tied.values_list("amount_minor", flat=True))
        if rest:
            made.append(
                bearers.loose(
                    due.payee_id,
                    group=group,
                    amount=Money(rest, currency),
                    reference=f"top_up:{group}",
                    due_at=due_at,
                    now=now,
                )
            )
    return made


# ---- sending


def send_due(*, now: datetime, limit: int = 200) -> int:
    """Journal the transfers that are due and whose payee can be paid. Answers how many. Harmless to repeat."""
    waiting = Transfer.objects.filter(
        state=TransferState.PENDING,
        held=False,
        due_at__lte=now,
        payee__can_be_paid=True,
        payee__provider=gateway.provider(),
    )
    # What waits for a bank may wait for months: it must not stand before what can be sent.
    for whose in ("payment", "out_of"):
        waiting = waiting.exclude(**{f"{whose}__disputes__state__in": OPEN})
    asked = Operation.objects.filter(kind=Operation.Kind.TRANSFER).exclude(state=OperationState.FAILED)
    ids = waiting.exclude(id__in=asked.values("subject")).order_by("due_at", "id")
    return sum(_send(each, now) for each in list(ids.values_list("id", flat=True)[:limit]))


@transaction.atomic
def _send(transfer_id: UUID, now: datetime) -> bool:
    """Journal one transfer, less what the payee owes us; unless its payment is disputed: then it waits for the bank."""
    transfer = locks.locked_transfer(transfer_id)

    waits = transfer.held or not transfer.payee.can_be_paid
    if transfer.state != TransferState.PENDING or waits or not bearers.unsent(transfer):
        return False
    _set_disputed_apart(transfer, now)
    if is_frozen(transfer):
        return False

    _net(transfer, now)
    if transfer.to_send_minor:
        _ask(transfer, now)
    else:
        changes.move(transfer, TRANSFER, TransferState.PAID, now=now, by=None, why="kept against a debt")
        bearers.tell_of_transfer(transfer)
    return True


def is_frozen(transfer: Transfer) -> bool:
    """A bank may take away what this transfer would send on."""
    whose = transfer.payment_id or transfer.out_of_id
    return whose is not None and disputed(whose)


def _set_disputed_apart(transfer: Transfer, now: datetime) -> None:
    """A transfer that is tied to no charge may still send what riders paid by card: a partner's share, what was held back."""
    if transfer.payment_id or transfer.out_of_id or not transfer.group:
        return
    for payment in disputed_in(transfer.group):
        bearers.set_apart(transfer, payment, now=now)


def _net(transfer: Transfer, now: datetime) -> None:
    """Keep what the payee owes us from what is sent. What a transfer kept before it has kept: it may have waited since, and
    they may owe more."""
    kept = min(transfer.to_send_minor, bearers.debt_of(transfer.payee_id, transfer.currency))
    if not kept:
        return
    ledger.netted(transfer, amount=kept, now=now)
    transfer.netted_minor += kept
    transfer.save(update_fields=["netted_minor"])


def _ask(transfer: Transfer, now: datetime) -> Operation:
    payment = transfer.payment
    charge = payment.attempts.get(state=AttemptState.CAPTURED, unwanted=False).charge if payment else ""
    return journal.write(
        kind=Operation.Kind.TRANSFER,
        subject=transfer.id,
        payment=payment,
        params={
            "amount": transfer.to_send_minor,
            "currency": transfer.currency,
            "account": transfer.payee.account,
            "charge": charge,
            "group": payment.group if payment else transfer.group,
        },
        now=now,
    )


@transaction.atomic
def not_covered(*, transfer_id: UUID, now: datetime) -> bool:
    """Our balance does not cover a transfer yet: it is due again later. False for one that is tied to a charge."""
    transfer = locks.locked_transfer(transfer_id)
    if transfer.payment is not None or transfer.state != TransferState.PENDING:
        return False
    transfer.due_at = now + _UNTIL_COVERED
    transfer.save(update_fields=["due_at"])
    logger.warning("transfer.not_covered transfer=%s", transfer.id)
    return True


@transaction.atomic
def send_again(*, transfer_id: UUID, now: datetime, by: User) -> Transfer:
    """Try a transfer that the provider refused once more, as `send_due` does: less what the payee owes us by now. Nothing
    for one that has not failed, or is held back.

    Raises `NotAllowed` for people who are not staff, `DisputeOpen` while a bank may take the money away.
    """
    transfer = locks.locked_transfer(transfer_id)

    if not by.is_staff:
        raise NotAllowed

    if transfer.state == TransferState.FAILED and not transfer.held:
        if is_frozen(transfer):
            raise DisputeOpen
        changes.move(transfer, TRANSFER, TransferState.PENDING, now=now, by=by, why="sent again")
        audit.note(
            by=by,
            what="transfer.send_again",
            subject=f"transfer:{transfer.id}",
            now=now,
            amount=transfer.amount_minor,
        )
        _send(transfer.id, now)
    return transfer
