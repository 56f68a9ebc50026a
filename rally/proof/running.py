"""Many stories: databases of their own, several processes, one line of progress, and what was found."""

from __future__ import annotations

import ctypes
import gc
import hashlib
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

from rally.proof import ground, story
from rally.proof.ground import Ground
from rally.proof.story import Verdict

#: Seeds that a process is given at once.
_PORTION = 5
_TIDY_EVERY = 25


# ---- databases


@contextmanager
def template() -> Iterator[str]:
    """The name of a migrated, empty database to copy. Kept for the next time, until a migration changes."""
    name = f"proof_{_fingerprint()}"
    with _maintenance() as run:
        known = [row[0] for row in run("SELECT datname FROM pg_database WHERE datname LIKE 'proof\\_%%'")]
        for other in known:
            if other != name:
                run(f'DROP DATABASE "{other}"')
        fresh = name not in known
        if fresh:
            run(f'CREATE DATABASE "{name}_half"')
    if fresh:
        with _database(f"{name}_half"):
            call_command("migrate", verbosity=0, interactive=False)
            _leave_tables_alone()
        with _maintenance() as run:
            run(f'ALTER DATABASE "{name}_half" RENAME TO "{name}"')
    yield name


def _fingerprint() -> str:
    """Of all migrations: another text, another database."""
    whole = hashlib.sha256()
    for app in ("rally", "payments", "trips", "operators"):
        for file in sorted((Path(settings.BASE_DIR) / app / "migrations").glob("*.py")):
            whole.update(file.read_bytes())
    return whole.hexdigest()[:12]


def _leave_tables_alone() -> None:
    """No vacuum and no statistics at a moment of the server's choosing: the same seed meets the same database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DO $$ DECLARE one text; BEGIN FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            " LOOP EXECUTE format('ALTER TABLE %I SET (autovacuum_enabled = false)', one); END LOOP; END $$"
        )


@contextmanager
def _maintenance() -> Iterator[Callable[[str], list[tuple[str, ...]]]]:
    """Run statements about whole databases."""
    with _database("postgres"), connection.cursor() as cursor:

        def run(sql: str) -> list[tuple[str, ...]]:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

        yield run


@contextmanager
def _database(name: str) -> Iterator[None]:
    """Let Django work in this database for a while."""
    before = settings.DATABASES["default"]["NAME"]
    connection.close()
    connections["default"].settings_dict["NAME"] = settings.DATABASES["default"]["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connections["default"].settings_dict["NAME"] = settings.DATABASES["default"]["NAME"] = before


# ---- one process


_ground: Ground
#: What stays open for as long as the process lives.
_open = ExitStack()


def _work_here(copy_of: str) -> None:
    """A process makes itself a database and the ground in it. Both go when the run ends."""
    global _ground  # noqa: PLW0603 - one per process, made once
    ctypes.CDLL(None).prctl(
        1, signal.SIGTERM, 0, 0, 0
    )  # the kernel ends us when our parent ends, however it does
    name = f"{copy_of}_{os.getpid()}"
    with _maintenance() as run:
        run(f'CREATE DATABASE "{name}" TEMPLATE "{copy_of}"')
    _open.enter_context(_database(name))
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    connection.close()
    gc.disable()  # costs a tenth; `_tell` collects between stories
    _ground = _open.enter_context(ground.prepared())


def _tell(seeds: Sequence[int], design: str) -> list[Verdict]:
    from rally.proof import wrong

    told = []
    for seed in seeds:
        with wrong.built_in(design):
            told.append(story.tell(seed, _ground, steps=story.SHORT if design else None))
        if seed % _TIDY_EVERY == 0:
            _ground.tidy()
    gc.collect()
    return told


# ---- all of them


def tell_all(seeds: Sequence[int], *, jobs: int, design: str = "") -> Iterator[Verdict]:
    """The verdict on each of these stories: as they come in, and in order where a wrong design is told.

    Stops early when the caller does.
    """
    portion = 1 if design else _PORTION
    with template() as name:
        connections.close_all()
        fork = multiprocessing.get_context("fork")
        pool = ProcessPoolExecutor(jobs, mp_context=fork, initializer=_work_here, initargs=(name,))
        try:
            portions = [seeds[start : start + portion] for start in range(0, len(seeds), portion)]
            waiting: list[Future[list[Verdict]]] = [pool.submit(_tell, each, design) for each in portions]
            for done in waiting if design else as_completed(waiting):
                yield from done.result()
        finally:
            pool.shutdown(cancel_futures=True)
            _drop_copies(name)


def _drop_copies(name: str) -> None:
    with _maintenance() as run:
        for (copy,) in run(f"SELECT datname FROM pg_database WHERE datname LIKE '{name}\\_%'"):
            run(f'DROP DATABASE "{copy}" WITH (FORCE)')


class Progress:
    """One line that is written over, or now and then a new one where nobody watches."""

    def __init__(self, whole: int) -> None:
        self.whole = whole
        self.told = self.steps = 0
        self.ends: Counter[str] = Counter()
        self.failures: list[Verdict] = []
        self._began = time.monotonic()
        self._live = sys.stderr.isatty()
        self._last = 0.0

    def add(self, verdict: Verdict) -> None:
        """Count one story."""
        self.told += 1
        self.steps += verdict.steps
        self.ends[verdict.end] += 1
        if verdict.broken:
            self.failures.append(verdict)
        now = time.monotonic()
        if now - self._last > (0.2 if self._live else 30) or self.told == self.whole:
            self._last = now
            end = "\r" if self._live and self.told < self.whole else "\n"
            print(f"{self.line()}   ", end=end, file=sys.stderr, flush=True)  # noqa: T201

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def line(self) -> str:
        """How far we are."""
        ends = ", ".join(f"{count} {end}" for end, count in sorted(self.ends.items()))
        return (
            f"{self.told}/{self.whole} stories, {self.steps} steps, {self.seconds:.0f} s ({ends}),"
            f" {len(self.failures)} broken"
        )
