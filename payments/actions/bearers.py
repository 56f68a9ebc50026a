"""Who bears what is given back: what is left of the payer's deposit, then those among whom the payment was shared out.

Of what the payer paid the tax goes back in proportion, for there is no tax on what was not paid. The operator bears the
rest as far as the payment was booked to them; what is left after that was our fee, and a partner's part of it. A partner
who was paid already gives nothing back.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from payments import locks, signals
from payments.actions import journal, ledger
from payments.actions.ledger import Source
from payments.models import Account, Operation, Payment, Refund, Transfer
from payments.queries.statements import standing
from payments.queries.worth import paid_by_promotion
from payments.states import TRANSFER, OperationState, TransferState
from rally import journal as changes
from rally.money import Money

logger = logging.getLogger(__name__)

#: A part that the operator owes us, having been paid, is still a part that the operator bears.
_SAME = {Account.OPERATOR_RECEIVABLE: Account.OPERATOR_PAYABLE}
#: Moves of a share that was booked, which bear nothing: sent, kept against a debt, kept for good, due again.
_MOVES = (
    Account.STRIPE_BALANCE,
    Account.OPERATOR_RECEIVABLE,
    Account.PLATFORM_RETAINED,
    Account.OPERATOR_PAYABLE,
    Account.PARTNER_PAYABLE,
)


def of(*, payment: Payment, refund: Refund, now: datetime) -> list[Source]:
    """The accounts that a refund to the card is taken from. Called once per refund, with the payment locked.

    What payees bear is taken from what was not sent yet, else asked back of them.
    """
    if refund.attempt.unwanted:
        return [Source(Account.RIDER_DEPOSIT, refund.amount_minor)]
    sources = borne_by(payment=payment, amount=refund.amount_minor, subject=refund.id, now=now)
    _fit_to_card(payment, subject=refund.id, now=now)
    return sources


def borne_by(
    *, payment: Payment, amount: int, subject: UUID, now: datetime, by_promotion: bool = False
) -> list[Source]:
    """The accounts that bear `amount` minor units given back of a payment, whatever way it goes back.

    `subject` is what is given back, such as the refund's id: a reversal is asked once for each. What was paid
    `by_promotion` bears no tax. With the payment locked; locks its payees.
    """
    shares = _shares(payment)
    if not shares:
        return [Source(Account.RIDER_DEPOSIT, amount)]
    locks.locked_payees({*payment.transfers.values_list("payee_id", flat=True), *_payees(shares)})
    deposit = min(amount, max(0, ledger.balance_of(Account.RIDER_DEPOSIT, payment_id=payment.id)))
    found = [Source(Account.RIDER_DEPOSIT, deposit)]
    tax = 0 if by_promotion else _tax_in(shares, amount - deposit, paid_by_promotion(payment).minor)
    for (account, payee_id), part in _spread(shares, amount - deposit, tax, payment.currency).items():
        if payee_id is None:
            found.append(Source(account, part))
        elif part:
            whose = Source(account, part, payee_id)
            found += _take_from(payment, whose, payee_id, subject=subject, now=now)
    return [each for each in found if each.amount]


Share = tuple[str, UUID | None]


def _shares(payment: Payment) -> dict[Share, int]:
    """What each account still has of a payment that was shared out; empty before that."""
    booked = payment.ledger.filter(event_key=ledger.earned_key(payment.id))
    left: dict[Share, int] = {}
    for account, payee_id, amount in booked.values_list("credit", "payee_id", "amount_minor"):
        left[account, payee_id] = left.get((account, payee_id), 0) + amount
    if not left:
        return {}
    borne = payment.ledger.exclude(credit__in=_MOVES)
    for account, payee_id, amount in borne.values_list("debit", "payee_id", "amount_minor"):
        share = (_SAME.get(Account(account), account), payee_id)
        if share in left:
            left[share] -= amount
    left.setdefault((Account.PLATFORM_FEE, None), 0)
    return left


def _payees(shares: Iterable[Share]) -> set[UUID]:
    return {payee_id for _, payee_id in shares if payee_id is not None}


def _tax_in(shares: dict[Share, int], amount: int, untaxed: int) -> int:
    """The tax in `amount` of what the payer has paid: all that was shared out but for `untaxed`, which a promotion paid."""
    tax = max(0, shares.get((Account.TAX_PAYABLE, None), 0))
    paid = sum(max(0, left) for left in shares.values()) - untaxed
    return min(tax, tax * amount // max(1, paid))


def _spread(shares: dict[Share, int], amount: int, tax: int, currency: str) -> dict[Share, int]:
    """How much of `amount` each share bears, `tax` of it the tax."""
    have = {share: max(0, left) for share, left in shares.items()}
    rest = Money(amount - tax, currency)
    parts: dict[Share, int] = {(Account.TAX_PAYABLE, None): tax}
    for accounts in ({Account.OPERATOR_PAYABLE}, {Account.PARTNER_PAYABLE, Account.PLATFORM_FEE}):
        who = sorted((share for share in have if share[0] in accounts), key=str)
        room = Money(sum(have[share] for share in who), currency)
        if room:
            borne = min(rest, room)
            split = borne.split([have[share] for share in who])
            parts |= {share: part.minor for share, part in zip(who, split, strict=True)}
            rest -= borne
    # More than there is to bear it: ours, for the payer comes first.
    parts[Account.PLATFORM_FEE, None] = parts.get((Account.PLATFORM_FEE, None), 0) + rest.minor
    return parts


def _take_from(
    payment: Payment, share: Source, payee_id: UUID, *, subject: UUID, now: datetime
) -> list[Source]:
    """Take a payee's part back: out of what was not sent, else as a debt of theirs that the provider is asked to reverse.

    With the payee locked.
    """
    partner = share.account == Account.PARTNER_PAYABLE
    rest = share.amount
    for transfer in _transfers(payment, payee_id, partner=partner):
        rest -= take_unsent(transfer, rest, why="refunded", now=now)
    found = [share._replace(amount=share.amount - rest)]
    if partner:
        return [*found, Source(Account.PLATFORM_FEE, rest)]
    if rest:
        _ask_back(payment, payee_id, rest, subject, now)
    return [*found, Source(Account.OPERATOR_RECEIVABLE, rest, payee_id)]


def _transfers(payment: Payment, payee_id: UUID, *, partner: bool) -> list[Transfer]:
    """Where a payee's part of a payment may be: in its own transfer, then in those of the group without a payment."""
    every = Transfer.objects.filter(payee_id=payee_id).select_related("payee")
    loose = every.filter(payment=None, group=payment.group).exclude(group="").order_by("created_at", "id")
    purpose = Transfer.Purpose.PARTNER
    chosen = loose.filter(purpose=purpose) if partner else loose.exclude(purpose=purpose)
    own_first = sorted(chosen, key=lambda each: each.out_of_id != payment.id)
    return own_first if partner else [*every.filter(payment=payment), *own_first]


def set_apart(transfer: Transfer, payment: Payment, *, now: datetime) -> None:
    """What of a loose transfer is out of this payment of its group waits by itself, so that the rest can be sent.

    That is the payee's share of the payment which no other transfer sends. With the payee locked.
    """
    share = _shares(payment).get((transfer.account, transfer.payee_id), 0)
    partner = transfer.purpose == Transfer.Purpose.PARTNER
    others = _transfers(payment, transfer.payee_id, partner=partner)
    known = [each for each in others if payment.id in (each.payment_id, each.out_of_id)]
    part = min(share - sum(each.amount_minor - each.reversed_minor for each in known), unsent(transfer))
    if part <= 0:
        return
    if part == transfer.to_send_minor:
        transfer.out_of = payment
        transfer.save(update_fields=["out_of"])
        return
    take_unsent(transfer, part, why="disputed", now=now)
    loose(
        transfer.payee_id,
        group=transfer.group,
        amount=Money(part, transfer.currency),
        reference=f"disputed:{transfer.purpose}:{payment.id}:{len(known)}",
        due_at=transfer.due_at,
        purpose=Transfer.Purpose(transfer.purpose),
        out_of=payment,
        now=now,
    )


def unsent(transfer: Transfer) -> int:
    """What of a transfer can still be taken without asking anybody: it was not sent, and nobody is about to."""
    if transfer.state not in (TransferState.PENDING, TransferState.FAILED):
        return 0
    asked = Operation.objects.filter(kind=Operation.Kind.TRANSFER, subject=transfer.id)
    if asked.exclude(state=OperationState.FAILED).exists():
        return 0
    return transfer.to_send_minor


def take_unsent(transfer: Transfer, amount: int, *, why: str, now: datetime) -> int:
    """Make a transfer that was not sent smaller by `amount` at most. Answers by how much. With the payee locked."""
    part = min(amount, unsent(transfer))
    if not part:
        return 0
    if part < transfer.to_send_minor:
        transfer.amount_minor -= part
        transfer.save(update_fields=["amount_minor"])
    elif transfer.netted_minor:
        transfer.amount_minor = transfer.netted_minor
        changes.move(
            transfer, TRANSFER, TransferState.PAID, now=now, by=None, why=why, also=("amount_minor",)
        )
        tell_of_transfer(transfer)
    else:
        transfer.reversed_minor = transfer.amount_minor
        changes.move(
            transfer, TRANSFER, TransferState.REVERSED, now=now, by=None, why=why, also=("reversed_minor",)
        )
        tell_of_transfer(transfer)
    return part


def _ask_back(payment: Payment, payee_id: UUID, amount: int, subject: UUID, now: datetime) -> None:
    """Ask the provider to reverse what was sent, as far as it was; what it cannot stays owed and is netted later."""
    for transfer in _transfers(payment, payee_id, partner=False):
        part = min(amount, _reversible(transfer))
        if part:
            amount -= part
            journal.write(
                kind=Operation.Kind.REVERSE,
                subject=journal.part_of(subject, transfer.id),
                payment=payment,
                params={"amount": part, "transfer": str(transfer.id)},
                now=now,
            )


def _reversible(transfer: Transfer) -> int:
    """What of a transfer is with the payee, or on its way to them, and nobody asks back yet."""
    if transfer.state == TransferState.REVERSED:
        return 0
    asked = Operation.objects.filter(kind=Operation.Kind.TRANSFER, subject=transfer.id)
    if not asked.exclude(state=OperationState.FAILED).exists():
        return 0
    back = Operation.objects.filter(kind=Operation.Kind.REVERSE, params__transfer=str(transfer.id))
    taken = sum(int(each.params["amount"]) for each in back.exclude(state=OperationState.FAILED))
    return transfer.to_send_minor - max(transfer.reversed_minor, taken)


def _fit_to_card(payment: Payment, *, subject: UUID, now: datetime) -> None:
    """A transfer is never more than its card paid: what a refund leaves no room for is sent without the charge.

    With the payees of its transfers locked.
    """
    left = payment.captured_minor - sum(
        Refund.objects.filter(attempt__payment=payment, attempt__unwanted=False).values_list(
            "amount_minor", flat=True
        )
    )
    for transfer in payment.transfers.select_related("payee").order_by("payee_id"):
        over = transfer.to_send_minor - max(0, left)
        if over > 0 and unsent(transfer):
            part = take_unsent(transfer, over, why="the card was refunded", now=now)
            loose(
                transfer.payee_id,
                group=payment.group,
                amount=Money(part, transfer.currency),
                reference=f"moved:{journal.part_of(subject, transfer.id)}",
                due_at=transfer.due_at,
                held=transfer.held,
                now=now,
            )
        left -= min(max(0, left), transfer.to_send_minor if transfer.state != TransferState.REVERSED else 0)


def loose(
    payee_id: UUID,
    *,
    group: str,
    amount: Money,
    reference: str,
    due_at: datetime,
    now: datetime,
    purpose: Transfer.Purpose = Transfer.Purpose.TOP_UP,
    held: bool = False,
    out_of: Payment | None = None,
) -> Transfer:
    """A new transfer that is tied to no charge. Once per payee and reference (the database says so)."""
    transfer = Transfer.objects.create(
        payee_id=payee_id,
        purpose=purpose,
        reference=reference,
        group=group,
        out_of=out_of,
        amount_minor=amount.minor,
        currency=amount.currency,
        held=held,
        due_at=due_at,
        created_at=now,
    )
    changes.begin(transfer, TRANSFER, now=now, by=None)
    return transfer


def debt_of(payee_id: UUID, currency: str) -> int:
    """What a payee owes us and is not being asked back at the provider, in minor units. With the payee locked."""
    theirs = Transfer.objects.filter(payee_id=payee_id).exclude(transfer="", state=TransferState.REVERSED)
    under_way = Operation.objects.filter(
        kind=Operation.Kind.REVERSE,
        state__in=[OperationState.PENDING, OperationState.STUCK],
        params__transfer__in=[str(each) for each in theirs.values_list("id", flat=True)],
    )
    asked = sum(int(each.params["amount"]) for each in under_way)
    return max(0, standing(payee_id, currency=currency).debt - asked)


def due_again(transfer: Transfer, *, now: datetime) -> None:
    """More came back from a payee than they owed: somebody reversed a transfer at the provider. It is theirs, and waits as
    a transfer that failed until a person sends it again; what is refunded of its payment meanwhile is taken from it. Twice
    is once, and a new event each time more came back. With the payee locked.
    """
    over = -standing(transfer.payee_id, currency=transfer.currency).debt
    if over <= 0:
        return
    before = Transfer.objects.filter(
        payee_id=transfer.payee_id, reference__startswith=f"reversed:{transfer.id}:"
    ).count()
    ledger.due_again(transfer, before=before, amount=over, now=now)
    row = loose(
        transfer.payee_id,
        group=transfer.group,
        amount=Money(over, transfer.currency),
        reference=f"reversed:{transfer.id}:{before}",
        due_at=now,
        purpose=Transfer.Purpose.PARTNER
        if transfer.purpose == Transfer.Purpose.PARTNER
        else Transfer.Purpose.TOP_UP,
        out_of=transfer.payment or transfer.out_of,
        now=now,
    )
    changes.move(row, TRANSFER, TransferState.FAILED, now=now, by=None, why="reversed at the provider")
    logger.error("transfer.reversed_by_hand transfer=%s amount=%s", transfer.id, over)


def tell_of_transfer(transfer: Transfer) -> None:
    """Tell the app above, once this is committed, that a transfer has changed."""
    transfer_id = transfer.id
    transaction.on_commit(
        lambda: signals.transfer_changed.send_robust(sender=Transfer, transfer_id=transfer_id)
    )
