"""Starting, recognizing and ending processes, so that none is left behind and no stranger is hit.

A process id alone says little: ids are used again, and a killed process can stay listed as a zombie for minutes.
So a process is known here by its id together with the moment it started, both read from `/proc`.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def started_at(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; `None` if it is gone or only a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the program's name in brackets and may itself hold spaces and brackets.
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else int(fields[19])


def is_alive(pid: int, start: int | None = None) -> bool:
    """Whether the process runs, and is the one that started at `start` where that is given."""
    seen = started_at(pid)
    return seen is not None and (start is None or seen == start)


def living_in(folder: Path) -> list[int]:
    """The ids of all processes whose working directory is `folder`; PostgreSQL's are found by this."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink() == folder and is_alive(int(entry.name)):
                found.append(int(entry.name))
    return found


def dying_with_us(number: signal.Signals) -> Callable[[], None]:
    """What a child does before it becomes its program, so that the kernel sends it `number` when we end."""
    mother = os.getpid()

    def promise() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != mother:  # we were killed before the promise was made
            os._exit(1)

    return promise


def spawn(
    argv: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: int | None = None,
    group: int | None = None,
    dies_with_us: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, its output appended to `log`.

    A Ctrl-C meant for us does not reach it, and the kernel sends it `dies_with_us` when we end in any way.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            preexec_fn=dying_with_us(dies_with_us),  # noqa: PLW1509 - we have one thread when we start children
        )


def wait_gone(pids: Sequence[int], seconds: float) -> bool:
    """Wait until none of the processes runs; whether that was so in time."""
    return all(not is_alive(pid) for pid in pids) or any(
        all(not is_alive(pid) for pid in pids) for _ in ticks(seconds, 0.02)
    )


def ticks(seconds: float, pause: float) -> Iterator[float]:
    """Yield every `pause` seconds until `seconds` have passed: the shape of every bounded wait here."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(pause)
        yield end - time.monotonic()


def stop(
    child: subprocess.Popen[bytes], *, ask: signal.Signals = signal.SIGTERM, patience: float = 5
) -> None:
    """End a child and everything in its process group: ask, wait `patience` seconds, then kill.

    Harmless if it has ended already.
    """
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(ask)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def end_strangers(pids: Sequence[int], *, asking: Sequence[tuple[signal.Signals, float]]) -> None:
    """End processes that are not our children: each signal of `asking` in turn with its seconds of patience."""
    for number, patience in asking:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if wait_gone(pids, patience):
            return
