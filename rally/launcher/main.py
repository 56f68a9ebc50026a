"""What `manage.py` does with its arguments."""

import importlib
import importlib.util
import os
import signal
import sys
from pathlib import Path

from rally.launcher import servers, venv
from rally.launcher.places import PROJECT
from rally.launcher.terminal import CannotStart

#: Our own commands and the modules whose `run` they are.
_OURS = {
    "audit": "rally.launcher.audit",
    "demo": "rally.launcher.demo",
    "prove_money": "rally.launcher.proving",
    "servers": "rally.launcher.servers",
    "test": "rally.launcher.testing",
    "tool": "rally.launcher.tools",
}
#: Commands that need the tools of `requirements-dev.txt`.
_FOR_DEVELOPERS = {"test", "tool", "audit"}
#: Django's commands that never open the database; starting it for them would only cost time.
_WITHOUT_SERVERS = {
    "check", "collectstatic", "compilemessages", "diffsettings", "findstatic", "help", "makemessages",
    "spectacular", "startapp", "version",
}  # fmt: skip


def main(argv: list[str]) -> int:
    """Run one command; the exit status."""
    command = argv[1] if len(argv) > 1 else "help"
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _leave)
    try:
        if _is_production(command):
            return _production(argv)
        venv.enter(PROJECT, argv, dev=command in _FOR_DEVELOPERS)
        if command in _OURS:
            module = importlib.import_module(_OURS[command])
            return int(module.run(argv[2:]))
        return _django_with_servers(argv)
    except CannotStart as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _is_production(command: str) -> bool:
    """Whether somebody else looks after environment and servers: said so, or a database given and nothing said."""
    mode = os.environ.get("RALLY_MODE")
    if mode == "production":
        return command != "tool"  # tools look at the production settings, too
    return not mode and bool(os.environ.get("DATABASE_URL")) and command not in _OURS


def _production(argv: list[str]) -> int:
    """Production brings its own environment, database and broker: nothing is installed and nothing started."""
    if argv[1:] and argv[1] in _OURS:
        raise CannotStart(
            f"RALLY_MODE is production; {argv[1]} is for your own machine and starts servers there."
        )
    if importlib.util.find_spec("django") is None:
        python = PROJECT / ".venv" / "bin" / "python"
        if not python.exists() or Path(sys.prefix) == PROJECT / ".venv":
            raise CannotStart(
                "Django is not installed here. Install requirements.txt first; see docs/operations.md."
            )
        os.execv(python, [str(python), *argv])  # noqa: S606 - the same program, in its own environment
    return _django(argv)


def _django(argv: list[str]) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rally.settings")
    management = importlib.import_module("django.core.management")
    management.execute_from_command_line(argv)
    return 0


def _django_with_servers(argv: list[str]) -> int:
    """Run Django's command on the servers of the demo, started for its time if they do not run.

    With `DATABASE_URL` set, that database is used and nothing is started.
    """
    if os.environ.get("DATABASE_URL"):
        return _django(argv)
    os.environ.setdefault("RALLY_MODE", "demo")
    state = servers.state_folder()
    os.environ["RALLY_STATE_DIR"] = str(state)
    os.environ.update(servers.addresses(state).environment())
    running = state / "address"  # of a demo: what this command writes to people leads there
    if running.exists():
        os.environ.setdefault("SITE_URL", running.read_text().strip().rstrip("/"))
    if not _needs_servers(argv):
        return _django(argv)
    lease = servers.start(state, mode=os.environ["RALLY_MODE"])
    try:
        return _django(argv)
    finally:
        _let_go_of_database()
        lease.stop()


def _needs_servers(argv: list[str]) -> bool:
    words = argv[1:]
    if not words or {"-h", "--help", "--version"} & set(words):
        return False
    return words[0] not in _WITHOUT_SERVERS or "--database" in words


def _let_go_of_database() -> None:
    """Close the connections and their pools, whose threads would complain when the server goes away."""
    database = sys.modules.get("django.db")
    if database is None:
        return
    for connection in database.connections.all(initialized_only=True):
        connection.close()
        close_pool = getattr(connection, "close_pool", None)
        if close_pool is not None:
            close_pool()
