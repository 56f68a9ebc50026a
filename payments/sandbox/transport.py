"""The line between the official SDK and the sandbox, without a socket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import stripe

from payments.sandbox.core import Sandbox
from payments.sandbox.faults import ConnectionDropped


class Headers(Mapping[str, str]):
    """Header fields whose names ignore case, as the SDK expects them."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = {name.lower(): (name, value) for name, value in fields.items()}

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()][1]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._fields.values())

    def __len__(self) -> int:
        return len(self._fields)


class InProcess(stripe.HTTPClient):
    """Hands each request of the SDK to a sandbox in this process.

    The SDK builds the same address, headers and form as for the network, and reads the same JSON. There
    is no pause before the SDK's own retries, because nobody needs to recover.
    """

    name = "sandbox"

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__()
        self.sandbox = sandbox

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """Answer one request. Raises `stripe.APIConnectionError` when a fault cuts the line."""
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        try:
            status, answered, body = self.sandbox.handle(
                method.upper(), path, headers or {}, post_data or b""
            )
        except ConnectionDropped as cut:
            # The SDK's errors carry no types.
            error: Exception = stripe.APIConnectionError(  # type: ignore[no-untyped-call]
                f"The sandbox cut the line. {cut}", should_retry=True
            )
            raise error from cut
        return body.decode(), status, Headers(answered)

    def _sleep_time_seconds(self, num_retries: int) -> float:  # noqa: ARG002  the SDK's signature
        return 0.0

    def close(self) -> None:
        """Nothing is held open between requests."""
