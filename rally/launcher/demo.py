"""`manage.py demo`: the whole of Rally on one machine, from nothing, until Ctrl-C."""

import argparse
import contextlib
import fcntl
import http.client
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from rally.launcher import places, processes, servers
from rally.launcher.children import Child
from rally.launcher.places import PROJECT
from rally.launcher.preparing import Done, Jobs, fingerprint
from rally.launcher.terminal import CannotStart, last_lines, say

FIRST_PORT = 8000
_PORTS_TRIED = 50


class _Told(BaseException):
    """Ctrl-C or another signal to stop."""


def run(argv: list[str]) -> int:
    """Run the demo until a signal; the exit status. A second demo in the same state folder is refused."""
    options = _options(argv)
    state = servers.state_folder()
    lock = os.open(state / "demo.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CannotStart(f"The demo runs already{_known_address(state)}.") from None
    port = _choose_port(options.port)
    if os.environ.get("DATABASE_URL"):
        say("DATABASE_URL is set. The demo leaves that database alone and uses its own.")

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _told)
    running: list[Child] = []
    lease: servers.Lease | None = None
    try:
        if options.reset:
            servers.forget(state)
            _forget_rest(state)
            say("Everything of the last demo is deleted.")
        elif Done(state / "demo.json").broke_off():
            servers.forget(state)
            _forget_rest(state)
            say("The last start ended before the market was filled, so it begins again.")
        lease = servers.start(state, mode="demo")
        say("PostgreSQL and Valkey are running.")
        _bring_up(state, port, lease.addresses, running)
        _watch(running)
    except _Told:
        print(file=sys.stderr)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        say("Stopping.")
        for child in running:
            child.stop()
        (state / "address").unlink(missing_ok=True)
        if lease is not None and not lease.stop():
            say("PostgreSQL and Valkey stay up for another command that uses them.")
    say("Stopped. The data is kept: python3 manage.py demo goes on where you left it.")
    return 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="manage.py demo", description="Run all of Rally on this machine.")
    parser.add_argument(
        "--port", type=int, help=f"where the pages are (default {FIRST_PORT}, or the next free one)"
    )
    parser.add_argument("--reset", action="store_true", help="delete the data of the last demo first")
    return parser.parse_args(argv)


def _forget_rest(state: Path) -> None:
    """Delete what the application wrote beside the database: the sandbox's book, the moved clock, mails, notes."""
    for path in state.iterdir():
        if path.name == "logs" or path.suffix == ".lock" or path.name.split("-")[0] == "test":
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _told(_number: int, _frame: object) -> None:
    raise _Told


def _known_address(state: Path) -> str:
    with contextlib.suppress(OSError):
        return f" at {(state / 'address').read_text().strip()}"
    return ""


def _choose_port(asked: int | None) -> int:
    """The port asked for, or the first free one from 8000 on, with a word if that is another."""
    if asked is not None:
        if not _is_free(asked):
            raise CannotStart(f"Port {asked} is taken. Choose another with --port, or leave it out.")
        return asked
    for port in range(FIRST_PORT, FIRST_PORT + _PORTS_TRIED):
        if _is_free(port):
            if port != FIRST_PORT:
                say(f"Port {FIRST_PORT} is taken, so the pages are on {port}.")
            return port
    raise CannotStart(
        f"No free port from {FIRST_PORT} to {FIRST_PORT + _PORTS_TRIED - 1}. Choose one with --port."
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True


# --- coming up


def _bring_up(state: Path, port: int, addresses: servers.ServerAddresses, running: list[Child]) -> None:
    """Prepare what is not prepared yet, start the children into `running` in the order to stop them in."""
    logs = state / "logs"
    env = _environment(state, port, addresses)
    done = Done(state / "demo.json")
    cluster = places.cluster(state)
    tables = fingerprint(
        [PROJECT.glob("*/migrations/**/*.py"), PROJECT.glob("*/*/migrations/**/*.py")], cluster
    )
    files = fingerprint([(PROJECT / "static").rglob("*"), [PROJECT / "rally/settings.py"]], None)

    jobs = Jobs(logs, env)
    try:
        if not done.fits("files", files) or not (PROJECT / ".static" / "staticfiles.json").exists():
            # Two packages bring pages that we do not show; leaving them out halves the time.
            jobs.begin(
                "collectstatic", "--noinput", "--verbosity", "0", "-i", "rest_framework", "-i", "redoc"
            )
        if not done.fits("tables", tables):
            say("Making the tables.")
            jobs.finish(jobs.begin("migrate", "--noinput"))
            done.note("tables", tables)
        first_time = not done.fits("market", tables)
        if first_time:
            say("Loading the schedule and the market.")
            jobs.begin("demo_market")
        web = _web(port, logs, env)
        running.append(web)
        jobs.finish_all("collectstatic")
        done.note("files", files)
        web.start()
        if first_time:
            jobs.finish_all("demo_market")
            done.note("market", tables)
        _wait_for_page(web, port)
        address = f"http://127.0.0.1:{port}/"
        (state / "address").write_text(address)
        _welcome(address, logs)
        if not first_time:
            jobs.begin("demo_market")  # moves the schedule on if it has passed; nothing else is left to do
        for child in _background(state, logs, env):
            running.append(child)
            child.start()
        jobs.finish_all("demo_market")
        done.note("market", tables)
    finally:
        jobs.stop()


def _web(port: int, logs: Path, env: dict[str, str]) -> Child:
    uvicorn = [
        sys.executable,
        "-m",
        "uvicorn",
        "rally.asgi:application",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    # Live streams never end by themselves, so the server must not wait for them.
    return Child("web", [*uvicorn, "--timeout-graceful-shutdown", "2"], logs=logs, env=env, patience=5)


def _background(state: Path, logs: Path, env: dict[str, str]) -> list[Child]:
    celery = [sys.executable, "-m", "celery", "-A", "rally.celery"]
    beat = [*celery, "beat", "--loglevel", "INFO", "--schedule", str(state / "beat-schedule"), "--pidfile="]
    # Threads: one process less to start and to end, and the demo's work is waiting, not computing.
    alone = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    worker = [*celery, "worker", "--loglevel", "INFO", "--pool", "threads", "--concurrency", "4", *alone]
    return [
        Child("beat", beat, logs=logs, env=env, patience=3),
        Child("worker", worker, logs=logs, env=env, patience=8),
    ]


def _environment(state: Path, port: int, addresses: servers.ServerAddresses) -> dict[str, str]:
    ours = {
        # Links in mails and to the payment page lead to this port, unless the caller knows a better address.
        "SITE_URL": os.environ.get("SITE_URL", f"http://127.0.0.1:{port}"),
        "RALLY_MODE": "demo",
        "RALLY_STATE_DIR": str(state),
        "DJANGO_SETTINGS_MODULE": "rally.settings",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(PROJECT),
    }
    return {**os.environ, **ours, **addresses.environment()}


def _wait_for_page(web: Child, port: int) -> None:
    for _ in processes.ticks(120, 0.1):
        web.look()
        with contextlib.suppress(OSError, http.client.HTTPException):
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            line.request("GET", "/healthz")
            if line.getresponse().status == http.client.OK:
                return
    raise CannotStart(
        f"The pages did not answer within two minutes. The end of {web.log}:\n{last_lines(web.log)}"
    )


def _welcome(address: str, logs: Path) -> None:
    say("The first page is ready.")
    print(
        f"\n    Rally is running at  {address}\n\n"
        "    Become Ana, Cleo, Otto, Dee, Pat or Sam with the bar at the foot of each page,\n"
        "    and move the clock there. No money moves.\n"
        f"    Logs are in {logs}. Ctrl-C stops everything.\n",
        flush=True,
    )


def _watch(running: Iterable[Child]) -> None:
    while True:
        time.sleep(0.3)
        for child in running:
            child.look()
