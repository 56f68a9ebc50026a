"""The inbox: what the provider told us, kept before it is believed."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from payments.states import InboxState


class InboxEvent(models.Model):
    """One event of the provider, stored by its id so that it is heard once. A hint: the object is fetched again."""

    id = models.CharField(primary_key=True, max_length=120, help_text="evt_…")
    type = models.CharField(max_length=80)
    object_id = models.CharField(max_length=120)
    account = models.CharField(max_length=80, blank=True)
    api_version = models.CharField(max_length=40, blank=True)
    livemode = models.BooleanField()
    payload = models.JSONField()
    source = models.CharField(max_length=4, help_text="push or pull")
    received_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=InboxState, default=InboxState.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [models.Index(fields=["due_at"], name="inbox_due", condition=Q(state="waiting"))]
        constraints = [
            models.CheckConstraint(name="inbox_state_known", condition=Q(state__in=InboxState.values))
        ]

    def __str__(self) -> str:
        return self.type


class FeedCursor(models.Model):
    """How far a feed of the provider has been read, or a round over our own rows has come."""

    feed = models.CharField(primary_key=True, max_length=30)
    read_to = models.DateTimeField()
    place = models.CharField(max_length=60, blank=True, help_text="of a round: the last row looked at")

    def __str__(self) -> str:
        return self.feed
