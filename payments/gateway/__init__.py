"""The payment provider in our words: what we can ask of it. The one room that imports `stripe`.

Every function talks to the provider, so none may be called inside a transaction. They raise `words.ProviderTrouble`
in one of its kinds. Functions that change something take the idempotency `key` and the `tags` written on what they
make. Amounts are whole minor units, currencies upper case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.conf import settings

from payments.gateway import reading, words
from payments.gateway.line import ask, pages
from payments.gateway.pace import patient
from payments.gateway.reading import INTENT, REFUND, SESSION, TRANSFER
from payments.gateway.since import (
    balance,
    bookings_since,
    books,
    events_since,
    intents_since,
    refunds_since,
    transfers_since,
)

__all__ = [
    "balance",
    "bookings_since",
    "books",
    "events_since",
    "intents_since",
    "patient",
    "refunds_since",
    "transfers_since",
]

_CARDS = ["card"]
_Seen = TypeVar("_Seen")


def provider() -> str:
    """Whose books our calls change: `sandbox`, `test` or `live`."""
    if settings.SANDBOX:
        return "sandbox"
    return "live" if "_live_" in settings.STRIPE_SECRET_KEY[:8] else "test"


# ---- payers


def create_customer(*, email: str, name: str, tags: dict[str, str], key: str) -> words.CustomerSeen:
    """Make a payer known."""
    given = {"email": email, "metadata": tags, **({"name": name} if name else {})}
    return reading.customer(ask(lambda v1: v1.customers.create(given, _key(key))))


def find_customer(*, email: str, op: str) -> words.CustomerSeen | None:
    """The payer that an operation made, if it did."""
    return _tagged(lambda v1, page: v1.customers.list({**page, "email": email}), op, reading.customer)


# ---- hosted pages


def create_session(params: dict[str, Any], *, tags: dict[str, str], key: str) -> words.Session:
    """Open a hosted page. `params`: mode, customer, amount, currency, description, group, payment, expires_at
    (Unix time), success_url, cancel_url."""
    asked: dict[str, Any] = {
        "allowed_payment_method_types": _CARDS,
        "customer": params["customer"],
        "client_reference_id": params["payment"],
        "success_url": params["success_url"],
        "cancel_url": params["cancel_url"],
        "expires_at": params["expires_at"],
        "metadata": tags,
        "expand": SESSION,
    }
    if params["mode"] == "save":
        asked |= {
            "mode": "setup",
            "setup_intent_data": {"metadata": tags, "description": params["description"]},
        }
    else:
        intent: dict[str, Any] = {
            "metadata": tags,
            "description": params["description"],
            "transfer_group": params["group"],
            "capture_method": "manual" if params["mode"] == "hold" else "automatic",
        }
        if params["mode"] == "hold":
            intent["setup_future_usage"] = "off_session"
        price = {
            "currency": params["currency"].lower(),
            "unit_amount": params["amount"],
            "product_data": {"name": params["description"]},
        }
        asked |= {
            "mode": "payment",
            "payment_intent_data": intent,
            "line_items": [{"price_data": price, "quantity": 1}],
        }
    return reading.session(ask(lambda v1: v1.checkout.sessions.create(asked, _key(key))))


def expire_session(session: str, *, key: str) -> words.Session:
    """Close a hosted page. Raises `AlreadyMoved` when it is no longer open."""
    expand = {"expand": SESSION}
    return reading.session(ask(lambda v1: v1.checkout.sessions.expire(session, expand, _key(key))))


def session(session_id: str) -> words.Session:
    """A hosted page as it is now."""
    expand = {"expand": SESSION}
    return reading.session(ask(lambda v1: v1.checkout.sessions.retrieve(session_id, expand)))


def find_session(*, customer: str, op: str) -> words.Session | None:
    """The hosted page that an operation opened, if it did."""
    expand = [f"data.{path}" for path in ("payment_intent", "setup_intent")]
    found = _tagged(
        lambda v1, page: v1.checkout.sessions.list({**page, "customer": customer, "expand": expand}),
        op,
        reading.session,
    )
    return session(found.id) if found is not None else None


# ---- money of payers


def create_intent(params: dict[str, Any], *, at_once: bool, tags: dict[str, str], key: str) -> words.Intent:
    """Ask the bank without the payer: a hold, or with `at_once` the money. Raises `Declined`.

    `params`: amount, currency, customer, card, description, group.
    """
    asked = {
        "allowed_payment_method_types": _CARDS,
        "amount": params["amount"],
        "currency": params["currency"].lower(),
        "customer": params["customer"],
        "payment_method": params["card"],
        "description": params["description"],
        "transfer_group": params["group"],
        "capture_method": "automatic" if at_once else "manual",
        "off_session": True,
        "confirm": True,
        "metadata": tags,
        "expand": INTENT,
    }
    return reading.intent(ask(lambda v1: v1.payment_intents.create(asked, _key(key))))


def intent(intent_id: str) -> words.Intent:
    """An attempt as it is now."""
    expand = {"expand": INTENT}
    return reading.intent(ask(lambda v1: v1.payment_intents.retrieve(intent_id, expand)))


def find_intent(*, customer: str, op: str) -> words.Intent | None:
    """The attempt that an operation made, if it did."""
    found = _tagged(
        lambda v1, page: v1.payment_intents.list({**page, "customer": customer}), op, reading.intent
    )
    return intent(found.id) if found is not None else None


def capture_intent(intent_id: str, *, amount: int, key: str) -> words.Intent:
    """Take held money, once; the rest of the hold is released. Raises `AlreadyMoved`."""
    asked = {"amount_to_capture": amount, "expand": INTENT}
    return reading.intent(ask(lambda v1: v1.payment_intents.capture(intent_id, asked, _key(key))))


def cancel_intent(intent_id: str, *, key: str) -> words.Intent:
    """Release a hold. Raises `AlreadyMoved`."""
    asked = {"cancellation_reason": "requested_by_customer", "expand": INTENT}
    return reading.intent(ask(lambda v1: v1.payment_intents.cancel(intent_id, asked, _key(key))))


def create_refund(*, intent_id: str, amount: int, tags: dict[str, str], key: str) -> words.RefundSeen:
    """Give captured money back to the card that paid."""
    asked = {"payment_intent": intent_id, "amount": amount, "metadata": tags, "expand": REFUND}
    return reading.refund(ask(lambda v1: v1.refunds.create(asked, _key(key))))


def refund(refund_id: str) -> words.RefundSeen:
    """A refund as it is now."""
    expand = {"expand": REFUND}
    return reading.refund(ask(lambda v1: v1.refunds.retrieve(refund_id, expand)))


def refunds_of(intent_id: str) -> list[words.RefundSeen]:
    """Every refund of one attempt, whoever made it."""
    expand = [f"data.{path}" for path in REFUND]
    found = pages(lambda v1, page: v1.refunds.list({**page, "payment_intent": intent_id, "expand": expand}))
    return [reading.refund(each) for each in found]


def dispute(dispute_id: str) -> words.DisputeSeen:
    """A dispute as it is now."""
    return reading.dispute(ask(lambda v1: v1.disputes.retrieve(dispute_id)))


def update_dispute(dispute_id: str, evidence: dict[str, str], *, submit: bool, key: str) -> words.DisputeSeen:
    """Lay evidence before the bank, by the provider's names of it; with `submit` for good, else as a draft.

    Banks take one submission. Text only: at most 20,000 characters each, 150,000 together; empty ones are left out.
    Raises `Refused` when the dispute no longer waits for us.
    """
    asked = {"evidence": {name: text for name, text in evidence.items() if text}, "submit": submit}
    return reading.dispute(ask(lambda v1: v1.disputes.update(dispute_id, asked, _key(key))))


def close_dispute(dispute_id: str, *, key: str) -> words.DisputeSeen:
    """Accept that the payer is right: the money stays with them. Raises `Refused` when the bank has decided already."""
    return reading.dispute(ask(lambda v1: v1.disputes.close(dispute_id, {}, _key(key))))


# ---- money of payees


def create_account(*, email: str, name: str, tags: dict[str, str], key: str) -> words.AccountSeen:
    """Make an account that can be paid once its owner has told who they are. Without an address they tell that, too.

    Raises `Refused` with `words.NO_ADDRESS` for an address that is none.
    """
    asked = {
        "type": "express",
        **({"email": email} if email else {}),  # an empty one is refused
        "business_profile": {"name": name},
        "capabilities": {"transfers": {"requested": True}},
        "metadata": tags,
    }
    return reading.account(ask(lambda v1: v1.accounts.create(asked, _key(key))))


def account(account_id: str) -> words.AccountSeen:
    """An account as it is now."""
    return reading.account(ask(lambda v1: v1.accounts.retrieve(account_id)))


def find_account(*, since: datetime, op: str) -> words.AccountSeen | None:
    """The account that an operation made, if it did."""
    created = {"gte": int(since.timestamp())}
    return _tagged(lambda v1, page: v1.accounts.list({**page, "created": created}), op, reading.account)


def onboarding_page(account_id: str, *, return_url: str, refresh_url: str = "") -> str:
    """The address at which a payee tells the provider who they are. Works once, for a few minutes; makes nothing.

    Whoever comes too late is sent to `refresh_url`, which should lead here again.
    """
    asked = {
        "account": account_id,
        "refresh_url": refresh_url or return_url,
        "return_url": return_url,
        "type": "account_onboarding",
    }
    return str(ask(lambda v1: v1.account_links.create(asked))["url"])


def create_transfer(params: dict[str, Any], *, tags: dict[str, str], key: str) -> words.TransferSeen:
    """Send money on. `params`: amount, currency, account, charge, group.

    With a charge it is sent out of that charge, and at once whatever the balance is. Without one (empty or None) it is
    sent out of the balance. Raises `Refused` (`balance_insufficient`) when there is not enough.
    """
    asked = {
        "amount": params["amount"],
        "currency": params["currency"].lower(),
        "destination": params["account"],
        "transfer_group": params["group"],
        "metadata": tags,
        "expand": TRANSFER,
        **({"source_transaction": params["charge"]} if params.get("charge") else {}),
    }
    return reading.transfer(ask(lambda v1: v1.transfers.create(asked, _key(key))))


def transfer(transfer_id: str) -> words.TransferSeen:
    """A transfer as it is now."""
    expand = {"expand": TRANSFER}
    return reading.transfer(ask(lambda v1: v1.transfers.retrieve(transfer_id, expand)))


def find_transfer(*, group: str, op: str) -> words.TransferSeen | None:
    """The transfer that an operation made, if it did."""
    found = _tagged(
        lambda v1, page: v1.transfers.list({**page, "transfer_group": group}), op, reading.transfer
    )
    return transfer(found.id) if found is not None else None


def reverse_transfer(transfer_id: str, *, amount: int, tags: dict[str, str], key: str) -> words.ReversalSeen:
    """Take a part of a transfer back. Fails when the account has spent it."""
    asked = {"amount": amount, "metadata": tags, "expand": ["balance_transaction"]}
    return reading.reversal(ask(lambda v1: v1.transfers.reversals.create(transfer_id, asked, _key(key))))


def find_reversal(transfer_id: str, *, op: str) -> words.ReversalSeen | None:
    """The reversal that an operation made, if it did."""
    return _tagged(
        lambda v1, page: v1.transfers.reversals.list(
            transfer_id, {**page, "expand": ["data.balance_transaction"]}
        ),
        op,
        reading.reversal,
    )


# ---- what happened


def payout(payout_id: str) -> words.PayoutSeen:
    """A payout to our own bank as it is now."""
    expand = {"expand": REFUND}
    return reading.payout(ask(lambda v1: v1.payouts.retrieve(payout_id, expand)))


def verified_event(body: bytes, signature: str, secrets: Sequence[str]) -> words.EventSeen | None:
    """The event in a webhook's raw body if one of our secrets signed it within the last five minutes, else None.

    Talks to nobody.
    """
    import json

    import stripe

    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(text, signature, secret, stripe.Webhook.DEFAULT_TOLERANCE)
            return reading.event(json.loads(text))
        except (stripe.SignatureVerificationError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return None


# ---- inside


def _key(key: str) -> dict[str, str]:
    return {"idempotency_key": key}


def _tagged(call: Callable[..., Any], op: str, read: Callable[[dict[str, Any]], _Seen]) -> _Seen | None:
    """The newest object of a list that carries the operation's tag. Lists, not Search: Search lags behind."""
    for thing in pages(call):
        if (thing.get("metadata") or {}).get("op") == op:
            return read(thing)
    return None
