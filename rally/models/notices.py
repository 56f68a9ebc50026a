"""The outbox: one row for each message to one person about one thing."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from rally.models.base import Row


class NoticeState(models.TextChoices):
    """Where a notice stands."""

    WAITING = "waiting"  #: to be sent at or after due_at
    SENDING = "sending"  #: handed to the mail server; the answer is not in yet
    SENT = "sent"
    FAILED = "failed"  #: the mail server said no, several times
    DOUBTFUL = "doubtful"  #: we died while sending: perhaps sent. Never repeated without a person's word
    DROPPED = "dropped"  #: no longer true when it was due


class Notice(Row):
    """A message to one person about one thing. Unique per (recipient, kind, subject): asked for twice, sent once."""

    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="notices")
    kind = models.CharField(max_length=60, help_text="app.kind, which names the templates")
    subject = models.CharField(max_length=100, help_text="what it is about, such as pledge:<id>")
    facts = models.JSONField(default=dict, help_text="what the templates are given")
    state = models.CharField(max_length=10, choices=NoticeState, default=NoticeState.WAITING)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["recipient", "kind", "subject"], name="notice_once"),
            models.CheckConstraint(
                name="notice_state_known", condition=models.Q(state__in=NoticeState.values)
            ),
            models.CheckConstraint(
                name="notice_sent_has_time",
                condition=models.Q(state=NoticeState.SENT, sent_at__isnull=False)
                | ~models.Q(state=NoticeState.SENT) & models.Q(sent_at__isnull=True),
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], name="notice_due", condition=models.Q(state__in=["waiting", "sending"])
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} about {self.subject}"
