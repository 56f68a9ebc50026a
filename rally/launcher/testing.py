"""`manage.py test`: pytest on servers of its own, with the browser if one is to be had."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from rally.launcher import processes, servers, thresholds
from rally.launcher.terminal import say, shout

PROJECT = Path(__file__).resolve().parents[2]
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: One more than processors, because each waits for the database, a browser or a lock now and then; each needs 0.4 GB.
WORKERS = min(8, len(os.sched_getaffinity(0)) + 1)
_TAKES_A_VALUE = {"-k", "-m", "-n", "-p", "-c", "-o", "-W", "-r", "--maxfail", "--durations", "--deselect",
                  "--ignore"}  # fmt: skip
#: Arguments with which pytest runs a part of the tests, or none, or one by one under a debugger.
_PARTIAL = ("-k", "-m", "--lf", "--last-failed", "--ff", "--sw", "--stepwise", "--co", "--collect-only", "--pdb",
            "--trace", "--deselect", "--ignore", "--fixtures", "--markers", "-h", "--help", "--version")  # fmt: skip


def run(argv: list[str]) -> int:
    """Run pytest with `argv`; its exit status, or 1 if coverage was measured and is too little.

    `RALLY_TEST_DATABASE_URL` names another PostgreSQL to test on. `DATABASE_URL` does not: it may be a real one.
    """
    state = own_folder(servers.state_folder(), "test")
    missing = _missing_browser(argv)
    if missing:
        shout(missing)
    lease = servers.start(state, mode="test")
    try:
        status = _pytest(_arguments(argv, state), state, lease.addresses)
    finally:
        lease.stop()
    if status == 0 and _measures(argv):
        status = thresholds.check(state / "coverage.json")
    if missing:
        shout(missing)
    return status


def own_folder(base: Path, name: str) -> Path:
    """A state folder nobody else works in: `name`, or `name-2` and so on while others are at work."""
    for number in range(1, 100):
        folder = base / (name if number == 1 else f"{name}-{number}")
        folder.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(folder / "run.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            continue
        return folder  # the lock is held until this process ends
    raise AssertionError("a hundred runs at once")


def _pytest(argv: list[str], state: Path, addresses: servers.ServerAddresses) -> int:
    env = {**os.environ, **addresses.environment(), "RALLY_MODE": "test", "RALLY_STATE_DIR": str(state)}
    if os.environ.get("RALLY_TEST_DATABASE_URL"):
        env["DATABASE_URL"] = os.environ["RALLY_TEST_DATABASE_URL"]
    env.pop("DJANGO_SETTINGS_MODULE", None)  # pyproject.toml says which
    browser = find_browser()
    if browser:
        env["RALLY_CHROMIUM"] = browser
    child = subprocess.Popen(
        [sys.executable, "-m", "pytest", *argv],
        cwd=PROJECT,
        env=env,
        preexec_fn=processes.dying_with_us(signal.SIGTERM),  # noqa: PLW1509 - we have one thread
    )
    try:
        return child.wait()
    except KeyboardInterrupt:  # pytest got it from the terminal as well, and is tidying up
        child.wait(30)
        raise
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait(10)


def _arguments(argv: list[str], state: Path) -> list[str]:
    """The caller's arguments behind our own: a few workers, and coverage when it counts."""
    ours = []
    chosen = any(word.startswith(("-n", "--numprocesses", "--dist")) for word in argv)
    if not chosen and not {"--pdb", "--trace", "no:xdist", "-pno:xdist"} & set(argv):
        # A worker that is done takes from those that are not: some tests take half a minute.
        ours += ["-n", str(WORKERS), "--dist", "worksteal"]
    if _measures(argv):
        ours += ["--cov", "--cov-report=term:skip-covered", f"--cov-report=json:{state / 'coverage.json'}"]
    return [*ours, *argv]


def _positional(argv: list[str]) -> list[str]:
    before = ["", *argv]
    return [
        word
        for word, last in zip(argv, before, strict=False)
        if not word.startswith("-") and last not in _TAKES_A_VALUE
    ]


def _measures(argv: list[str]) -> bool:
    """Whether coverage is measured and judged: the whole suite, where `CI` is set. It costs a third of the time."""
    if not os.environ.get("CI"):
        return False
    partial = any(word.split("=")[0] in _PARTIAL or word.startswith(("--cov", "--no-cov")) for word in argv)
    return not partial and not _positional(argv)


def _touches_browser(argv: list[str]) -> bool:
    """Whether what is asked for holds browser journeys."""
    browser = Path("tests/browser")
    chosen = [Path(os.path.relpath(word.split("::")[0], PROJECT)) for word in _positional(argv)]
    return not chosen or any(
        path == browser or path in browser.parents or browser in path.parents for path in chosen
    )


def find_browser() -> str | None:
    """The path of a Chromium on this machine; `RALLY_CHROMIUM` overrides what is found."""
    named = os.environ.get("RALLY_CHROMIUM")
    return named or next((path for name in _BROWSERS if (path := shutil.which(name))), None)


def _missing_browser(argv: list[str]) -> str | None:
    """Install Chromium if it is needed, missing and we may; what to say if the journeys cannot run."""
    if not _touches_browser(argv) or find_browser():
        return None
    if os.geteuid() != 0:
        return "BROWSER JOURNEYS NOT RUN: Chromium is missing. As root: apt-get install chromium"
    apt = shutil.which("apt-get")
    if apt is None:
        return "BROWSER JOURNEYS NOT RUN: Chromium is missing, and there is no apt-get to install it with."
    say("Installing Chromium for the browser journeys (once).")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = [apt, "install", "-y", "--no-install-recommends", "chromium"]
    for command in (install, [apt, "update"], install):
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if command is install and done.returncode == 0:
            return None
    return f"BROWSER JOURNEYS NOT RUN: apt-get could not install Chromium:\n{done.stderr.strip()[-500:]}"
