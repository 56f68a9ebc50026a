"""Pay that is held back: told by the apps above, which know why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from payments.signals import hold_backs_asked
from rally import rules
from rally.money import Money


@dataclass(frozen=True)
class HeldBack:
    """Pay that waits until somebody lifts it, on its page (`url`). Without an amount: all that was not sent yet."""

    title: str
    payee: str
    url: str
    amount: Money | None
    why: str
    since: datetime
    old: bool = False  #: it has waited for as long as a debt may


def hold_backs(*, now: datetime) -> list[HeldBack]:
    """All of which the apps above know, the oldest first; a receiver that fails is left out, it must not hide the rest."""
    found: list[HeldBack] = []
    for _receiver, answer in hold_backs_asked.send_robust(sender=HeldBack):
        if not isinstance(answer, Exception):
            found.extend(answer)
    late = now - timedelta(days=rules.current().debt_waits_days)
    return [replace(each, old=each.since < late) for each in sorted(found, key=lambda each: each.since)]
