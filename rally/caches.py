"""Caches that can also count: one atomic step, shared by all processes."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol, cast

from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache

#: Counting and forgetting in one step on the server: no two requests see the same number, and no count stays for ever
#: because a process died between the two.
_COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return count
"""


class Counting(Protocol):
    """What both caches below can do besides."""

    def count(self, key: str, *, seconds: int) -> int:
        """Add one under `key` and say how many there are now. Forgotten `seconds` after the first."""


def count(key: str, *, seconds: int) -> int:
    """The same in the cache that this process is set up with."""
    return cast("Counting", cache).count(key, seconds=seconds)


class SharedCache(RedisCache):
    """The cache of all processes."""

    def count(self, key: str, *, seconds: int) -> int:
        """Add one under `key` and say how many there are now. Forgotten `seconds` after the first. One round trip."""
        return int(self._counting.eval(_COUNT, 1, self.make_and_validate_key(key), seconds))

    @cached_property
    def _counting(self) -> Any:
        """A client kept: it takes a connection from the pool for each call, so that threads may share it."""
        return self._cache.get_client(None, write=True)


class OwnCache(LocMemCache):
    """A cache of this process alone, for tests."""

    def count(self, key: str, *, seconds: int) -> int:
        """As `SharedCache.count`."""
        self.add(key, 0, timeout=seconds)
        return self.incr(key)
