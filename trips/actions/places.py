"""Keeping the gazetteer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from django.db import transaction

from trips.importing.gazetteer import FoundPlace
from trips.models import Place


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many towns were new, changed and as before."""

    new: int
    changed: int
    same: int


@transaction.atomic
def load(*, found: Iterable[FoundPlace]) -> Loaded:
    """Make the gazetteer say what the file says. Towns the file does not list stay. Twice: all are as before."""
    rows = {place.id: asdict(place) for place in found}
    before = {row["id"]: row for row in Place.objects.filter(pk__in=rows).values()}
    fresh = [Place(**row) for row in rows.values() if before.get(row["id"]) != row]
    Place.objects.bulk_create(
        fresh,
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["name", "state", "slug", "latitude", "longitude", "population", "time_zone"],
    )
    new = len(rows.keys() - before.keys())
    return Loaded(new=new, changed=len(fresh) - new, same=len(rows) - len(fresh))
