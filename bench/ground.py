"""The ground all measurements stand on: servers, a database of the bench's own, and a web process."""

from __future__ import annotations

import http.client
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rally.launcher import servers

PROJECT = Path(__file__).resolve().parents[1]
WORKERS = 2
THREADS = 8


def prepare() -> servers.Lease:
    """Start the servers in a folder of their own, point this process at them, set Django up, migrate.

    Production settings, with the sandbox for payments and no TLS in front.
    """
    state = servers.state_folder() / "bench"
    state.mkdir(mode=0o700, exist_ok=True)
    lease = servers.start(state, mode="demo")
    os.environ.update(
        lease.addresses.environment(),
        RALLY_MODE="production",
        RALLY_STATE_DIR=str(state),
        SECRET_KEY=secrets.token_urlsafe(60),
        ALLOWED_HOSTS="127.0.0.1",
        SITE_URL="https://127.0.0.1",
        SOURCE_URL="https://127.0.0.1/source",
        SELLER="Bench",
        EMAIL_URL="consolemail://",
        ALLOW_SANDBOX_PAYMENTS="1",
        SECURE_SSL_REDIRECT="0",
        LOG_LEVEL="ERROR",
        DJANGO_SETTINGS_MODULE="bench.settings",
        STATIC_ROOT=str(state / "static"),
    )
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, run_syncdb=True)
    call_command("collectstatic", verbosity=0, interactive=False)
    return lease


@contextmanager
def web(port: int = 8765) -> Iterator[subprocess.Popen[bytes]]:
    """The web processes as docs/operations.md starts them: granian, two workers. Stopped at the end."""
    command = [
        str(Path(sys.executable).with_name("granian")), "--interface", "wsgi", "--host", "127.0.0.1",
        "--port", str(port), "--workers", str(WORKERS), "--blocking-threads", str(THREADS),
        "--log-level", "warning", "--no-ws", "rally.wsgi:application",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=PROJECT, start_new_session=True)
    try:
        _wait(port)
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def memory_mb(process: subprocess.Popen[bytes]) -> list[float]:
    """Resident memory of each web process under `process`, in MB, largest first."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
            group = os.getpgid(int(status.parent.name))
        except (OSError, ValueError):
            continue
        if group == process.pid and "VmRSS" in lines:
            found.append(int(lines["VmRSS"].split()[0]) / 1024)
    return sorted(found, reverse=True)


def _wait(port: int) -> None:
    for _ in range(200):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("The web process did not answer.")
