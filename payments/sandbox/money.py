"""Charges and what they do to the balance: fees, balance transactions and the balance itself.

Fees are those of a US account for domestic cards, 2.9 % + 30 cents, and 15 dollars a dispute; funds are available two
days after the capture. All amounts are minor units.
"""

from __future__ import annotations

from typing import Any, Final

from payments.sandbox.call import Call, merged_metadata, new_id, route
from payments.sandbox.cards import Decline
from payments.sandbox.customers import card_of
from payments.sandbox.errors import Invalid, refused
from payments.sandbox.lists import listed
from payments.sandbox.store import Json

DAY: Final = 24 * 3600
SETTLEMENT: Final = 2 * DAY
# How long an authorization lives by network and by who was there: Visa gives a merchant-initiated one 4 days 18 hours.
_HOLD_VISA_OFF_SESSION: Final = 4 * DAY + 18 * 3600
_HOLD: Final = 7 * DAY
MINIMUM: Final = 50
MAXIMUM: Final = 99_999_999


def fee_of(amount: int) -> int:
    """Give the processing fee of a charge: 2.9 % rounded half up, plus 30 cents."""
    return (amount * 29 + 500) // 1000 + 30


def check_amount(amount: int, *, param: str = "amount") -> None:
    """Raise `Invalid` unless the amount may be charged at all."""
    if amount < 1:
        raise Invalid(
            "This value must be greater than or equal to 1.", param=param, code="parameter_invalid_integer"
        )
    if amount < MINIMUM:
        raise Invalid("Amount must be at least $0.50 usd", param=param, code="amount_too_small")
    if amount > MAXIMUM:
        raise Invalid("Amount must be no more than $999,999.99", param=param, code="amount_too_large")


# ---- balance transactions


def book(
    call: Call,
    kind: str,
    source: str | None,
    amount: int,
    currency: str,
    *,
    fee: int = 0,
    available_on: int,
    description: str | None = None,
    category: str | None = None,
) -> Json:
    """Change this account's balance by `amount - fee` and give the balance transaction."""
    details = [
        {
            "amount": fee,
            "application": None,
            "currency": currency,
            "description": "Dispute fee" if category == "dispute" else "Stripe processing fees",
            "type": "stripe_fee",
        }
    ]
    entry = call.add(
        {
            "id": new_id("txn"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": available_on,
            "balance_type": "payments",
            "created": call.now,
            "currency": currency,
            "description": description,
            "exchange_rate": None,
            "fee": fee,
            "fee_details": details if fee else [],
            "net": amount - fee,
            "reporting_category": category or kind,
            "source": source,
            "status": "pending",
            "type": kind,
        }
    )
    call.rows.sql(
        "INSERT INTO money (id, account, currency, net, available_on) VALUES (?, ?, ?, ?, ?)",
        (entry["id"], call.account, currency, amount - fee, available_on),
    )
    return entry


def balances(call: Call) -> dict[str, tuple[int, int]]:
    """Give available and pending money by currency."""
    found = call.rows.sql(
        "SELECT currency, sum(iif(available_on <= ?, net, 0)), sum(iif(available_on > ?, net, 0))"
        " FROM money WHERE account = ? GROUP BY currency ORDER BY currency",
        (call.now, call.now, call.account),
    )
    return {str(row[0]): (int(row[1]), int(row[2])) for row in found}


def available(call: Call, currency: str) -> int:
    """Give the money that can be paid out now."""
    return balances(call).get(currency, (0, 0))[0]


@route("GET", "balance", "BalanceRetrieveParams")
def retrieve_balance(call: Call, _params: Json) -> Json:
    """Give the account's balance."""
    held = balances(call) or {"usd": (0, 0)}

    def part(place: int) -> list[Json]:
        return [
            {"amount": sums[place], "currency": currency, "source_types": {"card": sums[place]}}
            for currency, sums in held.items()
        ]

    return {"object": "balance", "available": part(0), "livemode": False, "pending": part(1)}


@route("GET", "balance_transactions", "BalanceTransactionListParams")
def list_transactions(call: Call, params: Json) -> Json:
    """Give every change of the balance, newest first."""
    return listed(call, "balance_transaction", params, filters=("currency", "payout", "source", "type"))


@route("GET", "balance_transactions/{id}", "BalanceTransactionRetrieveParams")
def retrieve_transaction(call: Call, _params: Json) -> Json:
    """Give one change of the balance."""
    return call.find("balance_transaction", call.path["id"])


# ---- charges


def charge_object(call: Call, **fields: Any) -> Json:
    """Give the fields that every charge has. Nothing is kept yet."""
    return {
        "id": new_id("ch"),
        "object": "charge",
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "calculated_statement_descriptor": "RALLY",
        "captured": False,
        "created": call.now,
        "customer": None,
        "description": None,
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": {},
        "on_behalf_of": None,
        "outcome": None,
        "paid": True,
        "payment_intent": None,
        "payment_method": None,
        "payment_method_details": None,
        "radar_options": {},
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded",
        "transfer_data": None,
        "transfer_group": None,
        "billing_details": {
            "address": dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state")),
            "email": None,
            "name": None,
            "phone": None,
            "tax_id": None,
        },
        **fields,
    }


def charge_card(
    call: Call,
    intent: Json,
    method: Json,
    *,
    off_session: bool,
    authenticated: bool,
    decline: Decline | None = None,
) -> Json:
    """Record one attempt at the issuer: an authorization, or with `decline` a failed charge."""
    card = method["card"]
    visa_alone = card["brand"] == "visa" and off_session
    hold = intent["capture_method"] == "manual" and decline is None
    details: Json = {
        "amount_authorized": intent["amount"] if decline is None else None,
        "authorization_code": new_id("a")[-6:].upper() if decline is None else None,
        "brand": card["brand"],
        "checks": card["checks"],
        "country": "US",
        "exp_month": card["exp_month"],
        "exp_year": card["exp_year"],
        "extended_authorization": {"status": "disabled"},
        "fingerprint": card["fingerprint"],
        "funding": card["funding"],
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "last4": card["last4"],
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": new_id("n")[-15:],
        "overcapture": {"maximum_amount_capturable": intent["amount"], "status": "unavailable"},
        "regulated_status": "unregulated",
        "three_d_secure": _three_d_secure() if authenticated else None,
        "wallet": None,
    }
    if hold:
        details["capture_before"] = call.now + (_HOLD_VISA_OFF_SESSION if visa_alone else _HOLD)
    charge = charge_object(
        call,
        amount=intent["amount"],
        billing_details=method["billing_details"],
        currency=intent["currency"],
        customer=intent["customer"],
        description=intent["description"],
        metadata=dict(intent["metadata"]),
        outcome=_outcome(decline),
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details={"card": details, "type": "card"},
        receipt_email=intent["receipt_email"],
        shipping=intent["shipping"],
        statement_descriptor=intent["statement_descriptor"],
        statement_descriptor_suffix=intent["statement_descriptor_suffix"],
        transfer_group=intent["transfer_group"],
    )
    if decline is not None:
        charge.update(paid=False, status="failed", failure_code=decline.code, failure_message=decline.message)
    return call.add(charge)


def _three_d_secure() -> Json:
    return {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": new_id("tds"),
        "version": "2.2.0",
    }


def _outcome(decline: Decline | None) -> Json:
    if decline is None:
        status, reason, message, kind = "approved_by_network", None, "Payment complete.", "authorized"
    elif decline.blocked:
        status, reason, kind = "not_sent_to_network", "highest_risk_level", "blocked"
        message = "Stripe blocked this payment as too risky."
    else:
        status, reason, kind = "declined_by_network", decline.reason, "issuer_declined"
        message = "The bank did not return any further details with this decline."
    return {
        "advice_code": decline.advice if decline else None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": status,
        "reason": reason,
        "risk_level": "highest" if decline and decline.blocked else "normal",
        "risk_score": 90 if decline and decline.blocked else 15,
        "seller_message": message,
        "type": kind,
    }


def capture(call: Call, charge: Json, amount: int) -> Json:
    """Take the money of an authorized charge. What is not taken is released, and no refund is made for it."""
    card = card_of(call.rows.get(charge["payment_method"]) or {})
    ready = call.now if card.instant else call.now + SETTLEMENT
    entry = book(
        call, "charge", charge["id"], amount, charge["currency"], fee=fee_of(amount), available_on=ready
    )
    charge.update(captured=True, amount_captured=amount, balance_transaction=entry["id"])
    if card.disputed:
        call.rows.schedule(call.now + 60, "dispute", charge["id"])
    return call.put(charge)


@route("GET", "charges", "ChargeListParams")
def list_charges(call: Call, params: Json) -> Json:
    """Give charges, newest first. Failed attempts are charges too."""
    return listed(call, "charge", params, filters=("customer", "payment_intent", "transfer_group"))


@route("GET", "charges/{id}", "ChargeRetrieveParams")
def retrieve_charge(call: Call, _params: Json) -> Json:
    """Give a charge."""
    return call.find("charge", call.path["id"])


@route("POST", "charges/{id}", "ChargeUpdateParams", refuses=("fraud_details",))
def update_charge(call: Call, params: Json) -> Json:
    """Change what is written on a charge."""
    charge = call.find("charge", call.path["id"])
    if "transfer_group" in params:
        if charge["transfer_group"] not in (None, params["transfer_group"]):
            raise refused("The transfer_group of this charge is already set.", param="transfer_group")
        charge["transfer_group"] = params["transfer_group"]
    for name in ("description", "receipt_email", "shipping"):
        if name in params:
            charge[name] = params[name]
    charge["metadata"] = merged_metadata(charge["metadata"], params)
    call.emit("charge.updated", charge)
    return call.put(charge)
