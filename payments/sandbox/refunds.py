"""Refunds: to the card that paid, never above what was captured, and not always for good."""

from __future__ import annotations

from typing import Final

from payments.sandbox import money
from payments.sandbox.call import Call, fresh_metadata, merged_metadata, new_id, route
from payments.sandbox.customers import card_of
from payments.sandbox.errors import Invalid, missing, refused
from payments.sandbox.lists import listed
from payments.sandbox.store import Json

# How long a refund that takes its time is under way, and how long after success a failing one comes back.
_ARRIVES_AFTER: Final = money.DAY
_BOUNCES_AFTER: Final = 2 * money.DAY


@route(
    "POST",
    "refunds",
    "RefundCreateParams",
    refuses=("customer", "instructions_email", "origin", "refund_application_fee", "reverse_transfer"),
)
def create(call: Call, params: Json) -> Json:
    """Give money back, all that is left unless an amount is told."""
    charge = _charge_of(call, params)
    if "amount" in params and params["amount"] < 1:
        raise Invalid("This value must be greater than or equal to 1.", param="amount")
    return make(
        call, charge, params.get("amount"), reason=params.get("reason"), metadata=fresh_metadata(params)
    )


def _charge_of(call: Call, params: Json) -> Json:
    if ("charge" in params) == ("payment_intent" in params):
        raise Invalid(
            "One of the following params should be provided for this request: payment_intent or charge."
        )
    if "charge" in params:
        return call.find("charge", params["charge"], param="charge")
    intent = call.find("payment_intent", params["payment_intent"], param="payment_intent")
    if intent["status"] == "requires_capture":
        message = "This PaymentIntent has uncaptured funds. Cancel it instead of refunding it."
        raise refused(message, code="charge_not_refundable", param="payment_intent")
    if intent["status"] != "succeeded":
        message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        raise refused(message, param="payment_intent")
    return call.find("charge", intent["latest_charge"])


def make(
    call: Call, charge: Json, amount: int | None, *, reason: str | None, metadata: dict[str, str]
) -> Json:
    """Refund a charge. Raises `ApiError` when it is not captured, disputed, fully refunded or the amount is above the rest."""
    _check_refundable(call, charge)
    left = charge["amount_captured"] - charge["amount_refunded"]
    if amount is None:
        amount = left
    if left == 0:
        raise refused(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if amount > left:
        message = f"Refund amount (${amount / 100:,.2f}) is greater than unrefunded amount on charge (${left / 100:,.2f})"
        raise refused(message, param="amount")
    card = card_of(call.rows.get(charge["payment_method"]) or {})
    slow = card.refunds == "later"
    refund = {
        "id": new_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "destination_details": {
            "card": {
                "reference": None if slow else new_id("r")[-11:],
                "reference_status": "pending" if slow else "available",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
            "type": "card",
        },
        "metadata": metadata,
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending" if slow else "succeeded",
        "transfer_reversal": None,
    }
    if slow:
        refund["pending_reason"] = "processing"
    # Money that has not arrived yet is given back from what has not arrived yet.
    paid_in = call.rows.get(charge["balance_transaction"]) or {}
    entry = money.book(
        call,
        "refund",
        refund["id"],
        -amount,
        charge["currency"],
        available_on=max(call.now, paid_in.get("available_on", call.now)),
        description="REFUND FOR CHARGE",
    )
    refund["balance_transaction"] = entry["id"]
    call.add(refund)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    call.put(charge)
    if slow:
        call.rows.schedule(call.now + _ARRIVES_AFTER, "refund_arrives", refund["id"])
    elif card.refunds == "fails_later":
        call.rows.schedule(call.now + _BOUNCES_AFTER, "refund_fails", refund["id"])
    call.emit("charge.refunded", charge)
    call.emit("refund.created", refund)
    return refund


def _check_refundable(call: Call, charge: Json) -> None:
    if charge["status"] != "succeeded" or not charge["captured"]:
        message = f"Charge {charge['id']} has not been captured: cancel its PaymentIntent instead."
        raise refused(message, code="charge_not_refundable")
    won = charge["disputed"] and all(
        each["status"] == "won" for each in call.rows.where("dispute", charge=charge["id"])
    )
    if charge["disputed"] and not won:
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise refused(message, code="charge_disputed")


@route("GET", "refunds", "RefundListParams")
def list_refunds(call: Call, params: Json) -> Json:
    """Give refunds, newest first."""
    return listed(call, "refund", params, filters=("charge", "payment_intent"))


@route("GET", "charges/{id}/refunds", "ChargeListRefundsParams")
def list_charge_refunds(call: Call, params: Json) -> Json:
    """Give the refunds of one charge, newest first."""
    charge = call.find("charge", call.path["id"])
    url = f"/v1/charges/{charge['id']}/refunds"
    return listed(call, "refund", {**params, "charge": charge["id"]}, filters=("charge",), url=url)


@route("GET", "refunds/{id}", "RefundRetrieveParams")
def retrieve(call: Call, _params: Json) -> Json:
    """Give a refund."""
    return call.find("refund", call.path["id"])


@route("POST", "refunds/{id}", "RefundUpdateParams")
def update(call: Call, params: Json) -> Json:
    """Change a refund's metadata."""
    refund = call.find("refund", call.path["id"])
    refund["metadata"] = merged_metadata(refund["metadata"], params)
    call.emit("refund.updated", refund)
    return call.put(refund)


@route("POST", "refunds/{id}/cancel", "RefundCancelParams")
def cancel(call: Call, _params: Json) -> Json:
    """Refuse: Stripe cancels only refunds that wait for the customer, and those of cards never do."""
    refund = call.find("refund", call.path["id"])
    raise refused(f"Refund {refund['id']} has a status of {refund['status']} and cannot be canceled.")


def arrive(call: Call, refund_id: str) -> None:
    """Let a slow refund succeed."""
    refund = _again(call, refund_id)
    refund["status"] = "succeeded"
    refund.pop("pending_reason", None)
    refund["destination_details"]["card"].update(reference=new_id("r")[-11:], reference_status="available")
    call.put(refund)
    for kind in ("refund.updated", "charge.refund.updated"):
        call.emit(kind, refund, previous={"status": "pending"})


def bounce(call: Call, refund_id: str) -> None:
    """Let a refund fail after it had succeeded: the money is ours again and the customer is still owed."""
    refund = _again(call, refund_id)
    entry = money.book(
        call,
        "refund_failure",
        refund["id"],
        refund["amount"],
        refund["currency"],
        available_on=call.now,
        description="REFUND FAILURE",
    )
    refund.update(
        status="failed", failure_balance_transaction=entry["id"], failure_reason="expired_or_canceled_card"
    )
    call.put(refund)
    charge = call.rows.get(refund["charge"], "charge")
    if charge is None:
        raise missing("charge", refund["charge"])
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    call.put(charge)
    for kind in ("refund.failed", "refund.updated", "charge.refund.updated"):
        call.emit(kind, refund)


def _again(call: Call, refund_id: str) -> Json:
    refund = call.rows.get(refund_id, "refund")
    if refund is None:
        raise missing("refund", refund_id)
    return refund
