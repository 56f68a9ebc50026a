"""`manage.py demo`: the whole of Rally on one machine, from nothing, until Ctrl-C."""

import argparse
import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from rally.launcher import places, processes, servers
from rally.launcher.terminal import CannotStart, last_lines, say

PROJECT = Path(__file__).resolve().parents[2]
FIRST_PORT = 8000
_PORTS_TRIED = 50
_STEP_SECONDS = 600
_TELLING = "demo_market"  # the step that takes so long that one wants to hear how far it is
_CALM = 60.0  # a child that ran so long has recovered
_TOO_OFTEN = 5
_WORTH_SAYING = re.compile(r"\b(ERROR|CRITICAL)\b|^\w+(\.\w+)*(Error|Exception)\b")


class _Told(BaseException):
    """Ctrl-C or another signal to stop."""


class Child:
    """One process of the demo: started, watched, started again with growing pauses, stopped."""

    def __init__(
        self, name: str, argv: list[str], *, logs: Path, env: dict[str, str], patience: float
    ) -> None:
        self.name = name
        self.log = _fresh_log(logs, name)
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
        elif _Done(state / "demo.json").broke_off():
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
    done = _Done(state / "demo.json")
    cluster = places.cluster(state)
    tables = _fingerprint(
        [PROJECT.glob("*/migrations/**/*.py"), PROJECT.glob("*/*/migrations/**/*.py")], cluster
    )
    files = _fingerprint([(PROJECT / "static").rglob("*"), [PROJECT / "rally/settings.py"]], None)

    jobs = _Jobs(logs, env)
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


# --- what has to be done before


class _Jobs:
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
            command, log=_fresh_log(self._logs, name), env=self._env, cwd=PROJECT
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


class _Done:
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


def _fingerprint(groups: Iterable[Iterable[Path]], cluster: Path | None) -> str:
    """One value that changes with any of the files, with the requirements, or with a new cluster."""
    digest = hashlib.sha256((PROJECT / "requirements.txt").read_bytes())
    for path in sorted({path for group in groups for path in group if path.is_file()}):
        seen = path.stat()
        digest.update(f"{path.relative_to(PROJECT)} {seen.st_size} {seen.st_mtime_ns}\n".encode())
    if cluster is not None:
        digest.update(str((cluster / "PG_VERSION").stat().st_mtime_ns).encode())
    return digest.hexdigest()


def _fresh_log(logs: Path, name: str) -> Path:
    """The log of this start; the one before is kept beside it."""
    log = logs / f"{name}.log"
    with contextlib.suppress(FileNotFoundError):
        log.replace(logs / f"{name}.log.1")
    log.touch()
    return log
