"""Messages of the money side: only to staff. Asked for twice, sent once."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.urls import reverse

from rally import outbox
from rally.models import User


def desk_digest(user: User, counts: dict[str, str], now: datetime) -> None:
    """What is open at the money desk, once a day; `counts` by the names of `payments.queries.desk.Today.open`."""
    outbox.put(
        to=user,
        kind="payments.desk_digest",
        subject=f"day:{now:%Y-%m-%d}",
        facts={"counts": counts, "url": settings.SITE_URL + reverse("desk:money")},
        now=now,
    )
