"""Hosted pages: sending a payer to one, and hearing what became of it.

Outside actions: they talk to the provider in three beats and must not be called inside a transaction.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from payments import gateway, locks
from payments.actions import journal, operations, sightings, standings
from payments.errors import PaymentClosed, ProviderUnavailable
from payments.gateway import words
from payments.models import Checkout, Customer, Operation, Payment
from payments.states import CheckoutState, PaymentState
from rally.models import User

logger = logging.getLogger(__name__)

#: The provider's shortest page lives 30 minutes from when it hears of it; ours is a minute longer.
LIVES = timedelta(minutes=31)
#: A page that is about to close is no use to somebody who has yet to find the card.
STILL_USEFUL = timedelta(minutes=2)
_ROUNDS = 5


def go(*, payment_id: UUID, mode: Checkout.Mode, success_url: str, cancel_url: str, now: datetime) -> str:
    """The address of a hosted page for this payment: the open one if it fits, else a fresh one.

    Two clicks and two tabs end at the same page, and at any time at most one page of a payment is open. Raises
    `PaymentClosed` when no card can be given in the payment's state, `ProviderUnavailable` when there is no answer now.
    """
    for _round in range(
        _ROUNDS
    ):  # pragma: no branch - each round ends an operation, and there are few to end
        step = _next_step(payment_id, mode, (success_url, cancel_url), now)
        if isinstance(step, str):
            return step
        operations.run(step.id, now=now)
        step.refresh_from_db()
        stale = (
            step.ended_at is not None and step.tries > 1
        )  # what waited too long is followed by a fresh page
        if step.ended_at is None or (step.error and not stale):
            break
    raise ProviderUnavailable


@transaction.atomic
def _next_step(
    payment_id: UUID, mode: Checkout.Mode, urls: tuple[str, str], now: datetime
) -> str | Operation:
    """The address if there is a page that fits, else the operation that brings us nearer."""
    # Two tabs would each see no open page and make one.
    payment = locks.locked_payment(payment_id)

    _check_open(payment, mode)

    # Only the card's part: what credit and a promotion pay is set aside already.
    amount = payment.amount_minor - payment.covered_minor
    if mode == Checkout.Mode.CHARGE:
        amount = payment.owed_by_card
    current = payment.checkouts.filter(state__in=[CheckoutState.OPENING, CheckoutState.OPEN]).first()
    if current is not None and current.state == CheckoutState.OPENING:
        return Operation.objects.get(kind=Operation.Kind.CHECKOUT, subject=current.id)
    if current is not None:
        fits = (current.mode, current.amount_minor) == (mode, amount)
        if fits and current.expires_at - now > STILL_USEFUL:
            return current.url
        return standings.close_page(current, payment=payment, now=now, run=False)

    customer = _customer(payment.payer, payment.provider, now)
    if not customer.customer:
        return journal.write(
            kind=Operation.Kind.CUSTOMER, subject=customer.id, payment=None, params={}, now=now, run=False
        )
    if payment.customer != customer.customer:
        payment.customer = customer.customer
        payment.save(update_fields=["customer"])
    checkout = Checkout.objects.create(
        payment=payment, mode=mode, amount_minor=amount, expires_at=now + LIVES, created_at=now
    )
    return _open_page(payment, checkout, urls, now)


def _open_page(payment: Payment, checkout: Checkout, urls: tuple[str, str], now: datetime) -> Operation:
    """Journal the opening of a fresh page."""
    return journal.write(
        kind=Operation.Kind.CHECKOUT,
        subject=checkout.id,
        payment=payment,
        params={
            "mode": str(checkout.mode),
            "payment": str(payment.id),
            "customer": payment.customer,
            "amount": checkout.amount_minor,
            "currency": payment.currency,
            "description": payment.description,
            "group": payment.group,
            "expires_at": int(checkout.expires_at.timestamp()),
            "success_url": urls[0],
            "cancel_url": urls[1],
        },
        now=now,
        run=False,
    )


def _check_open(payment: Payment, mode: Checkout.Mode) -> None:
    """A due payment is only charged; before that, any kind of page may be asked for."""
    charges = mode == Checkout.Mode.CHARGE
    if payment.state not in standings.TAKES_CARD or (payment.state == PaymentState.DUE and not charges):
        raise PaymentClosed
    if payment.provider != gateway.provider():
        raise PaymentClosed


def _customer(user: User, provider: str, now: datetime) -> Customer:
    return Customer.objects.get_or_create(user=user, provider=provider, defaults={"created_at": now})[0]


def come_back(*, payment_id: UUID, now: datetime) -> None:
    """Look right now at what became of the open page of this payment. Harmless to repeat.

    Never raises for trouble of the provider: webhook, poller and sweep hear of it too.
    """
    page = Checkout.objects.filter(payment_id=payment_id, state=CheckoutState.OPEN).first()
    if page is None:
        return
    try:
        sightings.look("checkout.session", page.session, now=now)
    except words.ProviderTrouble as trouble:
        logger.warning("checkout.not_seen checkout=%s error=%s", page.id, trouble)
