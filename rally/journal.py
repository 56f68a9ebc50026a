"""Moving a thing to its next state: checked against the table, saved, written into the journal."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Protocol

from rally.models import StateChange, User
from rally.states import Machine


class Stateful(Protocol):
    """A row with a `state` column and a UUID key."""

    id: uuid.UUID
    state: str

    def save(self, *, update_fields: list[str]) -> None: ...


def begin(row: Stateful, machine: Machine, *, now: datetime, by: User | None, why: str = "") -> None:
    """Write the first line of the journal for a row that was just created."""
    StateChange.objects.create(
        noun=machine.noun, subject=row.id, old="", new=row.state, at=now, by=by, why=why[:200]
    )


def move(
    row: Stateful,
    machine: Machine,
    to: str,
    *,
    now: datetime,
    by: User | None,
    why: str = "",
    also: tuple[str, ...] = (),
) -> None:
    """Take `row` (locked by the caller) to state `to`; `also` names other changed columns to save with it.

    Raises `IllegalMove` when the table does not know the move.
    """
    old = row.state
    machine.check(old, to)
    row.state = to
    row.save(update_fields=["state", *also])
    StateChange.objects.create(
        noun=machine.noun, subject=row.id, old=old, new=to, at=now, by=by, why=why[:200]
    )
