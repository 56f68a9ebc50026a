"""Life cycles as tables: which state may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import TextChoices


class IllegalMove(RuntimeError):
    """Our own fault: code asked for a move that the table does not know."""


@dataclass(frozen=True)
class Machine:
    """The life cycle of one noun: `moves[state]` is the set of states that may follow."""

    noun: str
    states: type[TextChoices]
    moves: Mapping[str, frozenset[str]]
    start: str

    def __post_init__(self) -> None:
        values = set(self.states.values)
        named = set(self.moves) | {to for targets in self.moves.values() for to in targets}
        if named != values or set(self.moves) != values:
            raise ValueError(
                f"The table of {self.noun} must name each state once: {values ^ set(self.moves)}"
            )

    def allows(self, old: str, new: str) -> bool:
        """Whether `new` may follow `old`."""
        return new in self.moves[old]

    def check(self, old: str, new: str) -> None:
        """Raises `IllegalMove` unless `new` may follow `old`."""
        if not self.allows(old, new):
            raise IllegalMove(f"A {self.noun} does not go from {old} to {new}.")

    def ends(self) -> frozenset[str]:
        """The states that nothing follows."""
        return frozenset(state for state, targets in self.moves.items() if not targets)


def table(noun: str, states: type[TextChoices], start: str, moves: Mapping[str, set[str]]) -> Machine:
    """A machine from a plain dictionary; states that are not keys are ends."""
    full = {state: frozenset(moves.get(state, set())) for state in states.values}
    unknown = set(moves) - set(full)
    if unknown:
        raise ValueError(f"The table of {noun} names unknown states: {unknown}")
    return Machine(noun=noun, states=states, moves=full, start=start)
