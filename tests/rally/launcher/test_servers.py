"""The embedded servers come back after anything, keep what was written, and leave nothing running."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from rally.launcher import places, processes, servers
from rally.launcher.terminal import CannotStart

PROJECT = Path(__file__).resolve().parents[3]
Start = Callable[[], servers.Lease]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def start(state: Path) -> Iterator[Start]:
    leases: list[servers.Lease] = []

    def starting() -> servers.Lease:
        leases.append(servers.start(state, mode="test"))
        return leases[-1]

    yield starting
    for lease in leases:
        lease.stop()
    assert processes.living_in(state / "postgres") + processes.living_in(state / "valkey") == []


def keeper(state: Path) -> int:
    return int(json.loads(servers.note(state).read_text())["pid"])


def write(lease: servers.Lease) -> None:
    with psycopg.connect(lease.addresses.database_url) as line:
        line.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        line.execute("INSERT INTO kept VALUES (1)")


def written(lease: servers.Lease) -> int:
    with psycopg.connect(lease.addresses.database_url) as line:
        row = line.execute("SELECT count(*) FROM kept").fetchone()
    assert row is not None
    return int(row[0])


def test_data_survives_the_death_of_everything(state: Path, start: Start) -> None:
    first = start()
    write(first)
    victims = [
        keeper(state),
        *processes.living_in(state / "postgres"),
        *processes.living_in(state / "valkey"),
    ]
    for pid in victims:
        with contextlib.suppress(ProcessLookupError):  # the first one's end may be the others' as well
            os.kill(pid, signal.SIGKILL)
    assert processes.wait_gone(victims, 5)
    assert (state / "postgres" / "postmaster.pid").exists()
    first.stop()

    assert written(start()) == 1


def test_files_that_name_a_living_stranger_do_not_keep_it_from_starting(state: Path, start: Start) -> None:
    first = start()
    write(first)
    socket = places.sockets(state) / ".s.PGSQL.5432"
    note = (state / "postgres" / "postmaster.pid").read_text().splitlines()
    lock = socket.with_name(f"{socket.name}.lock")
    assert first.stop()
    stale = "\n".join([str(os.getppid()), *note[1:]]) + "\n"
    (state / "postgres" / "postmaster.pid").write_text(stale)
    lock.write_text(stale)

    assert written(start()) == 1


def test_an_orphan_is_ended_and_its_data_kept(state: Path, start: Start) -> None:
    """The keeper dies alone; what it was the parent of goes with it or is ended by the next start."""
    first = start()
    write(first)
    os.kill(keeper(state), signal.SIGKILL)
    first.stop()

    assert written(start()) == 1


def test_the_last_one_out_stops_the_servers(state: Path, start: Start) -> None:
    first, second = start(), start()
    write(second)

    assert not first.stop()
    assert written(second) == 1
    assert second.stop()
    assert second.stop()
    assert processes.living_in(state / "postgres") == []


def test_a_killed_command_lets_go_of_the_servers(state: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from rally.launcher import servers;"
        "lease = servers.start(Path(sys.argv[1]), mode='test'); print('up', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(state)], cwd=PROJECT, stdout=subprocess.PIPE
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == b"up\n"
        left = [
            keeper(state),
            *processes.living_in(state / "postgres"),
            *processes.living_in(state / "valkey"),
        ]
        command.kill()

    assert len(left) > 2
    assert processes.wait_gone(left, 10)


class TestLongPath:
    @pytest.fixture
    def state(self, tmp_path: Path) -> Path:
        deep = tmp_path / ("long name, with a comma and ünusual letters " * 2)
        deep.mkdir()
        return deep

    def test_sockets_move_to_a_short_private_folder(self, state: Path, start: Start) -> None:
        assert len(os.fsencode(state / "sockets" / ".s.PGSQL.5432")) > places.SOCKET_LIMIT
        lease = start()
        write(lease)

        assert redis.Redis.from_url(lease.addresses.redis_url).ping()
        folder = places.sockets(state)
        assert len(os.fsencode(folder / ".s.PGSQL.5432")) <= places.SOCKET_LIMIT
        assert folder.stat().st_mode & 0o777 == 0o700
        assert not folder.is_relative_to(state)
        assert lease.stop()
        assert not folder.exists()


def test_no_port_is_opened_and_play_is_not_durable(start: Start) -> None:
    with psycopg.connect(start().addresses.database_url) as line:
        shown = [
            line.execute(f"SHOW {name}").fetchone()
            for name in ("listen_addresses", "max_connections", "fsync")
        ]  # type: ignore[call-overload]

    assert shown == [("",), ("200",), ("off",)]


def test_data_is_not_deleted_under_a_command_that_uses_it(state: Path, start: Start) -> None:
    lease = start()
    write(lease)

    with pytest.raises(CannotStart, match="Another command uses"):
        servers.forget(state)
    assert written(lease) == 1

    lease.stop()
    servers.forget(state)
    with pytest.raises(psycopg.errors.UndefinedTable):
        written(start())
