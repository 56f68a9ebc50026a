"""What staff did, for ever."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models

from rally.models.base import Row


class StaffAction(Row):
    """One thing that one of the staff did with power that riders and operators do not have. Rows are only ever added."""

    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    what = models.CharField(max_length=60, help_text="a verb, such as operation.run_again")
    subject = models.CharField(max_length=80, help_text="such as payment:<id>")
    why = models.CharField(max_length=200, blank=True)
    facts = models.JSONField(default=dict, help_text="amounts and states, no names or addresses")

    class Meta:
        indexes = [
            models.Index(fields=["-at"], name="staffaction_newest"),
            models.Index(fields=["subject", "-at"], name="staffaction_subject"),
        ]
        triggers = [
            pgtrigger.Protect(name="staffaction_append_only", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        return f"{self.what} {self.subject}"
