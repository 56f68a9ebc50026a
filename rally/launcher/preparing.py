"""What has to be done before the demo's first page: once, beside each other, and not again on a warm start."""

import contextlib
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from rally.launcher import processes
from rally.launcher.places import PROJECT
from rally.launcher.terminal import CannotStart, fresh_log, last_lines, say

_STEP_SECONDS = 600
_TELLING = "demo_market"  # the step that takes so long that one wants to hear how far it is


class Jobs:
    """Commands of `manage.py` that run beside each other while the demo comes up."""

    def __init__(self, logs: Path, env: dict[str, str]) -> None:
        self._logs = logs
        self._env = env
        self._begun: dict[str, subprocess.Popen[bytes]] = {}
        self._heard: int | None = None  # how far into the log of the step that tells; None before it begins
        self._aloud = True

    def begin(self, *words: str) -> str:
        name = words[0]
        command = [sys.executable, str(PROJECT / "manage.py"), *words]
        if name == _TELLING:
            self._heard = 0
        self._begun[name] = processes.spawn(
            command, log=fresh_log(self._logs, name), env=self._env, cwd=PROJECT
        )
        return name

    def finish(self, name: str) -> None:
        """Wait for a command. Raises `CannotStart` with the end of its log if it failed."""
        job = self._begun.pop(name)
        log = self._logs / f"{name}.log"
        try:
            status = self._wait(name, job)
        except BaseException:
            self._begun[name] = job
            raise
        if status:
            raise CannotStart(
                f"manage.py {name} failed with status {status}. The end of {log}:\n{last_lines(log)}"
            )

    def _wait(self, name: str, job: subprocess.Popen[bytes]) -> int:
        for _ in processes.ticks(_STEP_SECONDS, 0.1):
            status = job.poll()
            self._tell()
            if status is not None:
                return status
        raise CannotStart(
            f"manage.py {name} took more than {_STEP_SECONDS} seconds; see {self._logs}/{name}.log."
        )

    def _tell(self) -> None:
        """Repeat what the long step says about how far it is; nothing of its log lines and its faults."""
        if self._heard is None:
            return
        with (self._logs / f"{_TELLING}.log").open("rb") as file:
            file.seek(self._heard)
            fresh = file.read()
        end = fresh.rfind(b"\n") + 1
        self._heard += end
        for line in fresh[:end].decode(errors="replace").splitlines():
            self._aloud = self._aloud and not line.startswith("Traceback")
            if self._aloud and line.strip() and not line.startswith("{"):
                say(f"  {line.strip()[:200]}")

    def finish_all(self, *names: str) -> None:
        for name in names:
            if name in self._begun:
                self.finish(name)

    def stop(self) -> None:
        for job in self._begun.values():
            processes.stop(job, patience=2)


class Done:
    """What earlier starts have done already, so that a warm start does not do it again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: dict[str, str] = {}
        with contextlib.suppress(OSError, ValueError):
            self._seen = json.loads(path.read_text())

    def fits(self, what: str, fingerprint: str) -> bool:
        return self._seen.get(what) == fingerprint

    def broke_off(self) -> bool:
        """The tables were made and never filled to the end. Nobody has been let in by then, so nothing is lost with them."""
        return "tables" in self._seen and "market" not in self._seen

    def note(self, what: str, fingerprint: str) -> None:
        self._seen[what] = fingerprint
        self._path.write_text(json.dumps(self._seen))


def fingerprint(groups: Iterable[Iterable[Path]], cluster: Path | None) -> str:
    """One value that changes with any of the files, with the requirements, or with a new cluster."""
    digest = hashlib.sha256((PROJECT / "requirements.txt").read_bytes())
    for path in sorted({path for group in groups for path in group if path.is_file()}):
        seen = path.stat()
        digest.update(f"{path.relative_to(PROJECT)} {seen.st_size} {seen.st_mtime_ns}\n".encode())
    if cluster is not None:
        digest.update(str((cluster / "PG_VERSION").stat().st_mtime_ns).encode())
    return digest.hexdigest()
