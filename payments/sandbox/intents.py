"""PaymentIntents: authorize, capture once, cancel, expire."""

from __future__ import annotations

from typing import Any, Final

from payments.sandbox import money
from payments.sandbox.authorizing import OPEN, check_owner, confirm, unexpected
from payments.sandbox.call import Call, fresh_metadata, merged_metadata, new_id, route
from payments.sandbox.customers import find_method, live_customer
from payments.sandbox.errors import Invalid, refused
from payments.sandbox.lists import listed
from payments.sandbox.store import Json

_REFUSES: Final = (
    "amount_details",
    "excluded_payment_method_types",
    "hooks",
    "payment_details",
    "payment_method_data",
)
_REFUSES_CHANGED: Final = (*_REFUSES, "application_fee_amount", "customer_account", "transfer_data")
_REFUSES_CONFIRMED: Final = (*_REFUSES, "confirmation_token", "mandate")
_REFUSES_CREATED: Final = (*_REFUSES_CHANGED, "confirmation_token", "mandate", "on_behalf_of")
_SPECIAL: Final = (
    "capture_method",
    "request_incremental_authorization",
    "request_multicapture",
    "request_overcapture",
    "setup_future_usage",
)


def check_types(params: Json) -> list[str] | None:
    """Give the allowed payment method types, None for the dashboard's. Raises `Invalid` unless cards are among them."""
    allowed: list[str] | None = params.get("allowed_payment_method_types")
    if allowed is not None and params.get("automatic_payment_methods"):
        raise Invalid(
            "You may only specify one of these parameters: allowed_payment_method_types, automatic_payment_methods.",
            param="allowed_payment_method_types",
        )
    if allowed is not None and "card" not in allowed:
        raise Invalid("The sandbox takes cards only.", param="allowed_payment_method_types")
    return allowed


def card_options(params: Json) -> Json:
    """Give the card options as answered. Raises `Invalid` for those that need a special contract or say things twice."""
    options = (params.get("payment_method_options") or {}).get("card") or {}
    for name in _SPECIAL:
        if options.get(name) not in (None, "never"):
            raise Invalid(
                f"The sandbox does not model {name}.", param=f"payment_method_options[card][{name}]"
            )
    return {
        "installments": None,
        "mandate_options": None,
        "network": None,
        "request_three_d_secure": options.get("request_three_d_secure", "automatic"),
    }


def intent_object(call: Call, params: Json, **fields: Any) -> Json:
    """Give a new PaymentIntent. Nothing is kept yet."""
    allowed = check_types(params)
    intent_id = new_id("pi")
    dynamic = None
    if allowed is None:
        given = params.get("automatic_payment_methods") or {}
        dynamic = {
            "allow_redirects": given.get("allow_redirects", "always"),
            "enabled": given.get("enabled", True),
        }
    return {
        "id": intent_id,
        "object": "payment_intent",
        "allowed_payment_method_types": allowed,
        "amount": params["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": dynamic,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": params.get("capture_method", "automatic_async"),
        "client_secret": f"{intent_id}_secret_{new_id('s')[-16:]}",
        "confirmation_method": params.get("confirmation_method", "automatic"),
        "created": call.now,
        "currency": params["currency"],
        "customer": params.get("customer"),
        "customer_account": None,
        "description": params.get("description"),
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": fresh_metadata(params),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": card_options(params)},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": params.get("receipt_email"),
        "review": None,
        "setup_future_usage": params.get("setup_future_usage"),
        "shipping": params.get("shipping"),
        "source": None,
        "statement_descriptor": params.get("statement_descriptor"),
        "statement_descriptor_suffix": params.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": params.get("transfer_group"),
        **fields,
    }


@route("POST", "payment_intents", "PaymentIntentCreateParams", refuses=_REFUSES_CREATED)
def create(call: Call, params: Json) -> Json:
    """Make a PaymentIntent and with `confirm` authorize it at once."""
    money.check_amount(params["amount"])
    _check_currency(params["currency"])
    if not params.get("confirm"):
        for name in ("off_session", "error_on_requires_action", "return_url"):
            if params.get(name):
                message = f"The parameter `{name}` cannot be passed when creating a PaymentIntent unless `confirm` is set to true."
                raise Invalid(message, param=name)
    intent = intent_object(call, params)
    if "customer" in params:
        live_customer(call, params["customer"])
    method = method_given(call, params)
    if method is not None:
        check_owner(intent, method)
        intent.update(payment_method=method["id"], status="requires_confirmation")
    call.add(intent)
    call.emit("payment_intent.created", intent)
    if params.get("confirm"):
        return confirm(call, intent, method, params)
    return intent


def _check_currency(currency: str) -> None:
    if len(currency) != 3 or not currency.isalpha() or not currency.islower():
        raise Invalid(f"Invalid currency: {currency}", param="currency")


def method_given(call: Call, params: Json) -> Json | None:
    """Give the payment method that a call names, None when it names none."""
    return find_method(call, params["payment_method"]) if "payment_method" in params else None


@route("GET", "payment_intents", "PaymentIntentListParams", refuses=("customer_account",))
def list_intents(call: Call, params: Json) -> Json:
    """Give PaymentIntents, newest first."""
    return listed(call, "payment_intent", params, filters=("customer",))


@route("GET", "payment_intents/{id}", "PaymentIntentRetrieveParams")
def retrieve(call: Call, _params: Json) -> Json:
    """Give a PaymentIntent."""
    return _find(call)


def _find(call: Call) -> Json:
    return call.find("payment_intent", call.path["id"], param="intent")


@route("POST", "payment_intents/{id}", "PaymentIntentUpdateParams", refuses=_REFUSES_CHANGED)
def update(call: Call, params: Json) -> Json:
    """Change a PaymentIntent. Once money is held or gone only words about it can change."""
    intent = _find(call)
    frozen = set(params) - {
        "metadata",
        "description",
        "transfer_group",
        "receipt_email",
        "shipping",
        "expand",
    }
    if frozen and intent["status"] not in OPEN:
        raise unexpected(
            intent, f"You cannot update {min(frozen)} because this PaymentIntent has a status of"
        )
    if "amount" in params:
        money.check_amount(params["amount"])
    for name in (
        "amount",
        "capture_method",
        "currency",
        "customer",
        "setup_future_usage",
        "statement_descriptor_suffix",
    ):
        if name in params:
            intent[name] = params[name] or None
    for name in ("description", "receipt_email", "shipping", "transfer_group"):
        if name in params:
            intent[name] = params[name] or None
    method = method_given(call, params)
    if method is not None:
        check_owner(intent, method)
        intent.update(payment_method=method["id"], status="requires_confirmation", next_action=None)
    intent["metadata"] = merged_metadata(intent["metadata"], params)
    return call.put(intent)


@route("POST", "payment_intents/{id}/confirm", "PaymentIntentConfirmParams", refuses=_REFUSES_CONFIRMED)
def confirm_call(call: Call, params: Json) -> Json:
    """Authorize a PaymentIntent."""
    intent = _find(call)
    if intent.get("_session"):
        raise refused(
            "You cannot confirm the PaymentIntent of a Checkout Session: the customer does that on its page."
        )
    method = method_given(call, params)
    if method is None and intent["payment_method"]:
        method = call.rows.get(intent["payment_method"])
    for name in ("capture_method", "receipt_email", "setup_future_usage", "shipping"):
        if name in params:
            intent[name] = params[name] or None
    return confirm(call, intent, method, params)


@route(
    "POST",
    "payment_intents/{id}/capture",
    "PaymentIntentCaptureParams",
    refuses=("amount_details", "application_fee_amount", "hooks", "payment_details", "transfer_data"),
)
def capture(call: Call, params: Json) -> Json:
    """Take held money, once, up to the amount held. The rest is released without a refund."""
    intent = _find(call)
    if intent["status"] != "requires_capture":
        message = (
            f"This PaymentIntent could not be captured because it has a status of {intent['status']}. "
            "Only a PaymentIntent with one of the following statuses may be captured: requires_capture."
        )
        raise unexpected(intent, message, whole=True)
    amount: int = (
        params["amount_to_capture"] if "amount_to_capture" in params else intent["amount_capturable"]
    )
    if params.get("final_capture") is False:
        raise refused("This PaymentIntent is not eligible for multicapture.", param="final_capture")
    if amount > intent["amount_capturable"]:
        message = (
            f"The amount to capture ({amount}) must be less than or equal to the amount capturable "
            f"({intent['amount_capturable']})."
        )
        raise refused(message, code="amount_too_large", param="amount_to_capture")
    money.check_amount(amount, param="amount_to_capture")
    charge = money.capture(call, call.find("charge", intent["latest_charge"]), amount)
    intent["metadata"] = merged_metadata(intent["metadata"], params)
    intent.update(status="succeeded", amount_capturable=0, amount_received=amount)
    call.rows.unschedule("hold", intent["id"])
    call.put(intent)
    _mark_session_paid(call, intent)
    call.emit("charge.captured", charge)
    call.emit("payment_intent.succeeded", intent)
    return intent


def _mark_session_paid(call: Call, intent: Json) -> None:
    session = call.rows.get(intent.get("_session") or "", "checkout.session")
    if session is not None:
        session["payment_status"] = "paid"
        call.put(session)


@route("POST", "payment_intents/{id}/cancel", "PaymentIntentCancelParams")
def cancel_call(call: Call, params: Json) -> Json:
    """Cancel an intent and release what it holds."""
    intent = _find(call)
    if intent.get("_session") and intent["status"] in OPEN:
        message = (
            "You cannot cancel the PaymentIntent of a Checkout Session unless it has a status of requires_capture. "
            "Expire the Checkout Session instead."
        )
        raise unexpected(intent, message, whole=True)
    if intent["status"] not in (*OPEN, "requires_capture"):
        raise unexpected(intent, "You cannot cancel this PaymentIntent because it has a status of")
    return cancel(call, intent, params.get("cancellation_reason"))


def cancel(call: Call, intent: Json, reason: str | None) -> Json:
    """Cancel an open or held intent. No refund is made: nothing was taken."""
    intent.update(
        status="canceled",
        canceled_at=call.now,
        cancellation_reason=reason,
        amount_capturable=0,
        next_action=None,
    )
    call.rows.unschedule("hold", intent["id"])
    call.emit("payment_intent.canceled", intent)
    return call.put(intent)


def expire_hold(call: Call, intent_id: str) -> None:
    """Let a hold lapse that was neither captured nor canceled in time."""
    intent = call.rows.get(intent_id, "payment_intent")
    if intent is None or intent["status"] != "requires_capture":
        return
    charge = call.rows.get(intent["latest_charge"])
    if charge is not None:
        call.emit("charge.expired", charge)
    cancel(call, intent, "expired")
