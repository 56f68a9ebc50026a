"""Makes `.venv` with the pinned requirements, and starts the program again inside it.

A stamp in it records that it was made to the end, and the fingerprints of the requirements that are in it. While the
stamp fits, nothing is installed and nothing is asked of the network.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from rally.launcher import processes
from rally.launcher.terminal import CannotStart, say

RUNTIME = "requirements.txt"
DEVELOPMENT = "requirements-dev.txt"
INSTALLER = "requirements-uv.txt"
_STAMP = "rally-stamp.json"
_MADE = {"made": "to the end"}
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def enter(project: Path, argv: list[str], *, dev: bool) -> None:
    """Return at once when we run in an up-to-date `.venv`; else make it so and start `argv` again in it.

    `dev` asks for what tests and checks need as well. Two starts at the same time wait for each other.
    """
    # Without compiled files Django takes 5.3 s to start instead of 1.8.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    folder = project / ".venv"
    changed = not _fits(project, dev=dev)
    if changed:
        with _alone(project):
            if not _fits(project, dev=dev):
                _make(project, dev=dev)
    if changed or Path(sys.prefix).resolve() != folder.resolve():
        python = str(folder / "bin" / "python")
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(python, [python, *argv])  # noqa: S606 - the same program, in its own environment


def _fingerprint(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _stamp(project: Path) -> Path:
    return project / ".venv" / _STAMP


def _wanted(project: Path, *, dev: bool) -> dict[str, str]:
    wanted = {"runtime": _fingerprint(project / RUNTIME)}
    if dev:
        wanted["dev"] = _fingerprint(project / DEVELOPMENT)
    return wanted


def _fits(project: Path, *, dev: bool) -> bool:
    try:
        seen = json.loads(_stamp(project).read_text())
    except (OSError, ValueError):
        return False
    # The link breaks when the Python that the environment was made with goes away.
    if not (project / ".venv" / "bin" / "python").exists():
        return False
    return all(seen.get(key) == value for key, value in _wanted(project, dev=dev).items())


@contextlib.contextmanager
def _alone(project: Path) -> Iterator[None]:
    """Hold the one lock for changing `.venv`: on the project's folder itself, which needs no file."""
    handle = os.open(project, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another start is making the environment; waiting for it.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _make(project: Path, *, dev: bool) -> None:
    folder = project / ".venv"
    if not os.access(project, os.W_OK):
        raise CannotStart(
            f"{project} cannot be written to. Clone Rally into a folder of your own and start again."
        )
    if not _usable(folder):
        say("Making .venv (this happens once).")
        _stamp(project).unlink(missing_ok=True)
        _create(folder)
    # From here on it is made, but what is in it is not known until the installation has ended well.
    _stamp(project).write_text(json.dumps(_MADE))
    requirements = project / (DEVELOPMENT if dev else RUNTIME)
    count = sum(1 for line in requirements.read_text().splitlines() if line[:1].isalnum())
    say(f"Installing {count} pinned packages from {requirements.name} (about half a minute).")
    _install(project, requirements)
    _stamp(project).write_text(json.dumps(_MADE | _wanted(project, dev=dev)))
    say("The environment is ready.")


def _usable(folder: Path) -> bool:
    """Whether there is an environment that was made to the end, and its Python is still there."""
    try:
        seen = json.loads((folder / _STAMP).read_text())
    except (OSError, ValueError):
        return False
    return (folder / "bin" / "python").exists() and _MADE.items() <= seen.items()


def _create(folder: Path) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    advice = f"Python's venv module is not complete. On Debian and Ubuntu: apt install python{version}-venv"
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        raise CannotStart(advice)
    # Of the interpreter underneath: we may be running in an environment that is about to be replaced.
    python = getattr(sys, "_base_executable", None) or sys.executable
    worked, complaint = _run([python, "-m", "venv", "--clear", str(folder)])
    if not worked:
        raise CannotStart(f"{complaint}\n{advice}")


def _clean() -> dict[str, str]:
    unwanted = {
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPATH",
        "PYTHONHOME",
        "VIRTUAL_ENV",
        "PIP_REQUIRE_VIRTUALENV",
    }
    return {key: value for key, value in os.environ.items() if key not in unwanted}


def _install(project: Path, requirements: Path) -> None:
    """Install with uv, which takes a quarter of pip's time; with pip where uv is not to be had."""
    python = str(project / ".venv" / "bin" / "python")
    hashes = ["--require-hashes", "-r"]
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *hashes]
    uv = [python, "-m", "uv", "pip", "install", "--quiet", "--python", python, "--compile-bytecode"]
    got_uv, _ = _run([*pip, str(project / INSTALLER)])
    # Behind a company's own certificate authority uv needs to be told to look at the system's certificates.
    attempts = [[*uv, *hashes], [*uv, "--system-certs", *hashes]] if got_uv else []
    complaint = ""
    for command in [*attempts, pip]:
        if command is pip:
            say("Installing with pip, which takes a minute or two.")
        worked, complaint = _run([*command, str(requirements)])
        if worked:
            return
    raise CannotStart(
        f"{complaint}\nThe requirements could not be installed. Is there a connection to the network?"
    )


def _run(command: list[str]) -> tuple[bool, str]:
    """Run an installer in a group of its own; whether it worked, and what it said. Leaves none of it behind."""
    # Told to end before we watch over it, we would leave it behind.
    mask, promise = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS), processes.dying_with_us(signal.SIGKILL)

    def begin() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        promise()

    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=_clean(),
        start_new_session=True,
        preexec_fn=begin,  # noqa: PLW1509 - we have one thread
    )
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        output, _ = child.communicate()
    except BaseException:  # Ctrl-C, or told to end
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise
    return child.returncode == 0, output
