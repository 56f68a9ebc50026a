"""Numbers that staff changed without a release. The defaults stand in `rally.rules`."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class RuleValue(models.Model):
    """A rule whose number differs from its default."""

    name = models.CharField(max_length=60, primary_key=True)
    value = models.JSONField()
    changed_at = models.DateTimeField()
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )

    def __str__(self) -> str:
        return f"{self.name} = {self.value}"
