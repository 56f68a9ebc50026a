"""The embedded PostgreSQL: made, recovered after a kill, started and stopped. A unix socket only, no port."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from rally.launcher import places, processes
from rally.launcher.terminal import CannotStart, last_lines

USER = DATABASE = "rally"
_PORT = 5432  # only a part of the socket's name
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "512MB",  # taken only as far as there is data
    "jit": "off",  # costs more than it gives on short queries
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}
#: Survives the end of any process, though not of the machine; twice as fast. Commits stay synchronous: otherwise
#: the last fifth of a second dies with the server, because it is still in its memory and not in the system's.
_FOR_PLAY = {"fsync": "off", "full_page_writes": "off"}
_GENTLY = ((signal.SIGINT, 5.0), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 5.0))


def start(state: Path, *, log: Path, durable: bool) -> subprocess.Popen[bytes]:
    """Start the server on the data in `state`, making it first if there is none, and wait until it answers.

    A server left over from a killed start is ended first. Raises `CannotStart` with the log's last lines.
    """
    cluster = places.cluster(state)
    sockets = places.private_folder(places.sockets(state), places.account().uid)
    if not cluster.exists():
        _make(cluster, log)
    places.private_folder(cluster, places.account().uid)
    _check_version(cluster)
    recover(cluster, sockets)

    settings = _SETTINGS | ({} if durable else _FOR_PLAY) | {"unix_socket_directories": _quoted(sockets)}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    who = places.account()
    user, group = who.drops_to or (None, None)
    server = processes.spawn(
        [
            *who.prefix,
            str(places.postgres_programs() / "postgres"),
            "-D",
            str(cluster),
            "-p",
            str(_PORT),
            *options,
        ],
        log=log,
        cwd=cluster,
        env=_environment(),
        user=user,
        group=group,
        dies_with_us=signal.SIGINT,
    )
    for _ in processes.ticks(60, 0.02):
        if server.poll() is not None:
            raise CannotStart(f"PostgreSQL ended while starting:\n{last_lines(log)}")
        if _says_ready(cluster, server.pid):
            return server
    stop(server)
    raise CannotStart(f"PostgreSQL did not answer within a minute:\n{last_lines(log)}")


def stop(server: subprocess.Popen[bytes]) -> None:
    """Stop the server: no new work, roll back what is open, write everything down."""
    processes.stop(server, ask=signal.SIGINT, patience=20)


def recover(cluster: Path, sockets: Path) -> None:
    """Clear what a killed server left: processes that still run, and files that name one that does not.

    The server itself looks only whether the id in its files is taken, so a zombie, or a stranger that was given
    the same id since, would keep it from starting for good.
    """
    left = processes.living_in(cluster)
    if left:
        main = [pid for pid in left if pid == _noted(cluster / "postmaster.pid")]
        if main:
            processes.end_strangers(main, asking=_GENTLY)
        processes.end_strangers([pid for pid in left if pid not in main], asking=_GENTLY[1:])
    socket = sockets / f".s.PGSQL.{_PORT}"
    for file in (cluster / "postmaster.pid", socket, socket.with_name(f"{socket.name}.lock")):
        file.unlink(missing_ok=True)


def _make(cluster: Path, log: Path) -> None:
    """Make a new cluster with one empty database, under another name until it is whole."""
    half = cluster.with_name(f"{cluster.name}.new")
    shutil.rmtree(half, ignore_errors=True)
    places.private_folder(half, places.account().uid)
    programs = places.postgres_programs()
    _run(
        [
            str(programs / "initdb"),
            *("-D", str(half), "--auth=trust", f"--username={USER}", "--encoding=UTF8", "--no-sync"),
            *("--no-instructions", "--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8"),
        ],
        log,
    )
    single = [
        str(programs / "postgres"),
        "--single",
        "-D",
        str(half),
        "-c",
        "log_checkpoints=off",
        "template1",
    ]
    _run(single, log, f"CREATE DATABASE {DATABASE}\n")
    half.rename(cluster)


def _run(command: list[str], log: Path, told: str = "") -> None:
    who = places.account()
    user, group = who.drops_to or (None, None)
    with log.open("ab") as output:
        done = subprocess.run(
            [*who.prefix, *command],
            input=told.encode(),
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(),
            cwd="/",
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            check=False,
        )
    if done.returncode:
        raise CannotStart(f"A new PostgreSQL cluster could not be made:\n{last_lines(log)}")


def _environment() -> dict[str, str]:
    # Settings meant for another server (PGDATA, PGPORT, PGOPTIONS …) must not reach this one.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return kept | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _quoted(folder: Path) -> str:
    # The setting is a list; a name with a comma or a space has to stand in double quotes.
    return '"' + str(folder).replace('"', '""') + '"'


def _check_version(cluster: Path) -> None:
    made_by = (cluster / "PG_VERSION").read_text().strip()
    asked = [str(places.postgres_programs() / "postgres"), "--version"]
    printed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    major = printed.split()[-1].split(".")[0]
    if major != made_by:
        raise CannotStart(
            f"The data in {cluster} was made by PostgreSQL {made_by} and this is {major}."
            " Start over with: python3 manage.py demo --reset"
        )


def _noted(file: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(file.read_text().splitlines()[0])
    return None


def _says_ready(cluster: Path, pid: int) -> bool:
    """The server writes its state on the eighth line of its pid file; that is how pg_ctl knows, too."""
    with contextlib.suppress(OSError, IndexError):
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        return int(lines[0]) == pid and lines[7].strip() == "ready"
    return False
