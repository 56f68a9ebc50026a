"""How rows of money are locked: payments by primary key, then what hangs on them, then the ledger's inserts."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from payments.models import Payee, Payment, Transfer, Wallet


def locked_payment(payment_id: UUID | str) -> Payment:
    """The payment, held until this transaction ends. Raises `Payment.DoesNotExist`.

    Without it an answer of the provider and a new wish (release while authorizing, capture while the hold lapses)
    would each decide by what the other is about to change. Attempts, checkouts, refunds and operations of a payment
    change only while it is held.
    """
    return Payment.objects.select_for_update().get(id=payment_id)


def locked_payments(payment_ids: Iterable[UUID | str]) -> list[Payment]:
    """These payments, locked in the order of their keys so that two settlements cannot wait for each other."""
    return list(Payment.objects.select_for_update().filter(id__in=list(payment_ids)).order_by("id"))


def locked_payee(payee_id: UUID | str) -> Payee:
    """The payee, held until this transaction ends: one account each, whoever asks first."""
    return Payee.objects.select_for_update().get(id=payee_id)


def locked_wallet(user_id: UUID | str, currency: str) -> Wallet:
    """The user's wallet, made if it is the first, held until this transaction ends. Payments are locked before it.

    Without it two pledges would spend the same credit. Several wallets are taken in the order of their users' ids.
    """
    Wallet.objects.bulk_create([Wallet(user_id=user_id, currency=currency)], ignore_conflicts=True)
    return Wallet.objects.select_for_update().get(user_id=user_id, currency=currency)


def free_wallet(user_id: UUID | str, currency: str) -> Wallet | None:
    """The wallet, held until this transaction ends, unless somebody else holds it now: for whoever holds others already."""
    rows = Wallet.objects.select_for_update(skip_locked=True)
    return rows.filter(user_id=user_id, currency=currency).first()


def locked_payees(payee_ids: Iterable[UUID]) -> list[Payee]:
    """These payees, locked in the order of their keys. Payments are locked before them."""
    return list(Payee.objects.select_for_update().filter(id__in=list(payee_ids)).order_by("id"))


def locked_transfer(transfer_id: UUID | str) -> Transfer:
    """The transfer with its payee and payment; what it belongs to is held: its payment if it has one, and its payee.

    A refund takes its part from what was not sent yet, and what a payee owes is kept from what is sent: neither may
    happen while the transfer is being sent, and two transfers must not keep the same debt.
    """
    found = Transfer.objects.get(id=transfer_id)
    if found.payment_id is not None:
        locked_payment(found.payment_id)
    locked_payee(found.payee_id)
    return Transfer.objects.select_related("payee", "payment").get(id=transfer_id)
