"""Going round what waits, a bounded batch at a time, so that what stays at the head keeps nothing else waiting."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from django.db.models import Model, QuerySet

from payments.models import FeedCursor

Found = TypeVar("Found", bound=Model)


def following(name: str, rows: QuerySet[Found], *, limit: int, now: datetime) -> list[Found]:
    """The next `limit` of these rows in the order of their keys, from where the round `name` stopped; then from the
    start again. Each row is met once in a round, however many there are. Two at once meet the same rows: harmless.
    """
    place = FeedCursor.objects.filter(feed=name).values_list("place", flat=True).first() or ""
    ahead = rows.filter(pk__gt=place) if place else rows
    batch = list(ahead.order_by("pk")[:limit])
    if place and len(batch) < limit:
        batch += list(rows.filter(pk__lte=place).order_by("pk")[: limit - len(batch)])
    reached = str(batch[-1].pk) if batch else ""
    if reached != place:
        FeedCursor.objects.update_or_create(feed=name, defaults={"place": reached, "read_to": now})
    return batch
