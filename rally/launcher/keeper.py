"""The parent of the embedded servers: `python -m rally.launcher.keeper STATE MODE`.

Starts them, says `ready`, restarts one that dies, and stops them when no command uses them any more.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rally.launcher import places, postgres, processes, servers, valkey
from rally.launcher.terminal import CannotStart, say

_PAUSE = 0.1
_TOO_OFTEN = 5


class _Told(Exception):
    """A signal told us to stop."""


def main(state: Path, mode: str) -> int:
    """Run until nobody uses the servers or a signal comes; the exit status."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _told)
    log = state / "logs" / "servers.log"
    starts: dict[str, Callable[[], subprocess.Popen[bytes]]] = {
        "postgres": lambda: postgres.start(state, log=log, durable=mode in servers.DURABLE_MODES),
        "valkey": lambda: valkey.start(state, log=log),
    }
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, start in starts.items():
            running[name] = start()
        me = {"pid": os.getpid(), "started": processes.started_at(os.getpid())}
        servers.note(state).write_text(json.dumps(me))
        _answer("ready")
        _watch(state, starts, running)
    except _Told:
        pass
    except CannotStart as problem:
        say(str(problem))
        _answer(json.dumps({"problem": str(problem)}))
        return 1
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        servers.note(state).unlink(missing_ok=True)
        if "valkey" in running:
            valkey.stop(running["valkey"])
        if "postgres" in running:
            postgres.stop(running["postgres"])
        if not places.sockets(state).is_relative_to(state):
            with contextlib.suppress(OSError):
                places.sockets(state).rmdir()  # the short folder was made for these sockets alone
    return 0


def _watch(
    state: Path,
    starts: dict[str, Callable[[], subprocess.Popen[bytes]]],
    running: dict[str, subprocess.Popen[bytes]],
) -> None:
    users = os.open(state / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deaths = 0
    while True:
        time.sleep(_PAUSE)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            return  # the lock stays ours until we end, so newcomers wait for a clean start
        for name, start in starts.items():
            if running[name].poll() is None:
                continue
            deaths += 1
            say(f"{name} ended with status {running[name].returncode}; starting it again.")
            if deaths > _TOO_OFTEN:
                raise CannotStart(f"{name} keeps ending.")
            running[name] = start()


def _answer(text: str) -> None:
    """Say one line to whoever started us, then let go of their pipe; it may be gone already."""
    with contextlib.suppress(BrokenPipeError):
        print(text, flush=True)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _told(_number: int, _frame: object) -> None:
    raise _Told


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
