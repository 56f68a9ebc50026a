"""SetupIntents: save a card for later, with the cardholder there."""

from __future__ import annotations

from typing import Any, Final

from payments.sandbox.authorizing import OPEN, ask, declined, error_kept, unexpected
from payments.sandbox.call import Call, fresh_metadata, merged_metadata, new_id, public, route
from payments.sandbox.cards import Decline
from payments.sandbox.customers import attach, card_of, live_customer
from payments.sandbox.errors import ApiError, refused
from payments.sandbox.intents import check_types, method_given
from payments.sandbox.lists import listed
from payments.sandbox.store import Json

_REFUSES: Final = (
    "attach_to_self",
    "customer_account",
    "excluded_payment_method_types",
    "flow_directions",
    "payment_method_data",
)
_REFUSES_CREATED: Final = (*_REFUSES, "confirmation_token", "on_behalf_of", "single_use")
_AUTHENTICATION_FAILED: Final = Decline(
    "setup_intent_authentication_failure",
    None,
    "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
)


def setup_object(call: Call, params: Json, **fields: Any) -> Json:
    """Give a new SetupIntent. Nothing is kept yet."""
    allowed = check_types(params)
    setup_id = new_id("seti")
    dynamic = None if allowed is not None else {"allow_redirects": "always", "enabled": True}
    return {
        "id": setup_id,
        "object": "setup_intent",
        "allowed_payment_method_types": allowed,
        "application": None,
        "automatic_payment_methods": dynamic,
        "cancellation_reason": None,
        "client_secret": f"{setup_id}_secret_{new_id('s')[-16:]}",
        "created": call.now,
        "customer": params.get("customer"),
        "customer_account": None,
        "description": params.get("description"),
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": fresh_metadata(params),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": params.get("usage", "off_session"),
        **fields,
    }


@route("POST", "setup_intents", "SetupIntentCreateParams", refuses=_REFUSES_CREATED)
def create(call: Call, params: Json) -> Json:
    """Make a SetupIntent and with `confirm` save the card at once."""
    setup = setup_object(call, params)
    if "customer" in params:
        live_customer(call, params["customer"])
    method = method_given(call, params)
    if method is not None:
        setup.update(payment_method=method["id"], status="requires_confirmation")
    call.add(setup)
    call.emit("setup_intent.created", setup)
    if params.get("confirm"):
        return confirm(call, setup, method, params.get("return_url"))
    return setup


@route("GET", "setup_intents", "SetupIntentListParams", refuses=("attach_to_self", "customer_account"))
def list_setups(call: Call, params: Json) -> Json:
    """Give SetupIntents, newest first."""
    return listed(call, "setup_intent", params, filters=("customer", "payment_method"))


@route("GET", "setup_intents/{id}", "SetupIntentRetrieveParams")
def retrieve(call: Call, _params: Json) -> Json:
    """Give a SetupIntent."""
    return _find(call)


def _find(call: Call) -> Json:
    return call.find("setup_intent", call.path["id"], param="intent")


@route("POST", "setup_intents/{id}", "SetupIntentUpdateParams", refuses=_REFUSES)
def update(call: Call, params: Json) -> Json:
    """Change a SetupIntent that is not finished; metadata and description always."""
    setup = _find(call)
    frozen = set(params) - {"metadata", "description", "expand"}
    if frozen and setup["status"] not in OPEN:
        raise unexpected(setup, f"You cannot update {min(frozen)} because this SetupIntent has a status of")
    method = method_given(call, params)
    if method is not None:
        setup.update(payment_method=method["id"], status="requires_confirmation", next_action=None)
    for name in ("customer", "description"):
        if name in params:
            setup[name] = params[name] or None
    setup["metadata"] = merged_metadata(setup["metadata"], params)
    return call.put(setup)


@route(
    "POST",
    "setup_intents/{id}/confirm",
    "SetupIntentConfirmParams",
    refuses=("confirmation_token", "payment_method_data"),
)
def confirm_call(call: Call, params: Json) -> Json:
    """Save the card of a SetupIntent."""
    setup = _find(call)
    if setup.get("_session"):
        raise refused(
            "You cannot confirm the SetupIntent of a Checkout Session: the customer does that on its page."
        )
    method = method_given(call, params)
    if method is None and setup["payment_method"]:
        method = call.rows.get(setup["payment_method"])
    return confirm(call, setup, method, params.get("return_url"))


def confirm(call: Call, setup: Json, method: Json | None, return_url: str | None) -> Json:
    """Ask the issuer whether the card can be kept. A decline is kept and raised as `ApiError` 402."""
    if setup["status"] not in OPEN:
        raise unexpected(setup, "You cannot confirm this SetupIntent because it has a status of")
    if method is None:
        message = "You cannot confirm this SetupIntent because it's missing a payment method."
        raise unexpected(setup, message, whole=True)
    setup.update(payment_method=method["id"], last_setup_error=None, next_action=None)
    if card_of(method).asks != "never":
        return ask(call, setup, return_url)
    return save(call, setup, method, authenticated=False)


def save(call: Call, setup: Json, method: Json, *, authenticated: bool) -> Json:
    """Finish a SetupIntent: the card is the customer's from now on. A decline is kept and raised."""
    card = card_of(method)
    if card.decline is not None and not card.saves:
        raise _failed(call, setup, method, card.decline)
    if setup["customer"]:
        attach(call, method, setup["customer"])
    method["_authenticated"] = authenticated
    call.put(method)
    setup.update(status="succeeded", next_action=None, last_setup_error=None, latest_attempt=new_id("setatt"))
    call.emit("setup_intent.succeeded", setup)
    return call.put(setup)


def _failed(call: Call, setup: Json, method: Json, decline: Decline) -> ApiError:
    setup.update(
        status="requires_payment_method",
        last_setup_error=error_kept(decline, method),
        next_action=None,
        payment_method=None,
        latest_attempt=new_id("setatt"),
    )
    call.put(setup)
    call.emit("setup_intent.setup_failed", setup)
    return declined(decline, method, setup_intent=public(setup))


@route("POST", "setup_intents/{id}/cancel", "SetupIntentCancelParams")
def cancel_call(call: Call, params: Json) -> Json:
    """Cancel a SetupIntent that is not finished."""
    setup = _find(call)
    if setup.get("_session"):
        message = (
            "You cannot cancel the SetupIntent of a Checkout Session. Expire the Checkout Session instead."
        )
        raise unexpected(setup, message, whole=True)
    if setup["status"] not in OPEN:
        raise unexpected(setup, "You cannot cancel this SetupIntent because it has a status of")
    return cancel(call, setup, params.get("cancellation_reason"))


def cancel(call: Call, setup: Json, reason: str | None) -> Json:
    """Cancel an open SetupIntent."""
    setup.update(status="canceled", cancellation_reason=reason, next_action=None)
    call.emit("setup_intent.canceled", setup)
    return call.put(setup)


def answer_challenge(call: Call, setup: Json, *, passed: bool) -> Json:
    """Record what the cardholder did on the 3-D Secure page. A failure is kept and raised as `ApiError` 402."""
    if setup["status"] != "requires_action":
        raise unexpected(setup, "This card does not wait for authentication: it has a status of")
    method = call.find("payment_method", setup["payment_method"])
    if not passed:
        raise _failed(call, setup, method, _AUTHENTICATION_FAILED)
    return save(call, setup, method, authenticated=True)
