"""What goes although less was taken than it needs: told by the apps above, which know what a group of payments is."""

from __future__ import annotations

from dataclasses import dataclass

from payments.signals import shortfalls_asked


@dataclass(frozen=True)
class Shortfall:
    """A group that goes with fewer paid seats than it needs."""

    group: str
    title: str
    url: str
    funded: int
    needed: int


def shortfalls() -> list[Shortfall]:
    """Every group of which the apps above say so; a receiver that fails is left out, it must not hide the rest."""
    found: list[Shortfall] = []
    for _receiver, answer in shortfalls_asked.send_robust(sender=Shortfall):
        if not isinstance(answer, Exception):
            found.extend(answer)
    return found
