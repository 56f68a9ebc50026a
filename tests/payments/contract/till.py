"""What the tests of the contract do again and again. Nothing here asks whether it is Stripe or the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

from django.conf import settings

from payments import gateway
from payments.gateway import line, words

Seen = TypeVar("Seen")

_STEP, _LONGEST = 3.0, 120.0


@dataclass(frozen=True)
class Till:
    """Where money is taken and given. `pause` lets seconds go by."""

    pause: Callable[[float], Any]

    @property
    def at_stripe(self) -> bool:
        """Whether this is Stripe itself. For fixtures; a body that has to ask is no contract."""
        return not settings.SANDBOX

    @property
    def v1(self) -> Any:
        """The SDK's services, for what a payer's browser or the dashboard does and our gateway does not."""
        return line.client().v1

    def key(self) -> str:
        """An idempotency key that nobody has used."""
        return f"contract:{uuid4()}"

    def customer(self, **tags: str) -> str:
        """Make a payer."""
        email = f"{uuid4()}@contract.example"
        return gateway.create_customer(email=email, name="Ana", tags=tags, key=self.key()).id

    def saved(self, card: str = "pm_card_visa") -> tuple[str, str]:
        """Make a payer with a saved card: both ids."""
        payer = self.customer()
        return payer, self.v1.payment_methods.attach(card, {"customer": payer}).id

    def ask_bank(
        self, payer: str, card: str, amount: int = 4200, *, at_once: bool = False, key: str = "", **more: Any
    ) -> words.Intent:
        """Ask for a hold, or the money, of a saved card without its owner."""
        tags = more.pop("tags", {})
        asked = {
            "amount": amount,
            "currency": "USD",
            "customer": payer,
            "card": card,
            "description": "2 seats",
        }
        return gateway.create_intent(
            {**asked, "group": "trip:contract", **more}, at_once=at_once, tags=tags, key=key or self.key()
        )

    def held(self, amount: int = 4200, card: str = "pm_card_visa") -> words.Intent:
        """Hold money of a new payer."""
        return self.ask_bank(*self.saved(card), amount)

    def paid(self, amount: int = 4200, card: str = "pm_card_visa") -> words.Intent:
        """Take money of a new payer."""
        return self.ask_bank(*self.saved(card), amount, at_once=True)

    def until(self, look: Callable[[], Seen]) -> Seen:
        """Look until there is something to see, for at most two minutes of the till's time."""
        waited = 0.0
        while not (found := look()) and waited < _LONGEST:
            self.pause(_STEP)
            waited += _STEP
        assert found, "two minutes and nothing to see"
        return found
