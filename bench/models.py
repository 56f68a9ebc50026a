"""The row that the floor inserts."""

from __future__ import annotations

from django.db import models


class BareRow(models.Model):
    """One row, as plain as it gets."""

    word = models.CharField(max_length=40)

    def __str__(self) -> str:
        return self.word
