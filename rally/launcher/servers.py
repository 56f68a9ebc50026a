"""The embedded servers as seen by a command: ask for them, use them, let go of them.

Any number of commands in one state folder share one pair of servers. Each holds a shared lock on the file `users`
while it needs them. The keeper (`keeper.py`), which is the servers' parent, stops them when nobody holds the lock
any more: the kernel drops a lock when its holder ends in any way, so a killed command leaves nothing behind.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from rally.launcher import places, postgres, processes, valkey
from rally.launcher.places import PROJECT
from rally.launcher.terminal import CannotStart, last_lines, say

DURABLE_MODES = {"development"}


@dataclass(frozen=True)
class ServerAddresses:
    """Where the servers answer, in the shape of the settings of the same name."""

    database_url: str
    redis_url: str

    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}


def state_folder() -> Path:
    """`RALLY_STATE_DIR`, or `.rally` in the project; made if it is missing, and entered by nobody else."""
    folder = Path(os.environ.get("RALLY_STATE_DIR") or PROJECT / ".rally").expanduser().absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "logs").mkdir(exist_ok=True)
    except OSError as problem:
        raise CannotStart(f"{problem}\nSet RALLY_STATE_DIR to a folder of your own.") from problem
    if folder.stat().st_uid != os.geteuid() or not os.access(folder, os.W_OK):
        raise CannotStart(f"{folder} belongs to somebody else. Set RALLY_STATE_DIR to a folder of your own.")
    return folder


def addresses(state: Path) -> ServerAddresses:
    """Where the servers of this state folder answer when they run; known beforehand."""
    folder = places.sockets(state)
    return ServerAddresses(
        f"postgres://{postgres.USER}@/{postgres.DATABASE}?host={quote(str(folder), safe='')}",
        f"unix://{quote(str(folder / valkey.SOCKET))}",
    )


class Lease:
    """The servers, for as long as this is held."""

    def __init__(self, state: Path, users: int) -> None:
        self.addresses = addresses(state)
        self._state = state
        self._users: int | None = users

    def stop(self) -> bool:
        """Let go. Stops the servers and waits for their end unless another command uses them; whether they ended.

        Harmless if called twice.
        """
        if self._users is None:
            return True
        users, self._users = self._users, None
        keeper = _keeper(self._state)
        try:
            last = _try_lock(users)
            if last and keeper:
                # We hold the lock alone, so nobody can come to use the servers while they go down.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(keeper[0], signal.SIGTERM)
            elif keeper and _keeper(self._state):
                return False
            return keeper is None or _wait_for_end(keeper)
        finally:
            os.close(users)


def start(state: Path, *, mode: str) -> Lease:
    """Make sure that the servers run and answer, and hold them until `Lease.stop` or the end of this process.

    `mode` is that of `RALLY_MODE`; only a development database survives a power cut. Raises `CannotStart`.
    """
    (state / "logs").mkdir(parents=True, exist_ok=True)
    users = _open(state / "users.lock")
    fcntl.flock(users, fcntl.LOCK_SH)  # waits while a keeper is stopping
    starting = _open(state / "starting.lock")
    fcntl.flock(starting, fcntl.LOCK_EX)
    try:
        if _keeper(state) is None:
            _start_keeper(state, mode)
    except BaseException:
        os.close(users)
        raise
    finally:
        os.close(starting)
    return Lease(state, users)


def forget(state: Path) -> None:
    """Delete all data of the servers. Raises `CannotStart` while a command uses them."""
    users = _open(state / "users.lock")
    try:
        if not _try_lock(users):
            raise CannotStart(f"Another command uses the servers in {state}. Stop it first.")
        cluster = places.cluster(state)
        postgres.recover(cluster, places.sockets(state))
        for folder in (cluster, state / "valkey"):
            shutil.rmtree(folder, ignore_errors=True)
            if folder.exists():
                raise CannotStart(f"{folder} could not be deleted.")
    finally:
        os.close(users)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def note(state: Path) -> Path:
    """Where the keeper writes who it is, once the servers answer, and takes it away before they stop."""
    return state / "keeper.json"


def _keeper(state: Path) -> tuple[int, int] | None:
    """Id and start of the keeper of servers that answer; `None` if there is none."""
    try:
        seen = json.loads(note(state).read_text())
    except (OSError, ValueError):
        return None
    who = (seen["pid"], seen["started"])
    return who if processes.is_alive(*who) else None


def _wait_for_end(keeper: tuple[int, int]) -> bool:
    return not processes.is_alive(*keeper) or any(
        not processes.is_alive(*keeper) for _ in processes.ticks(40, 0.02)
    )


def _start_keeper(state: Path, mode: str) -> None:
    log = state / "logs" / "servers.log"
    with log.open("ab") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "rally.launcher.keeper", str(state), mode],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            cwd=PROJECT,
            start_new_session=True,
        )
    with keeper.stdout or contextlib.nullcontext():
        answer = keeper.stdout.readline().decode().strip() if keeper.stdout else ""
    if answer != "ready":
        keeper.wait()
        said = json.loads(answer)["problem"] if answer else f"The servers did not start:\n{last_lines(log)}"
        raise CannotStart(said)
    keeper.returncode = 0  # it outlives us on purpose; Python complains about children that nobody waited for


def run(_argv: list[str]) -> int:
    """`manage.py servers`: start the servers, print their addresses as shell exports, stay until told to stop."""
    state = state_folder()
    lease = start(state, mode=os.environ.get("RALLY_MODE", "development"))
    for name, value in lease.addresses.environment().items():
        print(f"export {name}='{value}'", flush=True)
    say("PostgreSQL and Valkey are running. Ctrl-C stops them.")
    try:
        signal.pause()
    finally:
        if not lease.stop():
            say("Another command still uses the servers; they stop with it.")
    return 0
