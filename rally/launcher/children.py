"""The processes of the demo: watched, started again when they end, and heard when they complain."""

import contextlib
import json
import re
import subprocess
import time
from pathlib import Path

from rally.launcher import processes
from rally.launcher.places import PROJECT
from rally.launcher.terminal import CannotStart, fresh_log, last_lines, say

_CALM = 60.0  # a child that ran so long has recovered
_TOO_OFTEN = 5
_WORTH_SAYING = re.compile(r"\b(ERROR|CRITICAL)\b|^\w+(\.\w+)*(Error|Exception)\b")


class Child:
    """One process of the demo: started, watched, started again with growing pauses, stopped."""

    def __init__(
        self, name: str, argv: list[str], *, logs: Path, env: dict[str, str], patience: float
    ) -> None:
        self.name = name
        self.log = fresh_log(logs, name)
        self._argv = argv
        self._env = env
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._deaths: list[float] = []
        self._again_at: float | None = None
        self._read = 0
        self._said: dict[str, float] = {}  # what was said when: the same complaint is heard once a minute

    def start(self) -> None:
        self._again_at = None
        self._process = processes.spawn(self._argv, log=self.log, env=self._env, cwd=PROJECT)

    def look(self) -> None:
        """Say what went wrong in it; start it again if it ended. Raises `CannotStart` if it keeps ending."""
        self._say_errors()
        now = time.monotonic()
        if self._again_at is not None:
            if now >= self._again_at:
                self.start()
            return
        if self._process is None or self._process.poll() is None:
            return
        self._deaths = [*(at for at in self._deaths if now - at < _CALM), now]
        told = f"{self.name} ended with status {self._process.returncode}. The end of {self.log}:\n"
        processes.stop(self._process)
        if len(self._deaths) >= _TOO_OFTEN:
            raise CannotStart(f"{told}{last_lines(self.log)}\n{self.name} keeps ending, so the demo stops.")
        pause = 2.0 ** (len(self._deaths) - 1)
        say(f"{told}{last_lines(self.log)}\n          {self.name} starts again in {pause:.0f} s.")
        self._again_at = now + pause

    def stop(self) -> None:
        self._again_at = None
        if self._process is not None:
            processes.stop(self._process, patience=self._patience)
            self._process = None

    def _say_errors(self) -> None:
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            file.seek(self._read)
            fresh = file.read()
            end = fresh.rfind(b"\n") + 1
            self._read += end
            lines = [
                line
                for line in fresh[:end].decode(errors="replace").splitlines()
                if _WORTH_SAYING.search(line)
            ]
            now = time.monotonic()
            for text in dict.fromkeys(_plain(line) for line in lines):
                if now - self._said.get(text, -_CALM) >= _CALM:
                    self._said[text] = now
                    say(f"{self.name}: {text} (more in {self.log})")


def _plain(line: str) -> str:
    """A log line for people: the application writes JSON, the servers write text."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        entry = json.loads(line)
        line = f"{entry['level']} {entry['message']}"
    return line.strip().splitlines()[0][:200]
