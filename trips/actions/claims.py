"""The claim of seats: one statement that takes them, or finds that it cannot.

A hot on-sale stands in line for one row: the trip's. How many riders a second get a seat is how long each of them keeps
that row, so the claim does everything before it takes the lock, and then everything at once: see that the trip still
stands as the rider was told, see that there is room, write the pledge, its seats, and the answer that an API call will
be given again. Alone, the statement is its own transaction: nobody waits for a line of Python while the row is locked. The
trigger counts the seats and `trip_never_oversold` has the last word, as for every other writer.

The statement calls the function `claim_seats` (trips/migrations/0002), whose parts PostgreSQL plans once for each
connection instead of once for each rider. The rows go in as JSON and are taken apart by the names of the columns, so a new
column is never forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from django.db import connection, models

from rally import statements
from rally.models import GivenAnswer
from trips.models import Pledge, Seat, Trip

_CLAIM = "SELECT claim_seats(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"


def claim(
    *,
    trip: Trip,
    pledge: Pledge,
    seats: Sequence[Seat],
    answer: GivenAnswer | None = None,
    list_was_looked_at: bool = False,
) -> bool:
    """Write the new pledge, its seats and the answer if the trip still stands as `trip` was read and has room.

    False, and nothing written, when it has changed, is full, somebody waits for whom the free seats are enough, or the
    rider has a live pledge on it: read again to know which. Whoever holds the trip's lock and has left those on the list
    what they are owed says so (`list_was_looked_at`). The trip's row stays locked until the transaction ends. An answer that
    is there already raises `IntegrityError` (`answer_once`), and nothing is written.
    """
    claimed = statements.ask(
        _CLAIM,
        (
            *(str(trip.state), trip.threshold, trip.decides_at, trip.departs_at, trip.grace_ends_at),
            trip.locked_percent,
            list_was_looked_at,
            *(_json([pledge])[1:-1], _json(seats), _json([answer] if answer else [])),
        ),
    )
    if claimed != (True,):
        return False
    for row in (pledge, *seats):
        row._state.adding, row._state.db = False, connection.alias  # noqa: SLF001 - as `save` does
    return True


def _json(rows: Sequence[models.Model]) -> str:
    columns = [
        {field.column: getattr(row, field.attname) for field in row._meta.concrete_fields}  # noqa: SLF001
        for row in rows
    ]
    return json.dumps(columns, default=str)
