"""The ledger rows of what staff decide about payees: debts that are theirs, money that no trip says, debts given up.

Each posts once, however often it is called, inside the transaction of the decision with the payee or the payment locked.
They carry the payee and no payment: what one payment was worth does not change by them.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from payments.actions import ledger
from payments.models import Account, Payee


def blame_key(dispute: str) -> str:
    """The event in which a payee was charged with a lost dispute (provider id)."""
    return f"dispute_blamed:{dispute}"


def blamed(payee: Payee, *, dispute: str, amount: int, currency: str, group: str, now: datetime) -> None:
    """A dispute was lost by the fault of the payee: they owe what it cost."""
    ledger.post(
        blame_key(dispute),
        [(Account.OPERATOR_RECEIVABLE, Account.LOSS_DISPUTE, amount, payee.id)],
        currency=currency,
        group=group,
        now=now,
    )


def cleared_key(dispute: str, stays: int | str = "") -> str:
    """The event after which a payee is blamed for `stays` of a dispute (provider id) and no more; without it, how all of these
    events begin.
    """
    return f"cleared:{dispute}:{stays}"


def cleared(
    payee_id: UUID, *, event_key: str, debt: int, due: int, currency: str, group: str, now: datetime
) -> None:
    """What a payee was blamed for is not lost after all: they do not owe `debt`, and are due what they paid of it."""
    ledger.post(
        event_key,
        [
            (Account.LOSS_DISPUTE, Account.OPERATOR_RECEIVABLE, debt, payee_id),
            (Account.LOSS_DISPUTE, Account.OPERATOR_PAYABLE, due, payee_id),
        ],
        currency=currency,
        group=group,
        now=now,
    )


def owed(payee: Payee, *, request_id: UUID, amount: int, currency: str, now: datetime) -> None:
    """A payee shall have money that no trip says. It is a cost of ours."""
    ledger.post(
        f"by_hand:{request_id}",
        [(Account.GOODWILL, Account.OPERATOR_PAYABLE, amount, payee.id)],
        currency=currency,
        group=f"by_hand:{request_id}",
        now=now,
    )


def written_off(payee: Payee, *, request_id: UUID, amount: int, currency: str, now: datetime) -> None:
    """What a payee owes us is given up."""
    ledger.post(
        f"by_hand:{request_id}",
        [(Account.LOSS_PAYMENT, Account.OPERATOR_RECEIVABLE, amount, payee.id)],
        currency=currency,
        now=now,
    )
