"""What the app above can wish for a payment: hold it, take it, let it go, give it back.

Each action writes the wish and journals what has to be asked of the provider; a worker asks. The outcome is told by
`payment_changed`.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from payments import gateway, locks
from payments.actions import journal, ledger, standings
from payments.actions.sightings import tell_of_transfer
from payments.errors import DisputeOpen, NothingToRefund, PaymentClosed
from payments.models import Account, Operation, Payee, Payment, Refund, Transfer
from payments.states import (
    PAYMENT,
    REFUND,
    TRANSFER,
    AttemptState,
    CheckoutState,
    PaymentState,
    RefundState,
    TransferState,
)
from rally import journal as changes
from rally.models import User
from rally.money import Money

#: The only declines after which asking the same card again may help.
RETRY_HELPS = {"insufficient_funds", "try_again_later", "processing_error", "issuer_not_available"}


@transaction.atomic
def open(  # noqa: A001 - the word of the trade; read as payments.open(…)
    *, payer: User, reference: str, group: str, description: str, amount: Money, now: datetime
) -> Payment:
    """The payment for one thing; the one that is there if it was opened before, whatever its amount."""
    payment, fresh = Payment.objects.get_or_create(
        reference=reference,
        defaults={
            "payer": payer,
            "group": group,
            "description": description[:200],
            "provider": gateway.provider(),
            "amount_minor": amount.minor,
            "currency": amount.currency,
            "created_at": now,
            "changed_at": now,
        },
    )
    if fresh:
        changes.begin(payment, PAYMENT, now=now, by=payer)
    return payment


@transaction.atomic
def change_amount(*, payment_id: UUID, amount: Money, now: datetime) -> None:
    """What may be taken at most, from now on. Closes an open page, so that the next one asks for the right amount.

    Before anything is held or taken, up or down; while a hold is there only down (less is captured later). Raises
    `PaymentClosed` otherwise. Twice the same: the same.
    """
    payment = locks.locked_payment(payment_id)

    _same_currency(payment, amount)
    if amount.minor == payment.amount_minor:
        return
    free = payment.state in (PaymentState.NEW, PaymentState.CARD_SAVED, PaymentState.DECLINED)
    down = payment.state == PaymentState.HELD and amount.minor < payment.amount_minor
    if not (free or down) or amount.minor <= 0:
        raise PaymentClosed

    payment.amount_minor, payment.to_take_minor = amount.minor, None
    payment.save(update_fields=["amount_minor", "to_take_minor"])
    for checkout in payment.checkouts.filter(state=CheckoutState.OPEN):
        standings.close_page(checkout, payment=payment, now=now)


@transaction.atomic
def authorize(*, payment_id: UUID, amount: Money, now: datetime) -> None:
    """Ask the bank to hold exactly `amount` on the saved card, without the payer.

    Nothing to do when it is being asked, when enough is held already, or when the card was refused and asking again
    would not help (`may_retry`): the payment stays `declined` and the payer must act. After three failed tries a card
    is not asked at all. Raises `PaymentClosed` in other states, without a card, or above the agreed amount.
    """
    payment = locks.locked_payment(payment_id)

    _same_currency(payment, amount)
    if payment.state == PaymentState.AUTHORIZING:
        return
    if payment.state == PaymentState.HELD and _held_amount(payment) >= amount.minor:
        return
    askable = payment.state in (PaymentState.CARD_SAVED, PaymentState.DECLINED)
    if not askable or not payment.card or not 0 < amount.minor <= payment.amount_minor:
        raise PaymentClosed
    if payment.state == PaymentState.DECLINED and not may_retry(payment):
        return

    for checkout in payment.checkouts.filter(state=CheckoutState.OPEN):
        standings.close_page(checkout, payment=payment, now=now)
    payment.to_take_minor = amount.minor
    standings.move(payment, PaymentState.AUTHORIZING, now=now)
    if payment.automatic_tries >= standings.MAX_TRIES:
        payment.decline_code = "too_many_tries"
        standings.move(payment, PaymentState.DECLINED, now=now, why="too many tries with this card")
        return
    standings.ask_bank(payment, amount=amount.minor, at_once=False, now=now)


def may_retry(payment: Payment) -> bool:
    """Whether a refused card may be asked once more without the payer: one retry, and only where it may help."""
    helps = payment.advice_code == "try_again_later" or payment.decline_code in RETRY_HELPS
    return helps and bool(payment.card) and payment.automatic_tries == 1


@transaction.atomic
def capture(*, payment_id: UUID, amount: Money, now: datetime) -> None:
    """Take `amount` of what is held; the rest of the hold is released. Twice is once.

    A hold that turns out to be lost is replaced by one off-session charge, and if that fails the payment is `due`.
    Raises `PaymentClosed` when nothing is held or less than that.
    """
    payment = locks.locked_payment(payment_id)

    _same_currency(payment, amount)
    if payment.state in (PaymentState.CAPTURING, PaymentState.PAID):
        return
    hold = standings.chosen(payment, list(payment.attempts.order_by("n")))
    fits = hold is not None and 0 < amount.minor <= min(hold.amount_minor, payment.amount_minor)
    if payment.state != PaymentState.HELD or hold is None or not fits:
        raise PaymentClosed

    payment.to_take_minor = amount.minor
    standings.move(payment, PaymentState.CAPTURING, now=now)
    journal.write(
        kind=Operation.Kind.CAPTURE,
        subject=hold.id,
        payment=payment,
        target=hold.intent,
        params={"amount": amount.minor},
        now=now,
    )


@transaction.atomic
def release(*, payment_id: UUID, keep_card: bool, now: datetime, why: str) -> None:
    """Undo whatever is out: close pages, cancel holds, and wait for answers that are outstanding, either way.

    Ends `released`, or `card_saved` when `keep_card` and there is a card. At once when nothing is out. Twice is once; a
    second call without `keep_card` overrules a first one with it. Raises `PaymentClosed` once money is being taken or
    was taken: then `refund`.
    """
    payment = locks.locked_payment(payment_id)

    if payment.state in (PaymentState.CAPTURING, PaymentState.PAID):
        raise PaymentClosed
    if payment.state in (PaymentState.RELEASED, PaymentState.REFUNDED):
        return
    if keep_card and payment.state in (PaymentState.NEW, PaymentState.CARD_SAVED):
        return

    if payment.state == PaymentState.RELEASING:
        payment.keep_card = payment.keep_card and keep_card
        payment.save(update_fields=["keep_card"])
    else:
        payment.keep_card = keep_card
        standings.move(payment, PaymentState.RELEASING, now=now, why=why)
    standings.follow(payment, now=now, why=why)


@transaction.atomic
def refund(*, payment_id: UUID, amount: Money, reason: str, now: datetime, by: User | None) -> Refund:
    """Give back `amount` to the card that paid. Once per `reason`: the refund that is there is answered.

    After the trip was booked the operator's part is taken first from what was not sent yet, then back from the
    operator. Raises `NothingToRefund` above what was taken and not yet promised back, `DisputeOpen`.
    """
    payment = locks.locked_payment(payment_id)
    attempt = payment.attempts.filter(state=AttemptState.CAPTURED, unwanted=False).order_by("n").first()

    known = Refund.objects.filter(attempt=attempt, reason=reason).first() if attempt else None
    if known is not None:
        return known
    _same_currency(payment, amount)
    if (
        payment.state != PaymentState.PAID
        or attempt is None
        or not 0 < amount.minor <= payment.refundable.minor
    ):
        raise NothingToRefund
    if ledger.balance_of(Account.DISPUTE_OPEN, payment_id=payment.id) < 0:
        raise DisputeOpen

    row = Refund.objects.create(
        attempt=attempt, reason=reason[:60], amount_minor=amount.minor, created_at=now
    )
    changes.begin(row, REFUND, now=now, by=by, why=reason)
    sources, payee = _who_bears_it(payment, row, now)
    ledger.promised(row, sources=sources, payee=payee, now=now)
    standings.ask_for_refund(row, now=now)
    standings.follow(payment, now=now)
    return row


def _who_bears_it(
    payment: Payment, refund: Refund, now: datetime
) -> tuple[list[tuple[str, int]], Payee | None]:
    """The accounts that a refund is taken from: the deposit; after the trip the operator's share, then our fee."""
    amount = refund.amount_minor
    transfer = payment.transfers.select_related("payee").select_for_update(of=("self",)).first()
    earned = payment.ledger.filter(event_key=f"earned:{payment.id}").exists()
    if not earned:
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


@transaction.atomic
def refund_again(*, refund_id: UUID, now: datetime, by: User | None) -> Refund:
    """Send a refund that failed once more: it is still owed. Nothing for one that has not failed."""
    found = Refund.objects.select_related("attempt").get(id=refund_id)
    locks.locked_payment(found.attempt.payment_id)
    row = Refund.objects.select_related("attempt__payment").get(id=refund_id)
    if row.state == RefundState.FAILED:
        row.refund = ""
        changes.move(row, REFUND, RefundState.PENDING, now=now, by=by, why="sent again", also=("refund",))
        standings.ask_for_refund(row, now=now, afresh=True)
    return row


@transaction.atomic
def followed(*, payment_id: UUID, state: str, now: datetime) -> None:  # noqa: ARG001 - told, as all actions are
    """The app above has caught up with this state. Nothing if the payment has moved on since: it is told again."""
    Payment.objects.filter(id=payment_id, state=state).update(followed=True)


def announce_again(*, now: datetime, limit: int = 200) -> int:
    """Send news that nobody has followed yet. Answers how many. Outside a transaction."""
    waiting = Payment.objects.filter(followed=False, changed_at__lte=now).order_by("changed_at")[:limit]
    for payment in waiting:
        standings.announce(payment)
    return len(waiting)


def _held_amount(payment: Payment) -> int:
    amounts = payment.attempts.filter(state=AttemptState.HELD, unwanted=False)
    return max(amounts.values_list("amount_minor", flat=True), default=0)


def _same_currency(payment: Payment, amount: Money) -> None:
    """Raises `MixedCurrencies` for an amount in another currency than the payment's."""
    _ = payment.amount + amount
