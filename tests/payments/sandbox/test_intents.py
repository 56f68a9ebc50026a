"""PaymentIntents: authorize, capture once, cancel, expire, decline."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from payments.sandbox.cards import CARDS, Card
from tests.payments.sandbox.bench import Bench

DAY = 24 * 3600


def _charge(bench: Bench, intent: stripe.PaymentIntent) -> stripe.Charge:
    return bench.client.v1.charges.retrieve(str(intent.latest_charge))


def test_a_hold_is_captured_once_and_in_part_without_a_refund(bench: Bench) -> None:
    held = bench.charge_saved(*bench.saved())
    assert (held.status, held.amount_capturable, held.amount_received) == ("requires_capture", 4200, 0)

    taken = bench.client.v1.payment_intents.capture(held.id, {"amount_to_capture": 3000})

    assert (taken.status, taken.amount_capturable, taken.amount_received) == ("succeeded", 0, 3000)
    charge = _charge(bench, taken)
    assert (charge.captured, charge.amount_captured, charge.amount_refunded, charge.refunded) == (
        True,
        3000,
        0,
        False,
    )
    assert bench.client.v1.refunds.list({"charge": charge.id}).data == []
    with pytest.raises(stripe.InvalidRequestError) as again:
        bench.client.v1.payment_intents.capture(held.id)
    assert again.value.code == "payment_intent_unexpected_state"
    assert again.value.error is not None
    assert again.value.error.payment_intent is not None
    assert again.value.error.payment_intent.status == "succeeded"


def test_no_more_is_captured_than_was_held(bench: Bench) -> None:
    held = bench.charge_saved(*bench.saved())
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.client.v1.payment_intents.capture(held.id, {"amount_to_capture": 4201})
    assert refused.value.code == "amount_too_large"
    assert bench.client.v1.payment_intents.retrieve(held.id).status == "requires_capture"


def test_a_canceled_hold_makes_no_refund(bench: Bench) -> None:
    held = bench.charge_saved(*bench.saved())
    gone = bench.client.v1.payment_intents.cancel(held.id, {"cancellation_reason": "requested_by_customer"})
    assert (gone.status, gone.cancellation_reason, gone.canceled_at) == (
        "canceled",
        "requested_by_customer",
        bench.now,
    )
    charge = _charge(bench, gone)
    assert (charge.refunded, charge.amount_refunded, charge.captured) == (False, 0, False)
    assert "charge.refunded" not in bench.events()
    with pytest.raises(stripe.InvalidRequestError) as again:
        bench.client.v1.payment_intents.cancel(held.id)
    assert again.value.code == "payment_intent_unexpected_state"


@pytest.mark.parametrize(
    ("number", "present", "seconds"),
    [
        ("4242424242424242", True, 7 * DAY),
        ("4242424242424242", False, 4 * DAY + 18 * 3600),
        ("5555555555554444", True, 7 * DAY),
        ("5555555555554444", False, 7 * DAY),
    ],
)
def test_a_hold_lives_as_long_as_its_network_lets_it(
    bench: Bench, number: str, present: bool, seconds: int
) -> None:
    if present:
        session = bench.session(payment_intent_data={"capture_method": "manual"})
        bench.type_card(session.id, number)
        intent_id = str(bench.client.v1.checkout.sessions.retrieve(session.id).payment_intent)
        held = bench.client.v1.payment_intents.retrieve(intent_id)
    else:
        held = bench.charge_saved(*bench.saved(number))
    details = _charge(bench, held).payment_method_details
    assert details is not None
    assert details.card is not None
    assert details.card.capture_before == bench.now + seconds

    bench.pass_time(seconds=seconds - 1)
    assert bench.client.v1.payment_intents.retrieve(held.id).status == "requires_capture"
    bench.pass_time(seconds=1)
    gone = bench.client.v1.payment_intents.retrieve(held.id)

    assert (gone.status, gone.cancellation_reason, gone.amount_capturable) == ("canceled", "expired", 0)
    assert bench.events("charge.expired", "payment_intent.canceled") == [
        "charge.expired",
        "payment_intent.canceled",
    ]
    assert _charge(bench, gone).refunded is False


def test_things_that_were_due_happen_in_their_order_and_at_their_own_moment(bench: Bench) -> None:
    customer, card = bench.saved()
    first = bench.charge_saved(customer, card)
    bench.pass_time(hours=1)
    second = bench.charge_saved(customer, card)
    start = bench.now
    bench.pass_time(days=30)
    expired = bench.client.v1.events.list({"types": ["payment_intent.canceled"]}).data
    assert [event.data.object["id"] for event in expired] == [second.id, first.id]
    assert [event.created for event in expired] == [start + 4 * DAY + 18 * 3600, start + 4 * DAY + 17 * 3600]


def test_a_decline_off_session_is_a_402_and_leaves_the_intent_open(bench: Bench) -> None:
    customer, card = bench.saved("4000000000000341")
    with pytest.raises(stripe.CardError) as declined:
        bench.charge_saved(customer, card)
    error = declined.value.error
    assert error is not None
    assert error.payment_intent is not None
    assert (declined.value.http_status, declined.value.code, error.decline_code) == (
        402,
        "card_declined",
        "generic_decline",
    )
    intent = bench.client.v1.payment_intents.retrieve(error.payment_intent.id)
    assert intent.status == "requires_payment_method"
    assert intent.payment_method is None
    charge = _charge(bench, intent)
    assert (charge.status, charge.paid, charge.failure_code) == ("failed", False, "card_declined")
    assert bench.balance() == (0, 0)

    other = bench.client.v1.payment_intents.confirm(
        intent.id, {"payment_method": "pm_card_visa", "off_session": True}
    )
    assert other.status == "requires_capture"


def test_a_card_that_asks_every_time_cannot_be_charged_off_session(bench: Bench) -> None:
    customer, card = bench.saved("4000002760003184")
    with pytest.raises(stripe.CardError) as declined:
        bench.charge_saved(customer, card)
    assert declined.value.code == "authentication_required"
    assert declined.value.error is not None
    assert declined.value.error.decline_code == "authentication_required"


def test_a_card_that_asks_once_is_charged_off_session_after_it_was_saved(bench: Bench) -> None:
    assert bench.charge_saved(*bench.saved("4000002500003155")).status == "requires_capture"
    with pytest.raises(stripe.CardError):
        bench.charge_saved(bench.customer(), "pm_card_authenticationRequiredOnSetup")


def test_on_session_a_card_that_asks_waits_for_its_holder(bench: Bench) -> None:
    waiting = bench.client.v1.payment_intents.create(
        {
            "amount": 4200,
            "currency": "usd",
            "payment_method": "pm_card_authenticationRequired",
            "confirm": True,
            "return_url": "https://rally.example/done",
            "allowed_payment_method_types": ["card"],
        }
    )
    assert waiting.status == "requires_action"
    assert waiting.next_action is not None
    assert waiting.next_action.redirect_to_url is not None
    assert (
        waiting.next_action.redirect_to_url.url == f"https://rally.example/sandbox/authenticate/{waiting.id}/"
    )

    bench.sandbox.authenticate(waiting.id, passed=True)

    assert bench.client.v1.payment_intents.retrieve(waiting.id).status == "succeeded"


def test_the_dashboards_payment_methods_need_a_return_address(bench: Bench) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.client.v1.payment_intents.create(
            {"amount": 4200, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        )
    assert refused.value.param == "return_url"


@pytest.mark.parametrize(
    ("amount", "code"),
    [(49, "amount_too_small"), (100_000_000, "amount_too_large"), (0, "parameter_invalid_integer")],
)
def test_amounts_have_limits(bench: Bench, amount: int, code: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.client.v1.payment_intents.create({"amount": amount, "currency": "usd"})
    assert refused.value.code == code


def test_a_strangers_card_cannot_be_used(bench: Bench) -> None:
    _, card = bench.saved()
    with pytest.raises(stripe.InvalidRequestError, match="belongs to a Customer"):
        bench.charge_saved(bench.customer(), card)


def test_a_card_without_customer_is_used_up_by_one_payment(bench: Bench) -> None:
    card = bench.client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}}).id
    once: Any = {
        "amount": 4200,
        "currency": "usd",
        "payment_method": card,
        "confirm": True,
        "off_session": True,
    }
    assert bench.client.v1.payment_intents.create(once).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError) as again:
        bench.client.v1.payment_intents.create(once)
    assert again.value.code == "payment_method_unexpected_state"


def test_a_held_intent_keeps_its_amount_and_takes_new_metadata(bench: Bench) -> None:
    held = bench.charge_saved(*bench.saved(), metadata={"op": "1", "trip": "K7QM2P"})
    with pytest.raises(stripe.InvalidRequestError) as frozen:
        bench.client.v1.payment_intents.update(held.id, {"amount": 100})
    assert frozen.value.code == "payment_intent_unexpected_state"
    changed = bench.client.v1.payment_intents.update(held.id, {"metadata": {"trip": "", "by": "us"}})
    assert changed.metadata.to_dict() == {"op": "1", "by": "us"}


@pytest.mark.parametrize(
    "card", [card for card in CARDS if card.decline and not card.saves], ids=lambda card: card.last4
)
def test_each_declining_card_says_why(bench: Bench, card: Card) -> None:
    assert card.decline is not None
    with pytest.raises(stripe.CardError) as declined:
        bench.client.v1.payment_intents.create(
            {
                "amount": 4200,
                "currency": "usd",
                "payment_method": card.magic[0],
                "confirm": True,
                "off_session": True,
            }
        )
    assert declined.value.error is not None
    found = (declined.value.code, declined.value.error.decline_code, declined.value.error.advice_code)
    assert found == (card.decline.code, card.decline.reason, card.decline.advice)


@pytest.mark.parametrize("special", ["transfer_data", "application_fee_amount", "on_behalf_of"])
def test_what_is_not_modelled_is_refused_aloud(bench: Bench, special: str) -> None:
    value = {"destination": "acct_1"} if special == "transfer_data" else "1"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.client.v1.payment_intents.create({"amount": 4200, "currency": "usd", special: value})  # type: ignore[misc]
    assert refused.value.code == "sandbox_not_modelled"
