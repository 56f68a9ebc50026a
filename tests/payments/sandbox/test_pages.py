"""The pages of the sandbox: used by a plain HTTP client and its forms."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import stripe
from django.test import Client
from pytest_django import Settings

from payments.sandbox import runtime
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Faults
from payments.sandbox.transport import InProcess
from rally import clock
from tests.payments.sandbox.bench import Bench, VirtualClock

GOOD = {"number": "4242 4242 4242 4242", "expiry": "12 / 34", "cvc": "123", "name": "Ana"}


@pytest.fixture
def pages(settings: Settings) -> Bench:
    """The sandbox that the pages use."""
    sandbox: Sandbox = runtime.current()
    client = stripe.StripeClient("sk_test_bench", http_client=InProcess(sandbox), max_network_retries=0)
    return Bench(sandbox=sandbox, clock=VirtualClock(clock.now()), faults=Faults(), client=client)


@pytest.fixture
def browser() -> Client:
    """A plain HTTP client that has to bring the form's token, as a browser does."""
    return Client(enforce_csrf_checks=True)


def _path(address: str | None) -> str:
    assert address is not None
    return "/" + address.split("/", 3)[3]


def _submit(browser: Client, path: str, fields: dict[str, str], *, page: str | None = None) -> Any:
    """Get the page, take its token and send the form."""
    text = browser.get(page or path).content.decode()
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', text)
    assert found is not None
    return browser.post(path, {**fields, "csrfmiddlewaretoken": found[1]})


def test_a_customer_pays(pages: Bench, browser: Client) -> None:
    session = pages.session(4250, payment_intent_data={"capture_method": "manual"})
    shown = browser.get(_path(session.url))
    text = unescape(shown.content.decode())
    assert shown.status_code == 200
    for words in (
        "$42.50",
        "Test payment: no money moves",
        "4242 4242 4242 4242",
        "Pay Rally",
        "is held on your card",
    ):
        assert words in text
    assert 'href="https://rally.example/stay"' in text
    for name in ("number", "expiry", "cvc", "name"):
        assert f'name="{name}"' in text

    done = _submit(browser, _path(session.url), GOOD)

    assert (done.status_code, done["Location"]) == (303, f"https://rally.example/back?session={session.id}")
    assert pages.client.v1.checkout.sessions.retrieve(session.id).status == "complete"
    again = browser.get(_path(session.url))
    assert (again.status_code, "checkout is complete" in again.content.decode()) == (410, True)


def test_a_card_is_saved(pages: Bench, browser: Client) -> None:
    session = pages.setup_session(custom_text={"submit": {"message": "You may be charged up to $42."}})
    text = browser.get(_path(session.url)).content.decode()
    assert "Save card" in text
    assert "You may be charged up to $42." in text
    assert _submit(browser, _path(session.url), GOOD).status_code == 303


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"number": "4000000000000002"}, "Your card was declined."),
        ({"number": "4000000000009995"}, "insufficient funds"),
        ({"number": "4000000000000069"}, "expired"),
        ({"number": "4000000000000127"}, "security code is incorrect"),
        ({"number": "4111 1111 1111 1111"}, "non test card"),
        ({"number": "1234"}, "card number is incorrect"),
        ({"expiry": "12 / 20"}, "This date has passed."),
        ({"expiry": "13 / 34"}, "Give the month and the year"),
        ({"cvc": "12"}, "three or four digits"),
        ({"number": ""}, "required"),
    ],
)
def test_a_bad_card_is_answered_in_place(
    pages: Bench, browser: Client, typed: dict[str, str], words: str
) -> None:
    session = pages.session()
    fields = {**GOOD, **typed}
    answer = _submit(browser, _path(session.url), fields)
    text = unescape(answer.content.decode())
    assert answer.status_code == 422
    assert words in text
    assert f'value="{GOOD["name"]}"' in text
    assert f'value="{fields["expiry"]}"' in text
    if fields["number"]:
        assert f'value="{fields["number"]}"' not in text
    assert f'value="{fields["cvc"]}"' not in text
    assert _submit(browser, _path(session.url), GOOD).status_code == 303


def test_a_form_without_its_token_is_refused(pages: Bench, browser: Client) -> None:
    session = pages.session()
    assert browser.post(_path(session.url), GOOD).status_code == 403
    assert pages.client.v1.checkout.sessions.retrieve(session.id).status == "open"


@pytest.mark.parametrize("mode", ["payment", "setup"])
def test_a_card_that_asks_leads_by_3d_secure(pages: Bench, browser: Client, mode: str) -> None:
    session = pages.session() if mode == "payment" else pages.setup_session()
    card = {**GOOD, "number": "4000 0027 6000 3184"}
    asked = _submit(browser, _path(session.url), card)
    bank = asked["Location"]
    assert asked.status_code == 303
    assert "Is this you?" in browser.get(bank).content.decode()

    failed = _submit(browser, bank, {"answer": "fail"})
    assert (failed.status_code, failed["Location"]) == (303, _path(session.url))
    assert "unable to authenticate" in browser.get(_path(session.url)).content.decode()
    assert browser.get(bank).status_code == 410

    _submit(browser, _path(session.url), card)
    passed = _submit(browser, bank, {"answer": "complete"})
    assert (passed.status_code, passed["Location"]) == (
        303,
        f"https://rally.example/back?session={session.id}",
    )


def test_3d_secure_outside_checkout_goes_on_to_the_return_address(pages: Bench, browser: Client) -> None:
    waiting = pages.client.v1.payment_intents.create(
        {
            "amount": 4200,
            "currency": "usd",
            "payment_method": "pm_card_authenticationRequired",
            "confirm": True,
            "return_url": "https://rally.example/done?a=1",
            "allowed_payment_method_types": ["card"],
        }
    )
    passed = _submit(browser, f"/sandbox/authenticate/{waiting.id}/", {"answer": "complete"})
    expected = (
        f"https://rally.example/done?a=1&payment_intent={waiting.id}"
        f"&payment_intent_client_secret={waiting.client_secret}&redirect_status=succeeded"
    )
    assert passed["Location"] == expected


def test_an_expired_checkout_says_so(pages: Bench, browser: Client) -> None:
    session = pages.session()
    pages.client.v1.checkout.sessions.expire(session.id)
    answer = browser.get(_path(session.url))
    assert (answer.status_code, "has expired" in answer.content.decode()) == (410, True)


def test_an_operator_finishes_onboarding(pages: Bench, browser: Client) -> None:
    account = pages.client.v1.accounts.create(
        {
            "type": "express",
            "capabilities": {"transfers": {"requested": True}},
            "business_profile": {"name": "Lakeshore Lines"},
        }
    )
    link = pages.client.v1.account_links.create(
        {
            "account": account.id,
            "type": "account_onboarding",
            "return_url": "https://rally.example/operator/money/",
            "refresh_url": "https://rally.example/again/",
        }
    )
    assert "Lakeshore Lines" in browser.get(_path(link.url)).content.decode()
    done = _submit(browser, _path(link.url), {})
    assert (done.status_code, done["Location"]) == (303, "https://rally.example/operator/money/")
    assert pages.client.v1.accounts.retrieve(account.id).payouts_enabled is True
    assert browser.get(f"/sandbox/onboarding/{account.id}/onb_other/").status_code == 404


def test_an_old_onboarding_link_leads_to_a_new_one(
    pages: Bench, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = pages.client.v1.accounts.create({"type": "express"})
    link = pages.client.v1.account_links.create(
        {
            "account": account.id,
            "type": "account_onboarding",
            "return_url": "https://a.example/",
            "refresh_url": "https://a.example/new/",
        }
    )
    later = clock.now() + timedelta(minutes=10, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    answer = browser.get(_path(link.url))
    assert (answer.status_code, answer["Location"]) == (303, "https://a.example/new/")


def test_the_overview_shows_what_the_provider_knows(pages: Bench, browser: Client) -> None:
    assert browser.get("/sandbox/").status_code == 200
    intent = pages.paid(number="4000000000000077")
    pages.operator()
    text = browser.get("/sandbox/").content.decode()
    for words in (intent.id, "captured", "can be paid", "payment_intent.succeeded", "$40.48"):
        assert words in text


def test_the_dashboard_refunds_and_disputes(pages: Bench, browser: Client) -> None:
    first, second = (str(getattr(pages.paid().latest_charge, "id", "")) for _ in range(2))
    page = f"/sandbox/objects/{first}/"
    made = _submit(browser, f"{page}refund/", {}, page=page)
    assert made.status_code == 302
    assert pages.client.v1.charges.retrieve(first).refunded is True
    again = _submit(browser, f"/sandbox/objects/{first}/refund/", {}, page=f"/sandbox/objects/{second}/")
    assert (again.status_code, "already been refunded" in again.content.decode()) == (409, True)
    _submit(browser, f"/sandbox/objects/{second}/dispute/", {}, page=f"/sandbox/objects/{second}/")
    assert pages.client.v1.charges.retrieve(second).disputed is True


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_the_bank_decides_a_dispute(pages: Bench, browser: Client, outcome: str) -> None:
    dispute = pages.sandbox.open_dispute(str(getattr(pages.paid().latest_charge, "id", "")))["id"]
    page = f"/sandbox/objects/{dispute}/"
    assert b'value="won"' not in browser.get(page).content
    early = _submit(browser, f"{page}decide/", {"outcome": "won"}, page=page)
    assert (early.status_code, "cannot decide" in early.content.decode()) == (409, True)
    pages.client.v1.disputes.update(dispute, {"evidence": {"uncategorized_text": "ticket"}, "submit": True})
    assert b'value="won"' in browser.get(page).content
    assert _submit(browser, f"{page}decide/", {"outcome": outcome}, page=page).status_code == 302
    assert pages.client.v1.disputes.retrieve(dispute).status == outcome
    assert b"decide/" not in browser.get(page).content


@pytest.mark.parametrize(
    "path", ["checkout/cs_test_none/", "authenticate/pi_none/", "onboarding/acct_none/x/", "objects/none/"]
)
def test_what_is_not_there_is_404(pages: Bench, browser: Client, path: str) -> None:
    assert browser.get(f"/sandbox/{path}").status_code == 404


def test_in_production_only_staff_look_around(pages: Bench, browser: Client, settings: Settings) -> None:
    charge = str(getattr(pages.paid().latest_charge, "id", ""))
    session = pages.session()
    settings.PRODUCTION = True
    for path in ("/sandbox/", f"/sandbox/objects/{charge}/"):
        assert browser.get(path).status_code == 404
    assert browser.get(_path(session.url)).status_code == 200
