"""How each kind of operation is sent, found again, finished and given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.conf import settings

from payments import gateway, locks
from payments.actions import bank_refunds, earnings, journal, sightings, standings
from payments.gateway import words
from payments.models import Attempt, Checkout, Customer, Operation, Payee, Payment, Refund, Transfer
from payments.states import (
    REFUND,
    TRANSFER,
    AttemptState,
    CheckoutState,
    OperationState,
    PaymentState,
    RefundState,
    TransferState,
)
from rally import journal as changes

#: Why an operation has ended that never came about because nobody wanted it any more.
NOT_SENT = "not_sent"


@dataclass(frozen=True)
class Call:
    """One kind of operation.

    `send` makes the call. `find` looks whether it had its effect: the object, or None for "it never happened".
    `finish` (in a transaction, payment locked) takes over the object; it answers False when the outcome is still open.
    `give_up` (likewise) settles a clear no; it answers False when only a person can.
    """

    send: Callable[[Operation], Any]
    find: Callable[[Operation], Any]
    finish: Callable[[Operation, Any, datetime], bool]
    give_up: Callable[[Operation, words.ProviderTrouble, datetime], bool]


def _key(operation: Operation) -> str:
    return operation.key(settings.INSTALL)


def _payment(operation: Operation) -> Payment:
    """The payment that the runner has locked with the operation."""
    return cast("Payment", operation.payment)


def _cannot(_operation: Operation, _error: words.ProviderTrouble, _now: datetime) -> bool:
    return False


# ---- payers and pages


def _send_customer(operation: Operation) -> words.CustomerSeen:
    row = Customer.objects.select_related("user").get(id=operation.subject)
    return gateway.create_customer(
        email=row.user.email, name=row.user.name, tags=journal.tags(operation), key=_key(operation)
    )


def _find_customer(operation: Operation) -> words.CustomerSeen | None:
    row = Customer.objects.select_related("user").get(id=operation.subject)
    return gateway.find_customer(email=row.user.email, op=str(operation.id))


def _finish_customer(operation: Operation, seen: words.CustomerSeen, _now: datetime) -> bool:
    sightings.customer(seen, customer_id=operation.subject)
    return True


def _send_checkout(operation: Operation) -> words.Session:
    tags = journal.tags(operation, checkout=str(operation.subject))
    return gateway.create_session(operation.params, tags=tags, key=_key(operation))


def _find_checkout(operation: Operation) -> words.Session | None:
    return gateway.find_session(customer=operation.params["customer"], op=str(operation.id))


def _finish_session(_operation: Operation, seen: words.Session, now: datetime) -> bool:
    sightings.session(seen, now=now)
    return True


def _give_up_checkout(operation: Operation, _error: words.ProviderTrouble, now: datetime) -> bool:
    """The page was never opened, so nobody can pay on it."""
    checkout = Checkout.objects.select_related("payment").get(id=operation.subject)
    checkout.state = CheckoutState.EXPIRED
    checkout.save(update_fields=["state"])
    standings.follow(_payment(operation), now=now)
    return True


def _send_expire(operation: Operation) -> words.Session:
    return gateway.expire_session(operation.target, key=_key(operation))


def _find_expired(operation: Operation) -> words.Session | None:
    seen = gateway.session(operation.target)
    return None if seen.status == "open" else seen


# ---- money of payers


def _send_intent(operation: Operation) -> words.Intent:
    if operation.result:
        # It was there, and undecided: the stored answer would not tell what has become of it.
        return gateway.intent(operation.result)
    return gateway.create_intent(
        operation.params,
        at_once=operation.kind == Operation.Kind.CHARGE,
        tags=journal.tags(operation),
        key=_key(operation),
    )


def _find_intent(operation: Operation) -> words.Intent | None:
    return gateway.find_intent(customer=operation.params["customer"], op=str(operation.id))


def _finish_intent(operation: Operation, seen: words.Intent, now: datetime) -> bool:
    sightings.intent(seen, now=now)
    if seen.status == "waiting":
        operation.result = seen.id
        return False
    return True


def _give_up_intent(operation: Operation, error: words.ProviderTrouble, now: datetime) -> bool:
    """The bank, or the provider, said no: the attempt has failed."""
    attempt = Attempt.objects.get(id=operation.subject)
    if attempt.state == AttemptState.PENDING:
        attempt.state = AttemptState.FAILED
        decline = error.decline if isinstance(error, words.Declined) else words.Decline(error.code)
        attempt.decline_code, attempt.advice_code = decline.code[:60], decline.advice[:40]
        if isinstance(error, words.Declined) and error.intent is not None:
            attempt.intent, attempt.charge = error.intent.id, error.intent.charge
        attempt.save()
    standings.follow(_payment(operation), now=now)
    return True


def _send_capture(operation: Operation) -> words.Intent:
    return gateway.capture_intent(operation.target, amount=operation.params["amount"], key=_key(operation))


def _send_cancel(operation: Operation) -> words.Intent:
    return gateway.cancel_intent(operation.target, key=_key(operation))


def _find_settled(operation: Operation) -> words.Intent | None:
    seen = gateway.intent(operation.target)
    return seen if seen.status in ("captured", "canceled", "failed") else None


def _finish_settled(_operation: Operation, seen: words.Intent, now: datetime) -> bool:
    sightings.intent(seen, now=now)
    return True


def _send_refund(operation: Operation) -> words.RefundSeen:
    return gateway.create_refund(
        intent_id=operation.target,
        amount=operation.params["amount"],
        tags=journal.tags(operation),
        key=_key(operation),
    )


def _find_refund(operation: Operation) -> words.RefundSeen | None:
    return next(
        (each for each in gateway.refunds_of(operation.target) if each.tags.op == str(operation.id)), None
    )


def _finish_refund(_operation: Operation, seen: words.RefundSeen, now: datetime) -> bool:
    sightings.refund(seen, now=now)
    return True


def _give_up_refund(operation: Operation, error: words.ProviderTrouble, now: datetime) -> bool:
    """Nothing went back and the payer is still owed: staff must act (a dispute, a closed card, a refund by hand)."""
    refund = Refund.objects.select_related("attempt").get(id=operation.subject)
    if refund.state == RefundState.PENDING and not refund.refund:  # else somebody was quicker, by hand
        changes.move(refund, REFUND, RefundState.FAILED, now=now, by=None, why=error.code)
        payment = locks.locked_payment(refund.attempt.payment_id)
        bank_refunds.keep_promises(payment, now=now)
        standings.tell(payment, now=now)
    return True


# ---- money of payees


def _send_account(operation: Operation) -> words.AccountSeen:
    payee = Payee.objects.get(id=operation.subject)
    return gateway.create_account(
        email=payee.email, name=payee.name, tags=journal.tags(operation), key=_key(operation)
    )


def _find_account(operation: Operation) -> words.AccountSeen | None:
    return gateway.find_account(since=operation.created_at, op=str(operation.id))


def _finish_account(_operation: Operation, seen: words.AccountSeen, _now: datetime) -> bool:
    sightings.account(seen)
    return True


def _give_up_account(_operation: Operation, _error: words.ProviderTrouble, _now: datetime) -> bool:
    """No account was opened, by what the payee was called then: whoever asks next asks afresh."""
    return True


def _send_transfer(operation: Operation) -> words.TransferSeen:
    return gateway.create_transfer(operation.params, tags=journal.tags(operation), key=_key(operation))


def _find_transfer(operation: Operation) -> words.TransferSeen | None:
    return gateway.find_transfer(group=operation.params["group"], op=str(operation.id))


def _finish_transfer(_operation: Operation, seen: words.TransferSeen, now: datetime) -> bool:
    sightings.transfer(seen, now=now)
    return True


def _give_up_transfer(operation: Operation, error: words.ProviderTrouble, now: datetime) -> bool:
    if error.code == NOT_SENT:
        return True  # it waits for a bank's decision, as what was not journaled yet: `earnings.send_due`
    if error.code == "balance_insufficient" and earnings.not_covered(transfer_id=operation.subject, now=now):
        return True
    transfer = locks.locked_transfer(operation.subject)
    changes.move(transfer, TRANSFER, TransferState.FAILED, now=now, by=None, why=error.code)
    return True


def _send_reverse(operation: Operation) -> words.TransferSeen:
    sent = _sent(operation)
    gateway.reverse_transfer(
        sent, amount=operation.params["amount"], tags=journal.tags(operation), key=_key(operation)
    )
    return gateway.transfer(sent)


def _sent(operation: Operation) -> str:
    """The provider's id of the transfer to take back. Raises `Unknown` while it is still on its way, and `Refused` when it
    was never sent: then what is owed is kept from what is."""
    transfer = Transfer.objects.get(id=operation.params["transfer"])
    if transfer.transfer:
        return transfer.transfer
    asked = Operation.objects.filter(kind=Operation.Kind.TRANSFER, subject=transfer.id)
    if asked.exclude(state=OperationState.FAILED).exists():
        raise words.Unknown("transfer_not_sent_yet")
    raise words.Refused("transfer_never_sent")


def _find_reversed(operation: Operation) -> words.TransferSeen | None:
    sent = _sent(operation)
    if gateway.find_reversal(sent, op=str(operation.id)) is None:
        return None
    return gateway.transfer(sent)


def _give_up_reverse(_operation: Operation, _error: words.ProviderTrouble, _now: datetime) -> bool:
    """The payee has spent it: what they owe us stays in the books (`operator:receivable`)."""
    return True


# ---- disputes


def _send_evidence(operation: Operation) -> words.DisputeSeen:
    evidence = operation.params["evidence"]
    return gateway.update_dispute(operation.target, evidence, submit=True, key=_key(operation))


def _find_answered(operation: Operation) -> words.DisputeSeen | None:
    """Whether the bank has our answer, or needs none any more."""
    seen = gateway.dispute(operation.target)
    return None if seen.answerable and not seen.answers else seen


def _send_accept(operation: Operation) -> words.DisputeSeen:
    return gateway.close_dispute(operation.target, key=_key(operation))


def _find_accepted(operation: Operation) -> words.DisputeSeen | None:
    seen = gateway.dispute(operation.target)
    return None if seen.status == "open" else seen


def _finish_dispute(_operation: Operation, seen: words.DisputeSeen, now: datetime) -> bool:
    sightings.dispute(seen, now=now)
    return True


def _give_up_dispute(_operation: Operation, _error: words.ProviderTrouble, _now: datetime) -> bool:
    """The bank did not take it and the dispute is as it was: staff see that, and may answer otherwise."""
    return True


KINDS: dict[str, Call] = {
    Operation.Kind.CUSTOMER: Call(_send_customer, _find_customer, _finish_customer, _cannot),
    Operation.Kind.CHECKOUT: Call(_send_checkout, _find_checkout, _finish_session, _give_up_checkout),
    Operation.Kind.EXPIRE_CHECKOUT: Call(_send_expire, _find_expired, _finish_session, _cannot),
    Operation.Kind.AUTHORIZE: Call(_send_intent, _find_intent, _finish_intent, _give_up_intent),
    Operation.Kind.CHARGE: Call(_send_intent, _find_intent, _finish_intent, _give_up_intent),
    Operation.Kind.CAPTURE: Call(_send_capture, _find_settled, _finish_settled, _cannot),
    Operation.Kind.CANCEL: Call(_send_cancel, _find_settled, _finish_settled, _cannot),
    Operation.Kind.REFUND: Call(_send_refund, _find_refund, _finish_refund, _give_up_refund),
    Operation.Kind.ACCOUNT: Call(_send_account, _find_account, _finish_account, _give_up_account),
    Operation.Kind.TRANSFER: Call(_send_transfer, _find_transfer, _finish_transfer, _give_up_transfer),
    Operation.Kind.REVERSE: Call(_send_reverse, _find_reversed, _finish_transfer, _give_up_reverse),
    Operation.Kind.EVIDENCE: Call(_send_evidence, _find_answered, _finish_dispute, _give_up_dispute),
    Operation.Kind.ACCEPT: Call(_send_accept, _find_accepted, _finish_dispute, _give_up_dispute),
}


def may_yet_come(operation: Operation) -> bool:
    """Whether a call that finds its object "already moved", but not to where it wants it, may have its effect in a moment. Not
    a refund: then somebody refunded all that there was, by hand, and nothing more will come of ours.
    """
    return bool(operation.target) and operation.kind != Operation.Kind.REFUND


def needless(operation: Operation, payment: Payment | None) -> bool:
    """Whether nobody wants it any more: a bank that was not asked yet need not be asked for a payment that is being released,
    or was paid on a page meanwhile; and nothing is sent on that a bank may take away."""
    asks = operation.kind in (Operation.Kind.AUTHORIZE, Operation.Kind.CHARGE)
    over = (PaymentState.RELEASING, PaymentState.PAID)
    return (asks and payment is not None and payment.state in over) or is_frozen(operation)


def is_frozen(operation: Operation) -> bool:
    """Whether it would send on what a bank may take away: a dispute came between the wish and the call."""
    if operation.kind != Operation.Kind.TRANSFER:
        return False
    return earnings.is_frozen(Transfer.objects.get(id=operation.subject))
