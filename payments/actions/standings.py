"""Where a payment stands follows from what is out: its attempts, its open pages, and what was last wished for.

Nobody sets the state of a payment by what just happened. Whatever happens is written on the attempt or the page it
happened to; then `follow` looks at all of them and takes the payment where it belongs. So it does not matter in which
order, or how often, we hear of things.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from django.db import transaction

from payments import signals
from payments.actions import contributions, journal, ledger
from payments.models import Account, Attempt, Checkout, Operation, Payment, Refund
from payments.states import PAYMENT, REFUND, AttemptState, CheckoutState, PaymentState, RefundState
from rally import journal as changes
from rally.models import User

logger = logging.getLogger(__name__)

#: States in which the payer may be at a hosted page.
TAKES_CARD = (PaymentState.NEW, PaymentState.CARD_SAVED, PaymentState.DECLINED, PaymentState.DUE)
#: At most this many off-session tries with one card: networks fine those who keep knocking.
MAX_TRIES = 3

#: Reasons of refunds that no person decided on; they count neither as paid nor as given back.
UNWANTED, OVER = "auto:unwanted", "auto:over"

#: What a payment keeps beside its state, saved with each move.
_FACTS = (
    "followed", "changed_at", "card", "card_brand", "card_last4", "hold_expires_at", "decline_code", "advice_code",
    "automatic_tries", "to_take_minor", "keep_card", "covered_minor", "captured_minor", "refunded_minor",
)  # fmt: skip


def move(
    payment: Payment, to: str, *, now: datetime, by: User | None = None, why: str = "", known: bool = False
) -> None:
    """Take a locked payment to its next state, and tell the app above once that is committed; not if it is `known`
    there, because the app asked for it and goes along in the same transaction.

    Credit and promotions go with it: spent in the transaction that finds the card charged, let go where the payment is.
    """
    if to == PaymentState.PAID:
        contributions.spend(payment, now=now)
    elif to == PaymentState.RELEASED:
        contributions.let_go(payment)
    payment.followed, payment.changed_at = known, now
    changes.move(payment, PAYMENT, to, now=now, by=by, why=why, also=_FACTS)
    if not known:
        announce(payment)


def tell(payment: Payment, *, now: datetime) -> None:
    """Something of a locked payment changed that is not its state, such as a refund of a part: that is news too."""
    payment.followed, payment.changed_at = False, now
    payment.save(update_fields=["followed", "changed_at"])
    announce(payment)


def announce(payment: Payment) -> None:
    """Send the news after commit. Whoever fails to hear it hears it again: a sweep looks for `followed = False`."""

    def send() -> None:
        for receiver, answer in signals.payment_changed.send_robust(sender=Payment, payment_id=payment.id):
            if isinstance(answer, Exception):
                logger.error("payment_changed.failed receiver=%r", receiver, exc_info=answer)

    transaction.on_commit(send)


def follow(payment: Payment, *, now: datetime, why: str = "") -> None:
    """Take a locked payment where its attempts and pages say it belongs. Harmless to repeat."""
    attempts = list(payment.attempts.order_by("n"))
    _keep_one_capture(payment, attempts, now)
    _add_up(payment, now)
    step = _STEPS.get(payment.state)
    if step is not None:
        step(payment, attempts, now, why)
    _let_go_of_the_rest(payment, attempts, now)
    if payment.state not in TAKES_CARD:
        close_pages(payment, now=now)
    if payment.state == PaymentState.RELEASING:
        _finish_releasing(payment, attempts, now)


# ---- what is out


def _held(attempts: list[Attempt]) -> list[Attempt]:
    return [each for each in attempts if each.state == AttemptState.HELD and not each.unwanted]


def _captured(attempts: list[Attempt]) -> list[Attempt]:
    return [each for each in attempts if each.state == AttemptState.CAPTURED and not each.unwanted]


def _asking(attempts: list[Attempt]) -> list[Attempt]:
    return [each for each in attempts if each.state == AttemptState.PENDING and each.checkout_id is None]


def chosen(payment: Payment, attempts: list[Attempt]) -> Attempt | None:
    """The hold that counts: the first that covers the amount. The others are let go."""
    enough = payment.owed_by_card
    return next((each for each in _held(attempts) if each.amount_minor >= enough), None)


def _keep_one_capture(payment: Payment, attempts: list[Attempt], now: datetime) -> None:
    """Nobody pays twice, for what was let go, or too little: any such capture is given back at once."""
    taken = _captured(attempts)
    over = payment.state in (PaymentState.RELEASING, PaymentState.RELEASED)
    enough = [each for each in taken if not _asked_for_less(payment, each)]
    for attempt in taken if over else [each for each in taken if each not in enough[:1]]:
        attempt.unwanted = True
        attempt.save(update_fields=["unwanted"])
    for attempt in attempts:
        if attempt.unwanted and attempt.state == AttemptState.CAPTURED:
            give_back(attempt, amount=attempt.captured_minor, reason=UNWANTED, now=now)


def _asked_for_less(payment: Payment, attempt: Attempt) -> bool:
    """The amount went up while the payer was on a page that still asked for the old one: they shall pay the new one."""
    too_little = attempt.amount_minor < payment.owed_by_card
    return payment.state in TAKES_CARD and attempt.checkout_id is not None and too_little


def give_back(attempt: Attempt, *, amount: int, reason: str, now: datetime) -> None:
    """Promise a refund of an attempt and journal it, as far as it was not given back before. Once per reason."""
    refunds = Refund.objects.filter(attempt=attempt)
    if refunds.filter(reason=reason).exists():
        return
    # Somebody may have refunded it at the provider before we saw that it was taken.
    left = attempt.captured_minor - sum(refunds.values_list("amount_minor", flat=True))
    if min(amount, left) <= 0:
        return
    refund = Refund.objects.create(
        attempt=attempt, reason=reason, amount_minor=min(amount, left), created_at=now
    )
    changes.begin(refund, REFUND, now=now, by=None, why=reason)
    ledger.promised(refund, sources=[ledger.Source(Account.RIDER_DEPOSIT, refund.amount_minor)], now=now)
    ask_for_refund(refund, now=now)


def ask_for_refund(refund: Refund, *, now: datetime, afresh: bool = False) -> Operation:
    """Journal the call that gives the money back; `afresh` when it was given back and did not arrive."""
    return journal.write(
        kind=Operation.Kind.REFUND,
        subject=refund.id,
        payment=refund.attempt.payment,
        target=refund.attempt.intent,
        params={"amount": refund.amount_minor},
        now=now,
        afresh=afresh,
    )


def _add_up(payment: Payment, now: datetime) -> None:
    """What was taken and what was promised back, from the rows that say so."""
    wanted = list(Attempt.objects.filter(payment=payment, unwanted=False))
    taken = sum(each.captured_minor for each in wanted)
    over = taken - (payment.amount_minor - payment.covered_minor)
    if over > 0:
        # The amount went down while the payer was on a page that still asked for more.
        first = next(each for each in wanted if each.captured_minor)
        give_back(first, amount=over, reason=OVER, now=now)
    promised = Refund.objects.filter(attempt__in=wanted).exclude(reason=OVER)
    payment.captured_minor = taken - max(0, over)
    payment.refunded_minor = min(sum(promised.values_list("amount_minor", flat=True)), payment.captured_minor)
    payment.save(update_fields=["captured_minor", "refunded_minor"])


# ---- one step for each state that may be left by what happened


def _card_wanted(payment: Payment, attempts: list[Attempt], now: datetime, why: str) -> None:
    """NEW, CARD_SAVED, DECLINED: the payer may have held or paid on the page."""
    if _captured(attempts):
        move(payment, PaymentState.PAID, now=now, why=why)
        return
    hold = chosen(payment, attempts)
    if hold is not None:
        _to_held(payment, hold, now, why)


def _authorizing(payment: Payment, attempts: list[Attempt], now: datetime, why: str) -> None:
    if _captured(attempts):  # on a page that was open until now
        move(payment, PaymentState.PAID, now=now, why=why)
        return
    if _asking(attempts):
        return  # unknown is not "no"
    hold = chosen(payment, attempts)
    if hold is not None:
        _to_held(payment, hold, now, why)
        return
    last = attempts[-1]
    payment.decline_code, payment.advice_code = last.decline_code or "hold_lost", last.advice_code
    move(payment, PaymentState.DECLINED, now=now, why=why or payment.decline_code)


def _to_held(payment: Payment, hold: Attempt, now: datetime, why: str) -> None:
    payment.hold_expires_at = hold.capture_before
    payment.decline_code = payment.advice_code = ""
    payment.automatic_tries = 0
    move(payment, PaymentState.HELD, now=now, why=why)


def _held_step(payment: Payment, attempts: list[Attempt], now: datetime, why: str) -> None:
    if _captured(attempts):  # by hand, at the provider
        move(payment, PaymentState.CAPTURING, now=now, why=why)
        move(payment, PaymentState.PAID, now=now, why=why)
        return
    if chosen(payment, attempts) is not None:
        return
    payment.hold_expires_at = None
    if payment.card:
        move(payment, PaymentState.CARD_SAVED, now=now, why=why or "hold lost")
    else:
        payment.decline_code = "hold_lost"
        move(payment, PaymentState.DECLINED, now=now, why=why or "hold lost")


def _capturing(payment: Payment, attempts: list[Attempt], now: datetime, why: str) -> None:
    if _captured(attempts):
        payment.hold_expires_at = None
        move(payment, PaymentState.PAID, now=now, why=why)
        return
    if chosen(payment, attempts) is not None or _asking(attempts):
        return
    charged = any(each.captures_at_once and each.checkout_id is None for each in attempts)
    if payment.card and not charged and payment.automatic_tries < MAX_TRIES:
        # The hold is lost. The card agreed to the price, so it is asked once more, for the money itself.
        ask_bank(payment, amount=payment.owed_by_card, at_once=True, now=now)
        return
    last = attempts[-1]
    payment.hold_expires_at = None
    payment.decline_code, payment.advice_code = last.decline_code or "hold_lost", last.advice_code
    move(payment, PaymentState.DUE, now=now, why=why or payment.decline_code)


def _due(payment: Payment, attempts: list[Attempt], now: datetime, why: str) -> None:
    if _captured(attempts):
        payment.decline_code = payment.advice_code = ""
        move(payment, PaymentState.PAID, now=now, why=why)


def _paid(payment: Payment, _attempts: list[Attempt], now: datetime, why: str) -> None:
    if payment.refunded_minor < payment.captured_minor or contributions.credit_left(payment):
        return
    # The payer has everything back, so nothing was made cheaper.
    contributions.refund_promotion(payment, now=now)
    refunds = Refund.objects.filter(attempt__payment=payment, attempt__unwanted=False)
    if all(state == RefundState.SUCCEEDED for state in refunds.values_list("state", flat=True)):
        move(payment, PaymentState.REFUNDED, now=now, why=why)


_STEPS: dict[str, Callable[[Payment, list[Attempt], datetime, str], None]] = {
    PaymentState.NEW: _card_wanted,
    PaymentState.CARD_SAVED: _card_wanted,
    PaymentState.DECLINED: _card_wanted,
    PaymentState.AUTHORIZING: _authorizing,
    PaymentState.HELD: _held_step,
    PaymentState.CAPTURING: _capturing,
    PaymentState.DUE: _due,
    PaymentState.PAID: _paid,
}


# ---- tidying up


def _let_go_of_the_rest(payment: Payment, attempts: list[Attempt], now: datetime) -> None:
    """At most one hold per payment, and none where none is wanted."""
    keeps = payment.state in (PaymentState.HELD, PaymentState.CAPTURING)
    if payment.state == PaymentState.AUTHORIZING:
        return  # which one stays is known when the bank has answered
    keep = chosen(payment, attempts) if keeps else None
    for attempt in attempts:
        if attempt.state == AttemptState.HELD and attempt != keep:
            journal.write(
                kind=Operation.Kind.CANCEL,
                subject=attempt.id,
                payment=payment,
                target=attempt.intent,
                params={},
                now=now,
            )


def close_pages(payment: Payment, *, now: datetime) -> None:
    """Nobody is left at a page on which nothing should be paid any more."""
    for checkout in payment.checkouts.filter(state=CheckoutState.OPEN):
        close_page(checkout, payment=payment, now=now)


def close_page(checkout: Checkout, *, payment: Payment, now: datetime, run: bool = True) -> Operation:
    """Journal the closing of an open page."""
    return journal.write(
        kind=Operation.Kind.EXPIRE_CHECKOUT,
        subject=checkout.id,
        payment=payment,
        target=checkout.session,
        params={},
        now=now,
        run=run,
    )


def _finish_releasing(payment: Payment, attempts: list[Attempt], now: datetime) -> None:
    """The end of releasing, whichever way the last answer went: success is let go, failure leaves nothing."""
    out = any(each.state == AttemptState.HELD for each in attempts) or _asking(attempts)
    pages = payment.checkouts.filter(state__in=[CheckoutState.OPENING, CheckoutState.OPEN])
    if out or pages.exists():
        return
    payment.hold_expires_at = payment.to_take_minor = None
    if payment.keep_card and payment.card:
        move(payment, PaymentState.CARD_SAVED, now=now, why="nothing held any more")
    else:
        move(payment, PaymentState.RELEASED, now=now, why="nothing held any more")


# ---- asking the bank


def ask_bank(payment: Payment, *, amount: int, at_once: bool, now: datetime) -> Attempt:
    """A new attempt without the payer there: a hold, or with `at_once` the money. Counts as a try of the card."""
    attempt = Attempt.objects.create(
        payment=payment,
        n=payment.attempts.count() + 1,
        amount_minor=amount,
        captures_at_once=at_once,
        created_at=now,
    )
    payment.automatic_tries += 1
    payment.save(update_fields=["automatic_tries"])
    journal.write(
        kind=Operation.Kind.CHARGE if at_once else Operation.Kind.AUTHORIZE,
        subject=attempt.id,
        payment=payment,
        params={
            "amount": amount,
            "currency": payment.currency,
            "customer": payment.customer,
            "card": payment.card,
            "description": payment.description,
            "group": payment.group,
        },
        now=now,
    )
    return attempt
