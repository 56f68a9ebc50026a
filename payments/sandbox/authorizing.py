"""What happens when an issuer is asked: authorized, declined, or the cardholder has to answer first."""

from __future__ import annotations

from typing import Any, Final

from payments.sandbox import money
from payments.sandbox.call import Call, public
from payments.sandbox.cards import AUTHENTICATION_REQUIRED, Card, Decline
from payments.sandbox.customers import attach, card_of
from payments.sandbox.errors import ApiError, refused
from payments.sandbox.store import Json

OPEN: Final = ("requires_payment_method", "requires_confirmation", "requires_action")
_AUTHENTICATION_FAILED: Final = Decline(
    "payment_intent_authentication_failure",
    None,
    "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
)


def confirm(call: Call, intent: Json, method: Json | None, params: Json) -> Json:
    """Ask the issuer. A decline is kept and raised as `ApiError` 402."""
    if intent["status"] not in OPEN:
        raise unexpected(intent, "You cannot confirm this PaymentIntent because it has a status of")
    if method is None:
        message = (
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment "
            "method or ConfirmationToken."
        )
        raise unexpected(intent, message, whole=True)
    check_owner(intent, method)
    off_session = bool(params.get("off_session"))
    dynamic = intent["automatic_payment_methods"]
    may_redirect = dynamic and dynamic["enabled"] and dynamic["allow_redirects"] == "always"
    if may_redirect and not off_session and "return_url" not in params:
        message = (
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of these "
            "payment methods might redirect your customer off of your page, you must provide a `return_url`."
        )
        raise refused(message, param="return_url")
    intent.update(payment_method=method["id"], next_action=None, last_payment_error=None)
    strict = off_session or bool(params.get("error_on_requires_action"))
    if needs_authentication(card_of(method), method, off_session=off_session):
        if strict:
            return fail(call, intent, method, AUTHENTICATION_REQUIRED, off_session=off_session)
        return ask(call, intent, params.get("return_url"))
    return authorize(call, intent, method, off_session=off_session)


def check_owner(intent: Json, method: Json) -> None:
    if method["customer"] is not None and method["customer"] != intent["customer"]:
        message = (
            "The PaymentMethod you provided belongs to a Customer. Supply that `customer` as well to use it."
        )
        raise refused(message, param="payment_method")
    if method.get("_used_up"):
        message = (
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with "
            "a connected account without Customer attachment, or was detached from a Customer. It may not be used again."
        )
        raise refused(message, code="payment_method_unexpected_state")


def needs_authentication(card: Card, method: Json, *, off_session: bool) -> bool:
    """Say whether the issuer wants to see the cardholder now."""
    if card.asks == "always":
        return True
    return card.asks == "once" and not (off_session and method.get("_authenticated"))


def ask(call: Call, intent: Json, return_url: str | None) -> Json:
    """Send the payer to the 3-D Secure page. `return_url` is where the page sends them on."""
    page = call.page(f"authenticate/{intent['id']}/", near=return_url or "http://127.0.0.1:8000")
    intent["status"] = "requires_action"
    if return_url:
        intent["next_action"] = {
            "redirect_to_url": {"return_url": return_url, "url": page},
            "type": "redirect_to_url",
        }
    else:
        intent["next_action"] = {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": page},
        }
    if intent["object"] == "payment_intent":
        call.emit("payment_intent.requires_action", intent)
    else:
        call.emit("setup_intent.requires_action", intent)
    return call.put(intent)


def authorize(
    call: Call, intent: Json, method: Json, *, off_session: bool, authenticated: bool = False
) -> Json:
    """Hold the money, and take it at once unless the capture is manual. A decline is kept and raised."""
    card = card_of(method)
    if card.decline is not None:
        return fail(call, intent, method, card.decline, off_session=off_session)
    charge = money.charge_card(call, intent, method, off_session=off_session, authenticated=authenticated)
    intent.update(latest_charge=charge["id"], next_action=None, last_payment_error=None)
    _remember(call, intent, method, authenticated=authenticated)
    if intent["capture_method"] == "manual":
        intent.update(status="requires_capture", amount_capturable=intent["amount"])
        before = charge["payment_method_details"]["card"]["capture_before"]
        call.rows.schedule(before, "hold", intent["id"])
        call.emit("charge.succeeded", charge)
        call.emit("payment_intent.amount_capturable_updated", intent)
        return call.put(intent)
    charge = money.capture(call, charge, intent["amount"])
    intent.update(status="succeeded", amount_received=intent["amount"])
    call.emit("charge.succeeded", charge)
    call.emit("payment_intent.succeeded", intent)
    return call.put(intent)


def _remember(call: Call, intent: Json, method: Json, *, authenticated: bool) -> None:
    """Save the card for later when that was agreed; otherwise a card without a customer is used up."""
    if intent["customer"] and intent["setup_future_usage"]:
        attach(call, method, intent["customer"])
        method["_authenticated"] = method.get("_authenticated", False) or authenticated
        call.put(method)
    elif method["customer"] is None:
        method["_used_up"] = True
        call.put(method)


def error_kept(decline: Decline, method: Json, **more: str) -> Json:
    """Give what is kept on an intent whose card was declined; `more` is what not every kind of intent has."""
    blame = "invalid_request_error" if decline.code.endswith("_authentication_failure") else "card_error"
    error: Json = {
        "advice_code": decline.advice,
        "code": decline.code,
        "decline_code": decline.reason,
        "message": decline.message,
        "payment_method": public(method),
        "type": blame,
        **more,
    }
    return {name: error[name] for name in sorted(error) if error[name] is not None}


def declined(decline: Decline, method: Json, **about: Any) -> ApiError:
    """Give the answer 402 to a card that was declined, with the objects that it is `about`."""
    return ApiError(
        402,
        decline.message,
        kind="card_error",
        code=decline.code,
        keeps=True,
        advice_code=decline.advice,
        decline_code=decline.reason,
        payment_method=public(method),
        **about,
    )


def fail(call: Call, intent: Json, method: Json, decline: Decline, *, off_session: bool) -> Json:
    """Keep a declined attempt, put the intent back to `requires_payment_method` and raise `ApiError` 402."""
    charge = money.charge_card(
        call, intent, method, off_session=off_session, authenticated=False, decline=decline
    )
    doc_url = f"https://docs.stripe.com/error-codes#{decline.code.replace('_', '-')}"
    error = error_kept(decline, method, charge=charge["id"], doc_url=doc_url)
    intent.update(
        status="requires_payment_method",
        last_payment_error=error,
        latest_charge=charge["id"],
        next_action=None,
        payment_method=None,
    )
    call.put(intent)
    call.emit("charge.failed", charge)
    call.emit("payment_intent.payment_failed", intent)
    raise declined(decline, method, charge=charge["id"], payment_intent=public(intent))


def answer_challenge(call: Call, intent: Json, *, passed: bool) -> Json:
    """Record what the payer did on the 3-D Secure page. A failure is kept and raised as `ApiError` 402."""
    if intent["status"] != "requires_action":
        raise unexpected(intent, "This payment does not wait for authentication: it has a status of")
    method = call.find("payment_method", intent["payment_method"])
    if not passed:
        return fail(call, intent, method, _AUTHENTICATION_FAILED, off_session=False)
    return authorize(call, intent, method, off_session=False, authenticated=True)


def unexpected(intent: Json, message: str, *, whole: bool = False) -> ApiError:
    """Say that an intent's state does not allow the call. The answer carries the intent, so that truth can be read."""
    name = intent["object"]
    text = message if whole else f"{message} {intent['status']}."
    details: Json = {name: public(intent)}
    return refused(text, code=f"{name}_unexpected_state", **details)
