"""Trips that an event left behind when it moved."""

from __future__ import annotations

from django.db.models import CharField, Exists, OuterRef, Q, Value
from django.db.models.functions import Cast, Concat

from rally.models import Notice
from trips.states import ALIVE


def left_behind() -> Q:
    """Living trips whose people were told that the event moved and the bus did not."""
    told = Notice.objects.filter(
        kind="trips.event_moved",
        subject__startswith=Concat(Value("trip:"), Cast(OuterRef("pk"), CharField()), Value(":")),
    )
    return Q(Exists(told), state__in=ALIVE)
