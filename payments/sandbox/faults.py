"""Trouble on purpose: what may go wrong between us and Stripe, by a script or by a seed."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar


class Fault(StrEnum):
    """What happens to one call."""

    DROP_BEFORE = "drop_before"  # the request never arrives
    DROP_AFTER = "drop_after"  # the work is done, the answer is lost
    TOO_MANY = "429"
    TRANSIENT = "transient_5xx"  # nothing done, nothing stored: the same key may succeed
    STORED_WITH_EFFECT = "stored_5xx_with_effect"  # the work is done and the key answers 500 for ever
    STORED_WITHOUT_EFFECT = "stored_5xx_without_effect"  # nothing done and the key answers 500 for ever


class WebhookFault(StrEnum):
    """What happens to one delivery. Reordering is `LATER`."""

    LOST = "lost"  # never arrives, not even on a retry
    TWICE = "twice"
    LATER = "later"  # goes to the end of the queue


class ConnectionDropped(Exception):
    """The line went dead: the caller cannot know whether the work was done."""


_Kind = TypeVar("_Kind", Fault, WebhookFault)


class Faults:
    """Decides the fate of each call and each delivery. Scripted faults come first, then those by chance.

    `rates` and `webhook_rates` give a chance per fault, drawn from `seed`, so that a run can be repeated. `delay` is
    the time of a round trip in seconds. Safe between threads.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        rates: Mapping[Fault, float] | None = None,
        webhook_rates: Mapping[WebhookFault, float] | None = None,
        delay: float = 0.0,
    ) -> None:
        self.seed: Final = seed
        self.rates = dict(rates or {})
        self.webhook_rates = dict(webhook_rates or {})
        self.delay = delay
        self._chance = random.Random(seed)  # noqa: S311  repeatable trouble, no secret
        self._script: list[tuple[str, re.Pattern[str], Fault]] = []
        self._webhook_script: list[tuple[re.Pattern[str], WebhookFault]] = []
        self._lock = threading.Lock()

    def script(self, method: str, address: str, *faults: Fault) -> None:
        """Let the next calls of this method whose path matches the regular expression `address` meet these faults."""
        pattern = re.compile(address)
        with self._lock:
            self._script.extend((method, pattern, fault) for fault in faults)

    def script_webhook(self, kind: str, *faults: WebhookFault) -> None:
        """Let the next deliveries of events whose type matches the regular expression `kind` meet these faults."""
        pattern = re.compile(kind)
        with self._lock:
            self._webhook_script.extend((pattern, fault) for fault in faults)

    def stop(self) -> None:
        """End all trouble, so that healing can be watched."""
        with self._lock:
            self.rates, self.webhook_rates = {}, {}
            self._script, self._webhook_script = [], []

    def on_call(self, method: str, path: str) -> Fault | None:
        """Decide what happens to this call."""
        with self._lock:
            for number, (wanted, pattern, fault) in enumerate(self._script):
                if wanted == method and pattern.search(path):
                    del self._script[number]
                    return fault
            return self._drawn(self.rates)

    def on_webhook(self, kind: str) -> WebhookFault | None:
        """Decide what happens to this delivery."""
        with self._lock:
            for number, (pattern, fault) in enumerate(self._webhook_script):
                if pattern.search(kind):
                    del self._webhook_script[number]
                    return fault
            return self._drawn(self.webhook_rates)

    def _drawn(self, rates: Mapping[_Kind, float]) -> _Kind | None:
        if not rates:
            return None
        drawn = self._chance.random()
        for fault, rate in rates.items():
            drawn -= rate
            if drawn < 0:
                return fault
        return None
