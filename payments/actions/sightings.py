"""What we saw at the provider, written down here: one function for each kind of thing.

A sighting may be old, repeated or out of order. What has ended does not begin again; missing ledger rows are added; and
the payment goes where all its attempts say it belongs (`standings.follow`). Webhooks, the poller, return pages,
answers to our own calls and look-ups all end here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from payments import gateway, locks, signals
from payments.actions import bearers, disputes, journal, ledger, refunds_seen, standings
from payments.gateway import words
from payments.models import Attempt, Checkout, Customer, Operation, Payee, Payment, Refund, Transfer
from payments.states import TRANSFER, AttemptState, CheckoutState, PaymentState, TransferState
from rally import journal as changes

logger = logging.getLogger(__name__)

#: What a sighting may change an attempt to: only upwards, and nothing follows an end.
_RANK = {
    AttemptState.PENDING: 0,
    AttemptState.FAILED: 1,
    AttemptState.HELD: 2,
    AttemptState.CAPTURED: 3,
    AttemptState.CANCELED: 3,
}
_SEEN = {
    "failed": AttemptState.FAILED,
    "held": AttemptState.HELD,
    "captured": AttemptState.CAPTURED,
    "canceled": AttemptState.CANCELED,
}


# ---- attempts


@transaction.atomic
def intent(seen: words.Intent, *, now: datetime) -> Payment | None:
    """Take over what an attempt has become. None when it is nobody's here; one of ours that lost its rows is let go."""
    payment = _payment_of(seen)
    if payment is None:
        if seen.tags.install == settings.INSTALL:
            _let_orphan_go(seen, now)
        return None
    attempt = _attempt_of(payment, seen, now)
    if attempt is None:
        return payment
    _advance(attempt, seen, now)
    _learn_card(payment, attempt, seen)
    standings.follow(payment, now=now)
    return payment


def _payment_of(seen: words.Intent) -> Payment | None:
    """The payment of an intent, locked: by its id, else by what we wrote on it."""
    found = Attempt.objects.filter(intent=seen.id).values_list("payment_id", flat=True).first()
    if found is None and seen.tags.install == settings.INSTALL:
        found = journal.id_in(seen.tags.payment)
    if found is None:
        return None
    try:
        return locks.locked_payment(found)
    except Payment.DoesNotExist:
        return None


def _attempt_of(payment: Payment, seen: words.Intent, now: datetime) -> Attempt | None:
    """The attempt of an intent; a new row when we meet it for the first time. None when there is nothing to keep yet."""
    known = payment.attempts.filter(intent=seen.id).first()
    if known is not None:
        return known
    operation = Operation.objects.filter(id=journal.id_in(seen.tags.op), payment=payment).first()
    if operation is not None and operation.kind in (Operation.Kind.AUTHORIZE, Operation.Kind.CHARGE):
        asked = payment.attempts.filter(id=operation.subject).first()
        if asked is not None and not asked.intent:
            asked.intent = seen.id
            asked.save(update_fields=["intent"])
            return asked
    checkout = payment.checkouts.filter(id=journal.id_in(seen.tags.checkout), attempt=None).first()
    if seen.status in ("waiting", "failed"):
        return None  # the payer is still at the page, or nothing came of it
    return Attempt.objects.create(
        payment=payment,
        n=payment.attempts.count() + 1,
        checkout=checkout,
        intent=seen.id,
        amount_minor=seen.amount,
        captures_at_once=seen.captures_at_once,
        unwanted=_is_one_too_many(payment, checkout, operation),
        created_at=now,
    )


def _is_one_too_many(payment: Payment, checkout: Checkout | None, operation: Operation | None) -> bool:
    """Asked for once and there twice: the second one is nobody's wish. What lost its rows with a database that was
    restored is taken in, unless another one is at work for the payment."""
    if checkout is not None:
        return False
    live = payment.attempts.filter(state__in=[AttemptState.PENDING, AttemptState.HELD], checkout=None)
    return operation is not None or live.exists()


def _advance(attempt: Attempt, seen: words.Intent, now: datetime) -> None:
    """Move an attempt up to what was seen, with its ledger rows. What was seen may be older than what we know."""
    became = _SEEN.get(seen.status)
    if became is not None and _RANK[became] > _RANK[AttemptState(attempt.state)]:
        attempt.state = became
        attempt.charge = seen.charge or attempt.charge
        attempt.capture_before = seen.capture_before or attempt.capture_before
        if became == AttemptState.CAPTURED:
            attempt.captured_minor = seen.captured
        if seen.decline is not None:
            attempt.decline_code, attempt.advice_code = seen.decline.code[:60], seen.decline.advice[:40]
        elif became == AttemptState.CANCELED:
            attempt.decline_code = "hold_lost"
        attempt.save()
    if attempt.state == AttemptState.HELD:
        ledger.held(attempt, now=now)
    elif attempt.state in (AttemptState.CAPTURED, AttemptState.CANCELED):
        ledger.no_longer_held(attempt, now=now)
    if attempt.state == AttemptState.CAPTURED and seen.booking is not None:
        # The provider may book a capture a moment after it answers: then a later sighting brings the line.
        ledger.captured(attempt, fee=seen.booking.fee, transaction=seen.booking.id, now=now)


def _learn_card(payment: Payment, attempt: Attempt, seen: words.Intent) -> None:
    """Remember the card that a payer saved while paying on the page; of one that paid at once, what a receipt shows."""
    if attempt.checkout_id is None or seen.card is None:
        return
    if seen.card.saved:
        remember_card(payment, seen.card)
    elif attempt.state == AttemptState.CAPTURED and not payment.captured_minor:
        _show(payment, seen.card)
        payment.save(update_fields=["card_brand", "card_last4", "card_fingerprint"])


def remember_card(payment: Payment, card: words.Card) -> None:
    """Keep which card may be asked from now on. A new card starts with no failed tries."""
    if payment.card != card.id:
        payment.card, payment.automatic_tries = card.id, 0
        _show(payment, card)
        payment.save(
            update_fields=["card", "card_brand", "card_last4", "card_fingerprint", "automatic_tries"]
        )


def _show(payment: Payment, card: words.Card) -> None:
    """What may be shown of a card, and by what it is known again."""
    payment.card_brand, payment.card_last4 = card.brand[:20], card.last4
    payment.card_fingerprint = card.fingerprint[:40]


def _let_orphan_go(seen: words.Intent, now: datetime) -> None:
    """Money that we asked for and of which no row is left (a restored database): released, or given back."""
    subject = journal.subject_of(seen.id)
    if seen.status == "held":
        logger.error("orphan.released intent=%s", seen.id)
        journal.write(
            kind=Operation.Kind.CANCEL, subject=subject, payment=None, target=seen.id, params={}, now=now
        )
    elif seen.status == "captured":
        # Refunding blindly what may have been earned before the restore would be worse than asking a person.
        logger.error("orphan.captured intent=%s", seen.id)


# ---- hosted pages


@transaction.atomic
def session(seen: words.Session, *, now: datetime) -> Payment | None:
    """Take over what became of a hosted page. None when it is not ours."""
    checkout = Checkout.objects.filter(session=seen.id).first()
    if checkout is None and seen.tags.install == settings.INSTALL:
        checkout = Checkout.objects.filter(id=journal.id_in(seen.tags.checkout)).first()
    if checkout is None:
        return None
    payment = locks.locked_payment(checkout.payment_id)
    checkout.refresh_from_db()

    if checkout.state in (CheckoutState.OPENING, CheckoutState.OPEN):
        checkout.session, checkout.url, checkout.expires_at = seen.id, seen.url, seen.expires_at
        checkout.state = CheckoutState(seen.status)
        checkout.save()
    if seen.card is not None and payment.state != PaymentState.RELEASED:
        remember_card(payment, seen.card)
    if seen.intent is not None:
        attempt = _attempt_of(payment, seen.intent, now)
        if attempt is not None:
            _advance(attempt, seen.intent, now)
            _learn_card(payment, attempt, seen.intent)
    standings.follow(payment, now=now)

    # A card is there, whether it was saved alone or with a hold that came too small or too late to be kept.
    if (
        seen.status == "complete"
        and payment.card
        and payment.state in (PaymentState.NEW, PaymentState.DECLINED)
    ):
        payment.decline_code = payment.advice_code = ""
        standings.move(payment, PaymentState.CARD_SAVED, now=now)
    return payment


# ---- transfers and payees


@transaction.atomic
def transfer(seen: words.TransferSeen, *, now: datetime) -> Transfer | None:
    """Take over what became of a transfer and its reversals. None when it is not ours."""
    found = Transfer.objects.filter(transfer=seen.id).first()
    if found is None:
        operation = Operation.objects.filter(
            id=journal.id_in(seen.tags.op), kind=Operation.Kind.TRANSFER
        ).first()
        found = Transfer.objects.filter(id=operation.subject).first() if operation else None
    if found is None:
        return None
    row = locks.locked_transfer(found.id)

    if row.transfer in ("", seen.id):
        row.transfer = seen.id
        row.reversed_minor = max(row.reversed_minor, seen.reversed)
        row.save(update_fields=["transfer", "reversed_minor"])
        reached = TransferState.REVERSED if row.reversed_minor == row.to_send_minor else TransferState.PAID
        if row.state != reached and TRANSFER.allows(row.state, reached):
            changes.move(row, TRANSFER, reached, now=now, by=None)
            bearers.tell_of_transfer(row)
    if seen.booking is not None:
        ledger.sent(row, amount=-seen.booking.amount, transaction=seen.booking.id, now=now)
    for each in seen.reversals:
        if each.booking is not None:
            ledger.taken_back(
                row, amount=each.amount, provider_id=each.id, transaction=each.booking.id, now=now
            )
    bearers.due_again(row, now=now)
    return row


@transaction.atomic
def account(seen: words.AccountSeen) -> Payee | None:
    """Take over whether a payee can be paid. None when it is not ours."""
    found = Payee.objects.filter(account=seen.id).first()
    if found is None:
        operation = Operation.objects.filter(
            id=journal.id_in(seen.tags.op), kind=Operation.Kind.ACCOUNT
        ).first()
        found = Payee.objects.filter(id=operation.subject, account="").first() if operation else None
    if found is None:
        return None
    payee = locks.locked_payee(found.id)
    if (payee.account, payee.can_be_paid) != (seen.id, seen.can_be_paid):
        payee.account, payee.can_be_paid = seen.id, seen.can_be_paid
        payee.save(update_fields=["account", "can_be_paid"])
        transaction.on_commit(lambda: signals.payee_changed.send_robust(sender=Payee, payee_id=payee.id))
    return payee


@transaction.atomic
def customer(seen: words.CustomerSeen, *, customer_id: UUID) -> Customer:
    """Keep the provider's id of a payer."""
    row = Customer.objects.select_for_update().get(id=customer_id)
    if not row.customer:
        row.customer = seen.id
        row.save(update_fields=["customer"])
    return row


# ---- refunds, disputes and payouts


def refund(seen: words.RefundSeen, *, now: datetime) -> Refund | None:
    """Take over what became of a refund, whoever made it. None when it is not ours."""
    return refunds_seen.take_over(seen, now=now)


def dispute(seen: words.DisputeSeen, *, now: datetime) -> Payment | None:
    """Take over what a dispute took and gave back, and where it stands. None when the charge is not ours."""
    return disputes.take_over(seen, now=now)


@transaction.atomic
def payout(seen: words.PayoutSeen, *, currency: str, now: datetime) -> None:
    """Book what went to our own bank."""
    for line in seen.bookings:
        ledger.paid_out(amount=-line.amount, fee=line.fee, currency=currency, transaction=line.id, now=now)


# ---- looking


def look(kind: str, object_id: str, *, now: datetime) -> None:
    """Fetch one thing of the provider's and take over what it has become. Outside any transaction.

    Raises `words.ProviderTrouble`. Kinds that mean nothing to us are left alone.
    """
    match kind:
        case "payment_intent":
            intent(gateway.intent(object_id), now=now)
        case "checkout.session":
            session(gateway.session(object_id), now=now)
        case "refund":
            _with_intent(refund, gateway.refund(object_id), now)
        case "transfer":
            transfer(gateway.transfer(object_id), now=now)
        case "account":
            account(gateway.account(object_id))
        case "dispute":
            _with_intent(dispute, gateway.dispute(object_id), now)


def _with_intent(
    take_over: Callable[..., Any], seen: words.RefundSeen | words.DisputeSeen, now: datetime
) -> None:
    """Take over what hangs on an attempt; if the attempt itself is news to us, that first."""
    if take_over(seen, now=now) is None and seen.intent:
        intent(gateway.intent(seen.intent), now=now)
        take_over(seen, now=now)
