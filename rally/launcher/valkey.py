"""The embedded broker and cache. A unix socket only, no port."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from rally.launcher import places, processes
from rally.launcher.terminal import CannotStart, last_lines

SOCKET = "valkey.sock"


def start(state: Path, *, log: Path) -> subprocess.Popen[bytes]:
    """Start the server and wait until it answers.

    What is queued is written down every second. If that file cannot be read any more it is thrown away: the
    broker only carries work, and what is due stands in the database and is found again by the sweeps.
    """
    folder = places.private_folder(state / "valkey", os.geteuid())
    address = places.private_folder(places.sockets(state), places.account().uid) / SOCKET
    _end_left_over(folder)
    try:
        return _launch(folder, address, log)
    except CannotStart:
        shutil.rmtree(folder)
        return _launch(places.private_folder(folder, os.geteuid()), address, log)


def stop(server: subprocess.Popen[bytes]) -> None:
    """Stop the server; what is queued is kept."""
    processes.stop(server, patience=5)


def _end_left_over(folder: Path) -> None:
    left = processes.living_in(folder)
    processes.end_strangers(left, asking=((signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)))


def _launch(folder: Path, address: Path, log: Path) -> subprocess.Popen[bytes]:
    address.unlink(missing_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(address),
        "unixsocketperm": "700",
        "dir": str(folder),
        "save": "",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory": "256mb",
        "maxmemory-policy": "noeviction",  # it is the work queue as well: nothing may vanish from it
        "loglevel": "warning",
        "daemonize": "no",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    server = processes.spawn(
        [str(places.valkey_program()), *words], log=log, cwd=folder, dies_with_us=signal.SIGTERM
    )
    for _ in processes.ticks(20, 0.02):
        if server.poll() is not None:
            raise CannotStart(f"Valkey ended while starting:\n{last_lines(log)}")
        if _answers(address):
            return server
    stop(server)
    raise CannotStart(f"Valkey did not answer within 20 seconds:\n{last_lines(log)}")


def _answers(address: Path) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
        line.settimeout(1)
        line.connect(str(address))
        line.sendall(b"PING\r\n")
        return line.recv(16).startswith(b"+PONG")
    return False
