"""What a story puts in the place of chance, of time and of the ways out, and takes back at its end."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from payments.actions import operations
from payments.gateway import pace
from payments.sandbox import call as sandbox_call
from rally import clock, codes, ids, rules


class StoryClock:
    """A clock that stands still until it is moved."""

    def __init__(self, start: datetime) -> None:
        self.now = start

    def __call__(self) -> datetime:
        """The moment of the story."""
        return self.now

    def move(self, by: timedelta) -> None:
        """Go forward."""
        self.now += max(by, timedelta(0))

    def move_to(self, moment: datetime) -> None:
        """Go forward to this moment; nothing if it has passed."""
        self.now = max(self.now, moment)


@contextmanager
def swapped(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Put `value` in the place of `owner.name` for a while."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def repeatable(seed: int, moment: StoryClock) -> Iterator[None]:
    """The same ids, codes, pauses and times whenever this seed is told."""
    source = random.Random(f"ids of {seed}")
    entropy = SimpleNamespace(urandom=source.randbytes)
    with ExitStack() as stack:
        for owner, name, value in (
            (clock, "timezone", SimpleNamespace(now=moment)),
            (ids, "os", entropy),
            (ids, "time", SimpleNamespace(time_ns=lambda: int(moment().timestamp() * 1e9))),
            # Rules that are read again after some seconds are a statement more, at which a process may die.
            (rules, "time", SimpleNamespace(monotonic=lambda: moment().timestamp())),
            (codes, "secrets", SimpleNamespace(randbelow=source.randrange)),
            (sandbox_call, "os", entropy),
            (operations, "random", random.Random(f"pauses of {seed}")),
            (pace, "take_turn", lambda: 0.0),  # pace is about time; its own tests measure it
        ):
            stack.enter_context(swapped(owner, name, value))
        stack.callback(rules.forget)  # what was read at a moment of the story
        yield
