"""The journal: every change of state of every noun, for ever."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models


class StateChange(models.Model):
    """One move of one thing from one state to the next. Rows are only ever added."""

    noun = models.CharField(max_length=30)
    subject = models.UUIDField()
    old = models.CharField(max_length=30, blank=True)
    new = models.CharField(max_length=30)
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    why = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [models.Index(fields=["subject", "at"], name="journal_subject")]
        triggers = [
            pgtrigger.Protect(name="journal_append_only", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        return f"{self.noun} {self.old} → {self.new}"
