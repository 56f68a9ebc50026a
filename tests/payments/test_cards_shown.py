"""Which card a receipt names: the one that paid, whether it is kept or not."""

from __future__ import annotations

from payments.models import Checkout
from payments.queries.receipts import receipt
from payments.sandbox.core import Sandbox
from rally.models import User
from tests.factories.payments import MASTERCARD, SAVES_THEN_DECLINES, VISA, at_page, payment
from tests.payments.conftest import Time, work


def test_a_card_that_paid_at_once_stands_on_the_receipt(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), Checkout.Mode.CHARGE, now=time(), number=MASTERCARD)
    for _twice in range(2):
        work(time)
        paid.refresh_from_db()
        assert (paid.state, paid.card_brand, paid.card_last4) == ("paid", "mastercard", "4444")
    assert paid.card_fingerprint
    assert paid.card == ""  # nobody agreed that it is kept, so it cannot be asked again
    found = receipt(paid)
    assert found is not None
    assert found.payment.card_last4 == "4444"


def test_it_names_the_card_that_paid_and_not_the_one_that_was_kept(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = at_page(payment(ana, now=time()), Checkout.Mode.SAVE, now=time(), number=SAVES_THEN_DECLINES)
    kept = paid.card
    paid = at_page(paid, Checkout.Mode.CHARGE, now=time(), number=VISA)
    assert (paid.state, paid.card_last4) == ("paid", "4242")
    assert kept
