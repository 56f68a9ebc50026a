"""Disputes: a cardholder asks the bank for the money back, and it goes at once."""

from __future__ import annotations

from typing import Final

from payments.sandbox import money
from payments.sandbox.call import Call, merged_metadata, new_id, route
from payments.sandbox.errors import Invalid, missing, not_modelled, refused
from payments.sandbox.lists import listed
from payments.sandbox.store import Json

_FEE: Final = 1500
_TIME_TO_ANSWER: Final = 7 * money.DAY
_OPEN: Final = ("needs_response", "under_review")
_EVIDENCE: Final = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)
# These name a file that was uploaded before, not a text.
_FILES: Final = frozenset(
    {
        "cancellation_policy",
        "customer_communication",
        "customer_signature",
        "duplicate_charge_documentation",
        "receipt",
        "refund_policy",
        "service_documentation",
        "shipping_documentation",
        "uncategorized_file",
    }
)
_LONGEST_TEXT: Final = 20_000
_LONGEST_EVIDENCE: Final = 150_000
_OUTCOMES: Final = {"winning_evidence": True, "losing_evidence": False}


def open_by_bank(call: Call, charge_id: str) -> None:
    """Let the dispute of a card that always disputes come in. Nothing happens when it cannot."""
    charge = call.rows.get(charge_id, "charge")
    if charge is not None and charge["captured"] and not charge["disputed"] and not charge["refunded"]:
        open_dispute(call, charge)


def open_dispute(call: Call, charge: Json, part: int | None = None) -> Json:
    """Take the charge's money (or a part of it) and a fee of 15 dollars from our balance until the dispute is decided."""
    if not charge["captured"] or charge["disputed"]:
        raise refused(f"Charge {charge['id']} cannot be disputed.")
    dispute_id = new_id("du")
    amount = charge["amount_captured"] - charge["amount_refunded"]
    if amount == 0:
        raise refused(f"Charge {charge['id']} has been refunded and cannot be disputed.")
    amount = min(amount, part or amount)
    entry = money.book(
        call,
        "adjustment",
        dispute_id,
        -amount,
        charge["currency"],
        fee=_FEE,
        available_on=call.now,
        description=f"Chargeback withdrawal for {charge['id']}",
        category="dispute",
    )
    card = charge["payment_method_details"]["card"]
    dispute = call.add(
        {
            "id": dispute_id,
            "object": "dispute",
            "amount": amount,
            "balance_transactions": [entry],
            "charge": charge["id"],
            "created": call.now,
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
            "evidence_details": {
                "due_by": call.now + _TIME_TO_ANSWER,
                "enhanced_eligibility": {},
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
                "submission_method": "not_submitted",
            },
            "is_charge_refundable": False,
            "livemode": False,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "payment_method_details": {
                "card": {
                    "brand": card["brand"],
                    "case_type": "chargeback",
                    "network": card["network"],
                    "network_reason_code": "10.4",
                },
                "type": "card",
            },
            "reason": "fraudulent",
            "status": "needs_response",
        }
    )
    charge["disputed"] = True
    call.put(charge)
    call.rows.schedule(call.now + _TIME_TO_ANSWER, "dispute_lapses", dispute_id)
    call.emit("charge.dispute.created", dispute)
    call.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


@route("GET", "disputes", "DisputeListParams")
def list_disputes(call: Call, params: Json) -> Json:
    """Give disputes, newest first."""
    return listed(call, "dispute", params, filters=("charge", "payment_intent"))


@route("GET", "disputes/{id}", "DisputeRetrieveParams")
def retrieve(call: Call, _params: Json) -> Json:
    """Give a dispute."""
    return call.find("dispute", call.path["id"])


@route("POST", "disputes/{id}", "DisputeUpdateParams", refuses=("intended_submission_method",))
def update(call: Call, params: Json) -> Json:
    """Lay evidence before the bank. With `submit` false it is staged, and a later call with `submit` true sends it.

    As in Stripe's test mode the text `winning_evidence` wins at once and `losing_evidence` loses at once. Anything
    else is under review until `decide`.
    """
    dispute = call.find("dispute", call.path["id"])
    sends = params.get("submit", "evidence" in params)
    if ("evidence" in params or sends) and dispute["status"] != "needs_response":
        raise refused(f"This dispute has a status of {dispute['status']}: evidence cannot be added.")
    _stage(dispute, params.get("evidence", {}))
    dispute["metadata"] = merged_metadata(dispute["metadata"], params)
    if not sends:
        call.emit("charge.dispute.updated", dispute)
        return call.put(dispute)
    details = dispute["evidence_details"]
    if not details["has_evidence"]:
        raise refused("There is no evidence to submit.", param="evidence")
    dispute["status"] = "under_review"
    details.update(submission_count=details["submission_count"] + 1, submission_method="manual")
    call.rows.unschedule("dispute_lapses", dispute["id"])
    call.emit("charge.dispute.updated", dispute)
    outcome = _OUTCOMES.get(dispute["evidence"]["uncategorized_text"])
    if outcome is not None:
        return _decide(call, dispute, won=outcome)
    return call.put(dispute)


def _stage(dispute: Json, given: Json) -> None:
    """Keep evidence. Raises `ApiError` for a text that is too long and for a file that is not there."""
    for name, text in given.items():
        if name in _FILES:
            # No files are kept here: they go to another host, with a call of their own.
            raise missing("file", text, param=f"evidence[{name}]")
        if isinstance(text, dict):
            raise not_modelled(f"evidence[{name}]")
        if len(text) > _LONGEST_TEXT:
            message = f"Evidence can have up to {_LONGEST_TEXT} characters in each field."
            raise Invalid(message, param=f"evidence[{name}]")
    staged = {**dispute["evidence"], **given}
    texts = [text for text in staged.values() if isinstance(text, str)]
    if sum(map(len, texts)) > _LONGEST_EVIDENCE:
        message = f"Evidence can have up to {_LONGEST_EVIDENCE} characters in all fields together."
        raise Invalid(message, param="evidence")
    dispute["evidence"] = staged
    dispute["evidence_details"]["has_evidence"] = bool(texts)


@route("POST", "disputes/{id}/close", "DisputeCloseParams")
def close(call: Call, _params: Json) -> Json:
    """Accept that the dispute is lost."""
    dispute = call.find("dispute", call.path["id"])
    if dispute["status"] not in _OPEN:
        raise refused(f"This dispute is closed already: it has a status of {dispute['status']}.")
    return _decide(call, dispute, won=False)


def outcomes(dispute: Json) -> tuple[str, ...]:
    """How the bank can decide a dispute now: for us only once it has our evidence."""
    if dispute["status"] == "under_review":
        return ("won", "lost")
    return ("lost",) if dispute["status"] in _OPEN else ()


def decide(call: Call, dispute: Json, *, won: bool) -> Json:
    """Let the bank decide. Raises `ApiError` when it cannot: see `outcomes`."""
    if ("won" if won else "lost") not in outcomes(dispute):
        raise refused(
            f"Dispute {dispute['id']} has a status of {dispute['status']}: the bank cannot decide it."
        )
    return _decide(call, dispute, won=won)


def reconsider(call: Call, dispute: Json) -> Json:
    """Let the bank give back what it had decided for the cardholder. Raises `ApiError` for anything but a lost dispute."""
    if dispute["status"] != "lost":
        raise refused(f"Dispute {dispute['id']} has a status of {dispute['status']}: nothing was lost.")
    return _decide(call, dispute, won=True)


def lapse(call: Call, dispute_id: str) -> None:
    """Lose a dispute that was not answered in time."""
    dispute = call.rows.get(dispute_id, "dispute")
    if dispute is not None and dispute["status"] == "needs_response":
        dispute["evidence_details"]["past_due"] = True
        _decide(call, dispute, won=False)


def _decide(call: Call, dispute: Json, *, won: bool) -> Json:
    dispute["status"] = "won" if won else "lost"
    call.rows.unschedule("dispute_lapses", dispute["id"])
    if won:
        entry = money.book(
            call,
            "adjustment",
            dispute["id"],
            dispute["amount"],
            dispute["currency"],
            available_on=call.now,
            description=f"Chargeback reversal for {dispute['charge']}",
            category="dispute_reversal",
        )
        dispute["balance_transactions"].append(entry)
    call.put(dispute)
    call.emit("charge.dispute.closed", dispute)
    if won:
        call.emit("charge.dispute.funds_reinstated", dispute)
    return dispute
