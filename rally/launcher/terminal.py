"""What the launcher says on the terminal, and the one way it gives up."""

import contextlib
import sys
import time
from pathlib import Path

_BEGAN = time.monotonic()


class CannotStart(Exception):
    """Something the person at the terminal has to put right; the text says what and how."""


def say(text: str) -> None:
    """Print a line of progress, with the seconds since the start, to standard error.

    Standard output stays free for what a command really answers.
    """
    seconds = time.monotonic() - _BEGAN
    print(f"[{seconds:5.1f} s] {text}", file=sys.stderr, flush=True)


def shout(text: str) -> None:
    """Print something that must not be overlooked, framed."""
    rule = "!" * min(78, max(len(line) for line in text.splitlines()))
    print(f"\n{rule}\n{text}\n{rule}\n", file=sys.stderr, flush=True)


def last_lines(log: Path, count: int = 15) -> str:
    """The last `count` lines of a log file, indented; a sentence if there is nothing to show."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 20_000))
            lines = file.read().decode(errors="replace").splitlines()[-count:]
    except OSError:
        lines = []
    return "\n".join(f"    {line}" for line in lines) or "    (its log is empty)"


def fresh_log(logs: Path, name: str) -> Path:
    """The log of this start; the one before is kept beside it."""
    log = logs / f"{name}.log"
    with contextlib.suppress(FileNotFoundError):
        log.replace(logs / f"{name}.log.1")
    log.touch()
    return log
