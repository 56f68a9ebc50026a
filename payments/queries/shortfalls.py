"""What goes although less was taken than it needs, or nobody serves it: told by the apps above, which know what a group of payments is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from django.dispatch import Signal

from payments.signals import shortfalls_asked, stranded_asked

Found = TypeVar("Found")


@dataclass(frozen=True)
class Shortfall:
    """A group that goes with fewer paid seats than it needs."""

    group: str
    title: str
    url: str
    funded: int
    needed: int


@dataclass(frozen=True)
class Stranded:
    """A group that is paid for while nobody is bound to serve it, and when it is called off unless somebody is by then."""

    title: str
    url: str
    until: datetime


def shortfalls() -> list[Shortfall]:
    """Every group that goes with fewer paid seats than it needs."""
    return _told(shortfalls_asked, Shortfall)


def stranded() -> list[Stranded]:
    """Every group that nobody serves."""
    return _told(stranded_asked, Stranded)


def _told(asked: Signal, kind: type[Found]) -> list[Found]:
    """What the apps above answer; a receiver that fails is left out, it must not hide the rest."""
    found: list[Found] = []
    for _receiver, answer in asked.send_robust(sender=kind):
        if not isinstance(answer, Exception):
            found.extend(answer)
    return found
