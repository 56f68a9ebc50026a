"""Checkout Sessions: opened, paid, saved, declined, expired."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import stripe

from payments.sandbox.checkout import Typed
from payments.sandbox.errors import ApiError
from tests.payments.sandbox.bench import Bench


def _again(bench: Bench, session: stripe.checkout.Session) -> stripe.checkout.Session:
    return bench.client.v1.checkout.sessions.retrieve(session.id)


def test_a_payment_session_makes_its_intent_only_when_it_is_confirmed(bench: Bench) -> None:
    session = bench.session(
        client_reference_id="pledge-1",
        metadata={"op": "7"},
        payment_intent_data={
            "capture_method": "manual",
            "setup_future_usage": "off_session",
            "metadata": {"op": "7"},
        },
        customer=bench.customer(),
    )
    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)
    assert session.url == f"https://rally.example/sandbox/checkout/{session.id}/"

    bench.type_card(session.id)

    done = _again(bench, session)
    assert (done.status, done.payment_status, done.client_reference_id) == ("complete", "unpaid", "pledge-1")
    intent = bench.client.v1.payment_intents.retrieve(str(done.payment_intent))
    assert (intent.status, intent.amount_capturable, intent.metadata.to_dict()) == (
        "requires_capture",
        4200,
        {"op": "7"},
    )
    assert intent.customer == session.customer
    saved = bench.client.v1.customers.payment_methods.list(str(session.customer)).data
    assert [one.id for one in saved] == [intent.payment_method]

    bench.client.v1.payment_intents.capture(intent.id)
    assert _again(bench, session).payment_status == "paid"


def test_a_guest_who_is_kept_becomes_a_customer(bench: Bench) -> None:
    session = bench.session(
        payment_intent_data={"setup_future_usage": "off_session"}, customer_email="ben@demo.example"
    )
    bench.type_card(session.id)
    done = _again(bench, session)
    assert done.customer is not None
    assert bench.client.v1.customers.retrieve(str(done.customer)).email == "ben@demo.example"
    assert done.customer_details is not None
    assert (done.customer_details.email, done.customer_details.name) == ("ben@demo.example", "Ana")


def test_a_setup_session_has_its_intent_at_once_and_saves_the_card(bench: Bench) -> None:
    customer = bench.customer()
    session = bench.setup_session(customer=customer, setup_intent_data={"metadata": {"op": "9"}})
    assert (session.payment_status, session.amount_total) == ("no_payment_required", None)
    setup = bench.client.v1.setup_intents.retrieve(str(session.setup_intent))
    assert (setup.status, setup.usage, setup.metadata and setup.metadata.to_dict()) == (
        "requires_payment_method",
        "off_session",
        {"op": "9"},
    )
    bench.type_card(session.id)
    setup = bench.client.v1.setup_intents.retrieve(setup.id)
    assert setup.status == "succeeded"
    assert _again(bench, session).status == "complete"
    assert [one.id for one in bench.client.v1.payment_methods.list({"customer": customer}).data] == [
        setup.payment_method
    ]


def test_a_declined_card_leaves_the_session_open_for_another(bench: Bench) -> None:
    session = bench.session(payment_intent_data={"capture_method": "manual"})
    with pytest.raises(ApiError, match="declined"):
        bench.type_card(session.id, "4000000000000002")
    tried = _again(bench, session)
    assert tried.status == "open"
    assert tried.payment_intent is not None
    bench.type_card(session.id)
    done = _again(bench, session)
    assert (done.status, done.payment_intent) == ("complete", tried.payment_intent)
    charges = bench.client.v1.charges.list({"payment_intent": str(done.payment_intent)}).data
    assert [charge.status for charge in charges] == ["succeeded", "failed"]


@pytest.mark.parametrize("mode", ["payment", "setup"])
def test_a_card_that_asks_goes_by_3d_secure(bench: Bench, mode: str) -> None:
    session = bench.session() if mode == "payment" else bench.setup_session()
    assert bench.type_card(session.id, "4000002760003184")["status"] == "open"
    waiting = _again(bench, session)
    intent = str(waiting.payment_intent or waiting.setup_intent)

    with pytest.raises(ApiError, match="unable to authenticate"):
        bench.sandbox.authenticate(intent, passed=False)
    assert _again(bench, session).status == "open"
    with pytest.raises(ApiError, match="does not wait"):
        bench.sandbox.authenticate(intent, passed=True)

    bench.type_card(session.id, "4000002760003184")
    bench.sandbox.authenticate(intent, passed=True)
    assert _again(bench, session).status == "complete"


def test_a_session_expires_by_itself_and_takes_its_intent_with_it(bench: Bench) -> None:
    session = bench.session(expires_at=bench.now + 31 * 60)
    with pytest.raises(ApiError):
        bench.type_card(session.id, "4000000000000002")
    bench.pass_time(minutes=31)
    over = _again(bench, session)
    assert (over.status, over.url) == ("expired", None)
    assert bench.client.v1.payment_intents.retrieve(str(over.payment_intent)).status == "canceled"
    assert "checkout.session.expired" in bench.events()
    with pytest.raises(ApiError, match="has expired"):
        bench.type_card(session.id)


def test_a_session_is_expired_by_us_once_and_only_while_open(bench: Bench) -> None:
    session = bench.setup_session()
    assert bench.client.v1.checkout.sessions.expire(session.id).status == "expired"
    assert bench.client.v1.setup_intents.retrieve(str(session.setup_intent)).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError, match="Only Checkout Sessions"):
        bench.client.v1.checkout.sessions.expire(session.id)
    done = bench.session()
    bench.type_card(done.id)
    with pytest.raises(stripe.InvalidRequestError, match="status of complete"):
        bench.client.v1.checkout.sessions.expire(done.id)
    with pytest.raises(ApiError, match="complete already"):
        bench.type_card(done.id)


def test_an_intent_of_checkout_is_canceled_directly_only_while_held(bench: Bench) -> None:
    session = bench.session(payment_intent_data={"capture_method": "manual"})
    with pytest.raises(ApiError):
        bench.type_card(session.id, "4000000000000002")
    intent = str(_again(bench, session).payment_intent)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.client.v1.payment_intents.cancel(intent)
    assert refused.value.code == "payment_intent_unexpected_state"
    bench.type_card(session.id)
    assert bench.client.v1.payment_intents.cancel(intent).status == "canceled"


def test_a_setup_intent_of_checkout_is_neither_confirmed_nor_canceled_directly(bench: Bench) -> None:
    setup = str(bench.setup_session().setup_intent)
    with pytest.raises(stripe.InvalidRequestError):
        bench.client.v1.setup_intents.cancel(setup)
    with pytest.raises(stripe.InvalidRequestError):
        bench.client.v1.setup_intents.confirm(setup, {"payment_method": "pm_card_visa"})


@pytest.mark.parametrize(
    ("minutes", "good"), [(29, False), (30, True), (24 * 60, True), (24 * 60 + 1, False)]
)
def test_a_session_lives_between_30_minutes_and_a_day(bench: Bench, minutes: int, good: bool) -> None:
    expires_at = bench.now + minutes * 60
    if good:
        assert bench.session(expires_at=expires_at).expires_at == expires_at
    else:
        with pytest.raises(stripe.InvalidRequestError, match="expires_at"):
            bench.session(expires_at=expires_at)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"mode": "subscription"}, "mode=subscription"),
        ({"line_items": []}, "line_items"),
        ({"success_url": "javascript:alert(1)"}, "success_url"),
        ({"setup_intent_data": {"description": "x"}}, "setup_intent_data"),
        ({"client_reference_id": "x" * 201}, "client_reference_id"),
        ({"payment_intent_data": {"transfer_data": {"destination": "acct_1"}}}, "transfer_data"),
        ({"payment_intent_data": {"metadata": {"k" * 41: "v"}}}, "metadata[" + "k" * 41 + "]"),
        (
            {"payment_method_options": {"card": {"capture_method": "manual"}}},
            "payment_method_options[card][capture_method]",
        ),
        ({"discounts": [{"coupon": "x"}]}, "discounts"),
    ],
)
def test_what_makes_no_sense_is_refused(bench: Bench, more: dict[str, Any], param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.session(**more)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("4111111111111111", "card_declined"),
        ("4242424242424241", "incorrect_number"),
        ("", "incorrect_number"),
    ],
)
def test_only_test_cards_get_in(bench: Bench, number: str, code: str) -> None:
    session = bench.session()
    with pytest.raises(ApiError) as refused:
        bench.sandbox.pay(session.id, Typed(number, (12, 2034), "123"))
    assert refused.value.error["code"] == code
    assert _again(bench, session).payment_intent is None


def test_no_card_number_is_kept(bench: Bench) -> None:
    session = bench.session(payment_intent_data={"setup_future_usage": "off_session"})
    bench.type_card(session.id, "5555555555554444")
    bench.client.v1.payment_methods.create(
        {
            "type": "card",
            "card": {"number": "4000002500003155", "exp_month": 1, "exp_year": 2034, "cvc": "987"},
        }
    )
    with bench.sandbox.store.reading() as rows:
        rows.sql("PRAGMA wal_checkpoint")
    kept = b"".join(
        file.read_bytes() for file in Path(bench.sandbox.store.path).parent.glob("bench.sqlite3*")
    )
    assert b"4444" in kept
    for number in (b"5555555555554444", b"4000002500003155", b"555555555555"):
        assert number not in kept


def test_the_newest_session_comes_first_and_lists_filter(bench: Bench) -> None:
    customer = bench.customer()
    mine = [bench.session(customer=customer).id for _ in range(3)]
    bench.session()
    listed = bench.client.v1.checkout.sessions.list({"customer": customer, "limit": 2})
    assert ([one.id for one in listed.data], listed.has_more) == ([mine[2], mine[1]], True)
    rest = bench.client.v1.checkout.sessions.list(
        {"customer": customer, "limit": 2, "starting_after": mine[1]}
    )
    assert ([one.id for one in rest.data], rest.has_more) == ([mine[0]], False)
    items = bench.client.v1.checkout.sessions.line_items.list(mine[0])
    assert [(item.description, item.amount_total) for item in items.data] == [("Seat", 4200)]
