"""One HTTP request, taken apart: who asks, in which version, and what the form says."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from payments.sandbox.call import API_VERSION, new_id
from payments.sandbox.errors import ApiError, Invalid
from payments.sandbox.faults import Fault
from payments.sandbox.store import Json

Answer = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Request:
    """One HTTP request, taken apart."""

    method: str
    address: str
    headers: dict[str, str]
    form: str
    fault: Fault | None
    id: str
    arrived: int

    @classmethod
    def of(
        cls, method: str, path: str, headers: Mapping[str, str], body: bytes | str, fault: Fault | None
    ) -> Request:
        """Take a request apart. It counts as arrived now."""
        address, _, query = path.partition("?")
        text = body.decode() if isinstance(body, bytes) else body
        lowered = {name.lower(): value for name, value in headers.items()}
        form = text or (query if method in ("GET", "DELETE") else "")
        return cls(method, address, lowered, form, fault, new_id("req"), time.perf_counter_ns())

    @property
    def account(self) -> str:
        """On whose behalf: "" for the platform itself."""
        return self.headers.get("stripe-account", "")

    def answer(self, status: int, body: str, **extra: str) -> Answer:
        """Give the HTTP answer with the header fields that Stripe sends."""
        fields = {
            "Content-Type": "application/json",
            "Request-Id": self.id,
            "Stripe-Version": self.headers.get("stripe-version", API_VERSION),
            **extra,
        }
        for name in ("Idempotency-Key", "Stripe-Account"):
            if name.lower() in self.headers:
                fields[name] = self.headers[name.lower()]
        return status, fields, body.encode()


def authenticate(headers: dict[str, str]) -> None:
    """Raise `ApiError` unless a test key asks in a version that the sandbox speaks."""
    scheme, _, credential = headers.get("authorization", "").partition(" ")
    if scheme == "Basic":
        credential = base64.b64decode(credential).decode(errors="replace").partition(":")[0]
    if not credential:
        raise ApiError(401, "You did not provide an API key. Send it in the Authorization header.")
    if not credential.startswith(("sk_test_", "rk_test_")):
        raise ApiError(
            401, f"Invalid API Key provided: {credential[:8]}***. The sandbox takes test keys only."
        )
    version = headers.get("stripe-version", API_VERSION)
    if not version.endswith(".endive") or version < API_VERSION:
        raise ApiError(
            400, f"Invalid Stripe API version: {version}. The sandbox speaks {API_VERSION} and later."
        )


def decode(text: str) -> Json:
    """Turn a form such as `a[b]=1&c[0]=2` into nested dictionaries of text."""
    tree: Json = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        head, bracket, rest = name.partition("[")
        node: Any = tree
        steps = [head, *rest.removesuffix("]").split("][")] if bracket else [head]
        for step in steps[:-1]:
            node = node.setdefault(step, {})
            if not isinstance(node, dict):
                raise Invalid(f"Invalid object for {head}", param=head)
        last = steps[-1] or str(len(node))
        node[last] = value
    return tree
