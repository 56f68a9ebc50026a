"""The sandbox's own memory: one SQLite file, safe between threads and processes, never the application's database."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

Json = dict[str, Any]

_TRIES: Final = 600

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS object (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, account TEXT NOT NULL,
    created INTEGER NOT NULL, customer TEXT, payment_intent TEXT, charge TEXT, transfer_group TEXT,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS object_newest ON object (kind, account, created, seq);
CREATE INDEX IF NOT EXISTS object_customer ON object (kind, customer) WHERE customer IS NOT NULL;
CREATE INDEX IF NOT EXISTS object_intent ON object (kind, payment_intent) WHERE payment_intent IS NOT NULL;
CREATE INDEX IF NOT EXISTS object_charge ON object (kind, charge) WHERE charge IS NOT NULL;
CREATE INDEX IF NOT EXISTS object_group ON object (kind, transfer_group) WHERE transfer_group IS NOT NULL;
CREATE TABLE IF NOT EXISTS answer (
    account TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, created INTEGER NOT NULL,
    finished_ns INTEGER NOT NULL, request_id TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answer_age ON answer (created);
CREATE TABLE IF NOT EXISTS due (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS due_at ON due (at, seq);
CREATE TABLE IF NOT EXISTS money (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, currency TEXT NOT NULL, net INTEGER NOT NULL,
    available_on INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS money_account ON money (account, currency, available_on, net);
CREATE TABLE IF NOT EXISTS delivery (
    seq INTEGER PRIMARY KEY, event TEXT NOT NULL, due INTEGER NOT NULL, first_due INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'pending', leased_until REAL NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS delivery_event ON delivery (event);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (due, seq) WHERE state = 'pending';
CREATE TABLE IF NOT EXISTS rate (
    endpoint TEXT PRIMARY KEY, window INTEGER NOT NULL, calls INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

# The columns beside the body that lists filter by. The body stays the truth; these are copies for the indexes.
INDEXED: Final = ("customer", "payment_intent", "charge", "transfer_group")


def _indexed(body: Json) -> Iterator[str | None]:
    # Where Stripe's own field has another name, the sandbox keeps a private copy under ours.
    return (body.get(name) or body.get(f"_{name}") for name in INDEXED)


_INHERITED: Final[list[sqlite3.Connection]] = []
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def encode(value: Any) -> str:
    """Give the compact JSON text in which objects are kept and answered."""
    return _ENCODER.encode(value)


class Rows:
    """The objects inside one open transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.sql = connection.execute

    def get(self, object_id: str, kind: str | None = None) -> Json | None:
        """Give the object with this id, or None. With `kind`, an object of another kind counts as missing."""
        row = self.sql("SELECT kind, body FROM object WHERE id = ?", (object_id,)).fetchone()
        if row is None or (kind is not None and row[0] != kind):
            return None
        found: Json = json.loads(row[1])
        return found

    def account_of(self, object_id: str) -> str | None:
        """Say whose the object is: "" for the platform, else a connected account's id. None if there is none."""
        row = self.sql("SELECT account FROM object WHERE id = ?", (object_id,)).fetchone()
        return None if row is None else str(row[0])

    def add(self, body: Json, *, account: str = "") -> Json:
        """Keep a new object under its own `id`, `object` and `created`."""
        self.sql(
            "INSERT INTO object (id, kind, account, created, customer, payment_intent, charge, transfer_group, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                body["id"],
                body["object"],
                account,
                body.get("created", 0),
                *_indexed(body),
                encode(body),
            ),
        )
        return body

    def put(self, body: Json) -> Json:
        """Overwrite an object that exists."""
        self.sql(
            "UPDATE object SET customer = ?, payment_intent = ?, charge = ?, transfer_group = ?, body = ? WHERE id = ?",
            (*_indexed(body), encode(body), body["id"]),
        )
        return body

    def where(self, kind: str, **equal: str) -> list[Json]:
        """Give all objects of a kind whose indexed columns equal these values, oldest first."""
        condition = "".join(f" AND {column} = ?" for column in equal)
        found = self.sql(
            f"SELECT body FROM object WHERE kind = ?{condition} ORDER BY seq",  # noqa: S608  columns are ours
            (kind, *equal.values()),
        )
        return [json.loads(row[0]) for row in found]

    def schedule(self, at: int, kind: str, subject: str) -> None:
        """Note that something happens to `subject` at this Unix time."""
        self.sql("INSERT INTO due (at, kind, subject) VALUES (?, ?, ?)", (at, kind, subject))

    def unschedule(self, kind: str, subject: str) -> None:
        """Forget what was noted for `subject`. Harmless when nothing was."""
        self.sql("DELETE FROM due WHERE kind = ? AND subject = ?", (kind, subject))


class Store:
    """The file. One connection a thread; writers of one process queue on a lock rather than on SQLite's busy sleep."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = str(path)
        self._local = threading.local()
        self._writing = threading.RLock()

    @contextmanager
    def reading(self) -> Iterator[Rows]:
        """Open a transaction that sees one moment and changes nothing."""
        with self._transaction("BEGIN") as rows:
            yield rows

    @contextmanager
    def writing(self) -> Iterator[Rows]:
        """Open a transaction that holds the write lock from its start. Any exception undoes all of it."""
        with self._writing, self._transaction("BEGIN IMMEDIATE") as rows:
            yield rows

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Rows]:
        connection = self._connection()
        connection.execute(begin)
        try:
            yield Rows(connection)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def _connection(self) -> sqlite3.Connection:
        identity = self._identity()
        held: tuple[tuple[int, int, int], sqlite3.Connection] | None = getattr(self._local, "held", None)
        if held is not None and held[0] == identity:
            return held[1]
        if held is not None and held[0][0] == os.getpid():
            held[1].close()
        elif held is not None:
            # Inherited by a fork. Closing it here would meddle with the parent's file, so it is only kept aside.
            _INHERITED.append(held[1])
        connection = self._open()
        self._local.held = (self._identity(), connection)
        return connection

    def _identity(self) -> tuple[int, int, int]:
        """Tell this process and this file from others: a forked child and a replaced file need a new connection."""
        try:
            found = Path(self.path).stat()
        except FileNotFoundError:
            return (os.getpid(), 0, 0)
        return (os.getpid(), found.st_dev, found.st_ino)

    def _open(self) -> sqlite3.Connection:
        Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
        # Safe against a killed process. Only a power cut may lose the last calls, and no money is in here.
        connection.execute("PRAGMA synchronous = OFF")
        _write_ahead(connection)
        ready = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'rate'").fetchone()
        if ready is None:
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging. While somebody else does so too, SQLite says "locked" and does not wait."""
    for _ in range(_TRIES):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            time.sleep(0.05)
        else:
            return
    connection.execute("PRAGMA journal_mode = WAL")
