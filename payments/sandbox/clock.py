"""Time for the sandbox: real, or virtual and moved by hand."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


def real() -> datetime:
    """Give the present moment in UTC."""
    return datetime.now(UTC)


class VirtualClock:
    """A clock that stands still until it is moved. Call it to read it. Safe between threads."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or real()
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            return self._now

    def move(self, step: timedelta) -> datetime:
        """Go forward by `step` and give the new moment. A negative step is refused: Stripe's clock never goes back."""
        if step < timedelta(0):
            raise ValueError("a clock does not go back")
        with self._lock:
            self._now += step
            return self._now
