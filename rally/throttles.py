"""How often the API may be asked, and how often something may be guessed: so much in a window of time, by person or by
address."""

from __future__ import annotations

import time
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

from rally import caches

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Rate(BaseThrottle):
    """`API_RATE_USER` for who is signed in, `API_RATE_ANON` by address for everybody else; 429 with `Retry-After`.

    Windows are fixed (each minute of the clock): exact under races, because one step in the cache counts. The
    framework's own throttle keeps a list of times, reads it and writes it back, so that requests at the same moment
    are not counted. The price: around the turn of a window twice the rate may pass.
    """

    def allow_request(self, request: Request, view: Any) -> bool:  # noqa: ARG002 - the framework's
        """Count this request; False once there are too many in this window."""
        most, seconds = _rate(self.scope_of(request))
        now = time.time()
        window = int(now // seconds)
        self.opens_in = (window + 1) * seconds - now
        # Kept for two windows, so that a count cannot vanish while its own window is open.
        return caches.count(f"rate:{self.asker(request)}:{window}", seconds=2 * seconds) <= most

    def wait(self) -> float:
        """Seconds until the next window, for `Retry-After`."""
        return self.opens_in

    def scope_of(self, request: Request) -> str:
        """Which of the rates holds."""
        return "user" if request.user.is_authenticated else "anon"

    def asker(self, request: Request) -> str:
        """Whose requests are counted together."""
        if request.user.is_authenticated:
            return f"user:{request.user.pk}"
        return f"anon:{self.get_ident(request)}"


class GuessRate(Rate):
    """`API_RATE_TOKEN` by address: for where a password can be tried."""

    def scope_of(self, request: Request) -> str:  # noqa: ARG002
        """Always the same."""
        return "token"

    def asker(self, request: Request) -> str:
        """By address, whoever it says it is."""
        return f"token:{self.get_ident(request)}"


@dataclass(frozen=True)
class Guesses:
    """How many wrong guesses at something one visitor may make within some minutes of the first.

    `who` is an account or an address. A cache that forgets lets people through.
    """

    what: str
    who: str
    most: int = 10
    minutes: int = 10

    @property
    def over(self) -> bool:
        """There were as many as there may be."""
        return int(cache.get(self._key, 0)) >= self.most

    def wrong(self) -> None:
        """One more."""
        caches.count(self._key, seconds=self.minutes * 60)

    @property
    def _key(self) -> str:
        return f"guess:{self.what}:{sha256(self.who.encode()).hexdigest()[:32]}"


def _rate(scope: str) -> tuple[int, int]:
    """`600/min` as 600 requests in 60 seconds."""
    rate = str(api_settings.DEFAULT_THROTTLE_RATES[scope])
    most, _slash, period = rate.partition("/")
    return int(most), _SECONDS[period[0]]
