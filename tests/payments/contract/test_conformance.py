"""Every call the gateway makes and every answer it gets is what the installed SDK's own types say."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from payments import gateway
from payments.gateway import words
from payments.sandbox import runtime, schema
from payments.sandbox.call import ROUTES
from payments.sandbox.errors import Invalid
from rally import clock
from tests.payments.contract import endpoints
from tests.payments.contract.endpoints import Endpoint
from tests.payments.contract.test_pages import asked
from tests.payments.contract.till import Till
from tests.payments.witness import Witness

HERE = pytest.mark.parametrize(
    "till", ["in_process"], indirect=True
)  # the checker is ours: one way is enough
CALLS = sorted(endpoints.calls())


def test_every_call_of_the_gateway_is_seen() -> None:
    assert endpoints.lambdas_without_a_call() == []
    assert len(CALLS) > 25
    assert {"checkout.sessions.create", "transfers.reversals.list", "balance_transactions.list"} <= set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_the_sandbox_reads_a_call_by_the_type_that_the_sdk_gives_it(name: str) -> None:
    """So that a wrong parameter of ours is refused: by the right list."""
    told = endpoints.endpoint(name)
    parts = told.address.removeprefix("/v1/").split("/")
    routes = [
        route
        for (verb, _, size), found in ROUTES.items()
        for route in found
        if verb == told.verb and size == len(parts) and told.fits(verb, _filled(route.parts))
    ]
    assert [route.parameters for route in routes] == [told.parameters]


def _filled(parts: tuple[str, ...]) -> str:
    return "/v1/" + "/".join("x" if part.startswith("{") else part for part in parts)


# ---- the walk


def walk(till: Till) -> None:
    """Ask everything that the gateway can ask, once at least."""
    since = clock.now() - timedelta(minutes=1)
    key = till.key
    payer = gateway.create_customer(email="walk@contract.example", name="Ana", tags={"op": "1"}, key=key())
    assert gateway.find_customer(email="walk@contract.example", op="1") == payer
    _pages(till, payer.id)
    card = till.v1.payment_methods.attach("pm_card_visa", {"customer": payer.id}).id
    held = till.ask_bank(payer.id, card, tags={"op": "2"})
    gateway.find_intent(customer=payer.id, op="2")
    taken = gateway.capture_intent(held.id, amount=4000, key=key())
    gateway.cancel_intent(till.ask_bank(payer.id, card).id, key=key())
    with pytest.raises(words.Declined):
        till.ask_bank(*till.saved("pm_card_chargeCustomerFail"))
    given = gateway.create_refund(intent_id=taken.id, amount=100, tags={}, key=key())
    gateway.refund(given.id)
    gateway.refunds_of(taken.id)
    _operators(till, taken)
    dispute = runtime.current().open_dispute(till.paid().charge)["id"]
    gateway.update_dispute(dispute, {"customer_name": "Ana"}, submit=True, key=key())
    gateway.dispute(dispute)
    gateway.close_dispute(runtime.current().open_dispute(till.paid().charge)["id"], key=key())
    till.paid()
    till.pause(3 * 24 * 3600)
    made = till.v1.payouts.create({"amount": 100, "currency": "usd"})
    gateway.payout(made.id)
    lists: tuple[Callable[..., Any], ...] = (
        gateway.events_since,
        gateway.intents_since,
        gateway.refunds_since,
        gateway.transfers_since,
        gateway.bookings_since,
    )
    for each in lists:
        assert list(each(since))
    gateway.books()


def _pages(till: Till, payer: str) -> None:
    for mode in ("save", "hold", "charge"):
        made = gateway.create_session(asked(payer, mode), tags={"op": mode}, key=till.key())
        gateway.find_session(customer=payer, op=mode)
        gateway.session(made.id)
    gateway.expire_session(made.id, key=till.key())


def _operators(till: Till, taken: words.Intent) -> None:
    account = gateway.create_account(email="o@contract.example", name="P", tags={"op": "3"}, key=till.key())
    gateway.onboarding_page(account.id, return_url="https://rally.example/")
    runtime.current().finish_onboarding(account.id)
    gateway.account(account.id)
    gateway.find_account(since=clock.now(), op="3")
    asked_for = {
        "amount": 900,
        "currency": "USD",
        "account": account.id,
        "charge": taken.charge,
        "group": "g",
    }
    sent = gateway.create_transfer(asked_for, tags={"op": "4"}, key=till.key())
    gateway.find_transfer(group="g", op="4")
    gateway.reverse_transfer(sent.id, amount=100, tags={"op": "5"}, key=till.key())
    gateway.find_reversal(sent.id, op="5")


@HERE
def test_every_answer_the_gateway_can_get_is_of_the_sdks_type(till: Till) -> None:
    witness = runtime.current().witness
    assert isinstance(witness, Witness)
    answers: dict[tuple[str, str], set[str]] = {}

    def watch(method: str, address: str, status: int, body: bytes) -> None:
        witness(method, address, status, body)
        if status == 200:
            answers.setdefault((method, address), set()).add(_kind(json.loads(body)))

    runtime.current().witness = watch
    walk(till)
    known = [endpoints.endpoint(name) for name in CALLS]
    asked_for = {
        each.name: {kind for request, kinds in answers.items() if each.fits(*request) for kind in kinds}
        for each in known
    }
    assert [name for name, kinds in asked_for.items() if not kinds] == []  # a new call belongs into the walk
    wrong = {each.name: asked_for[each.name] for each in known if asked_for[each.name] - {_expected(each)}}
    assert wrong == {}
    assert sorted(witness.found) == []


def _kind(answer: dict[str, Any]) -> str:
    if answer["object"] == "list":
        return f"list of {answer['data'][0]['object']}" if answer["data"] else "list"
    return str(answer["object"])


def _expected(told: Endpoint) -> str:
    import stripe

    name = told.answer.removeprefix("ListObject[").removesuffix("]")
    folder = stripe.checkout if told.name.startswith("checkout.") else stripe
    kind: str = getattr(folder, name.strip("'\"")).OBJECT_NAME
    return f"list of {kind}" if told.answer.startswith("ListObject[") else kind


# ---- the checker itself


def params(**more: Any) -> dict[str, Any]:
    """What a hold is asked with, as it comes out of the form."""
    return {"amount": "4200", "currency": "usd", "confirm": "true", "capture_method": "manual", **more}


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (params(payment_method_types={"0": "card"}), "payment_method_types"),
        (params(colour="red"), "colour"),
        (params(shipping={"name": "Ana", "address": {"colour": "red"}}), "shipping[address][colour]"),
        (params(capture_method="later"), "capture_method"),
        (params(payment_method_options={"card": {"request_three_d_secure": "no"}}), "request_three_d_secure"),
        ({"amount": "4200"}, "currency"),
        (params(shipping={"name": "Ana"}), "shipping[address]"),
        (params(allowed_payment_method_types={"0": "money"}), "allowed_payment_method_types[0]"),
        (params(amount="much"), "amount"),
    ],
)
def test_the_checker_catches_a_wrong_parameter(raw: dict[str, Any], told: str) -> None:
    schema.read("PaymentIntentCreateParams", params())
    with pytest.raises(Invalid, match=r"(?i)unknown|must be one of|missing|invalid") as caught:
        schema.read("PaymentIntentCreateParams", raw)
    assert told in caught.value.error["param"]


def _cut(thing: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    *way, last = path.split(".")
    for step in way:
        thing = thing[step]
    return thing, last


@HERE
@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("payment_method_options.card.colour", "red", "payment_intent.payment_method_options.card.colour: unknown"),
        ("colour", "red", "payment_intent.colour: unknown"),
        ("status", "on_its_way", "payment_intent.status: 'on_its_way' is no word"),
        ("payment_method_options.card.request_three_d_secure", "no", "request_three_d_secure: 'no' is no word"),
        ("latest_charge.status", "fine", "latest_charge.status: 'fine' is no word"),
        ("latest_charge.amount", None, "latest_charge.amount: null"),
        ("amount", "4200", "payment_intent.amount: '4200' is no"),
        ("amount", True, "payment_intent.amount: True is no"),
        ("payment_method_types", "card", "payment_intent.payment_method_types: 'card' is no"),
        ("payment_method_types", [1], "payment_intent.payment_method_types[0]: 1 is no"),
        ("metadata", {"op": 7}, "payment_intent.metadata[op]: 7 is no"),
        ("customer", {"object": "refund"}, "payment_intent.customer: a refund where the SDK has customer"),
        ("latest_charge.object", "coffee", "the SDK has no object called 'coffee'"),
    ],
)  # fmt: skip
def test_the_checker_catches_a_wrong_field(till: Till, path: str, value: Any, told: str) -> None:
    whole = _answer(till)
    assert schema.differences(whole) == []
    holder, last = _cut(whole, path)
    holder[last] = value
    assert any(told in line for line in schema.differences(whole)), schema.differences(whole)


@HERE
@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("currency", True),
        ("latest_charge.paid", True),
        ("latest_charge.payment_method_details.type", True),
        ("payment_method.card.last4", True),
        ("description", False),  # may be null, and so may be left out
    ],
)
def test_the_checker_catches_a_missing_field(till: Till, path: str, told: bool) -> None:
    whole = _answer(till)
    holder, last = _cut(whole, path)
    del holder[last]
    assert schema.differences(whole) == ([f"payment_intent.{path}: missing"] if told else [])


@HERE
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda page: page.pop("url"), "list.url: missing"),
        (lambda page: page.update(has_more="no"), "list.has_more: 'no' is no bool"),
        (lambda page: page.update(total=1), "list.total: unknown"),
        (lambda page: page["data"][0].pop("id"), "list[0].id: missing"),
        (lambda page: page["data"][0].update(type="pledge.made"), "list[0].type: 'pledge.made' is no"),
        (lambda page: page["data"][0]["data"]["object"].update(colour="red"), ".colour: unknown"),
        (lambda page: page["data"][0]["data"]["object"].update(object="refund"), "a refund in news of a"),
    ],
)
def test_the_checker_looks_into_lists_and_news(till: Till, change: Any, told: str) -> None:
    till.held()
    page = json.loads(_raw("/v1/events"))
    assert schema.differences(page) == []
    changed = copy.deepcopy(page)
    change(changed)
    assert any(told in line for line in schema.differences(changed)), schema.differences(changed)


def test_the_checker_knows_the_words_of_errors() -> None:
    good = {"type": "card_error", "message": "No.", "code": "card_declined", "decline_code": "lost_card"}
    assert schema.differences({"error": good}) == []
    bad = {"type": "sad", "code": "too_bad", "colour": "red"}
    assert [line.split(":")[0] for line in sorted(schema.differences({"error": bad}))] == [
        "error.code",
        "error.colour",
        "error.message",
        "error.type",
    ]


def _raw(address: str) -> bytes:
    return runtime.current().handle("GET", address, {"Authorization": "Bearer sk_test_x"})[2]


def _answer(till: Till) -> dict[str, Any]:
    held = till.held()
    found: dict[str, Any] = json.loads(
        _raw(f"/v1/payment_intents/{held.id}?expand[]=latest_charge&expand[]=payment_method")
    )
    return found
