"""From the provider's JSON to our words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from payments.gateway import words

Json = dict[str, Any]

# What an answer must hold beside the object itself, so that it can be read.
INTENT = ["latest_charge.balance_transaction", "payment_method"]
SESSION = [*(f"payment_intent.{path}" for path in INTENT), "setup_intent.payment_method"]
REFUND = ["balance_transaction", "failure_balance_transaction"]
TRANSFER = ["balance_transaction", "reversals.data.balance_transaction"]

_DISPUTE_ENDS: dict[str, Literal["won", "lost"]] = {
    "won": "won",
    "lost": "lost",
    "warning_closed": "won",
    "prevented": "won",
}
_DISPUTE_WAITS = ("needs_response", "warning_needs_response")


def moment(seconds: int | None) -> datetime | None:
    """A Unix time as UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def id_of(value: Any) -> str:
    """The id, whether the object was expanded, only named, or is not there."""
    if isinstance(value, dict):
        return str(value["id"])
    return value or ""


def _inside(value: Any) -> Json | None:
    """The object if it was expanded."""
    return value if isinstance(value, dict) else None


def tags(thing: Json) -> words.Tags:
    """What we wrote on it."""
    given = thing.get("metadata") or {}
    return words.Tags(
        install=given.get("install", ""),
        op=given.get("op", ""),
        payment=given.get("payment", ""),
        checkout=given.get("checkout", ""),
    )


def booking(value: Any) -> words.Booking | None:
    """A balance transaction, if it was expanded and is there."""
    line = _inside(value)
    return None if line is None else words.Booking(line["id"], line["amount"], line["fee"])


def book_line(line: Json) -> words.BookLine:
    """A balance transaction by itself, as the books list it."""
    return words.BookLine(
        id=line["id"],
        amount=line["amount"],
        fee=line["fee"],
        currency=line["currency"].upper(),
        kind=line["reporting_category"],
        source=id_of(line.get("source")),
        created=datetime.fromtimestamp(line["created"], UTC),
    )


def card(value: Any) -> words.Card | None:
    """A payment method, if it was expanded and is a card."""
    method = _inside(value)
    if method is None or not method.get("card"):
        return None
    shown = method["card"]
    return words.Card(
        method["id"],
        shown["brand"],
        shown["last4"],
        saved=bool(method.get("customer")),
        fingerprint=shown.get("fingerprint") or "",
    )


def decline(error: Json | None) -> words.Decline | None:
    """Why the last try failed."""
    if not error:
        return None
    code = error.get("decline_code") or error.get("code") or "declined"
    return words.Decline(code, error.get("advice_code") or "")


def intent(thing: Json) -> words.Intent:
    """A PaymentIntent, with or without its charge and card expanded."""
    charge = _inside(thing.get("latest_charge"))
    details = ((charge or {}).get("payment_method_details") or {}).get("card") or {}
    error = decline(thing.get("last_payment_error"))
    return words.Intent(
        id=thing["id"],
        status=_intent_status(thing, error),
        amount=thing["amount"],
        currency=thing["currency"].upper(),
        capturable=thing["amount_capturable"],
        captured=thing["amount_received"],
        captures_at_once=thing["capture_method"] != "manual",
        customer=id_of(thing.get("customer")),
        charge=id_of(thing.get("latest_charge")),
        capture_before=moment(details.get("capture_before")),
        card=card(thing.get("payment_method")),
        decline=error,
        booking=booking((charge or {}).get("balance_transaction")),
        created=datetime.fromtimestamp(thing["created"], UTC),
        tags=tags(thing),
    )


def _intent_status(
    thing: Json, error: words.Decline | None
) -> Literal["waiting", "failed", "held", "captured", "canceled"]:
    match thing["status"]:
        case "requires_capture":
            return "held"
        case "succeeded":
            return "captured"
        case "canceled":
            return "canceled"
        case "requires_payment_method" if error is not None:
            return "failed"
    return "waiting"


def session(thing: Json) -> words.Session:
    """A Checkout Session, with its intents expanded if it has any."""
    paying, saving = _inside(thing.get("payment_intent")), _inside(thing.get("setup_intent"))
    saved = saving is not None and saving["status"] == "succeeded"
    return words.Session(
        id=thing["id"],
        status=thing["status"],
        url=thing.get("url") or "",
        expires_at=datetime.fromtimestamp(thing["expires_at"], UTC),
        card=card(saving["payment_method"]) if saving is not None and saved else None,
        intent=intent(paying) if paying is not None else None,
        tags=tags(thing),
    )


def refund(thing: Json) -> words.RefundSeen:
    """A Refund."""
    status: Literal["pending", "succeeded", "failed"] = "pending"
    if thing["status"] == "succeeded":
        status = "succeeded"
    elif thing["status"] in ("failed", "canceled"):
        status = "failed"
    return words.RefundSeen(
        id=thing["id"],
        status=status,
        amount=thing["amount"],
        intent=id_of(thing.get("payment_intent")),
        booking=booking(thing.get("balance_transaction")),
        returned=booking(thing.get("failure_balance_transaction")),
        tags=tags(thing),
    )


def transfer(thing: Json) -> words.TransferSeen:
    """A Transfer with its reversals."""
    return words.TransferSeen(
        id=thing["id"],
        amount=thing["amount"],
        reversed=thing["amount_reversed"],
        booking=booking(thing.get("balance_transaction")),
        reversals=tuple(reversal(each) for each in (thing.get("reversals") or {}).get("data", [])),
        tags=tags(thing),
    )


def reversal(thing: Json) -> words.ReversalSeen:
    """A TransferReversal."""
    return words.ReversalSeen(
        thing["id"], thing["amount"], booking(thing.get("balance_transaction")), tags(thing)
    )


def account(thing: Json) -> words.AccountSeen:
    """A connected account: it can be paid when it may receive transfers and pay them out."""
    active = (thing.get("capabilities") or {}).get("transfers") == "active"
    return words.AccountSeen(thing["id"], active and bool(thing.get("payouts_enabled")), tags(thing))


def customer(thing: Json) -> words.CustomerSeen:
    """A Customer."""
    return words.CustomerSeen(thing["id"], tags(thing))


def dispute(thing: Json) -> words.DisputeSeen:
    """A Dispute with its lines in the books."""
    lines = [booking(line) for line in thing.get("balance_transactions") or []]
    details = thing["evidence_details"]
    return words.DisputeSeen(
        id=thing["id"],
        status=_DISPUTE_ENDS.get(thing["status"], "open"),
        intent=id_of(thing.get("payment_intent")),
        refundable=bool(thing.get("is_charge_refundable")),
        bookings=tuple(line for line in lines if line is not None),
        amount=thing["amount"],
        reason=thing["reason"],
        answerable=thing["status"] in _DISPUTE_WAITS,
        answer_by=moment(details["due_by"] or None),
        answers=details["submission_count"],
    )


def payout(thing: Json) -> words.PayoutSeen:
    """A Payout to our own bank."""
    lines = (booking(thing.get(name)) for name in ("balance_transaction", "failure_balance_transaction"))
    return words.PayoutSeen(thing["id"], tuple(line for line in lines if line is not None))


def event(thing: Json) -> words.EventSeen:
    """An Event; its object is a hint, not the truth."""
    about = thing["data"]["object"]
    return words.EventSeen(
        id=thing["id"],
        type=thing["type"],
        object_id=about.get("id") or "",
        account=thing.get("account") or "",
        api_version=thing.get("api_version") or "",
        livemode=thing["livemode"],
        created=datetime.fromtimestamp(thing["created"], UTC),
        payload=about,
    )
