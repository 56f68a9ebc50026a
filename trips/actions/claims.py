"""The claim of seats: one statement that takes them, or finds that it cannot.

A hot on-sale stands in line for one row: the trip's. How many riders a second get a seat is how long each of them keeps
that row, so the claim does everything before it takes the lock, and then everything at once: see that the trip still
stands as the rider was told, see that there is room, write the pledge, its seats, and the answer that an API call will
be given again. Alone, the statement is its own transaction: nobody waits for a line of Python while the row is locked. The
trigger counts the seats and `trip_never_oversold` has the last word, as for every other writer.

The rows go in as JSON and PostgreSQL takes them apart by the names of the columns, so a new column is never forgotten here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.db import connection, models

from rally.models import GivenAnswer
from trips.models import Pledge, Seat, Trip
from trips.states import OCCUPYING

_CLAIM = f"""
    WITH room AS (
        -- Waits for whoever claims at the same moment, then looks at what that left.
        SELECT FROM trips_trip
        WHERE id = %s AND seats_taken + %s <= capacity
          AND state = %s AND threshold = %s AND decides_at = %s AND departs_at = %s
          AND grace_ends_at IS NOT DISTINCT FROM %s
          AND EXISTS (SELECT FROM trips_stop WHERE id = %s AND fare_minor = %s)
        FOR NO KEY UPDATE
    ), claimed AS (
        INSERT INTO trips_pledge
        SELECT pledge.* FROM room, jsonb_populate_record(NULL::trips_pledge, %s) AS pledge
        ON CONFLICT (rider_id, trip_id) WHERE state IN ({", ".join(f"'{state.value}'" for state in OCCUPYING)})
        DO NOTHING
        RETURNING id
    ), answered AS (
        INSERT INTO rally_givenanswer
        SELECT answer.* FROM claimed, jsonb_populate_recordset(NULL::rally_givenanswer, %s) AS answer
    )
    INSERT INTO trips_seat
    SELECT seat.* FROM claimed, jsonb_populate_recordset(NULL::trips_seat, %s) AS seat
"""  # noqa: S608 - the states are our own


def claim(trip: Trip, pledge: Pledge, seats: Sequence[Seat], answer: GivenAnswer | None = None) -> bool:
    """Write the new pledge, its seats and the answer if the trip still stands as `trip` was read and has room.

    False, and nothing written, when it has changed, is full, or the rider has a live pledge on it: read again to know
    which. The trip's row is locked only when something is written, until the transaction ends. An answer that is there
    already raises `IntegrityError` (`answer_once`), and nothing is written.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _CLAIM,
            (
                *(trip.id, pledge.seats),
                *(trip.state, trip.threshold, trip.decides_at, trip.departs_at, trip.grace_ends_at),
                *(pledge.stop_id, pledge.fare_minor),
                json.dumps(_columns(pledge), default=str),
                json.dumps([_columns(answer)] if answer else [], default=str),
                json.dumps([_columns(seat) for seat in seats], default=str),
            ),
        )
        written: int = cursor.rowcount
    if not written:
        return False
    for row in (pledge, *seats):
        row._state.adding, row._state.db = False, connection.alias  # noqa: SLF001 - as `save` does
    return True


def _columns(row: models.Model) -> dict[str, Any]:
    return {field.column: getattr(row, field.attname) for field in row._meta.concrete_fields}  # noqa: SLF001
