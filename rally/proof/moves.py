"""The table of moves: what may happen next in a story, and how often. Each move is one small function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rally.proof.world import World

Act = Callable[[World], None]


@dataclass(frozen=True)
class Move:
    """Something that may happen next. `weight` is how often, beside the others; `certain`, once the trip is."""

    name: str
    weight: float
    act: Act
    certain: float = 0.0


MOVES: list[Move] = []


def move(weight: float, *, certain: float | None = None) -> Callable[[Act], Act]:
    """Register a function as a move. Without another weight for a trip that is certain it keeps its own."""

    def register(act: Act) -> Act:
        MOVES.append(Move(act.__name__, weight, act, weight if certain is None else certain))
        return act

    return register


def next_move(world: World) -> Move:
    """What happens now."""
    table = sorted(MOVES, key=lambda each: each.name)  # whoever was imported first: a seed means the same
    certain = world.certain_since is not None
    return world.chance.choices(table, [each.certain if certain else each.weight for each in table])[0]
