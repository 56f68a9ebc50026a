"""The same request twice, and how what was made is found again when its answer was lost."""

from __future__ import annotations

from uuid import uuid4

import pytest

from payments import gateway
from payments.gateway import words
from tests.payments.contract.till import Till


def test_the_same_key_gives_the_same_hold(till: Till) -> None:
    payer, card = till.saved()
    key = till.key()
    first = till.ask_bank(payer, card, key=key)
    assert till.ask_bank(payer, card, key=key) == first
    assert len(till.v1.payment_intents.list({"customer": payer}).data) == 1


def test_the_answer_that_was_given_is_given_again_although_things_have_moved(till: Till) -> None:
    payer, card = till.saved()
    key = till.key()
    held = till.ask_bank(payer, card, key=key)
    gateway.cancel_intent(held.id, key=till.key())
    assert till.ask_bank(payer, card, key=key).status == "held"
    assert gateway.intent(held.id).status == "canceled"


def test_a_refusal_of_the_bank_is_kept_under_its_key(till: Till) -> None:
    payer, card = till.saved("pm_card_chargeCustomerFail")
    key = till.key()
    tries = []
    for _ in range(2):
        with pytest.raises(words.Declined) as no:
            till.ask_bank(payer, card, key=key)
        assert no.value.intent is not None
        tries.append(no.value.intent.id)
    assert tries[0] == tries[1]


def test_a_key_stands_for_its_parameters(till: Till) -> None:
    payer, card = till.saved()
    key = till.key()
    till.ask_bank(payer, card, 4200, key=key)
    with pytest.raises(words.ServerError) as other:
        till.ask_bank(payer, card, 4300, key=key)
    assert other.value.replayed  # as good as a stored failure: look it up, then a new key
    assert len(till.v1.payment_intents.list({"customer": payer}).data) == 1


def test_a_key_stands_for_its_endpoint(till: Till) -> None:
    key = till.key()
    held = till.ask_bank(*till.saved(), key=key)
    with pytest.raises(words.ServerError):
        gateway.cancel_intent(held.id, key=key)
    assert gateway.intent(held.id).status == "held"


def test_a_key_keeps_nothing_of_a_request_that_was_wrong(till: Till) -> None:
    payer, card = till.saved()
    key = till.key()
    with pytest.raises(words.Refused):
        till.ask_bank(payer, card, 0, key=key)
    assert till.ask_bank(payer, card, 4200, key=key).status == "held"


# ---- look-ups


def test_a_hold_is_found_by_payer_and_operation(till: Till) -> None:
    payer, card = till.saved()
    op = str(uuid4())
    held = till.ask_bank(payer, card, tags={"op": op, "install": "contract"})
    till.ask_bank(payer, card, tags={"op": str(uuid4())})
    found = gateway.find_intent(customer=payer, op=op)
    assert found == held
    assert found is not None
    assert (found.tags.op, found.tags.install) == (op, "contract")
    assert gateway.find_intent(customer=payer, op=str(uuid4())) is None


def test_a_refused_attempt_is_found_as_well(till: Till) -> None:
    payer, card = till.saved("pm_card_chargeCustomerFail")
    op = str(uuid4())
    with pytest.raises(words.Declined):
        till.ask_bank(payer, card, tags={"op": op})
    found = gateway.find_intent(customer=payer, op=op)
    assert found is not None
    assert found.status == "failed"


def test_a_payer_is_found_by_address_and_operation(till: Till) -> None:
    email, op = f"{uuid4()}@contract.example", str(uuid4())
    made = gateway.create_customer(email=email, name="", tags={"op": op}, key=till.key())
    assert gateway.find_customer(email=email, op=op) == made
    assert gateway.find_customer(email=email, op=str(uuid4())) is None


# ---- requests that are wrong


def test_payment_method_types_is_refused(till: Till) -> None:
    with pytest.raises(words.Refused) as gone:
        gateway.line.ask(
            lambda v1: v1.payment_intents.create(
                {"amount": 4200, "currency": "usd", "payment_method_types": ["card"]}
            )
        )
    assert gone.value.code == "payment_method_types_no_longer_supported"


def test_an_unknown_parameter_is_refused(till: Till) -> None:
    with pytest.raises(words.Refused) as unknown:
        gateway.line.ask(
            lambda v1: v1.payment_intents.create({"amount": 4200, "currency": "usd", "colour": "red"})
        )
    assert unknown.value.code == "parameter_unknown"


def test_an_object_of_nobody_is_refused(till: Till) -> None:
    with pytest.raises(words.Refused) as nobody:
        gateway.intent("pi_of_nobody")
    assert nobody.value.code == "resource_missing"
