"""The answers by which the sandbox says no, in Stripe's words and shapes."""

from __future__ import annotations

from typing import Any

from payments.sandbox.store import Json


class ApiError(Exception):
    """An error answer. With `keeps`, what the call has written so far stays: a decline is itself a fact."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        keeps: bool = False,
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.keeps = keeps
        self.error: Json = {"type": kind, "message": message}
        if code is not None:
            self.error["code"] = code
            self.error["doc_url"] = f"https://docs.stripe.com/error-codes#{code.replace('_', '-')}"
        if param is not None:
            self.error["param"] = param
        self.error.update({name: value for name, value in details.items() if value is not None})

    @property
    def headers(self) -> dict[str, str]:
        """What the answer advises the SDK to do."""
        return {"Stripe-Should-Retry": "true"} if self.status == 503 else {}

    @property
    def body(self) -> Json:
        """The JSON answer."""
        return {"error": self.error}


class Invalid(ApiError):
    """The parameters are wrong. Raised before the work begins, so it is never stored under an idempotency key."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(400, message, code=code, param=param)


def missing(kind: str, object_id: str, *, param: str = "id") -> ApiError:
    """Say that there is no such object."""
    words = {
        "payment_method": "PaymentMethod",
        "setup_intent": "setupintent",
        "checkout.session": "checkout.session",
    }
    name = words.get(kind, kind)
    return ApiError(404, f"No such {name}: '{object_id}'", code="resource_missing", param=param)


def refused(message: str, *, code: str | None = None, param: str | None = None, **details: Any) -> ApiError:
    """Say that the request is well formed and cannot be done."""
    return ApiError(400, message, code=code, param=param, **details)


def not_modelled(what: str) -> ApiError:
    """Say that Stripe can do this and the sandbox cannot: better a clear no than a silent difference."""
    return Invalid(f"The sandbox does not model {what}.", param=what, code="sandbox_not_modelled")
