"""The coach seen from above: which seats are lit and where the mark stands, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

#: One user unit is a hundredth of a coach's inside width, about 2.5 cm.
PITCH = 40
SEAT_LENGTH = 27
SEAT_WIDTH = 21
SEAT_STEP = 25
AISLE = 21
WALL = 15
NOSE = 70
TAIL = 24


class Look(StrEnum):
    """How one seat is drawn."""

    EMPTY = ""
    NEEDED = "need"  #: empty, and it takes this one to go
    TAKEN = "on"
    FRESH = "on fresh"
    MINE = "on mine"


@dataclass(frozen=True, slots=True)
class Seat:
    """One seat: its number from the front (1 is first), its corner and its look."""

    number: int
    x: int
    y: int
    look: Look


@dataclass(frozen=True, slots=True)
class Coach:
    """A drawn bus. `mark_x` is where the last needed seat ends; the mark is a line only if no row is cut by it."""

    length: int
    width: int
    seats: tuple[Seat, ...]
    mark_x: int
    mark_is_line: bool
    across: int

    def rows(self) -> list[list[Seat | None]]:
        """The seats as a grid for drawings made of cells: one list per line along the bus, `None` where none is."""
        lines: list[list[Seat | None]] = [[] for _ in range(self.across)]
        for start in range(0, len(self.seats), self.across):
            row = self.seats[start : start + self.across]
            for line in range(self.across):
                lines[line].append(row[line] if line < len(row) else None)
        return lines


def across(capacity: int) -> int:
    """Seats side by side: four in a coach, three in a van (up to 20 seats)."""
    return 4 if capacity > 20 else 3


def plan(*, capacity: int, threshold: int, taken: int, mine: int = 0, fresh: int = 0) -> Coach:
    """Lay out `capacity` seats from the front, `taken` of them lit.

    Mine are the first of the lit seats, the `fresh` newest the last; numbers out of range are cut to fit.
    Needed seats are outlined only where the threshold falls inside a row, for a line would then cut seats that do
    not count. Raises `ValueError` for a bus without seats.
    """
    if capacity < 1:
        raise ValueError("A bus needs seats.")
    taken = max(0, min(taken, capacity))
    mine = max(0, min(mine, taken))
    fresh = max(0, min(fresh, taken - mine))
    threshold = max(1, min(threshold, capacity))
    wide = across(capacity)
    on_boundary = threshold % wide == 0 or threshold == capacity

    seats = []
    for index in range(capacity):
        row, place = divmod(index, wide)
        number = index + 1
        if number <= mine:
            look = Look.MINE
        elif number <= taken:
            look = Look.FRESH if number > taken - fresh else Look.TAKEN
        else:
            look = Look.NEEDED if number <= threshold and not on_boundary else Look.EMPTY
        y = WALL + place * SEAT_STEP + (AISLE if place >= 2 else 0)
        seats.append(Seat(number, NOSE + row * PITCH, y, look))

    rows = -(-capacity // wide)
    needed_rows = -(-threshold // wide)
    return Coach(
        length=NOSE + (rows - 1) * PITCH + SEAT_LENGTH + TAIL,
        width=2 * WALL + (wide - 1) * SEAT_STEP + SEAT_WIDTH + AISLE,
        seats=tuple(seats),
        mark_x=NOSE + needed_rows * PITCH - (PITCH - SEAT_LENGTH) // 2,
        mark_is_line=on_boundary,
        across=wide,
    )
