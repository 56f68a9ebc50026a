"""Payments to test with, brought into their state by the real actions and the sandbox."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from payments.actions import checkouts, payees, payments
from payments.models import Checkout, Payee, Payment
from payments.sandbox import runtime
from payments.sandbox.checkout import Typed
from rally.ids import uuid7
from rally.models import User
from rally.money import Money

VISA, MASTERCARD = "4242424242424242", "5555555555554444"
SAVES_THEN_DECLINES = "4000000000000341"
ALWAYS_ASKS, ASKS_ONCE = "4000002760003184", "4000002500003155"
DECLINED, POOR = "4000000000000002", "4000000000009995"
REFUND_FAILS, REFUND_SLOW, DISPUTED = "4000000000005126", "4000000000007726", "4000000000000259"


def usd(minor: int) -> Money:
    """So many cents."""
    return Money(minor, "USD")


def payment(payer: User, *, now: datetime, amount: int = 4200, group: str = "", **more: Any) -> Payment:
    """A new payment of its own reference."""
    thing = uuid7()
    return payments.open(
        payer=payer,
        reference=f"pledge:{thing}",
        group=group or f"trip:{uuid7()}",
        description="2 seats to Arrowhead",
        amount=usd(amount),
        now=now,
        **more,
    )


def go(paid: Payment, mode: Checkout.Mode, *, now: datetime) -> str:
    """Send the payer to the hosted page; its address."""
    return checkouts.go(
        payment_id=paid.id,
        mode=mode,
        success_url="http://testserver/paid/",
        cancel_url="http://testserver/back/",
        now=now,
    )


def type_card(url: str, number: str = VISA) -> None:
    """Do what the payer does on the hosted page."""
    session = url.rstrip("/").rsplit("/", 1)[-1]
    done = runtime.current().pay(session, Typed(number=number, expires=(12, 2035), cvc="123"))
    if done["status"] == "open":  # the bank wants to see the cardholder
        intent = done["payment_intent"] or done["setup_intent"]
        runtime.current().authenticate(intent, passed=True)


def at_page(paid: Payment, mode: Checkout.Mode, *, now: datetime, number: str = VISA) -> Payment:
    """The payment after its payer has been at the hosted page and come back."""
    type_card(go(paid, mode, now=now), number)
    checkouts.come_back(payment_id=paid.id, now=now)
    paid.refresh_from_db()
    return paid


def payee(*, now: datetime, ready: bool = True) -> Payee:
    """An operator's account, onboarded unless told otherwise."""
    row = payees.open(name="Prairie Coaches", email="otto@test.example", now=now)
    return onboarded(row, now=now, ready=ready)


def onboarded(row: Payee, *, now: datetime, ready: bool = True) -> Payee:
    """The account after its owner has been at the provider's page; without `ready`, only opened there."""
    payees.onboard(payee_id=row.id, return_url="http://testserver/operator/", now=now)
    row.refresh_from_db()
    if ready:
        runtime.current().finish_onboarding(row.account)
        payees.refresh(payee_id=row.id, now=now)
        row.refresh_from_db()
    return row
