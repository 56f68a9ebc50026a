"""What a Checkout Session looks like, and the things that are sold on it."""

from __future__ import annotations

from typing import Final

from payments.sandbox import intents
from payments.sandbox.call import Call, fresh_metadata, new_id
from payments.sandbox.errors import Invalid, not_modelled
from payments.sandbox.store import Json

#: How long a page lives unless told otherwise, and at most: seconds.
LONGEST: Final = 24 * 3600


def line_item(call: Call, item: Json, number: int) -> Json:
    """Give one thing that is sold. Raises `Invalid` for what has no price of its own."""
    param = f"line_items[{number}]"
    if "price_data" not in item:
        raise Invalid("The sandbox keeps no catalogue: give price_data.", param=f"{param}[price]")
    price = item["price_data"]
    product = price.get("product_data")
    if "unit_amount" not in price or product is None:
        raise Invalid(
            f"Missing required param: {param}[price_data][unit_amount].",
            param=param,
            code="parameter_missing",
        )
    for name in ("recurring", "tax_behavior"):
        if name in price:
            raise not_modelled(name)
    quantity = item.get("quantity", 0)
    if quantity < 1:
        raise Invalid("Quantity is required. Add `quantity` to `line_items`.", param=f"{param}[quantity]")
    amount = price["unit_amount"] * quantity
    return {
        "id": new_id("li"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": product["name"],
        "price": _price(call, price),
        "quantity": quantity,
    }


def _price(call: Call, price: Json) -> Json:
    return {
        "id": new_id("price"),
        "object": "price",
        "active": False,
        "billing_scheme": "per_unit",
        "created": call.now,
        "currency": price["currency"],
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": new_id("prod"),
        "recurring": None,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "one_time",
        "unit_amount": price["unit_amount"],
        "unit_amount_decimal": str(price["unit_amount"]),
    }


def session_object(call: Call, params: Json, session_id: str, items: list[Json], setup: Json | None) -> Json:
    """Give a new Checkout Session. Nothing is kept yet."""
    mode = "setup" if setup else "payment"
    intents.check_types(params)
    total = sum(item["amount_total"] for item in items) if items else None
    return {
        "id": session_id,
        "object": "checkout.session",
        "adaptive_pricing": None,
        "after_expiration": None,
        "allow_promotion_codes": None,
        "allowed_payment_method_types": params.get("allowed_payment_method_types"),
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": params.get("billing_address_collection"),
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "created": call.now,
        "currency": items[0]["currency"] if items else params.get("currency"),
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": (params.get("custom_text") or {}).get("submit") or None,
            "terms_of_service_acceptance": None,
        },
        "customer": params.get("customer"),
        "customer_account": None,
        "customer_creation": params.get("customer_creation", "if_required") if mode == "payment" else None,
        "customer_details": None,
        "customer_email": params.get("customer_email"),
        "discounts": [],
        "expires_at": params.get("expires_at", call.now + LONGEST),
        "invoice": None,
        "invoice_creation": None,
        "livemode": False,
        "locale": params.get("locale"),
        "metadata": fresh_metadata(params),
        "mode": mode,
        "origin_context": None,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": "if_required" if mode == "payment" else "always",
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "payment_status": "unpaid" if mode == "payment" else "no_payment_required",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": setup["id"] if setup else None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": params.get("submit_type"),
        "subscription": None,
        "success_url": params["success_url"],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0} if items else None,
        "ui_mode": "hosted_page",
        "url": call.page(f"checkout/{session_id}/", near=params["success_url"]),
        "wallet_options": None,
        "_intent_data": params.get("payment_intent_data") or {},
        "_line_items": items,
    }
