"""Writing down what staff do with their power."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rally.models import StaffAction, User


def note(*, by: User, what: str, subject: str, now: datetime, why: str = "", **facts: Any) -> None:
    """Write one line: who did what to which thing. Called in the transaction of the deed; `facts` are JSON, no names."""
    StaffAction.objects.create(by=by, at=now, what=what, subject=subject, why=why[:200], facts=facts)
