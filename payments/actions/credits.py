"""What riders have to their credit: giving it, and what was given."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from payments import locks
from payments.actions import ledger
from payments.models import Account, LedgerTransfer
from rally.models import User
from rally.money import Money

#: What we give credit for; each is a cost of ours.
SOURCES = (Account.GOODWILL, Account.REWARD)


@transaction.atomic
def give(
    *,
    user_id: UUID,
    amount: Money,
    source: Account,
    reference: str,
    now: datetime,
    by: User | None,  # noqa: ARG001 - told, as all actions are; who decided stands with what was decided
) -> bool:
    """Put `amount` to the user's credit. Once per `reference`, such as `captain:<trip>`: False if it was given before.

    Takes the lock of the wallet, which comes after locks of payments; whoever gives to several users in one transaction
    gives in the order of their ids. Raises `ValueError` for an amount that is not above zero, or another source than
    `SOURCES`.
    """
    if amount.minor <= 0 or source not in SOURCES:
        raise ValueError(f"{amount} from {source} cannot be given.")
    # Two at once would each find nothing given; and the balance is read and written.
    wallet = locks.locked_wallet(user_id, amount.currency)

    if ledger.posted(ledger.credit_key(reference)):
        return False

    wallet.balance_minor += amount.minor
    wallet.save(update_fields=["balance_minor"])
    ledger.credit_given(wallet, source=source, amount=amount.minor, reference=reference, now=now)
    return True


def given(reference: str, *, currency: str) -> Money:
    """What was given for this reference; zero if nothing was."""
    rows = LedgerTransfer.objects.filter(event_key=ledger.credit_key(reference))
    return Money(sum(rows.values_list("amount_minor", flat=True)), currency)
