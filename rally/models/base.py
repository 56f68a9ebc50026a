"""What every table shares: a time-ordered id, and constraints written once."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from rally.ids import uuid7
from rally.states import Machine


class Row(models.Model):
    """A row with a UUIDv7 key."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)

    class Meta:
        abstract = True


def codes_constraint(machine: Machine, table: str) -> models.CheckConstraint:
    """The `state` column holds a state of the machine and nothing else."""
    return models.CheckConstraint(
        name=f"{table}_state_known", condition=Q(state__in=sorted(machine.states.values))
    )


def money_fields_agree(table: str, **conditions: Any) -> models.CheckConstraint:
    """A named check on amounts, such as `fare_minor__gte=0`."""
    return models.CheckConstraint(name=f"{table}_amounts", condition=Q(**conditions))
