"""What the sandbox takes and gives is what the installed SDK's types know."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
import stripe

from payments.sandbox import schema
from payments.sandbox.call import API_VERSION, ROUTES
from payments.sandbox.lists import shown
from tests.payments.sandbox.bench import Bench


def _everything(bench: Bench) -> None:
    """Let at least one object of each kind come to be, in as many states as there are."""
    operator = bench.operator(interval="daily")
    bench.client.v1.account_links.create(
        {
            "account": operator,
            "type": "account_onboarding",
            "return_url": "https://a.example",
            "refresh_url": "https://a.example",
        }
    )
    bench.client.v1.accounts.create({"type": "express", "business_profile": {"name": "Lakeshore Lines"}})
    customer, card = bench.saved()
    bench.client.v1.customers.delete(bench.customer())
    held = bench.charge_saved(customer, card)
    bench.client.v1.payment_intents.capture(held.id, {"amount_to_capture": 4000})
    bench.charge_saved(customer, card)
    with pytest.raises(stripe.CardError):
        bench.charge_saved(customer, "pm_card_chargeDeclined")
    bench.session()
    asked = bench.session(
        payment_intent_data={"setup_future_usage": "off_session"}, custom_text={"submit": {"message": "x"}}
    )
    bench.type_card(asked.id, "4000002500003155")
    waiting = bench.client.v1.checkout.sessions.retrieve(asked.id)
    bench.sandbox.authenticate(str(waiting.payment_intent), passed=True)
    asking = bench.setup_session()
    bench.type_card(asking.id, "4000002500003155")
    bench.client.v1.setup_intents.create(
        {"customer": customer, "payment_method": "pm_card_visa", "confirm": True}
    )
    with pytest.raises(stripe.CardError):
        bench.client.v1.setup_intents.create({"payment_method": "pm_card_chargeDeclined", "confirm": True})
    for number in ("4242424242424242", "4000000000007726", "4000000000005126"):
        bench.client.v1.refunds.create({"payment_intent": bench.paid(number=number).id, "amount": 100})
    charge = str(bench.client.v1.payment_intents.retrieve(held.id).latest_charge)
    transfer = bench.client.v1.transfers.create(
        {"amount": 900, "currency": "usd", "destination": operator, "source_transaction": charge}
    )
    bench.client.v1.transfers.reversals.create(transfer.id, {"amount": 100})
    for text in ("winning_evidence", "x"):
        dispute = bench.sandbox.open_dispute(str(getattr(bench.paid().latest_charge, "id", "")))
        bench.client.v1.disputes.update(
            dispute["id"], {"evidence": {"uncategorized_text": text}, "submit": True}
        )
    bench.pass_time(days=3)
    bench.client.v1.payouts.create({"amount": 100, "currency": "usd"})
    bench.pass_time(days=10)
    bench.client.v1.balance.retrieve()


def _kept(bench: Bench) -> dict[str, list[str]]:
    with bench.sandbox.looking() as call:
        found = call.rows.sql("SELECT kind, id FROM object").fetchall()
    kinds: dict[str, list[str]] = {}
    for kind, object_id in found:
        kinds.setdefault(kind, []).append(object_id)
    return kinds


def test_every_object_is_as_the_sdk_knows_it(bench: Bench) -> None:
    _everything(bench)
    kinds = _kept(bench)
    assert set(kinds) == {
        "account",
        "balance_transaction",
        "charge",
        "checkout.session",
        "customer",
        "dispute",
        "event",
        "payment_intent",
        "payment_method",
        "payout",
        "refund",
        "setup_intent",
        "transfer",
        "transfer_reversal",
    }
    found: list[str] = []
    with bench.sandbox.looking() as call:
        for ids in kinds.values():
            for object_id in ids:
                body = call.rows.get(object_id)
                assert body is not None
                answer = shown(call, body)
                found += schema.differences(answer)
                if body["object"] == "event":
                    found += schema.differences(answer["data"]["object"])
    assert sorted(set(found)) == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/balance", ""),
        ("GET", "/v1/events?limit=100", ""),
        ("GET", "/v1/charges?limit=100&expand[]=data.balance_transaction&expand[]=data.refunds", ""),
        (
            "GET",
            "/v1/checkout/sessions?limit=100&expand[]=data.payment_intent.latest_charge&expand[]=data.line_items",
            "",
        ),
        ("GET", "/v1/payment_intents?limit=100&expand[]=data.customer&expand[]=data.payment_method", ""),
        ("GET", "/v1/transfers?limit=100&expand[]=data.balance_transaction&expand[]=data.destination", ""),
        ("GET", "/v1/refunds?limit=100&expand[]=data.charge&expand[]=data.failure_balance_transaction", ""),
    ],
)
def test_every_list_is_as_the_sdk_knows_it(bench: Bench, method: str, path: str, body: str) -> None:
    _everything(bench)
    status, _, text = bench.sandbox.handle(method, path, {"Authorization": "Bearer sk_test_x"}, body)
    assert status == 200
    answer = json.loads(text)
    items = answer["data"] if answer["object"] == "list" else [answer]
    assert items
    assert sorted({line for item in items for line in schema.differences(item)}) == []


def test_every_call_takes_parameters_that_the_sdk_has() -> None:
    routes = [(key[0], route) for key, routes in ROUTES.items() for route in routes]
    assert len(routes) > 60
    for _, found in routes:
        assert found.parameters is not None
        shape = schema.parameters(found.parameters)
        assert shape.members is not None
        assert found.refuses <= shape.members.keys(), found.parts


def test_the_oracle_sees_what_is_wrong(bench: Bench) -> None:
    refund = bench.client.v1.refunds.create({"payment_intent": bench.paid().id}).to_dict()
    assert schema.differences(refund) == []
    refund["livemode"] = False
    refund["amount"] = "42"
    refund["destination_details"]["card"]["colour"] = "red"
    del refund["charge"], refund["currency"]
    assert sorted(schema.differences(refund)) == [
        "refund.amount: '42' is no <class 'int'>",
        "refund.currency: missing",
        "refund.destination_details.card.colour: unknown",
        "refund.livemode: unknown",
    ]
    event = {"object": "event", "type": "pledge.made"}
    assert any(line.startswith("event.type: 'pledge.made' is no") for line in schema.differences(event))
    assert schema.differences({"object": "pledge"}) == ["pledge: the SDK has no object called 'pledge'"]


# ---- parameters


@pytest.mark.parametrize("service", ["payment_intents", "setup_intents", "checkout.sessions"])
def test_payment_method_types_is_gone(bench: Bench, service: str) -> None:
    params: dict[str, dict[str, Any]] = {
        "payment_intents": {"amount": 4200, "currency": "usd"},
        "setup_intents": {},
        "checkout.sessions": {"mode": "setup", "success_url": "https://a.example"},
    }
    found: Any = bench.client.v1
    for name in service.split("."):
        found = getattr(found, name)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        found.create({**params[service], "payment_method_types": ["card"]})
    assert refused.value.code == "payment_method_types_no_longer_supported"
    made = found.create(
        {
            **params[service],
            **({} if service != "payment_intents" else {"allowed_payment_method_types": ["card"]}),
        }
    )
    assert made.payment_method_types == ["card"]


def test_two_ways_to_name_payment_methods_exclude_each_other(bench: Bench) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="only specify one"):
        bench.client.v1.payment_intents.create(
            {
                "amount": 4200,
                "currency": "usd",
                "allowed_payment_method_types": ["card"],
                "automatic_payment_methods": {"enabled": True},
            }
        )


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ("amount=4200&currency=usd&colour=red", "colour", "unknown parameter"),
        ("amount=4200&currency=usd&shipping[colour]=red", "shipping[colour]", "unknown parameter"),
        ("amount=4200", "currency", "Missing required"),
        ("amount=x&currency=usd", "amount", "Invalid integer"),
        ("amount=4200&currency=usd&confirm=yes", "confirm", "Invalid boolean"),
        ("amount=4200&currency=usd&capture_method=later", "capture_method", "must be one of"),
        ("amount=4200&currency=usd&customer=", "customer", "empty string"),
        ("amount=4200&currency=usd&metadata=x", "metadata", "Invalid object"),
        ("amount=4200&currency=usd&expand=x", "expand", "Invalid array"),
        ("amount=4200&currency=usd&metadata[a][b]=x", "metadata[a]", "must be a string"),
        ("amount=4200&currency=usd&amount[x]=1", "amount", "Invalid object"),
        ("amount=4200&currency=USD", "currency", "Invalid currency"),
        ("amount=4200&currency=usd&off_session=true", "off_session", "unless `confirm`"),
        ("amount=4200&currency=usd&api_key=sk", "api_key", "unknown parameter"),
    ],
)
def test_wrong_parameters_are_named(bench: Bench, body: str, param: str, words: str) -> None:
    status, _, text = bench.sandbox.handle(
        "POST", "/v1/payment_intents", {"Authorization": "Bearer sk_test_x"}, body
    )
    error = json.loads(text)["error"]
    assert (status, error["type"], error.get("param")) == (400, "invalid_request_error", param)
    assert words in error["message"]


def test_metadata_has_limits(bench: Bench) -> None:
    for metadata in ({"k" * 41: "v"}, {"k": "v" * 501}, {f"k{number}": "v" for number in range(51)}):
        with pytest.raises(stripe.InvalidRequestError, match="etadata"):
            bench.client.v1.customers.create({"metadata": metadata})


# ---- the door


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer sk_live_x"}, 401),
        ({"Authorization": "Basic c2tfdGVzdF94Og=="}, 200),
        ({"Authorization": "Bearer sk_test_x", "Stripe-Version": "2025-03-31.basil"}, 400),
        ({"Authorization": "Bearer sk_test_x", "Stripe-Version": API_VERSION}, 200),
    ],
)
def test_only_test_keys_and_this_version_get_in(bench: Bench, headers: dict[str, str], status: int) -> None:
    assert bench.sandbox.handle("GET", "/v1/balance", headers)[0] == status


def test_an_unknown_address_and_an_unknown_object_are_404(bench: Bench) -> None:
    headers = {"Authorization": "Bearer sk_test_x"}
    for path in (
        "/v1/coffees",
        "/v1/payment_intents/pi_none",
        "/v1/charges/cus_x",
        "/v1/payment_intents/search",
    ):
        assert bench.sandbox.handle("GET", path, headers)[0] == 404


def test_the_sdk_speaks_a_version_that_the_sandbox_takes() -> None:
    current = importlib.import_module("stripe._api_version")._ApiVersion.CURRENT
    assert current >= API_VERSION
    assert current.endswith(".endive")


def test_an_expansion_that_leads_nowhere_is_refused(bench: Bench) -> None:
    intent = bench.paid()
    for path in ("colour", "amount", "latest_charge.colour", "a.b.c.d.e"):
        with pytest.raises(stripe.InvalidRequestError):
            bench.client.v1.payment_intents.retrieve(intent.id, {"expand": [path]})
