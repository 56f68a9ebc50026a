"""Looks at every answer of a sandbox: is it what the installed SDK's types say?"""

from __future__ import annotations

import json

from payments.sandbox import schema


class Witness:
    """Told of each answer. `found` are the differences, `seen` the calls that were answered well."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.seen: set[tuple[str, str]] = set()

    def __call__(self, method: str, address: str, status: int, body: bytes) -> None:
        """Look at one answer."""
        if status == 200:
            self.seen.add((method, address))
        self.found |= {f"{method} {status} {line}" for line in schema.differences(json.loads(body))}
