"""Writing the ledger: one function for each thing that happens to money. Each may be called again; it posts once.

Debit comes first, as in the chart of docs/money.md. Called inside the transaction that learns of the event, with the
payment locked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q

from payments.models import Account, Attempt, Dispute, LedgerTransfer, Payment, Transfer, Wallet
from payments.models.payments import Refund


def held(attempt: Attempt, *, now: datetime) -> None:
    """A bank has set money aside."""
    post(
        f"hold:{attempt.id}",
        [(Account.HOLD_RIDER, Account.HOLD_CONTRA, attempt.amount_minor)],
        payment=attempt.payment,
        now=now,
    )


def no_longer_held(attempt: Attempt, *, now: datetime) -> None:
    """The hold has ended: captured, released or expired. Nothing if it was never seen."""
    if posted(f"hold:{attempt.id}"):
        post(
            f"unhold:{attempt.id}",
            [(Account.HOLD_CONTRA, Account.HOLD_RIDER, attempt.amount_minor)],
            payment=attempt.payment,
            now=now,
        )


def captured(attempt: Attempt, *, fee: int, transaction: str, now: datetime) -> None:
    """We have the money, less the provider's fee."""
    post(
        f"capture:{attempt.id}",
        [
            (Account.STRIPE_BALANCE, Account.RIDER_DEPOSIT, attempt.captured_minor),
            (Account.STRIPE_FEE, Account.STRIPE_BALANCE, fee),
        ],
        payment=attempt.payment,
        transaction=transaction,
        now=now,
    )


class Source(NamedTuple):
    """An account that bears a part of something, and whose it is."""

    account: str
    amount: int
    payee_id: UUID | None = None


def promised(refund: Refund, *, sources: list[Source], now: datetime) -> None:
    """A refund was decided. `sources` are the accounts that bear it, with their parts."""
    post(
        f"promise:{refund.id}",
        [(each.account, Account.RIDER_REFUND_DUE, each.amount, each.payee_id) for each in sources],
        payment=refund.attempt.payment,
        now=now,
    )


def refunded(refund: Refund, *, amount: int, provider_id: str, transaction: str, now: datetime) -> None:
    """The refund has left our balance."""
    post(
        f"refund:{provider_id}",
        [(Account.RIDER_REFUND_DUE, Account.STRIPE_BALANCE, amount)],
        payment=refund.attempt.payment,
        transaction=transaction,
        now=now,
    )


def refund_came_back(
    refund: Refund, *, amount: int, provider_id: str, transaction: str, now: datetime
) -> None:
    """The card did not take the refund: the money is with us again and still owed."""
    post(
        f"refund_back:{provider_id}",
        [(Account.STRIPE_BALANCE, Account.RIDER_REFUND_DUE, amount)],
        payment=refund.attempt.payment,
        transaction=transaction,
        now=now,
    )


def earned_key(payment_id: UUID) -> str:
    """The event in which a payment was shared out."""
    return f"earned:{payment_id}"


def earned(payment: Payment, *, parts: list[Source], now: datetime) -> None:
    """The trip has run: what the payment is worth goes to these accounts."""
    post(
        earned_key(payment.id),
        [(Account.RIDER_DEPOSIT, each.account, each.amount, each.payee_id) for each in parts],
        payment=payment,
        now=now,
    )


def firm_key(group: str) -> str:
    """The event in which pay that depends on no payment was booked."""
    return f"firm:{group}"


def firm(group: str, *, sources: list[Source], currency: str, now: datetime) -> None:
    """The trip has run: payees are due this, whatever riders paid. It comes out of our fee, then out of our pocket."""
    post(
        firm_key(group),
        [(each.account, Account.OPERATOR_PAYABLE, each.amount, each.payee_id) for each in sources],
        group=group,
        currency=currency,
        now=now,
    )


def lowered_key(reference: str) -> str:
    """The event of correcting pay downwards for this reference."""
    return f"lowered:{reference}"


def lowered(
    reference: str,
    *,
    sources: Sequence[tuple[str, str, int]],
    payee_id: UUID,
    group: str,
    currency: str,
    now: datetime,
) -> None:
    """Firm pay was less than was booked: of what is due, or as a debt, it goes back to where it came from."""
    post(
        lowered_key(reference),
        [(debit, credit, amount, payee_id) for debit, credit, amount in sources],
        group=group,
        currency=currency,
        now=now,
    )


def sent(transfer: Transfer, *, amount: int, transaction: str, now: datetime) -> None:
    """The payee was paid."""
    post(
        f"transfer:{transfer.id}",
        [(transfer.account, Account.STRIPE_BALANCE, amount, transfer.payee_id)],
        payment=transfer.payment,
        group=transfer.group,
        currency=transfer.currency,
        transaction=transaction,
        now=now,
    )


def netted(transfer: Transfer, *, amount: int, now: datetime) -> None:
    """A part of what is due is kept against what the payee owes us: once for each sum that was kept of it before."""
    before = f":{transfer.netted_minor}" if transfer.netted_minor else ""
    post(
        f"netted:{transfer.id}{before}",
        [(transfer.account, Account.OPERATOR_RECEIVABLE, amount, transfer.payee_id)],
        payment=transfer.payment,
        group=transfer.group,
        currency=transfer.currency,
        now=now,
    )


def kept_key(reference: str) -> str:
    """The event of keeping a part of what was held back."""
    return f"kept:{reference}"


def kept_back(
    reference: str, *, payee_id: UUID, group: str, amount: int, currency: str, now: datetime
) -> None:
    """A payee does not get a part of what was due to them."""
    post(
        kept_key(reference),
        [(Account.OPERATOR_PAYABLE, Account.PLATFORM_RETAINED, amount, payee_id)],
        group=group,
        currency=currency,
        now=now,
    )


def penalty_key(reference: str) -> str:
    """The event of a penalty for this reference."""
    return f"penalty:{reference}"


def penalised(reference: str, *, payee_id: UUID, amount: int, currency: str, now: datetime) -> None:
    """A payee owes us for something that went wrong."""
    post(
        penalty_key(reference),
        [(Account.OPERATOR_RECEIVABLE, Account.PLATFORM_RETAINED, amount, payee_id)],
        currency=currency,
        now=now,
    )


def taken_back(transfer: Transfer, *, amount: int, provider_id: str, transaction: str, now: datetime) -> None:
    """The payee gave a part back."""
    post(
        f"reversal:{provider_id}",
        [(Account.STRIPE_BALANCE, Account.OPERATOR_RECEIVABLE, amount, transfer.payee_id)],
        payment=transfer.payment,
        group=transfer.group,
        currency=transfer.currency,
        transaction=transaction,
        now=now,
    )


def due_again(transfer: Transfer, *, before: int, amount: int, now: datetime) -> None:
    """More came back from the payee than they owed: it is due to them as before. It has happened `before` times to this
    transfer.
    """
    post(
        f"due_again:{transfer.id}:{before}",
        [(Account.OPERATOR_RECEIVABLE, transfer.account, amount, transfer.payee_id)],
        payment=transfer.payment,
        group=transfer.group,
        currency=transfer.currency,
        now=now,
    )


def disputed(payment: Payment, *, amount: int, fee: int, transaction: str, now: datetime) -> None:
    """The bank took the money and a fee until the dispute is decided."""
    post(
        f"dispute:{transaction}",
        [
            (Account.DISPUTE_OPEN, Account.STRIPE_BALANCE, amount),
            (Account.DISPUTE_FEE, Account.STRIPE_BALANCE, fee),
        ],
        payment=payment,
        transaction=transaction,
        now=now,
    )


def dispute_won(payment: Payment, *, amount: int, fee: int, transaction: str, now: datetime) -> None:
    """The bank gave the money back, and perhaps the fee."""
    post(
        f"dispute:{transaction}",
        [
            (Account.STRIPE_BALANCE, Account.DISPUTE_OPEN, amount),
            (Account.STRIPE_BALANCE, Account.DISPUTE_FEE, fee),
        ],
        payment=payment,
        transaction=transaction,
        now=now,
    )


def lost_key(dispute: str) -> str:
    """The event of losing this dispute (provider id)."""
    return f"dispute_lost:{dispute}"


def dispute_lost(payment: Payment, *, dispute: str, amount: int, now: datetime) -> None:
    """The money of the dispute is gone."""
    post(
        lost_key(dispute),
        [(Account.LOSS_DISPUTE, Account.DISPUTE_OPEN, amount)],
        payment=payment,
        now=now,
    )


def kept_by_bank(refund: Refund, *, amount: int, now: datetime) -> None:
    """What we had promised back, the payer has from the bank: so much less of the dispute is a loss. Below zero the bank gave
    it back to us, and it is owed once more. A new event each time: a bank may change its mind.
    """
    key = f"bank:{refund.id}:"
    before = LedgerTransfer.objects.filter(event_key__startswith=key).count()
    post(
        f"{key}{before}",
        [_either_way(Account.RIDER_REFUND_DUE, Account.LOSS_DISPUTE, amount)],
        payment=refund.attempt.payment,
        now=now,
    )


def lost_by(dispute: Dispute) -> int:
    """What a bank took for good by one dispute, in minor units: what was lost, less what it gave back since."""
    events = Q(event_key=lost_key(dispute.dispute)) | Q(event_key__startswith=regained_key(dispute.dispute))
    rows = LedgerTransfer.objects.filter(events, payment_id=dispute.payment_id)
    return sum(each.amount_minor * (1 if each.debit == Account.LOSS_DISPUTE else -1) for each in rows)


def lost_of(attempts: Iterable[Attempt]) -> int:
    """What banks took of these charges for good, in minor units, beside what we had promised back of them anyway."""
    taken = sum(lost_by(each) for each in Dispute.objects.filter(attempt__in=attempts))
    if not taken:
        return 0
    kept = Refund.objects.filter(attempt__in=attempts, by_bank=True)
    return max(0, taken - sum(kept.values_list("amount_minor", flat=True)))


def regained_key(dispute: str, left: int | str = "") -> str:
    """The event of getting a part of a lost dispute (provider id) back, after which `left` is still lost; without it, how all
    of these events begin.
    """
    return f"dispute_regained:{dispute}:{left}"


def dispute_regained(payment: Payment, *, dispute: str, amount: int, left: int, now: datetime) -> None:
    """The bank gave back what was lost already; of it `left` stays lost."""
    post(
        regained_key(dispute, left),
        [(Account.DISPUTE_OPEN, Account.LOSS_DISPUTE, amount)],
        payment=payment,
        now=now,
    )


def paid_out(*, amount: int, fee: int, currency: str, transaction: str, now: datetime) -> None:
    """The provider sent `amount` to our bank; below zero, it came back."""
    post(
        f"payout:{transaction}",
        [
            _either_way(Account.BANK, Account.STRIPE_BALANCE, amount),
            (Account.STRIPE_FEE, Account.STRIPE_BALANCE, fee),
        ],
        currency=currency,
        transaction=transaction,
        now=now,
    )


def billed(*, amount: int, currency: str, transaction: str, now: datetime) -> None:
    """The provider took `amount` for what belongs to no payment; below zero, it gave it back."""
    post(
        f"billed:{transaction}",
        [_either_way(Account.STRIPE_FEE, Account.STRIPE_BALANCE, amount)],
        currency=currency,
        transaction=transaction,
        now=now,
    )


def _either_way(debit: Account, credit: Account, amount: int) -> tuple[Account, Account, int]:
    """A leg from an amount with its sign: below zero it goes the other way."""
    return (debit, credit, amount) if amount > 0 else (credit, debit, -amount)


def credit_key(reference: str) -> str:
    """The event of giving credit for this reference."""
    return f"credit:{reference}"


def credit_given(wallet: Wallet, *, source: str, amount: int, reference: str, now: datetime) -> None:
    """A rider was given credit, at our cost."""
    post(
        credit_key(reference),
        [(source, Account.RIDER_CREDIT, amount)],
        currency=wallet.currency,
        user=wallet.user_id,
        now=now,
    )


def posted(event_key: str) -> bool:
    """Whether this event is in the ledger."""
    return LedgerTransfer.objects.filter(event_key=event_key).exists()


def moved(event_keys: str, *, payment_id: UUID) -> int:
    """What all events of one payment whose key begins so have moved, in minor units."""
    rows = LedgerTransfer.objects.filter(payment_id=payment_id, event_key__startswith=event_keys)
    return sum(rows.values_list("amount_minor", flat=True))


def balance_of(account: str, *, payment_id: UUID) -> int:
    """Credits less debits of one account for one payment, in minor units: what a liability still holds."""
    rows = LedgerTransfer.objects.filter(payment_id=payment_id)
    credits_ = sum(rows.filter(credit=account).values_list("amount_minor", flat=True))
    return credits_ - sum(rows.filter(debit=account).values_list("amount_minor", flat=True))


def post(
    event_key: str,
    legs: Sequence[tuple[Any, ...]],
    *,
    now: datetime,
    payment: Payment | None = None,
    group: str = "",
    currency: str = "",
    transaction: str = "",
    user: UUID | None = None,
) -> None:
    """Write the legs of one event (debit, credit, minor units, and the payee's id if it is a payee's) that are not zero.

    Group and currency are the payment's, where there is one. The same event again writes nothing.
    """
    LedgerTransfer.objects.bulk_create(
        [
            LedgerTransfer(
                event_key=event_key,
                leg=number,
                debit=debit,
                credit=credit,
                amount_minor=amount,
                currency=payment.currency if payment else currency,
                payment=payment,
                payee_id=whose[0] if whose else None,
                user_id=user,
                group=payment.group if payment else group,
                transaction=transaction,
                occurred_at=now,
            )
            for number, (debit, credit, amount, *whose) in enumerate(legs, start=1)
            if amount
        ],
        ignore_conflicts=True,
    )
