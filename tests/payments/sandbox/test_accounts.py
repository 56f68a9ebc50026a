"""Connected accounts, and the small changes that other objects take."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from payments.sandbox import schema
from payments.sandbox.errors import ApiError
from tests.payments.sandbox.bench import Bench


def test_an_account_is_changed_listed_and_deleted(bench: Bench) -> None:
    account = bench.client.v1.accounts.create(
        {"type": "express", "email": "otto@demo.example", "country": "US"}
    )
    changed = bench.client.v1.accounts.update(
        account.id,
        {
            "business_profile": {"name": "Lakeshore Lines"},
            "capabilities": {"transfers": {"requested": True}},
            "settings": {"payouts": {"schedule": {"interval": "manual"}}},
            "metadata": {"operator": "1"},
            "email": "dispatch@demo.example",
        },
    )
    assert changed.business_profile is not None
    assert changed.capabilities is not None
    assert (changed.business_profile.name, changed.email) == ("Lakeshore Lines", "dispatch@demo.example")
    assert changed.capabilities.transfers == "inactive"
    assert [one.id for one in bench.client.v1.accounts.list().data] == [account.id]
    dropped = bench.client.v1.accounts.update(
        account.id, {"capabilities": {"transfers": {"requested": False}}}
    )
    assert dropped.capabilities is not None
    assert "transfers" not in dropped.capabilities.to_dict()
    assert bench.client.v1.accounts.delete(account.id).deleted is True
    assert bench.client.v1.accounts.list().data == []
    with pytest.raises(stripe.InvalidRequestError):
        bench.client.v1.accounts.retrieve(account.id)


def test_who_asks_can_ask_who_it_is(bench: Bench) -> None:
    platform = bench.client.v1.accounts.retrieve_current()
    assert (platform.id, platform.charges_enabled) == ("acct_sandbox", True)
    assert schema.differences(platform.to_dict()) == []
    operator = bench.operator()
    assert bench.client.v1.accounts.retrieve_current({}, {"stripe_account": operator}).id == operator


def test_an_account_with_money_is_not_deleted(bench: Bench) -> None:
    operator, charge = bench.operator(), str(getattr(bench.paid().latest_charge, "id", ""))
    bench.client.v1.transfers.create(
        {"amount": 10, "currency": "usd", "destination": operator, "source_transaction": charge}
    )
    with pytest.raises(stripe.InvalidRequestError, match="balance"):
        bench.client.v1.accounts.delete(operator)


def test_an_owner_signs_in_only_after_onboarding(bench: Bench) -> None:
    account = bench.client.v1.accounts.create({"type": "express"}).id
    link: Any = {"account": account, "type": "account_onboarding"}
    with pytest.raises(stripe.InvalidRequestError) as missing:
        bench.client.v1.account_links.create(link)
    assert missing.value.param == "refresh_url"
    link |= {"return_url": "https://rally.example/a/", "refresh_url": "https://rally.example/b/"}
    bench.client.v1.account_links.create(link)
    with pytest.raises(stripe.InvalidRequestError, match="not completed"):
        bench.client.v1.accounts.login_links.create(account)
    bench.sandbox.finish_onboarding(account)
    bench.sandbox.finish_onboarding(account)
    assert bench.client.v1.accounts.login_links.create(account).url == "https://rally.example/sandbox/"


@pytest.mark.parametrize(
    "params",
    [{"type": "custom"}, {"type": "express", "settings": {"payouts": {"schedule": {"interval": "weekly"}}}}],
)
def test_only_express_accounts_with_daily_or_manual_payouts(bench: Bench, params: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.client.v1.accounts.create(params)
    assert refused.value.code == "sandbox_not_modelled"


def test_words_on_objects_can_change(bench: Bench) -> None:
    operator, intent = bench.operator(), bench.paid()
    charge = str(getattr(intent.latest_charge, "id", ""))
    changed = bench.client.v1.charges.update(
        charge, {"description": "Seat", "transfer_group": "g", "metadata": {"a": "1"}}
    )
    assert (changed.description, changed.transfer_group) == ("Seat", "g")
    with pytest.raises(stripe.InvalidRequestError, match="already set"):
        bench.client.v1.charges.update(charge, {"transfer_group": "h"})
    transfer = bench.client.v1.transfers.create(
        {"amount": 10, "currency": "usd", "destination": operator, "source_transaction": charge}
    )
    again = bench.client.v1.transfers.update(transfer.id, {"description": "Run", "metadata": {"run": "1"}})
    assert (again.description, again.metadata.to_dict()) == ("Run", {"run": "1"})
    reversal = bench.client.v1.transfers.reversals.create(transfer.id, {"amount": 1})
    assert bench.client.v1.transfers.reversals.retrieve(transfer.id, reversal.id).amount == 1
    with pytest.raises(stripe.InvalidRequestError):
        bench.client.v1.transfers.reversals.retrieve("tr_other", reversal.id)
    refund = bench.client.v1.refunds.create({"charge": charge, "amount": 5})
    noted = bench.client.v1.refunds.update(refund.id, {"metadata": {"why": "late"}})
    assert noted.metadata is not None
    assert noted.metadata.to_dict() == {"why": "late"}
    with pytest.raises(stripe.InvalidRequestError, match="cannot be canceled"):
        bench.client.v1.refunds.cancel(refund.id)
    assert bench.client.v1.charges.retrieve(charge).amount_refunded == 5
    session = bench.session()
    kept = bench.client.v1.checkout.sessions.update(session.id, {"metadata": {"seen": "1"}})
    assert kept.metadata is not None
    assert kept.metadata.to_dict() == {"seen": "1"}
    assert bench.client.v1.disputes.list().data == []


@pytest.mark.parametrize(
    ("what", "params"),
    [
        ("refunds", {}),
        ("refunds", {"charge": "ch_1", "payment_intent": "pi_1"}),
        ("refunds", {"charge": "ch_none"}),
        ("transfers", {"currency": "usd", "destination": "acct_none"}),
        ("transfers", {"amount": 0, "currency": "usd", "destination": "acct_none"}),
        ("transfers", {"amount": 1, "currency": "usd", "destination": "acct_none"}),
        ("payouts", {"amount": 0, "currency": "usd"}),
        ("payouts", {"amount": 1, "currency": "usd", "method": "instant"}),
    ],
)
def test_money_does_not_move_on_nonsense(bench: Bench, what: str, params: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        getattr(bench.client.v1, what).create(params)
    assert bench.client.v1.balance_transactions.list().data == []


def test_a_transfer_takes_only_captured_money_of_its_own_currency(bench: Bench) -> None:
    operator = bench.operator()
    held = str(bench.charge_saved(*bench.saved()).latest_charge)
    paid = str(getattr(bench.paid().latest_charge, "id", ""))
    for source, currency in ((held, "usd"), (paid, "eur")):
        with pytest.raises(stripe.InvalidRequestError):
            bench.client.v1.transfers.create(
                {"amount": 10, "currency": currency, "destination": operator, "source_transaction": source}
            )


def test_an_intent_that_never_took_money_is_not_refunded(bench: Bench) -> None:
    intent = bench.client.v1.payment_intents.create({"amount": 4200, "currency": "usd"})
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        bench.client.v1.refunds.create({"payment_intent": intent.id})
    with pytest.raises(stripe.InvalidRequestError, match="missing a payment method"):
        bench.client.v1.payment_intents.confirm(intent.id)
    changed = bench.client.v1.payment_intents.update(
        intent.id, {"amount": 5000, "description": "Seat", "payment_method": "pm_card_visa"}
    )
    assert (changed.amount, changed.description, changed.status) == (5000, "Seat", "requires_confirmation")
    given: Any = {"payment_method": "pm_card_mastercard", "off_session": True}
    done = bench.client.v1.payment_intents.confirm(intent.id, given)
    assert (done.status, done.amount_received) == ("succeeded", 5000)
    with pytest.raises(stripe.InvalidRequestError) as late:
        bench.client.v1.payment_intents.confirm(intent.id, given)
    assert late.value.code == "payment_intent_unexpected_state"


def test_what_cannot_be_disputed_is_not(bench: Bench) -> None:
    held = str(bench.charge_saved(*bench.saved()).latest_charge)
    refunded = bench.paid(number="4000000000000259")
    bench.client.v1.refunds.create({"payment_intent": refunded.id})
    for charge in (held, str(getattr(refunded.latest_charge, "id", ""))):
        with pytest.raises(ApiError):
            bench.sandbox.open_dispute(charge)
    bench.pass_time(minutes=2)
    assert bench.client.v1.disputes.list().data == []
