"""Answers that the API gave, so that a repeated request gets the same one."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from rally.models.base import Row


class GivenAnswer(Row):
    """What one user was answered for one Idempotency-Key. Written in the transaction of the work itself."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, path and body")
    status = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="answer_once")]
        indexes = [models.Index(fields=["created_at"], name="answer_age")]

    def __str__(self) -> str:
        return f"{self.key}: {self.status}"
