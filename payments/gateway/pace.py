"""How fast we may ask: one row that all workers draw the moment of their next call from."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import connection

from rally import rules

_patient: ContextVar[bool] = ContextVar("payments_patient", default=False)

#: Each call moves the moment on by one step; the answer is how long to wait for the moment that was drawn. The
#: database's clock, because the workers' clocks differ and the demo's clock jumps.
_DRAW = """
INSERT INTO payments_pace (name, next_at) VALUES ('provider', clock_timestamp() + make_interval(secs => %(step)s))
ON CONFLICT (name) DO UPDATE
SET next_at = greatest(payments_pace.next_at, clock_timestamp()) + make_interval(secs => %(step)s)
RETURNING extract(epoch FROM next_at - make_interval(secs => %(step)s) - clock_timestamp())
"""


@contextmanager
def patient() -> Iterator[None]:
    """Inside, calls wait for their turn: for workers. Outside, a call goes at once and the workers wait for it."""
    token = _patient.set(True)
    try:
        yield
    finally:
        _patient.reset(token)


def take_turn() -> float:
    """Draw the moment of the next call and wait for it if we are patient. Answers the seconds waited."""
    step = 1 / max(1, rules.current().provider_calls_per_second)
    with connection.cursor() as cursor:
        cursor.execute(_DRAW, {"step": step})
        (wait,) = cursor.fetchone()
    seconds = max(0.0, float(wait)) if _patient.get() else 0.0
    if seconds:
        # Nothing else of the database is needed while we wait for our turn and for the provider.
        time.sleep(seconds)
    return seconds
