"""Hosted pages: opened with what we need to find them again, closed for good, and never on terms we did not set."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from payments import gateway
from payments.gateway import words
from rally import clock
from tests.payments.contract.till import Till


def asked(customer: str, mode: str, **more: Any) -> dict[str, Any]:
    """What our checkouts ask for."""
    return {
        "mode": mode,
        "customer": customer,
        "amount": 4200,
        "currency": "USD",
        "description": "2 seats",
        "group": "trip:contract",
        "payment": str(uuid4()),
        "expires_at": int((clock.now() + timedelta(minutes=31)).timestamp()),
        "success_url": "https://rally.example/back/",
        "cancel_url": "https://rally.example/stay/",
        **more,
    }


@pytest.mark.parametrize("mode", ["save", "hold", "charge"])
def test_a_page_opens_and_is_found_by_payer_and_operation(till: Till, mode: str) -> None:
    customer, op = till.customer(), str(uuid4())
    params = asked(customer, mode)
    made = gateway.create_session(params, tags={"op": op}, key=till.key())
    assert (made.status, made.intent, made.card) == ("open", None, None)
    assert made.url.startswith("http")
    assert int(made.expires_at.timestamp()) == params["expires_at"]
    found = gateway.find_session(customer=customer, op=op)
    assert found is not None
    assert (found.id, found.tags.op) == (made.id, op)
    assert gateway.find_session(customer=customer, op=str(uuid4())) is None


@pytest.mark.parametrize("mode", ["save", "hold", "charge"])
def test_a_page_takes_cards_and_nothing_else(till: Till, mode: str) -> None:
    made = gateway.create_session(asked(till.customer(), mode), tags={}, key=till.key())
    seen = till.v1.checkout.sessions.retrieve(made.id)
    assert seen.payment_method_types == ["card"]
    assert seen.mode == ("setup" if mode == "save" else "payment")


def test_the_intent_of_a_saving_page_carries_our_tags_before_anybody_pays(till: Till) -> None:
    op = str(uuid4())
    made = gateway.create_session(asked(till.customer(), "save"), tags={"op": op}, key=till.key())
    seen = till.v1.checkout.sessions.retrieve(made.id, {"expand": ["setup_intent"]})
    assert seen.setup_intent.metadata["op"] == op
    assert seen.metadata["op"] == op


def test_a_paying_page_has_no_intent_before_somebody_pays(till: Till) -> None:
    made = gateway.create_session(asked(till.customer(), "hold"), tags={}, key=till.key())
    assert till.v1.checkout.sessions.retrieve(made.id).payment_intent is None


def test_a_page_is_closed_once(till: Till) -> None:
    made = gateway.create_session(asked(till.customer(), "hold"), tags={}, key=till.key())
    key = till.key()
    assert gateway.expire_session(made.id, key=key).status == "expired"
    assert gateway.expire_session(made.id, key=key).status == "expired"
    with pytest.raises(words.AlreadyMoved):
        gateway.expire_session(made.id, key=till.key())
    assert gateway.session(made.id).status == "expired"


def test_a_page_lives_for_half_an_hour_at_least(till: Till) -> None:
    soon = int((clock.now() + timedelta(minutes=20)).timestamp())
    with pytest.raises(words.Refused):
        gateway.create_session(asked(till.customer(), "hold", expires_at=soon), tags={}, key=till.key())


def test_a_page_that_nobody_visits_closes_itself(clock_moves: Till) -> None:
    made = gateway.create_session(asked(clock_moves.customer(), "save"), tags={}, key=clock_moves.key())
    clock_moves.pause(31 * 60 + 1)
    assert gateway.session(made.id).status == "expired"
