"""Checkout Sessions: a page on which a customer pays or saves a card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from payments.sandbox import authorizing, intents, money, setups
from payments.sandbox.call import Call, fresh_metadata, merged_metadata, new_id, route
from payments.sandbox.customers import card_of, known_card, live_customer, method_object, new_customer
from payments.sandbox.errors import Invalid, not_modelled, refused
from payments.sandbox.lists import listed
from payments.sandbox.sessions import LONGEST, line_item, session_object
from payments.sandbox.store import Json

_REFUSES: Final = (
    "adaptive_pricing",
    "after_expiration",
    "allow_promotion_codes",
    "automatic_tax",
    "custom_fields",
    "customer_account",
    "discounts",
    "excluded_payment_method_types",
    "invoice_creation",
    "managed_payments",
    "optional_items",
    "payment_method_data",
    "shipping_address_collection",
    "shipping_options",
    "subscription_data",
    "tax_id_collection",
)
# What belongs to the other mode.
_FOREIGN: Final = {
    "payment": ("setup_intent_data",),
    "setup": ("customer_creation", "line_items", "payment_intent_data", "submit_type"),
}
_SHORTEST: Final = 30 * 60


@dataclass(frozen=True)
class Typed:
    """What someone typed into the hosted page."""

    number: str
    expires: tuple[int, int]
    cvc: str
    name: str = ""
    email: str | None = None


@route("POST", "checkout/sessions", "checkout.SessionCreateParams", refuses=_REFUSES)
def create(call: Call, params: Json) -> Json:
    """Open a session. Its PaymentIntent is made when the customer confirms; a SetupIntent is made at once."""
    mode = params.get("mode", "payment")
    _check(call, params, mode)
    items = [line_item(call, item, number) for number, item in enumerate(params.get("line_items", ()))]
    total = sum(item["amount_total"] for item in items)
    if mode == "payment":
        money.check_amount(total, param="line_items")
    session_id = new_id("cs_test")
    setup = _setup(call, params, session_id) if mode == "setup" else None
    session = call.add(session_object(call, params, session_id, items, setup))
    call.rows.schedule(session["expires_at"], "session", session_id)
    return session


def _check(call: Call, params: Json, mode: str) -> None:
    if mode == "subscription":
        raise not_modelled("mode=subscription")
    if params.get("ui_mode", "hosted_page") != "hosted_page":
        raise not_modelled("ui_mode")
    needed = ("success_url", "line_items") if mode == "payment" else ("success_url",)
    for name in needed:
        if not params.get(name):
            raise Invalid(f"Missing required param: {name}.", param=name, code="parameter_missing")
    for name in ("success_url", "cancel_url"):
        if name in params and urlsplit(params[name]).scheme not in ("http", "https"):
            raise Invalid("Not a valid URL", param=name, code="url_invalid")
    for name in _FOREIGN[mode]:
        if name in params:
            raise Invalid(f"You can not pass `{name}` in `{mode}` mode.", param=name)
    _check_customer(call, params)
    intents.card_options(params)
    if len(params.get("client_reference_id", "")) > 200:
        raise Invalid("client_reference_id can have up to 200 characters.", param="client_reference_id")
    _check_expiry(call, params.get("expires_at"))
    inner = params.get("payment_intent_data") or params.get("setup_intent_data") or {}
    for name in ("application_fee_amount", "on_behalf_of", "transfer_data"):
        if name in inner:
            raise not_modelled(name)
    fresh_metadata(inner)


def _check_customer(call: Call, params: Json) -> None:
    if "customer" not in params:
        return
    if "customer_email" in params:
        message = "You may only specify one of these parameters: customer, customer_email."
        raise Invalid(message, param="customer_email")
    live_customer(call, params["customer"])


def _check_expiry(call: Call, expires_at: int | None) -> None:
    if expires_at is None:
        return
    if expires_at < call.now + _SHORTEST:
        message = "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation."
        raise Invalid(message, param="expires_at")
    if expires_at > call.now + LONGEST:
        message = "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation."
        raise Invalid(message, param="expires_at")


def _setup(call: Call, params: Json, session_id: str) -> Json:
    given = {**(params.get("setup_intent_data") or {}), "customer": params.get("customer")}
    given["allowed_payment_method_types"] = params.get("allowed_payment_method_types")
    setup = call.add(setups.setup_object(call, given, _session=session_id))
    call.emit("setup_intent.created", setup)
    return setup


@route("GET", "checkout/sessions", "checkout.SessionListParams", refuses=("customer_account",))
def list_sessions(call: Call, params: Json) -> Json:
    """Give sessions, newest first."""
    for name in ("customer_details", "payment_link", "subscription"):
        if name in params:
            raise not_modelled(name)
    filters = ("customer", "payment_intent", "status")
    return listed(call, "checkout.session", params, filters=filters, url="/v1/checkout/sessions")


@route("GET", "checkout/sessions/{id}", "checkout.SessionRetrieveParams")
def retrieve(call: Call, _params: Json) -> Json:
    """Give a session."""
    return find(call, call.path["id"])


def find(call: Call, session_id: str) -> Json:
    """Give a session. Raises `ApiError` 404."""
    return call.find("checkout.session", session_id, param="session")


@route(
    "POST",
    "checkout/sessions/{id}",
    "checkout.SessionUpdateParams",
    refuses=("line_items", "shipping_options"),
)
def update(call: Call, params: Json) -> Json:
    """Change a session's metadata."""
    session = find(call, call.path["id"])
    session["metadata"] = merged_metadata(session["metadata"], params)
    return call.put(session)


@route("GET", "checkout/sessions/{id}/line_items", "checkout.SessionLineItemListParams")
def list_line_items(call: Call, _params: Json) -> Json:
    """Give what a session is for."""
    session = find(call, call.path["id"])
    url = f"/v1/checkout/sessions/{session['id']}/line_items"
    return {"object": "list", "data": session["_line_items"], "has_more": False, "url": url}


@route("POST", "checkout/sessions/{id}/expire", "checkout.SessionExpireParams")
def expire_call(call: Call, _params: Json) -> Json:
    """Close an open session. Nobody can pay on it any more."""
    session = find(call, call.path["id"])
    if session["status"] != "open":
        message = (
            'Only Checkout Sessions with a status in ["open"] can be expired. '
            f"This Checkout Session has a status of {session['status']}."
        )
        raise refused(message)
    call.rows.unschedule("session", session["id"])
    return _expire(call, session)


def lapse(call: Call, session_id: str) -> None:
    """Close a session whose time is over."""
    session = call.rows.get(session_id, "checkout.session")
    if session is not None and session["status"] == "open":
        _expire(call, session)


def _expire(call: Call, session: Json) -> Json:
    session.update(status="expired", url=None)
    intent = call.rows.get(session["payment_intent"] or "")
    if intent is not None and intent["status"] != "canceled":
        intents.cancel(call, intent, "abandoned")
    setup = call.rows.get(session["setup_intent"] or "")
    if setup is not None and setup["status"] != "canceled":
        setups.cancel(call, setup, "abandoned")
    call.emit("checkout.session.expired", session)
    return call.put(session)


# ---- what the customer does on the page


def pay(call: Call, session: Json, typed: Typed) -> Json:
    """Let the customer pay or save a card. Gives the session; its status says whether it is complete.

    Raises `ApiError` 402 when the card is refused (the session stays open) and 400 when it is no longer open.
    """
    _check_open(session)
    card = known_card(typed.number)
    details = {"name": typed.name or None, "email": typed.email or session["customer_email"]}
    method = method_object(call, card, expires=typed.expires, details=details)
    if session["mode"] == "setup":
        setup = call.find("setup_intent", session["setup_intent"])
        setup["payment_method"] = method["id"]
        if card_of(method).asks != "never":
            authorizing.ask(call, setup, session["url"])
            return session
        setups.save(call, setup, method, authenticated=False)
        return _complete(call, session, method)
    intent = _intent_of(call, session, details)
    intent["payment_method"] = method["id"]
    if authorizing.needs_authentication(card, method, off_session=False):
        authorizing.ask(call, intent, session["url"])
        return session
    authorizing.authorize(call, intent, method, off_session=False)
    return _complete(call, session, method)


def answer_challenge(call: Call, session: Json, *, passed: bool) -> Json:
    """Record what the customer did on the 3-D Secure page of a session. A failure is kept and raised."""
    _check_open(session)
    if session["mode"] == "setup":
        done = setups.answer_challenge(
            call, call.find("setup_intent", session["setup_intent"]), passed=passed
        )
    else:
        intent = call.find("payment_intent", session["payment_intent"] or "")
        done = authorizing.answer_challenge(call, intent, passed=passed)
    return _complete(call, session, call.find("payment_method", done["payment_method"]))


def _check_open(session: Json) -> None:
    if session["status"] != "open":
        words = {
            "complete": "This Checkout Session is complete already.",
            "expired": "This Checkout Session has expired.",
        }
        raise refused(words[session["status"]])


def _intent_of(call: Call, session: Json, details: Json) -> Json:
    """Give the session's PaymentIntent, made at the first confirmation."""
    if session["payment_intent"]:
        return call.find("payment_intent", session["payment_intent"])
    given: Json = session["_intent_data"]
    if session["customer"] is None and (
        session["customer_creation"] == "always" or given.get("setup_future_usage")
    ):
        session["customer"] = new_customer(call, details, {})["id"]
    fields: dict[str, Any] = {
        **given,
        "amount": session["amount_total"],
        "currency": session["currency"],
        "customer": session["customer"],
        "allowed_payment_method_types": session["allowed_payment_method_types"],
    }
    intent = call.add(intents.intent_object(call, fields, _session=session["id"]))
    session["payment_intent"] = intent["id"]
    call.put(session)
    call.emit("payment_intent.created", intent)
    return intent


def _complete(call: Call, session: Json, method: Json) -> Json:
    intent = call.rows.get(session["payment_intent"] or "")
    billing = method["billing_details"]
    session.update(
        status="complete",
        url=None,
        customer_details={
            "address": billing["address"],
            "business_name": None,
            "email": _email(call, session, billing),
            "individual_name": None,
            "name": billing["name"],
            "phone": None,
            "tax_exempt": "none",
            "tax_ids": [],
        },
    )
    if intent is not None and intent["status"] == "succeeded":
        session["payment_status"] = "paid"
    call.rows.unschedule("session", session["id"])
    call.emit("checkout.session.completed", session)
    return call.put(session)


def _email(call: Call, session: Json, billing: Json) -> str | None:
    customer = call.rows.get(session["customer"] or "") or {}
    found: str | None = customer.get("email") or billing["email"] or session["customer_email"]
    return found
