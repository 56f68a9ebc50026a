"""Processes are known by their id and their start, and none outlives us."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from rally.launcher import processes

PROJECT = Path(__file__).resolve().parents[3]


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    try:
        end = time.monotonic() + 10
        while "\nState:\tZ" not in Path(f"/proc/{child.pid}/status").read_text():
            assert time.monotonic() < end
            time.sleep(0.01)
        os.kill(child.pid, 0)  # what pg_ctl asks, and it is told yes
        assert not processes.is_alive(child.pid)
    finally:
        child.wait()


def test_a_stranger_with_the_same_id_is_not_taken_for_the_one_we_know() -> None:
    start = processes.started_at(os.getpid())

    assert start is not None
    assert processes.is_alive(os.getpid(), start)
    assert not processes.is_alive(os.getpid(), start - 1)


def test_children_die_when_their_parent_is_killed() -> None:
    program = (
        "import sys, time; from pathlib import Path; from rally.launcher import processes;"
        "child = processes.spawn(['sleep', '60'], log=Path('/dev/null'));"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        alive_before = processes.is_alive(child)
        parent.kill()

    assert alive_before
    assert processes.wait_gone([child], 5)


def test_stopping_ends_the_whole_group_even_if_it_does_not_listen(tmp_path: Path) -> None:
    told = tmp_path / "told"
    script = f"trap '' TERM; sleep 60 & echo $! > {told}.new; mv {told}.new {told}; wait; sleep 60"
    child = processes.spawn(["/bin/sh", "-c", script], log=tmp_path / "log")
    assert any(told.exists() for _ in processes.ticks(5, 0.02))
    grandchild = int(told.read_text())

    processes.stop(child, patience=0.1)
    processes.stop(child, patience=0.1)

    assert child.returncode == -signal.SIGKILL
    assert processes.wait_gone([grandchild], 5)
