"""The line to the provider: which client, which words, which meaning an answer has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import stripe

from payments.gateway import line, reading, words

PROJECT = Path(__file__).resolve().parents[2]


def test_a_key_leads_to_stripe_and_nowhere_else(settings: Any) -> None:
    settings.SANDBOX, settings.STRIPE_SECRET_KEY = False, "sk_test_of_nobody"
    settings.STRIPE_BASE_ADDRESSES = {"api": "http://127.0.0.1:9"}
    requestor = line.client()._requestor
    assert isinstance(requestor._client, stripe.RequestsClient)
    assert requestor.base_addresses["api"] == "http://127.0.0.1:9"
    with pytest.raises(stripe.APIConnectionError):
        line.client().v1.balance.retrieve()


def error(status: int, kind: str = "invalid_request_error", code: str | None = None, **headers: str) -> Any:
    body = {"error": {"type": kind, "message": "words", **({"code": code} if code else {})}}
    make = stripe.StripeError
    return make("words", http_status=status, json_body=body, headers=headers, code=code)


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (error(402, "card_error", "card_declined"), words.Declined),
        (error(400, code="payment_intent_unexpected_state"), words.AlreadyMoved),
        (error(400, code="charge_already_refunded"), words.AlreadyMoved),
        (error(400, code="parameter_missing"), words.Refused),
        (error(404, code="resource_missing"), words.Refused),
        (error(400, "idempotency_error"), words.ServerError),
        (error(409, "idempotency_error", "idempotency_key_in_use"), words.Unknown),
        (error(429, code="rate_limit"), words.Unknown),
        (error(400, code="rate_limit"), words.Unknown),
        (error(401), words.Unknown),
        (error(403), words.Unknown),
        (error(500, "api_error"), words.ServerError),
        (stripe.APIConnectionError("cut"), words.Unknown),  # type: ignore[no-untyped-call]
    ],
)
def test_what_an_answer_means(answer: Any, meaning: type) -> None:
    assert type(line.meaning(answer)) is meaning


def test_a_stored_failure_is_told_from_a_first_one() -> None:
    first, replayed = line.meaning(error(500)), line.meaning(error(500, **{"Idempotent-Replayed": "true"}))
    assert isinstance(first, words.ServerError)
    assert isinstance(replayed, words.ServerError)
    assert (first.replayed, replayed.replayed) == (False, True)


def test_an_intent_that_waits_is_neither_yes_nor_no() -> None:
    thing = {"id": "pi_1", "amount": 1, "currency": "usd", "amount_capturable": 0, "amount_received": 0,
             "capture_method": "manual", "created": 1}  # fmt: skip
    for status in ("requires_payment_method", "requires_action", "processing", "requires_confirmation"):
        assert reading.intent({**thing, "status": status}).status == "waiting"
    refused = {"status": "requires_payment_method", "last_payment_error": {"code": "card_declined"}}
    assert reading.intent({**thing, **refused}).status == "failed"


def test_only_the_gateway_knows_the_library() -> None:
    found = [
        path.relative_to(PROJECT).as_posix()
        for room in ("rally", "payments", "trips", "operators")
        for path in (PROJECT / room).rglob("*.py")
        if any(
            text.strip().startswith(("import stripe", "from stripe"))
            for text in path.read_text().splitlines()
        )
    ]
    assert {each.split("/")[1] for each in found} <= {"gateway", "sandbox"}
    assert {each.split("/")[0] for each in found} == {"payments"}


def test_nothing_we_send_names_payment_method_types() -> None:
    text = (PROJECT / "payments/gateway/__init__.py").read_text()
    assert '"payment_method_types"' not in text
    assert '"allowed_payment_method_types"' in text


def test_the_library_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, django; django.setup(); import payments.tasks, payments.webhooks; print('stripe' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=PROJECT,
                          env={**os.environ, "DJANGO_SETTINGS_MODULE": "rally.settings"})  # fmt: skip
    assert done.stdout.strip() == "False", done.stderr
