"""`manage.py tool NAME …`: a tool of the developer's environment, so that no one has to enter it."""

import os
import sys
from pathlib import Path

from rally.launcher import servers
from rally.launcher.places import PROJECT
from rally.launcher.terminal import CannotStart


def run(argv: list[str]) -> int:
    """Become the tool. Type checks import the settings, which want addresses, though nothing has to answer there."""
    if not argv:
        raise CannotStart("Which tool? For example: python3 manage.py tool ruff check .")
    program = Path(sys.executable).with_name(argv[0])
    if not program.exists():
        raise CannotStart(f"There is no tool {argv[0]} in {program.parent}.")
    state = servers.state_folder()
    env = {
        **servers.addresses(state).environment(),
        "RALLY_MODE": "test",
        "PYTHONPATH": str(PROJECT),
        **os.environ,
    }
    os.chdir(PROJECT)
    os.execve(program, [str(program), *argv[1:]], env)  # noqa: S606 - one of our own tools
