"""Trips to test with, proposed as a captain proposes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count

from rally import rules
from rally.models import User
from tests.factories.events import MILWAUKEE, SHEBOYGAN, event
from tests.factories.people import person
from trips.actions import proposals
from trips.actions.proposals import NewStop
from trips.models import Event, Trip
from trips.states import VehicleClass, Visibility

NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
_number = count(1)


def stop(
    name: str = "Milwaukee Intermodal Station", at: tuple[float, float] = MILWAUKEE, address: str = ""
) -> NewStop:
    """A stop; in Milwaukee unless told otherwise."""
    return NewStop(name, at[0], at[1], address)


def proposed(
    *,
    to: Event | None = None,
    captain: User | None = None,
    stops: Sequence[NewStop] | None = None,
    vehicle_class: str = VehicleClass.COACH,
    threshold: int | None = None,
    visibility: str = Visibility.PUBLIC,
    falling_fares: bool = False,
    now: datetime = NOW,
) -> Trip:
    """A trip that gathers riders: from Milwaukee to Green Bay by coach, goes at 25, decides on 6 December."""
    return proposals.propose(
        event_id=(to or event()).pk,
        captain=captain or person(f"captain{next(_number)}"),
        vehicle_class=vehicle_class,
        stops=stops or [stop()],
        threshold=threshold,
        visibility=visibility,
        falling_fares=falling_fares,
        now=now,
    )


def falling_van(*, now: datetime) -> Trip:
    """A van for 14 that goes at 9 and grows cheaper at 11, 13 and 14; Sheboygan is on the way and pays less than
    Milwaukee. One rider may take the whole van."""
    rules.change("max_seats_per_pledge", 14, now=now, by=None)
    return proposed(
        vehicle_class=VehicleClass.VAN,
        stops=[stop(), stop("Sheboygan Park & Ride", SHEBOYGAN)],
        falling_fares=True,
        now=now,
    )
