"""One call to the sandbox: what an operation may see and do, and the table of all operations."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from payments.sandbox.errors import ApiError, Invalid, missing
from payments.sandbox.store import Json, Rows

API_VERSION: Final = "2026-09-30.endive"

Operation = Callable[["Call", Json], Json]


def new_id(prefix: str) -> str:
    """Make an id of the kind that Stripe makes, such as `pi_…`."""
    return f"{prefix}_{os.urandom(12).hex()}"


@dataclass
class Call:
    """The open transaction, the moment, and who asks. `account` is "" for the platform itself."""

    rows: Rows
    now: int
    site: str
    account: str = ""
    request_id: str | None = None
    idempotency_key: str | None = None
    path: dict[str, str] = field(default_factory=dict)

    def find(self, kind: str, object_id: str, *, param: str = "id") -> Json:
        """Give one of this account's objects. Raises `ApiError` 404 when there is none."""
        found = self.rows.get(object_id, kind)
        if found is None or self.rows.account_of(object_id) != self.account:
            raise missing(kind, object_id, param=param)
        return found

    def add(self, body: Json) -> Json:
        """Keep a new object for this account."""
        return self.rows.add(body, account=self.account)

    def put(self, body: Json) -> Json:
        """Overwrite an object."""
        return self.rows.put(body)

    def emit(
        self, kind: str, body: Json, *, previous: Json | None = None, account: str | None = None
    ) -> None:
        """Record an event with the object as it is now, and queue it for the webhook."""
        whose = self.account if account is None else account
        data: Json = {"object": public(body)}
        if previous is not None:
            data["previous_attributes"] = previous
        event: Json = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now,
            "data": data,
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": self.request_id, "idempotency_key": self.idempotency_key},
            "type": kind,
        }
        if whose:
            event["account"] = whose
        self.rows.add(event, account=whose)
        self.rows.sql(
            "INSERT INTO delivery (event, due, first_due) VALUES (?, ?, ?)", (event["id"], self.now, self.now)
        )

    def page(self, path: str, *, near: str) -> str:
        """Give the address of one of our pages: on `site`, else on the host of `near`, so that any port works."""
        parts = urlsplit(near)
        return f"{self.site or f'{parts.scheme}://{parts.netloc}'}/sandbox/{path}"

    def on_behalf(self, account: str) -> Call:
        """Give the same call as seen from a connected account."""
        return Call(self.rows, self.now, self.site, account, self.request_id, self.idempotency_key)


def public(body: Json) -> Json:
    """Leave out what the sandbox keeps for itself: fields that begin with an underscore."""
    return {name: value for name, value in body.items() if not name.startswith("_")}


# ---- metadata


def fresh_metadata(params: Json) -> dict[str, str]:
    """Give the metadata of a new object. Raises `Invalid` beyond Stripe's limits (50 keys of 40, values of 500)."""
    return merged_metadata({}, params)


def merged_metadata(current: dict[str, str], params: Json) -> dict[str, str]:
    """Merge a call's metadata: an empty value removes its key, an empty `metadata` removes all."""
    given = params.get("metadata")
    if given is None:
        return current
    if given == "":
        return {}
    merged = {**current, **given}
    for key, value in given.items():
        if len(key) > 40:
            raise Invalid(f"Metadata keys can have up to 40 characters: {key}", param=f"metadata[{key}]")
        if len(value) > 500:
            raise Invalid("Metadata values can have up to 500 characters.", param=f"metadata[{key}]")
        if value == "":
            merged.pop(key)
    if len(merged) > 50:
        raise Invalid("You can set up to 50 metadata keys.", param="metadata")
    return merged


# ---- the table of operations


@dataclass(frozen=True)
class Route:
    """One address: its parts, the SDK's type for its parameters, and the function that does the work."""

    parts: tuple[str, ...]
    parameters: str | None
    operation: Operation
    # Stripe knows these parameters and the sandbox does not act on them; ignoring them would be a lie.
    refuses: frozenset[str] = frozenset()


ROUTES: Final[dict[tuple[str, str, int], list[Route]]] = {}


def route(
    method: str, address: str, parameters: str | None, *, refuses: tuple[str, ...] = ()
) -> Callable[[Operation], Operation]:
    """Register an operation under a method and an address such as `payment_intents/{id}/confirm`."""

    def register(operation: Operation) -> Operation:
        parts = tuple(address.split("/"))
        ROUTES.setdefault((method, parts[0], len(parts)), []).append(
            Route(parts, parameters, operation, frozenset(refuses))
        )
        return operation

    return register


def match(method: str, address: str) -> tuple[Route, dict[str, str]]:
    """Find the operation of an address below `/v1/`. Raises `ApiError` 404."""
    parts = address.split("/")
    for candidate in ROUTES.get((method, parts[0], len(parts)), ()):
        found = _captured(candidate.parts, parts)
        if found is not None:
            return candidate, found
    raise ApiError(404, f"Unrecognized request URL ({method}: /v1/{address}).")


def _captured(template: tuple[str, ...], parts: list[str]) -> dict[str, str] | None:
    captured: dict[str, Any] = {}
    for expected, actual in zip(template, parts, strict=True):
        if expected[0] == "{":
            captured[expected[1:-1]] = actual
        elif expected != actual:
            return None
    return captured
