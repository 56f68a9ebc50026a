"""How often the API may be asked, also by many at the same moment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.test import RequestFactory
from rest_framework.request import Request

from rally import throttles
from rally.caches import OwnCache, SharedCache
from rally.models import User
from rally.throttles import GuessRate, Rate
from tests.racing import together


@pytest.fixture
def two_a_minute(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Each rate is two in a minute; the clock stands 15 seconds before a full minute."""
    monkeypatch.setattr(throttles, "_rate", lambda _scope: (2, 60))
    with time_machine.travel(datetime(2026, 11, 21, 12, 0, 45, tzinfo=UTC), tick=False) as traveller:
        yield traveller


def request(address: str = "192.0.2.1", user: User | None = None) -> Request:
    """A request from there, by this person."""
    asked = Request(RequestFactory().get("/", REMOTE_ADDR=address))
    if user is not None:
        asked.user = user
    return asked


def let_through(asked: Request, times: int = 1, kind: type[Rate] = Rate) -> list[bool]:
    """What the throttle says to the same request several times."""
    return [kind().allow_request(asked, None) for _ in range(times)]


def test_too_many_wait_for_the_next_window(two_a_minute: Any) -> None:
    assert let_through(request(), 3) == [True, True, False]
    throttle = Rate()
    throttle.allow_request(request(), None)
    assert throttle.wait() == 15
    two_a_minute.shift(15)
    assert let_through(request(), 3) == [True, True, False]


def test_each_is_counted_alone(two_a_minute: Any, ana: User, ben: User) -> None:
    assert let_through(request(user=ana), 3) == [True, True, False]
    assert let_through(request(user=ben)) == [True]
    assert let_through(request()) == [True]
    assert let_through(request("192.0.2.2"), 3) == [True, True, False]
    # Whoever tries passwords is counted by address, whoever they say they are.
    assert let_through(request(user=ana), 1, GuessRate) + let_through(request(user=ben), 2, GuessRate) == [
        True,
        True,
        False,
    ]


def test_nobody_slips_through_at_the_same_moment(two_a_minute: Any) -> None:
    passed = together(*[lambda: let_through(request())] * 8)
    assert sorted(passed) == [[False]] * 6 + [[True]] * 2


def test_rates_are_read_as_written(settings: Any) -> None:
    assert (throttles._rate("user"), throttles._rate("token")) == ((600, 60), (10, 60))


def test_the_shared_cache_counts_and_forgets(settings: Any) -> None:
    """Production's cache, on the broker that the tests run beside."""
    shared = SharedCache(settings.REDIS_URL, {})
    shared.delete("test:count")
    assert [shared.count("test:count", seconds=60) for _ in range(3)] == [1, 2, 3]
    full = shared.make_key("test:count")
    assert 0 < shared._cache.get_client(full).ttl(full) <= 60
    shared.delete("test:count")


def test_the_own_cache_counts_alike() -> None:
    own = OwnCache("test-count", {})
    assert [own.count("a", seconds=60) for _ in range(3)] == [1, 2, 3]
