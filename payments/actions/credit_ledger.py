"""Writing into the ledger what happens to credit and promotions. Debit first; with the payment locked, each move once.

What is on its way from a wallet to a deposit, or back, stands in `credit:set_aside`, for each payment.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from payments.actions.ledger import Source
from payments.models import Account, Contribution, LedgerTransfer, Payment


def aside(row: Contribution, *, payment: Payment, amount: int, now: datetime) -> None:
    """Credit, or a promotion at our cost, is meant for a payment."""
    _post(_numbered("aside", row), row.source, Account.CREDIT_SET_ASIDE, amount, payment=payment, now=now)


def back(row: Contribution, *, payment: Payment, amount: int, now: datetime) -> None:
    """What was not needed is back where it came from."""
    _post(_numbered("back", row), Account.CREDIT_SET_ASIDE, row.source, amount, payment=payment, now=now)


def spent(row: Contribution, *, payment: Payment, now: datetime) -> None:
    """What was set aside has paid its part of the trip."""
    amount = row.amount_minor
    _post(
        f"spent:{row.id}", Account.CREDIT_SET_ASIDE, Account.RIDER_DEPOSIT, amount, payment=payment, now=now
    )


def refund_key(payment_id: UUID, reason: str) -> str:
    """The event of giving credit back for this reason."""
    return f"credit_back:{payment_id}:{reason[:60]}"


def promotion_key(payment_id: UUID, reason: str) -> str:
    """The event of taking back what a promotion paid: for this reason, or without one all that is left."""
    return f"promotion_back:{payment_id}:{reason[:60]}".rstrip(":")


def refunded(*, payment: Payment, sources: Iterable[Source], key: str, now: datetime) -> None:
    """A part that was spent is on its way back; `sources` bear it."""
    for leg, source in enumerate(sources, start=1):
        _post(
            key,
            source.account,
            Account.CREDIT_SET_ASIDE,
            source.amount,
            payment=payment,
            payee_id=source.payee_id,
            leg=leg,
            now=now,
        )


def _numbered(what: str, row: Contribution) -> str:
    """The next event of this kind for a part: the payment is locked, so nobody else counts."""
    rows = LedgerTransfer.objects.filter(payment_id=row.payment_id, event_key__startswith=f"{what}:{row.id}:")
    return f"{what}:{row.id}:{rows.count() + 1}"


def _post(
    event_key: str,
    debit: str,
    credit: str,
    amount: int,
    *,
    payment: Payment,
    now: datetime,
    payee_id: UUID | None = None,
    leg: int = 1,
) -> None:
    """One leg, if it is of anything. A second one of the same event is our own fault, and fails."""
    if not amount:
        return
    riders = Account.RIDER_CREDIT in (debit, credit)
    LedgerTransfer.objects.create(
        event_key=event_key,
        leg=leg,
        debit=debit,
        credit=credit,
        amount_minor=amount,
        currency=payment.currency,
        payment=payment,
        payee_id=payee_id,
        user_id=payment.payer_id if riders else None,
        group=payment.group,
        occurred_at=now,
    )
