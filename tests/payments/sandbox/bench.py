"""What tests of the sandbox do again and again."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import stripe

from payments.sandbox.checkout import Typed
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Faults

SUCCESS = "https://rally.example/back?session={CHECKOUT_SESSION_ID}"


class VirtualClock:
    """A clock that stands still until it is moved. Call it to read it. Safe between threads."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            return self._now

    def move(self, step: timedelta) -> datetime:
        """Go forward by `step` and give the new moment."""
        with self._lock:
            self._now += step
            return self._now


@dataclass
class Bench:
    """A sandbox, its clock, its trouble, and the SDK's client for it."""

    sandbox: Sandbox
    clock: VirtualClock
    faults: Faults
    client: stripe.StripeClient

    @property
    def now(self) -> int:
        """The sandbox's time as a Unix time."""
        return int(self.clock().timestamp())

    def customer(self) -> str:
        """Make a customer."""
        return self.client.v1.customers.create({"email": "ana@demo.example"}).id

    def session(self, amount: int = 4200, **more: Any) -> stripe.checkout.Session:
        """Open a session that pays."""
        item = {
            "price_data": {"currency": "usd", "unit_amount": amount, "product_data": {"name": "Seat"}},
            "quantity": 1,
        }
        params: Any = {
            "mode": "payment",
            "success_url": SUCCESS,
            "cancel_url": "https://rally.example/stay",
            "line_items": [item],
            "allowed_payment_method_types": ["card"],
            **more,
        }
        return self.client.v1.checkout.sessions.create(params)

    def setup_session(self, **more: Any) -> stripe.checkout.Session:
        """Open a session that saves a card."""
        params: Any = {
            "mode": "setup",
            "success_url": SUCCESS,
            "allowed_payment_method_types": ["card"],
            **more,
        }
        return self.client.v1.checkout.sessions.create(params)

    def type_card(self, session_id: str, number: str = "4242424242424242") -> dict[str, Any]:
        """Type a card into the hosted page."""
        return self.sandbox.pay(session_id, Typed(number, (12, 2034), "123", "Ana"))

    def saved(self, number: str = "4242424242424242") -> tuple[str, str]:
        """Make a customer with a card saved through Checkout. Gives both ids."""
        customer = self.customer()
        session = self.setup_session(customer=customer)
        if self.type_card(session.id, number)["status"] == "open":
            self.sandbox.authenticate(str(session.setup_intent), passed=True)
        saved = self.client.v1.customers.payment_methods.list(customer)
        return customer, saved.data[0].id

    def charge_saved(
        self, customer: str, card: str, amount: int = 4200, *, key: str | None = None, **more: Any
    ) -> stripe.PaymentIntent:
        """Charge a saved card with nobody there: a hold unless told otherwise."""
        params: Any = {
            "amount": amount,
            "currency": "usd",
            "customer": customer,
            "payment_method": card,
            "off_session": True,
            "confirm": True,
            "capture_method": "manual",
            "allowed_payment_method_types": ["card"],
            **more,
        }
        return self.client.v1.payment_intents.create(params, {"idempotency_key": key} if key else {})

    def paid(self, amount: int = 4200, number: str = "4242424242424242", **data: Any) -> stripe.PaymentIntent:
        """Let somebody pay by Checkout, captured at once, and give the intent with its charge."""
        session = self.session(amount, payment_intent_data={"capture_method": "automatic", **data})
        self.type_card(session.id, number)
        done = self.client.v1.checkout.sessions.retrieve(
            session.id, {"expand": ["payment_intent.latest_charge"]}
        )
        assert isinstance(done.payment_intent, stripe.PaymentIntent)
        return done.payment_intent

    def operator(self, interval: str = "manual") -> str:
        """Make a connected account that can be paid."""
        params: Any = {
            "type": "express",
            "capabilities": {"transfers": {"requested": True}},
            "settings": {"payouts": {"schedule": {"interval": interval}}},
        }
        account = self.client.v1.accounts.create(params).id
        self.sandbox.finish_onboarding(account)
        return account

    def pass_time(self, **step: float) -> None:
        """Move the clock."""
        self.clock.move(timedelta(**step))

    def balance(self, account: str | None = None) -> tuple[int, int]:
        """Give available and pending money."""
        held = self.client.v1.balance.retrieve({}, {"stripe_account": account} if account else {})
        return held.available[0].amount, held.pending[0].amount

    def events(self, *kinds: str) -> list[str]:
        """Give the types of events, oldest first; only these kinds when told."""
        params: Any = {"limit": 100, **({"types": list(kinds)} if kinds else {})}
        return [event.type for event in reversed(self.client.v1.events.list(params).data)]
