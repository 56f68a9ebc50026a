"""The line to the provider: the official SDK, and what its exceptions mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection

from payments.gateway import pace, reading, words

if TYPE_CHECKING:
    import stripe

#: The object is in another state than the call needs: look at it.
_MOVED = {
    "payment_intent_unexpected_state",
    "setup_intent_unexpected_state",
    "charge_already_captured",
    "charge_expired_for_capture",
    "charge_already_refunded",
    "transfer_already_reversed",
}


class InsideTransaction(RuntimeError):
    """Our own fault: the provider was asked while rows were locked."""


def client() -> stripe.StripeClient:
    """The SDK's client: to Stripe when there is a key, else to the sandbox.

    The sandbox is in this process, or behind the socket at `settings.SANDBOX_ADDRESS` if that is set.
    """
    if settings.SANDBOX:
        return _to_sandbox(str(settings.SANDBOX_PATH), getattr(settings, "SANDBOX_ADDRESS", ""))
    return _to_stripe(settings.STRIPE_SECRET_KEY)


# In both, the journal repeats what failed, counted and under its own key; the SDK must not do so behind its back.


@lru_cache(maxsize=4)
def _to_sandbox(_path: str, address: str) -> stripe.StripeClient:
    import stripe

    from payments.sandbox import runtime
    from payments.sandbox.transport import InProcess

    return stripe.StripeClient(
        "sk_test_sandbox",
        stripe_version=settings.STRIPE_VERSION,
        base_addresses={"api": address} if address else None,
        max_network_retries=0,
        http_client=_socket() if address else InProcess(runtime.current()),
    )


@lru_cache(maxsize=4)
def _to_stripe(key: str) -> stripe.StripeClient:
    import stripe

    return stripe.StripeClient(
        key,
        stripe_version=settings.STRIPE_VERSION,
        base_addresses=settings.STRIPE_BASE_ADDRESSES or None,
        max_network_retries=0,
        http_client=_socket(),
    )


def _socket() -> stripe.HTTPClient:
    import stripe

    return stripe.RequestsClient(timeout=20)


def ask(call: Callable[[Any], Any]) -> dict[str, Any]:
    """Make one call in its turn and give the answer as plain JSON. Raises `ProviderTrouble` in one of its kinds.

    `call` is given the `v1` services of the client. Raises `InsideTransaction` when rows may be locked.
    """
    import stripe

    if connection.in_atomic_block:
        raise InsideTransaction("No call to the provider inside a transaction.")
    pace.take_turn()
    try:
        answer: dict[str, Any] = call(client().v1).to_dict()
    except stripe.StripeError as error:
        raise meaning(error) from error
    return answer


def pages(call: Callable[..., Any], *, limit: int = 100) -> Iterator[dict[str, Any]]:
    """Each object of a list, page by page, newest first. `call` is given the services and the parameters as `page`."""
    page: dict[str, Any] = {"limit": limit}
    while True:
        answer = ask(partial(call, page=page))
        yield from answer["data"]
        if not answer["has_more"] or not answer["data"]:
            return
        page = {"limit": limit, "starting_after": answer["data"][-1]["id"]}


def meaning(error: stripe.StripeError) -> words.ProviderTrouble:
    """What an answer that is not a success tells us about what was done (docs/money.md, "Answers")."""
    status = error.http_status or 0
    # Typed as a mapping by the SDK, but a refused connection has no body at all.
    body: Any = error.json_body
    details: dict[str, Any] = (body or {}).get("error") or {} if isinstance(body, dict) else {}
    code = details.get("code") or type(error).__name__
    message = str(error.user_message or "")[:200]
    if status == 402:
        failed = details.get("payment_intent")
        decline = reading.decline(details) or words.Decline("declined")
        return words.Declined(decline, reading.intent(failed) if failed else None)
    if status >= 500:
        replayed = str((error.headers or {}).get("Idempotent-Replayed", "")).lower() == "true"
        return words.ServerError(message, replayed=replayed)
    if status == 400 and details.get("type") == "idempotency_error":
        # Our key stands for other parameters (a release changed them while this waited): as good as a stored failure.
        return words.ServerError(message, replayed=True)
    if status in (400, 404) and code != "rate_limit":
        if code in _MOVED or "Checkout Session has a status of" in message:
            return words.AlreadyMoved(code, message)
        return words.Refused(code, message)
    # 401 and 403: our key is wrong; nothing was done, and a person will mend it. 409 and 429: somebody was quicker.
    return words.Unknown(code, message)
