"""What the app above can wish for a payment: hold it, take it, let it go, give it back.

Amounts are whole: what the payer's credit and a promotion pay of them (`contributions`) is no matter of the app above; a
card is asked for the rest. Each action writes the wish and journals what has to be asked of the provider; a worker asks. The outcome is told by
`payment_changed`.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from payments import gateway, locks
from payments.actions import bearers, contributions, journal, ledger, standings
from payments.errors import DisputeOpen, NothingToRefund, PaymentClosed
from payments.models import Attempt, Operation, Payment, Refund
from payments.queries import refund_pays_twice
from payments.queries.parts import Back, Saving
from payments.queries.worth import promotions_part
from payments.states import PAYMENT, REFUND, AttemptState, PaymentState, RefundState
from rally import audit
from rally import journal as changes
from rally.models import User
from rally.money import Money

#: The only declines after which asking the same card again may help.
RETRY_HELPS = {"insufficient_funds", "try_again_later"}
#: The network has said that it will not; asking all the same counts against us.
RETRY_HURTS = {"do_not_try_again", "confirm_card_data"}


@transaction.atomic
def open(  # noqa: A001 - the word of the trade; read as payments.open(…)
    *,
    payer: User,
    reference: str,
    group: str,
    description: str,
    amount: Money,
    now: datetime,
    saving: Saving | None = None,
    use_credit: bool = False,
) -> Payment:
    """The payment for one thing; the one that is there if it was opened before, whatever its amount.

    What a promotion saves, and with `use_credit` what the payer has to their credit, is set aside for it at once, as far
    as a card still has `rules.least_by_card` to pay. With credit the payer's wallet stays locked until the transaction
    ends; no other lock is taken after it.
    """
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
        if saving is not None or use_credit:
            contributions.set_aside(payment, saving=saving, use_credit=use_credit, now=now)
    return payment


@transaction.atomic
def change_amount(*, payment_id: UUID, amount: Money, description: str | None = None, now: datetime) -> None:
    """What may be taken at most, from now on, and for what (None: for the same). Closes an open page, so that the next
    one asks for the right amount in the right words.

    Before anything is held or taken, up or down; while a hold is there only down (less is captured later). What credit
    and a promotion pay is made to fit. Raises `PaymentClosed` otherwise. Twice the same: the same.
    """
    payment = locks.locked_payment(payment_id)

    _same_currency(payment, amount)
    if amount.minor == payment.amount_minor:
        return
    free = payment.state in (PaymentState.NEW, PaymentState.CARD_SAVED, PaymentState.DECLINED)
    down = payment.state == PaymentState.HELD and amount.minor < payment.amount_minor
    if not (free or down) or amount.minor <= 0:
        raise PaymentClosed

    contributions.fit(payment, whole=amount, may_grow=True, now=now)
    payment.amount_minor, payment.to_take_minor = amount.minor, None
    if description is not None:
        payment.description = description[:200]
    payment.save(update_fields=["amount_minor", "covered_minor", "to_take_minor", "description"])
    standings.close_pages(payment, now=now)


@transaction.atomic
def close_pages(*, payment_id: UUID, now: datetime) -> None:
    """Nothing is to be paid for now: close an open page. The next one may be opened whenever the app above likes. Twice is
    once."""
    standings.close_pages(locks.locked_payment(payment_id), now=now)


@transaction.atomic
def authorize(*, payment_id: UUID, amount: Money, now: datetime) -> None:
    """Ask the bank to hold exactly the card's part of `amount` on the saved card, without the payer.

    Nothing to do when it is being asked, when enough is held already, or when the card was refused and asking again
    would not help (`may_retry`): the payment stays `declined` and the payer must act. After three failed tries a card
    is not asked at all. The asker gets no news that the bank is asked, only of what comes of it. Raises `PaymentClosed` in
    other states, without a card, or above the agreed amount.
    """
    payment = locks.locked_payment(payment_id)

    _same_currency(payment, amount)
    if payment.state == PaymentState.AUTHORIZING:
        return
    if payment.state == PaymentState.HELD and _held_amount(payment) >= amount.minor - payment.covered_minor:
        return
    askable = payment.state in (PaymentState.CARD_SAVED, PaymentState.DECLINED)
    if not askable or not payment.card or not 0 < amount.minor <= payment.amount_minor:
        raise PaymentClosed
    if payment.state == PaymentState.DECLINED and not may_retry(payment):
        return

    standings.close_pages(payment, now=now)
    by_card = contributions.fit(payment, whole=amount, may_grow=False, now=now)
    payment.to_take_minor = by_card
    standings.move(payment, PaymentState.AUTHORIZING, now=now, known=True)
    if payment.automatic_tries >= standings.MAX_TRIES:
        payment.decline_code = "too_many_tries"
        standings.move(payment, PaymentState.DECLINED, now=now, why="too many tries with this card")
        return
    standings.ask_bank(payment, amount=by_card, at_once=False, now=now)


def may_retry(payment: Payment) -> bool:
    """Whether a refused card may be asked once more without the payer: one retry, and only where it may help."""
    helps = payment.advice_code == "try_again_later" or payment.decline_code in RETRY_HELPS
    helps = helps and payment.advice_code not in RETRY_HURTS
    return helps and bool(payment.card) and payment.automatic_tries == 1


@transaction.atomic
def capture(*, payment_id: UUID, amount: Money, now: datetime) -> None:
    """Take the card's part of `amount` of what is held; the rest of the hold is released. Twice is once.

    The asker gets no news that it is being taken, only of what comes of it. A hold that turns out to be lost is replaced by
    one off-session charge, and if that fails the payment is `due`. Raises `PaymentClosed` when nothing is held or less than
    that.
    """
    payment = locks.locked_payment(payment_id)

    _same_currency(payment, amount)
    if payment.state in (PaymentState.CAPTURING, PaymentState.PAID):
        return
    hold = standings.chosen(payment, list(payment.attempts.order_by("n")))
    fits = 0 < amount.minor <= payment.amount_minor
    if payment.state != PaymentState.HELD or hold is None or not fits:
        raise PaymentClosed

    by_card = contributions.fit(payment, whole=amount, may_grow=False, now=now)
    if by_card > hold.amount_minor:
        raise PaymentClosed
    payment.to_take_minor = by_card
    standings.move(payment, PaymentState.CAPTURING, now=now, known=True)
    journal.write(
        kind=Operation.Kind.CAPTURE,
        subject=hold.id,
        payment=payment,
        target=hold.intent,
        params={"amount": by_card},
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
def refund(*, payment_id: UUID, amount: Money, reason: str, now: datetime, by: User | None) -> Refund | None:
    """Give back `amount`: to the card that paid, as far as it paid, the rest to the payer's credit. Once per `reason`.

    Answers what goes back to the card: the refund that is there if it was promised before, None where the card has all
    it paid and only credit comes back. When the payer has everything back, what a promotion paid is ours again. After
    the trip was booked the payees' parts are taken first from what was not sent yet, then back from them. Raises
    `NothingToRefund` above what is left to give back (`left_to_refund`), `DisputeOpen`.
    """
    payment = locks.locked_payment(payment_id)
    attempt = payment.attempts.filter(state=AttemptState.CAPTURED, unwanted=False).order_by("n").first()

    known = Refund.objects.filter(attempt=attempt, reason=reason).first() if attempt else None
    if known is not None or contributions.was_refunded(payment, reason):
        return known
    _same_currency(payment, amount)
    if (
        payment.state != PaymentState.PAID
        or attempt is None
        or not 0 < amount.minor <= left_to_refund(payment).minor
    ):
        raise NothingToRefund
    if refund_pays_twice(payment.id):
        raise DisputeOpen

    back = way_back(payment, amount)
    row = None
    if back.to_card:
        row = _to_card(payment, attempt, back.to_card.minor, reason=reason, now=now, by=by)
    if back.to_credit:
        contributions.refund_credit(payment, amount=back.to_credit.minor, reason=reason, now=now)
    standings.follow(payment, now=now)
    return row


@transaction.atomic
def refund_unless_disputed(
    *, payment_id: UUID, amount: Money, reason: str, now: datetime, by: User | None = None
) -> Back:
    """`refund`, and nothing while a bank has the money: one payer's dispute must not keep others waiting. Answers what goes
    back, and where. Raises `NothingToRefund`.
    """
    payment = locks.locked_payment(payment_id)
    if refund_pays_twice(payment.id):
        return Back.nothing(payment.currency)

    back = way_back(payment, amount)
    refund(payment_id=payment.id, amount=amount, reason=reason, now=now, by=by)
    return back


@transaction.atomic
def lower(*, payment_id: UUID, was: Money, becomes: Money, reason: str, now: datetime) -> Back:
    """What was paid for costs `becomes` and not what it `was`: give back what the payer would not have paid, as `refund`
    does, and take back what a promotion would not have. Answers what goes back to the payer. Once per `reason`.

    Never more than is left to give back. Raises `DisputeOpen`, and then nothing happens.
    """
    payment = locks.locked_payment(payment_id)

    by_promotion = promotions_part(payment, was=was, becomes=becomes)
    back = way_back(payment, min(was - becomes - by_promotion, left_to_refund(payment)))
    contributions.refund_promotion(payment, amount=by_promotion.minor, reason=reason, now=now)
    if back:
        refund(payment_id=payment.id, amount=back.whole, reason=reason, now=now, by=None)
    return back


@transaction.atomic
def take_back_promotion(*, payment_id: UUID, amount: Money, reason: str, now: datetime) -> None:
    """So much of what a promotion paid is ours again: what it paid for is not bought any more. As far as it is left, once
    per `reason`."""
    if amount:
        payment = locks.locked_payment(payment_id)
        contributions.refund_promotion(payment, amount=amount.minor, reason=reason, now=now)


def _to_card(
    payment: Payment, attempt: Attempt, amount: int, *, reason: str, now: datetime, by: User | None
) -> Refund:
    row = Refund.objects.create(attempt=attempt, reason=reason[:60], amount_minor=amount, created_at=now)
    changes.begin(row, REFUND, now=now, by=by, why=reason)
    ledger.promised(row, sources=bearers.of(payment=payment, refund=row, now=now), now=now)
    standings.ask_for_refund(row, now=now)
    return row


def left_to_refund(payment: Payment) -> Money:
    """What the payer paid and was not promised back, by card and from credit, and not given back by the bank already
    after a dispute that we lost."""
    return Money(_left_by_card(payment) + contributions.credit_left(payment), payment.currency)


def refunded_for(payment: Payment, reasons: str) -> Money:
    """What was promised back for each reason that begins with `reasons`, by card and as credit."""
    rows = Refund.objects.filter(attempt__payment=payment, reason__startswith=reasons)
    by_card = sum(rows.values_list("amount_minor", flat=True))
    return Money(by_card + contributions.credit_refunded(payment, reasons), payment.currency)


def way_back(payment: Payment, amount: Money) -> Back:
    """Where so much would go if it were given back at this moment, of what is left (`left_to_refund`)."""
    by_card = min(amount.minor, _left_by_card(payment)) if payment.covered_minor else amount.minor
    to_card = Money(by_card, payment.currency)
    return Back(to_card=to_card, to_credit=amount - to_card)


def _left_by_card(payment: Payment) -> int:
    return max(0, payment.refundable.minor - ledger.lost_of(payment.attempts.filter(unwanted=False)))


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
        if by is not None:
            audit.note(
                by=by, what="refund.send_again", subject=f"refund:{row.id}", now=now, amount=row.amount_minor
            )
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
