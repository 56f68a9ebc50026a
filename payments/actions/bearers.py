"""Who bears a refund: what is left of the payer's deposit, then the payee's part, then our fee."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from payments import signals
from payments.actions import journal, ledger
from payments.models import Account, Operation, Payee, Payment, Refund, Transfer
from payments.states import TRANSFER, TransferState
from rally import journal as changes


def of(*, payment: Payment, refund: Refund, now: datetime) -> tuple[list[tuple[str, int]], Payee | None]:
    """The accounts that a refund is taken from: the deposit; after the trip the operator's share, then our fee.

    A part that the payee bears is taken back here. Called once per refund, with the payment locked.
    """
    amount = refund.amount_minor
    transfer = payment.transfers.select_related("payee").select_for_update(of=("self",)).first()
    earned = payment.ledger.filter(event_key=f"earned:{payment.id}").exists()
    if not earned or refund.attempt.unwanted:
        return [(Account.RIDER_DEPOSIT, amount)], None
    deposit = min(amount, max(0, ledger.balance_of(Account.RIDER_DEPOSIT, payment_id=payment.id)))
    rest = amount - deposit
    sources: list[tuple[str, int]] = [(Account.RIDER_DEPOSIT, deposit)]
    share = min(rest, transfer.amount_minor - _taken_back(transfer)) if transfer else 0
    if transfer is not None and share:
        sources.append((_take_from(transfer, share, refund, now), share))
        rest -= share
    sources.append((Account.PLATFORM_FEE, rest))
    return sources, transfer.payee if transfer else None


def _taken_back(transfer: Transfer) -> int:
    """What was taken back of a transfer, or is being taken back."""
    asked = Operation.objects.filter(kind=Operation.Kind.REVERSE, params__transfer=str(transfer.id))
    return max(transfer.reversed_minor, sum(int(each.params["amount"]) for each in asked))


def _take_from(transfer: Transfer, share: int, refund: Refund, now: datetime) -> str:
    """Take a part of a transfer back: simply, while it was not sent; else by asking the provider to reverse it."""
    asked = Operation.objects.filter(kind=Operation.Kind.TRANSFER, subject=transfer.id)
    if transfer.state == TransferState.FAILED or not asked.exists():
        if share == transfer.amount_minor:
            transfer.reversed_minor = share
            changes.move(
                transfer,
                TRANSFER,
                TransferState.REVERSED,
                now=now,
                by=None,
                why="refunded",
                also=("reversed_minor",),
            )
            tell_of_transfer(transfer)
        else:
            transfer.amount_minor -= share
            transfer.save(update_fields=["amount_minor"])
        return Account.OPERATOR_PAYABLE
    journal.write(
        kind=Operation.Kind.REVERSE,
        subject=refund.id,
        payment=refund.attempt.payment,
        params={"amount": share, "transfer": str(transfer.id)},
        now=now,
    )
    return Account.OPERATOR_RECEIVABLE


def tell_of_transfer(transfer: Transfer) -> None:
    """Tell the app above, once this is committed, that a transfer has changed."""
    transfer_id = transfer.id
    transaction.on_commit(
        lambda: signals.transfer_changed.send_robust(sender=Transfer, transfer_id=transfer_id)
    )
