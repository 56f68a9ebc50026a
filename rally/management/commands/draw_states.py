"""`draw_states` prints docs/states.md from the tables of moves."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from operators.states import OPERATOR, RUN
from payments.states import PAYMENT, REFUND, TRANSFER
from rally.states import Machine
from trips.states import PLEDGE, TRIP

_HEAD = """\
# States

Drawn from the tables of moves by `make states`; a check compares. Each move happens in one place, under a lock, with
a line in the journal.
"""

_MACHINES = (TRIP, PLEDGE, PAYMENT, REFUND, TRANSFER, OPERATOR, RUN)


class Command(BaseCommand):
    """Print the life cycles as Mermaid diagrams."""

    help = "Print docs/states.md, drawn from the tables of moves."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """One section for each machine, in the order in which demand meets supply and money."""
        self.stdout.write("\n".join([_HEAD, *map(_drawn, _MACHINES)]), ending="")


def _drawn(machine: Machine) -> str:
    lines = [
        f"## {machine.noun.capitalize()}",
        "",
        "```mermaid",
        "stateDiagram-v2",
        f"    [*] --> {machine.start}",
    ]
    for old in machine.states.values:
        lines += [f"    {old} --> {new}" for new in machine.states.values if machine.allows(old, new)]
        if old in machine.ends():
            lines.append(f"    {old} --> [*]")
    return "\n".join([*lines, "```", ""])
