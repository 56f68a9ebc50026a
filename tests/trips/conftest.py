"""What the tests of trips share."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.factories.trips import proposed
from trips.models import Trip
from trips.states import VehicleClass


@pytest.fixture
def van(db: None, at: Any, now: datetime) -> Trip:
    """A van for 14 that goes at 9, three weeks ahead: a refused card has the whole 72 hours."""
    return proposed(vehicle_class=VehicleClass.VAN, now=now)
