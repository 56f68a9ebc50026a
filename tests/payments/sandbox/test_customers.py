"""Customers, saved cards and SetupIntents without Checkout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from tests.payments.sandbox.bench import Bench


def _cards(bench: Bench, customer: str) -> list[str]:
    return [card.id for card in bench.client.v1.payment_methods.list({"customer": customer}).data]


def test_a_customer_is_made_with_a_card_changed_and_found_again(bench: Bench) -> None:
    made = bench.client.v1.customers.create(
        {"email": "ana@demo.example", "payment_method": "pm_card_visa", "metadata": {"rider": "1"}}
    )
    assert len(_cards(bench, made.id)) == 1
    changed = bench.client.v1.customers.update(
        made.id,
        {
            "name": "Ana Diaz",
            "invoice_settings": {"default_payment_method": _cards(bench, made.id)[0]},
            "metadata": {"rider": "2"},
        },
    )
    assert (changed.name, changed.metadata and changed.metadata.to_dict()) == ("Ana Diaz", {"rider": "2"})
    assert changed.invoice_settings is not None
    assert changed.invoice_settings.default_payment_method == _cards(bench, made.id)[0]
    cleared = bench.client.v1.customers.update(made.id, {"metadata": ""})
    assert cleared.metadata is not None
    assert cleared.metadata.to_dict() == {}
    bench.customer()
    bench.client.v1.customers.create({"email": "ben@demo.example"})
    found = bench.client.v1.customers.list({"email": "ben@demo.example"}).data
    assert [customer.email for customer in found] == ["ben@demo.example"]


def test_a_deleted_customer_lets_go_of_its_cards_and_is_used_no_more(bench: Bench) -> None:
    customer, card = bench.saved()
    assert bench.client.v1.customers.delete(customer).deleted is True
    assert bench.client.v1.customers.retrieve(customer).deleted is True
    assert bench.client.v1.customers.list().data == []
    assert bench.client.v1.payment_methods.retrieve(card).customer is None
    for call in (
        lambda: bench.client.v1.customers.update(customer, {"name": "x"}),
        lambda: bench.charge_saved(customer, card),
        lambda: bench.session(customer=customer),
    ):
        with pytest.raises(stripe.InvalidRequestError) as gone:
            call()
        assert gone.value.code == "resource_missing"


def test_a_card_is_attached_to_one_customer_only(bench: Bench) -> None:
    ana, ben = bench.customer(), bench.customer()
    card = bench.client.v1.payment_methods.create(
        {
            "type": "card",
            "card": {"number": "5555555555554444", "exp_month": 7, "exp_year": 2031, "cvc": "123"},
            "billing_details": {"name": "Ana"},
            "metadata": {"a": "1"},
        }
    )
    assert card.card is not None
    assert (card.card.brand, card.card.last4, card.card.exp_month, card.card.exp_year) == (
        "mastercard",
        "4444",
        7,
        2031,
    )
    with pytest.raises(stripe.InvalidRequestError, match="must save"):
        bench.client.v1.payment_methods.update(card.id, {"metadata": {"a": "2"}})
    bench.client.v1.payment_methods.attach(card.id, {"customer": ana})
    bench.client.v1.payment_methods.attach(card.id, {"customer": ana})
    with pytest.raises(stripe.InvalidRequestError) as taken:
        bench.client.v1.payment_methods.attach(card.id, {"customer": ben})
    assert taken.value.code == "payment_method_unexpected_state"
    with pytest.raises(stripe.InvalidRequestError, match="customer"):
        bench.client.v1.payment_methods.attach("pm_card_visa")
    changed = bench.client.v1.payment_methods.update(card.id, {"billing_details": {"name": "Ana Diaz"}})
    assert changed.billing_details.name == "Ana Diaz"
    assert bench.client.v1.customers.payment_methods.retrieve(ana, card.id).id == card.id
    with pytest.raises(stripe.InvalidRequestError):
        bench.client.v1.customers.payment_methods.retrieve(ben, card.id)


def test_a_detached_card_is_never_used_again(bench: Bench) -> None:
    customer, card = bench.saved()
    bench.client.v1.payment_methods.detach(card)
    assert _cards(bench, customer) == []
    with pytest.raises(stripe.InvalidRequestError, match="not attached"):
        bench.client.v1.payment_methods.detach(card)
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        bench.charge_saved(customer, card)


@pytest.mark.parametrize(
    ("magic", "saves"),
    [("pm_card_chargeCustomerFail", True), ("pm_card_chargeDeclined", False), ("pm_card_mastercard", True)],
)
def test_saving_asks_the_issuer(bench: Bench, magic: str, saves: bool) -> None:
    customer = bench.customer()
    if saves:
        bench.client.v1.payment_methods.attach(magic, {"customer": customer})
    else:
        with pytest.raises(stripe.CardError):
            bench.client.v1.payment_methods.attach(magic, {"customer": customer})
    assert len(_cards(bench, customer)) == saves


def test_a_magic_card_looked_at_is_a_card(bench: Bench) -> None:
    found = bench.client.v1.payment_methods.retrieve("pm_card_amex")
    assert found.card is not None
    assert (found.card.brand, found.id.startswith("pm_card")) == ("amex", False)


@pytest.mark.parametrize("card", [{"token": "tok_nobody"}, {"number": "4242424242424242"}, {}])
def test_half_a_card_is_refused(bench: Bench, card: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        bench.client.v1.payment_methods.create({"type": "card", "card": card})


# ---- SetupIntents


def test_a_setup_intent_is_made_changed_and_confirmed(bench: Bench) -> None:
    customer = bench.customer()
    setup = bench.client.v1.setup_intents.create(
        {"customer": customer, "allowed_payment_method_types": ["card"]}
    )
    with pytest.raises(stripe.InvalidRequestError, match="missing a payment method"):
        bench.client.v1.setup_intents.confirm(setup.id)
    changed = bench.client.v1.setup_intents.update(
        setup.id, {"payment_method": "pm_card_visa", "description": "x", "metadata": {"op": "1"}}
    )
    assert (changed.status, changed.description) == ("requires_confirmation", "x")
    done = bench.client.v1.setup_intents.confirm(setup.id)
    assert (done.status, _cards(bench, customer)) == ("succeeded", [done.payment_method])
    late_calls: list[Callable[[], object]] = [
        lambda: bench.client.v1.setup_intents.confirm(setup.id),
        lambda: bench.client.v1.setup_intents.cancel(str(setup.id)),
        lambda: bench.client.v1.setup_intents.update(setup.id, {"customer": customer}),
    ]
    for call in late_calls:
        with pytest.raises(stripe.InvalidRequestError) as late:
            call()
        assert late.value.code == "setup_intent_unexpected_state"
    assert [one.id for one in bench.client.v1.setup_intents.list({"customer": customer}).data] == [setup.id]


def test_a_setup_intent_is_canceled(bench: Bench) -> None:
    setup = bench.client.v1.setup_intents.create()
    gone = bench.client.v1.setup_intents.cancel(setup.id, {"cancellation_reason": "abandoned"})
    assert (gone.status, gone.cancellation_reason) == ("canceled", "abandoned")
    with pytest.raises(stripe.InvalidRequestError):
        bench.client.v1.setup_intents.confirm(setup.id, {"payment_method": "pm_card_visa"})


def test_a_setup_intent_may_ask_the_cardholder(bench: Bench) -> None:
    customer = bench.customer()
    asking = bench.client.v1.setup_intents.create(
        {"customer": customer, "payment_method": "pm_card_authenticationRequiredOnSetup", "confirm": True}
    )
    assert asking.status == "requires_action"
    assert _cards(bench, customer) == []
    bench.sandbox.authenticate(asking.id, passed=True)
    assert bench.charge_saved(customer, _cards(bench, customer)[0]).status == "requires_capture"


def test_a_declined_setup_can_be_tried_with_another_card(bench: Bench) -> None:
    with pytest.raises(stripe.CardError) as declined:
        bench.client.v1.setup_intents.create({"payment_method": "pm_card_chargeDeclined", "confirm": True})
    setup = declined.value.error.setup_intent if declined.value.error else None
    assert setup is not None
    assert setup.status == "requires_payment_method"
    again = bench.client.v1.setup_intents.confirm(setup.id, {"payment_method": "pm_card_visa"})
    assert again.status == "succeeded"
