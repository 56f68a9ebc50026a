"""What `manage.py` makes of its arguments, and what it remembers between two starts."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rally.launcher import children, demo, main, preparing, processes, testing, thresholds, venv
from rally.launcher.terminal import CannotStart

PROJECT = Path(__file__).resolve().parents[3]
SPREAD = ("-n", str(testing.WORKERS), "--dist", "worksteal")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["tests/trips", "-q", "-x"], [*SPREAD, "tests/trips", "-q", "-x"]),
        (["tests/trips", "-n", "0"], ["tests/trips", "-n", "0"]),
        (["tests/trips", "-n0"], ["tests/trips", "-n0"]),
        (["--pdb", "tests/trips"], ["--pdb", "tests/trips"]),
        (["-k", "tests"], [*SPREAD, "-k", "tests"]),
    ],
)
def test_arguments_reach_pytest(words: list[str], expected: list[str], tmp_path: Path) -> None:
    assert testing._arguments(words, tmp_path) == expected


@pytest.mark.parametrize("words", [[], ["-q"], ["-n", "0"], ["-p", "no:randomly"], ["--maxfail", "3"]])
def test_the_whole_suite_is_measured_where_it_is_judged(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    assert "--cov" in testing._arguments(words, tmp_path)
    monkeypatch.delenv("CI")
    assert "--cov" not in testing._arguments(words, tmp_path)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], True),
        (["-q"], True),
        (["tests"], True),
        (["tests/browser/test_pages.py::test_home"], True),
        (["tests/trips", "tests/browser"], True),
        (["tests/trips"], False),
        (["-k", "browser", "tests/rally"], False),
    ],
)
def test_a_browser_is_wanted_only_for_its_journeys(
    words: list[str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PROJECT)

    assert testing._touches_browser(words) is expected


def test_without_a_browser_and_the_right_to_install_it_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "find_browser", lambda: None)
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    assert (testing._missing_browser([]) or "").startswith("BROWSER JOURNEYS NOT RUN: ")
    assert testing._missing_browser(["tests/trips"]) is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["migrate"], True),
        (["import_events", "games.csv"], True),
        (["demo_clock", "+7d"], True),
        (["check"], False),
        (["check", "--database", "default"], True),
        (["migrate", "--help"], False),
        ([], False),
    ],
)
def test_servers_start_only_for_commands_that_need_them(words: list[str], expected: bool) -> None:
    assert main._needs_servers(["manage.py", *words]) is expected


@pytest.mark.parametrize(
    ("mode", "database", "command", "expected"),
    [
        ("production", "postgres://db/rally", "migrate", True),
        ("production", "", "demo", True),
        ("production", "", "tool", False),
        ("", "postgres://db/rally", "migrate", True),
        ("", "postgres://db/rally", "demo", False),
        ("development", "postgres://db/rally", "migrate", False),
        ("", "", "migrate", False),
    ],
)
def test_production_is_left_to_those_who_run_it(
    mode: str, database: str, command: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RALLY_MODE", mode)
    monkeypatch.setenv("DATABASE_URL", database)

    assert main._is_production(command) is expected


def test_coverage_shortfalls_name_file_and_lines() -> None:
    def seen(percent: float, *missing: int) -> dict[str, Any]:
        branches = [] if missing or percent == 100 else [[7, 9], [7, -1]]
        return {
            "summary": {"percent_covered": percent},
            "missing_lines": list(missing),
            "missing_branches": branches,
        }

    report = {
        "totals": {"percent_covered": 94.5},
        "files": {
            "trips/actions/pledges.py": seen(98.0, 12, 40),
            "trips/actions/pledging.py": seen(99.0),
            "trips/actions/trips.py": seen(100.0),
            "trips/views/riding.py": seen(70.0, 1),
        },
    }

    assert thresholds.shortfalls(report, overall=95, complete=["*/actions/*.py"]) == [
        "everything together: 94.50 % of 95 %",
        "trips/actions/pledges.py: 98.0 % of 100 % (not run: 12, 40)",
        "trips/actions/pledging.py: 99.0 % of 100 % (not run: 7->9, 7->-1)",
    ]
    assert thresholds.shortfalls(report, overall=94, complete=["*/actions/trips.py"]) == []


class TestEnvironmentStamp:
    @pytest.fixture
    def project(self, tmp_path: Path) -> Path:
        (tmp_path / "requirements.txt").write_text("a==1\n")
        (tmp_path / "requirements-dev.txt").write_text("a==1\nb==1\n")
        python = tmp_path / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)
        venv._stamp(tmp_path).write_text(json.dumps(venv._wanted(tmp_path, dev=False)))
        return tmp_path

    def test_it_fits_until_a_pin_changes(self, project: Path) -> None:
        assert venv._fits(project, dev=False)
        (project / "requirements.txt").write_text("a==2\n")
        assert not venv._fits(project, dev=False)

    def test_the_demo_does_not_bring_what_tests_need(self, project: Path) -> None:
        assert not venv._fits(project, dev=True)

    def test_half_an_environment_is_made_anew(self, project: Path) -> None:
        assert not venv._usable(project / ".venv")
        venv._stamp(project).write_text(json.dumps(venv._MADE))
        assert venv._usable(project / ".venv")
        venv._stamp(project).unlink()
        assert not venv._usable(project / ".venv")

    def test_an_installer_leaves_nothing_behind_when_we_are_told_to_end(self, project: Path) -> None:
        note = project / "pid"
        program = (
            "import signal, sys; from rally.launcher import main, venv;"
            "signal.signal(signal.SIGTERM, main._leave);"
            f"venv._run(['/bin/sh', '-c', 'sleep 60 & echo $! > {note}.new; mv {note}.new {note}; wait'])"
        )
        with subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT) as starting:
            assert any(note.exists() for _ in processes.ticks(10, 0.02))
            starting.terminate()

        assert starting.returncode == 128 + signal.SIGTERM
        assert processes.wait_gone([int(note.read_text())], 5)

    def test_it_does_not_fit_when_its_python_is_gone(self, project: Path) -> None:
        python = project / ".venv" / "bin" / "python"
        python.unlink()
        python.symlink_to("/nowhere/python")
        assert not venv._fits(project, dev=False)


def test_a_missing_venv_module_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)

    with pytest.raises(CannotStart, match=r"apt install python3\.\d+-venv"):
        venv._create(tmp_path / ".venv")


class TestPort:
    @pytest.fixture
    def taken(self) -> int:
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        return int(self.listener.getsockname()[1])

    @pytest.fixture(autouse=True)
    def _close(self, taken: int) -> Any:
        yield
        self.listener.close()

    def test_one_asked_for_is_used_or_refused(self, taken: int) -> None:
        with pytest.raises(CannotStart, match=f"Port {taken} is taken"):
            demo._choose_port(taken)

    def test_else_the_next_free_one(self, taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(demo, "FIRST_PORT", taken)

        assert taken < demo._choose_port(None) < taken + 50


def test_a_first_start_that_broke_off_is_known(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    assert not preparing.Done(path).broke_off()

    preparing.Done(path).note("tables", "1")
    assert preparing.Done(path).broke_off()

    preparing.Done(path).note("market", "1")
    preparing.Done(path).note("tables", "2")  # new tables under a market that stands
    assert not preparing.Done(path).broke_off()


class TestChild:
    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        now = [1000.0]
        monkeypatch.setattr(children.time, "monotonic", lambda: now[0])
        return now

    def child(self, logs: Path, program: str) -> children.Child:
        return children.Child("web", [sys.executable, "-c", program], logs=logs, env={}, patience=1)

    def test_it_starts_again_with_growing_pauses_and_then_gives_up(
        self, tmp_path: Path, clock: list[float], capfd: pytest.CaptureFixture[str]
    ) -> None:
        child = self.child(tmp_path, "raise SystemExit('out of paper')")
        child.start()
        for pause in (1, 2, 4, 8):
            assert child._process is not None
            child._process.wait()
            child.look()
            assert child._again_at == clock[0] + pause
            clock[0] += pause
            child.look()
        assert child._process is not None
        child._process.wait()

        with pytest.raises(CannotStart, match=r"out of paper[\s\S]*keeps ending"):
            child.look()
        assert "web starts again in 4 s" in capfd.readouterr().err

    def test_a_complaint_is_heard_once_a_minute(
        self, tmp_path: Path, clock: list[float], capfd: pytest.CaptureFixture[str]
    ) -> None:
        child = self.child(tmp_path, "")
        with child.log.open("a") as log:
            log.write('{"level": "ERROR", "message": "no paper"}\n{"level": "INFO", "message": "fine"}\n')
        child.look()
        for later in (30.0, 31.0):
            clock[0] += later
            with child.log.open("a") as log:
                log.write('{"level": "ERROR", "message": "no paper"}\n')
            child.look()

        said = capfd.readouterr().err
        assert said.count("web: ERROR no paper") == 2
        assert "fine" not in said
