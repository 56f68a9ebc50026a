"""Keeping the gazetteer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trips.actions import places
from trips.actions.places import Loaded
from trips.importing.gazetteer import FoundPlace
from trips.models import Place

MADISON = FoundPlace(5261457, "Madison", "WI", "madison-wi", 43.07305, -89.40123, 280_305, "America/Chicago")
RACINE = replace(MADISON, id=5268249, name="Racine", slug="racine-wi")


@pytest.mark.django_db
def test_towns_are_loaded_changed_and_left_alone() -> None:
    assert places.load(found=[MADISON, RACINE]) == Loaded(new=2, changed=0, same=0)
    assert places.load(found=[MADISON, RACINE]) == Loaded(new=0, changed=0, same=2)
    assert places.load(found=[replace(MADISON, population=290_000)]) == Loaded(new=0, changed=1, same=0)
    assert Place.objects.get(slug="madison-wi").population == 290_000
    assert Place.objects.count() == 2
