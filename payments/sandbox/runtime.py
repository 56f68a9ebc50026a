"""The sandbox of this process, as the settings describe it."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Faults
from rally import clock


def current() -> Sandbox:
    """Give the sandbox that keeps its file at `settings.SANDBOX_PATH` and follows the application's clock.

    The same one each time in a process, so that its writers queue on one lock. `settings.SANDBOX_DELAY`, when there is
    one, is how long each call to it lasts in seconds, for measuring; trouble can be ordered at its `faults`.
    """
    return _at(str(settings.SANDBOX_PATH))


# A few, not one: each test has a file of its own, and old ones close when they drop out.
@lru_cache(maxsize=4)
def _at(path: str) -> Sandbox:
    return Sandbox(path, now=clock.now, faults=Faults(delay=getattr(settings, "SANDBOX_DELAY", 0.0)))
