"""Holds: set aside, taken once and no more than was set aside, or let go."""

from __future__ import annotations

from datetime import timedelta

import pytest

from payments import gateway
from payments.gateway import words
from rally import clock
from tests.payments.contract.till import Till


def test_a_card_is_saved_and_asked_without_its_owner(till: Till) -> None:
    payer = till.customer()
    asked = {
        "customer": payer,
        "payment_method": "pm_card_visa",
        "allowed_payment_method_types": ["card"],
        "usage": "off_session",
        "confirm": True,
    }
    kept = till.v1.setup_intents.create(asked)
    assert kept.status == "succeeded"
    held = till.ask_bank(payer, kept.payment_method)
    assert (held.status, held.capturable, held.captured) == ("held", 4200, 0)
    assert held.card is not None
    assert (held.card.brand, held.card.last4, held.card.saved) == ("visa", "4242", True)
    assert held.customer == payer
    assert held.booking is None


def test_a_hold_tells_how_long_it_lives(till: Till) -> None:
    held = till.held()
    assert held.capture_before is not None
    lives = held.capture_before - held.created
    # Visa without the cardholder: 4 days 18 hours. Whoever grants more does no harm.
    assert timedelta(days=4, hours=17) < lives < timedelta(days=31)


def test_less_than_was_held_can_be_taken_and_the_rest_is_free(till: Till) -> None:
    held = till.held()
    taken = gateway.capture_intent(held.id, amount=3000, key=till.key())
    assert (taken.status, taken.captured, taken.capturable, taken.amount) == ("captured", 3000, 0, 4200)
    assert taken.booking is not None
    assert taken.booking.amount == 3000
    assert taken.booking.fee > 0
    # Since 2025-03-31 the rest is no refund.
    assert gateway.refunds_of(held.id) == []
    charge = till.v1.charges.retrieve(taken.charge)
    assert (charge.amount_captured, charge.amount_refunded, charge.refunded) == (3000, 0, False)


def test_a_hold_is_taken_once(till: Till) -> None:
    held = till.held()
    gateway.capture_intent(held.id, amount=4200, key=till.key())
    with pytest.raises(words.AlreadyMoved) as again:
        gateway.capture_intent(held.id, amount=4200, key=till.key())
    assert again.value.code == "payment_intent_unexpected_state"


def test_more_than_was_held_cannot_be_taken(till: Till) -> None:
    held = till.held()
    with pytest.raises(words.Refused):
        gateway.capture_intent(held.id, amount=4201, key=till.key())
    assert gateway.intent(held.id).status == "held"


def test_what_was_let_go_cannot_be_taken(till: Till) -> None:
    held = till.held()
    let_go = gateway.cancel_intent(held.id, key=till.key())
    assert (let_go.status, let_go.capturable, let_go.captured) == ("canceled", 0, 0)
    with pytest.raises(words.AlreadyMoved):
        gateway.capture_intent(held.id, amount=4200, key=till.key())
    with pytest.raises(words.AlreadyMoved):
        gateway.cancel_intent(held.id, key=till.key())
    assert gateway.refunds_of(held.id) == []


def test_what_was_taken_cannot_be_let_go(till: Till) -> None:
    held = till.held()
    gateway.capture_intent(held.id, amount=4200, key=till.key())
    with pytest.raises(words.AlreadyMoved) as late:
        gateway.cancel_intent(held.id, key=till.key())
    assert late.value.code == "payment_intent_unexpected_state"
    assert gateway.intent(held.id).status == "captured"


def test_money_taken_at_once_is_booked_at_once(till: Till) -> None:
    taken = till.paid()
    assert (taken.status, taken.captured, taken.captures_at_once) == ("captured", 4200, True)
    assert taken.booking is not None
    assert taken.booking.amount == 4200


def test_a_hold_that_nobody_takes_lapses(clock_moves: Till) -> None:
    held = clock_moves.held()
    assert held.capture_before is not None
    clock_moves.pause((held.capture_before - clock.now()).total_seconds() + 1)
    lapsed = gateway.intent(held.id)
    assert (lapsed.status, lapsed.capturable) == ("canceled", 0)
    with pytest.raises(words.AlreadyMoved):
        gateway.capture_intent(held.id, amount=4200, key=clock_moves.key())


# ---- the bank says no


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("pm_card_visa_chargeDeclined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "lost_card"),
        ("pm_card_visa_chargeDeclinedStolenCard", "stolen_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error"),
    ],
)
def test_a_bank_says_why_it_said_no(till: Till, card: str, reason: str) -> None:
    asked = {
        "amount": 4200,
        "currency": "usd",
        "payment_method": card,
        "allowed_payment_method_types": ["card"],
        "capture_method": "manual",
        "confirm": True,
    }
    with pytest.raises(words.Declined) as no:
        gateway.line.ask(lambda v1: v1.payment_intents.create(asked, {"idempotency_key": till.key()}))
    assert no.value.decline.code == reason
    assert no.value.intent is not None
    assert (no.value.intent.status, no.value.intent.capturable) == ("failed", 0)
    assert no.value.intent.decline == no.value.decline


def test_a_card_can_be_saved_and_say_no_later(till: Till) -> None:
    payer, card = till.saved("pm_card_chargeCustomerFail")
    with pytest.raises(words.Declined) as no:
        till.ask_bank(payer, card)
    assert no.value.intent is not None
    assert gateway.intent(no.value.intent.id).status == "failed"


def test_a_bank_that_wants_to_see_the_cardholder_says_so(till: Till) -> None:
    payer, card = till.saved("pm_card_authenticationRequired")
    with pytest.raises(words.Declined) as no:
        till.ask_bank(payer, card)
    assert no.value.decline.code == "authentication_required"
    assert no.value.intent is not None
    assert no.value.intent.status == "failed"
