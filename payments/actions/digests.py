"""Telling staff once a day what waits for them."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from payments import notices
from payments.queries import desk
from rally.models import User


@transaction.atomic
def tell_staff(*, now: datetime) -> int:
    """Write to everybody of the staff what is open at the money desk, if anything is. Answers to how many.

    Once a day and person, however often it is called.
    """
    counts = desk.today(now=now).open
    if not counts:
        return 0
    staff = list(User.objects.filter(is_staff=True, is_active=True).order_by("id"))
    for user in staff:
        notices.desk_digest(user, counts, now)
    return len(staff)
