"""Customers and their saved cards."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from payments.sandbox.call import Call, fresh_metadata, merged_metadata, new_id, route
from payments.sandbox.cards import BY_FACE, BY_MAGIC, BY_NUMBER, Card
from payments.sandbox.errors import ApiError, Invalid, missing, refused
from payments.sandbox.lists import listed
from payments.sandbox.store import Json

_ADDRESS: Final = ("city", "country", "line1", "line2", "postal_code", "state")


# ---- customers


@route("POST", "customers", "CustomerCreateParams", refuses=("source", "test_clock", "cash_balance"))
def create_customer(call: Call, params: Json) -> Json:
    """Make a customer, with a card attached when one is given."""
    customer = new_customer(call, params, fresh_metadata(params))
    if "payment_method" in params:
        attach(call, find_method(call, params["payment_method"]), customer["id"])
    return customer


def new_customer(call: Call, details: Json, metadata: dict[str, str]) -> Json:
    """Keep a new customer and tell the webhook."""
    customer = call.add(
        {
            "id": new_id("cus"),
            "object": "customer",
            "address": details.get("address"),
            "balance": 0,
            "created": call.now,
            "currency": None,
            "default_source": None,
            "delinquent": False,
            "description": details.get("description"),
            "discount": None,
            "email": details.get("email"),
            "invoice_prefix": new_id("x")[-8:].upper(),
            "invoice_settings": {
                "custom_fields": None,
                "default_payment_method": None,
                "footer": None,
                "rendering_options": None,
            },
            "livemode": False,
            "metadata": metadata,
            "name": details.get("name"),
            "next_invoice_sequence": 1,
            "phone": details.get("phone"),
            "preferred_locales": details.get("preferred_locales") or [],
            "shipping": details.get("shipping"),
            "tax_exempt": "none",
            "test_clock": None,
        }
    )
    call.emit("customer.created", customer)
    return customer


@route("GET", "customers/{id}", "CustomerRetrieveParams")
def retrieve_customer(call: Call, _params: Json) -> Json:
    """Give a customer, or the stub that remains of a deleted one."""
    return call.find("customer", call.path["id"])


@route("POST", "customers/{id}", "CustomerUpdateParams", refuses=("source", "cash_balance"))
def update_customer(call: Call, params: Json) -> Json:
    """Change a customer's details."""
    customer = live_customer(call, call.path["id"], param="id")
    for name in ("address", "description", "email", "name", "phone", "preferred_locales", "shipping"):
        if name in params:
            customer[name] = params[name] or None
    default = params.get("invoice_settings", {}).get("default_payment_method")
    if default is not None:
        customer["invoice_settings"]["default_payment_method"] = default or None
    customer["metadata"] = merged_metadata(customer["metadata"], params)
    call.emit("customer.updated", customer)
    return call.put(customer)


@route("DELETE", "customers/{id}", "CustomerDeleteParams")
def delete_customer(call: Call, _params: Json) -> Json:
    """Delete a customer and let go of the saved cards."""
    customer = live_customer(call, call.path["id"], param="id")
    for method in call.rows.where("payment_method", customer=customer["id"]):
        method["customer"] = None
        call.put(method)
    call.emit("customer.deleted", customer)
    stub = {"id": customer["id"], "object": "customer", "deleted": True}
    call.put(stub)
    return stub


@route("GET", "customers", "CustomerListParams", refuses=("test_clock",))
def list_customers(call: Call, params: Json) -> Json:
    """Give customers, newest first."""
    return listed(call, "customer", params, filters=("email",))


def live_customer(call: Call, customer_id: str, *, param: str = "customer") -> Json:
    """Give a customer that is not deleted. Raises `ApiError` 404 otherwise."""
    customer = call.find("customer", customer_id, param=param)
    if customer.get("deleted"):
        raise missing("customer", customer_id, param=param)
    return customer


# ---- payment methods


def card_of(method: Json) -> Card:
    """Give the test card behind a payment method."""
    return BY_FACE[method["card"]["brand"], method["card"]["last4"]]


def method_object(
    call: Call, card: Card, *, expires: tuple[int, int] | None = None, details: Json | None = None
) -> Json:
    """Keep a new payment method for a test card. Of the card itself only brand and last four digits stay."""
    month, year = expires or (12, 2035)
    billing = details or {}
    face = f"{card.brand}{card.last4}".encode()
    return call.add(
        {
            "id": new_id("pm"),
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": {
                "address": {**dict.fromkeys(_ADDRESS), **(billing.get("address") or {})},
                "email": billing.get("email"),
                "name": billing.get("name"),
                "phone": billing.get("phone"),
                "tax_id": None,
            },
            "card": {
                "brand": card.brand,
                "checks": {
                    "address_line1_check": None,
                    "address_postal_code_check": None,
                    "cvc_check": "pass",
                },
                "country": "US",
                "display_brand": {"amex": "american_express"}.get(card.brand, card.brand),
                "exp_month": month,
                "exp_year": year,
                "fingerprint": hashlib.sha256(face).hexdigest()[:16],
                "funding": card.funding,
                "generated_from": None,
                "last4": card.last4,
                "networks": {"available": [card.brand], "preferred": None},
                "regulated_status": "unregulated",
                "three_d_secure_usage": {"supported": True},
                "wallet": None,
            },
            "created": call.now,
            "customer": None,
            "livemode": False,
            "metadata": {},
            "type": "card",
        }
    )


def find_method(call: Call, name: str) -> Json:
    """Give a payment method. A magic name such as `pm_card_visa` makes a new one each time, as with Stripe."""
    if name in BY_MAGIC:
        return method_object(call, BY_MAGIC[name])
    return call.find("payment_method", name, param="payment_method")


def _method_from_data(call: Call, data: Json) -> Json:
    """Make a payment method from the fields of a card. Raises `ApiError` for a number that is no test card."""
    given: Json = data.get("card") or {}
    if data.get("type", "card") != "card" or not given:
        raise Invalid("The sandbox takes cards only.", param="type")
    if "token" in given:
        card = BY_MAGIC.get("pm_card_" + given["token"].removeprefix("tok_"))
        if card is None:
            raise missing("token", given["token"], param="card[token]")
        return method_object(call, card, details=data.get("billing_details"))
    for name in ("number", "exp_month", "exp_year"):
        if name not in given:
            raise Invalid(
                f"Missing required param: card[{name}].", param=f"card[{name}]", code="parameter_missing"
            )
    card = known_card(given["number"])
    expires = (int(given["exp_month"]), int(given["exp_year"]))
    return method_object(call, card, expires=expires, details=data.get("billing_details"))


def known_card(number: str) -> Card:
    """Give the test card with this number. Raises `ApiError` 402 for any other: no real card gets in here."""
    digits = "".join(number.split())
    if digits in BY_NUMBER:
        return BY_NUMBER[digits]
    if digits.isascii() and digits.isdigit() and 12 <= len(digits) <= 19 and _passes_luhn(digits):
        raise ApiError(
            402,
            "Your card was declined. Your request was in test mode, but used a non test card. "
            "For a list of valid test cards, visit: https://docs.stripe.com/testing.",
            kind="card_error",
            code="card_declined",
            decline_code="test_mode_live_card",
            param="number",
        )
    raise ApiError(
        402, "Your card number is incorrect.", kind="card_error", code="incorrect_number", param="number"
    )


def _passes_luhn(digits: str) -> bool:
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


@route("POST", "payment_methods", "PaymentMethodCreateParams", refuses=("customer",))
def create_method(call: Call, params: Json) -> Json:
    """Make a payment method from a test card."""
    method = _method_from_data(call, params)
    method["metadata"] = fresh_metadata(params)
    return call.put(method)


@route("GET", "payment_methods/{id}", "PaymentMethodRetrieveParams")
def retrieve_method(call: Call, _params: Json) -> Json:
    """Give a payment method."""
    return find_method(call, call.path["id"])


@route("POST", "payment_methods/{id}", "PaymentMethodUpdateParams")
def update_method(call: Call, params: Json) -> Json:
    """Change the metadata and the billing details of a saved card."""
    method = call.find("payment_method", call.path["id"])
    if method["customer"] is None:
        raise refused("You must save this PaymentMethod to a customer before you can update it.")
    method["billing_details"].update(params.get("billing_details") or {})
    method["metadata"] = merged_metadata(method["metadata"], params)
    return call.put(method)


@route("GET", "payment_methods", "PaymentMethodListParams")
def list_methods(call: Call, params: Json) -> Json:
    """Give a customer's saved cards."""
    return listed(call, "payment_method", params, filters=("customer", "type"))


@route("GET", "customers/{id}/payment_methods", "CustomerPaymentMethodListParams")
def list_customer_methods(call: Call, params: Json) -> Json:
    """Give one customer's saved cards."""
    customer = live_customer(call, call.path["id"])
    url = f"/v1/customers/{customer['id']}/payment_methods"
    return listed(
        call, "payment_method", {**params, "customer": customer["id"]}, filters=("customer", "type"), url=url
    )


@route("GET", "customers/{id}/payment_methods/{method}", "CustomerPaymentMethodRetrieveParams")
def retrieve_customer_method(call: Call, _params: Json) -> Json:
    """Give one of a customer's saved cards."""
    method = call.find("payment_method", call.path["method"])
    if method["customer"] != call.path["id"]:
        raise missing("payment_method", call.path["method"])
    return method


@route("POST", "payment_methods/{id}/attach", "PaymentMethodAttachParams")
def attach_method(call: Call, params: Json) -> Json:
    """Save a card to a customer. An issuer that declines everything declines this too."""
    method = find_method(call, call.path["id"])
    if "customer" not in params:
        raise Invalid("Missing required param: customer.", param="customer", code="parameter_missing")
    live_customer(call, params["customer"])
    card = card_of(method)
    if card.decline and not card.saves:
        raise ApiError(
            402,
            card.decline.message,
            kind="card_error",
            code=card.decline.code,
            decline_code=card.decline.reason,
        )
    return attach(call, method, params["customer"])


def attach(call: Call, method: Json, customer_id: str) -> Json:
    """Save a card to a customer. Harmless when it is that customer's already; refused when it is another's."""
    if method["customer"] == customer_id:
        return method
    if method["customer"] is not None:
        raise refused(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_unexpected_state",
        )
    method["customer"] = customer_id
    call.emit("payment_method.attached", method)
    return call.put(method)


@route("POST", "payment_methods/{id}/detach", "PaymentMethodDetachParams")
def detach_method(call: Call, _params: Json) -> Json:
    """Let go of a saved card. It cannot be used again."""
    method = call.find("payment_method", call.path["id"])
    if method["customer"] is None:
        raise refused(
            "The payment method you provided is not attached to a customer so detachment is impossible."
        )
    previous: dict[str, Any] = {"customer": method["customer"]}
    method["customer"], method["_used_up"] = None, True
    call.emit("payment_method.detached", method, previous=previous)
    return call.put(method)
