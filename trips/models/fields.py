"""Column kinds and expressions used by several tables of this app."""

from __future__ import annotations

from django.db import models
from django.db.models import Func, Q


class Earth(Func):
    """A point on the globe for GiST indexes: `ll_to_earth` of the earthdistance extension."""

    function = "ll_to_earth"
    output_field = models.Field()


def on_earth(table: str) -> models.CheckConstraint:
    """The coordinates are on the earth."""
    return models.CheckConstraint(
        name=f"{table}_on_earth", condition=Q(latitude__range=(-90, 90)) & Q(longitude__range=(-180, 180))
    )
