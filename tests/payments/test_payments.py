"""What can be wished for a payment, and what comes of it."""

from __future__ import annotations

from datetime import datetime

import pytest

from payments.actions import payments
from payments.models import Checkout
from payments.sandbox.core import Sandbox
from payments.states import PaymentState
from rally.models import User
from tests.factories.payments import at_page, payment, usd

SAVE, HOLD, CHARGE = Checkout.Mode.SAVE, Checkout.Mode.HOLD, Checkout.Mode.CHARGE


def test_a_saved_card_is_held_captured_and_given_back(sandbox: Sandbox, ana: User, now: datetime) -> None:
    paid = at_page(payment(ana, now=now), SAVE, now=now)
    assert (paid.state, paid.card_last4) == (PaymentState.CARD_SAVED, "4242")

    payments.authorize(payment_id=paid.id, amount=usd(4200), now=now)
    paid.refresh_from_db()
    assert paid.state == PaymentState.HELD

    payments.capture(payment_id=paid.id, amount=usd(4000), now=now)
    paid.refresh_from_db()
    assert (paid.state, paid.captured_minor) == (PaymentState.PAID, 4000)

    payments.refund(payment_id=paid.id, amount=usd(4000), reason="cancelled", now=now, by=None)
    paid.refresh_from_db()
    assert (paid.state, paid.refunded_minor) == (PaymentState.REFUNDED, 4000)
