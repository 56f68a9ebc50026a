"""The few statements that everybody waits for: planned once for each connection instead of once for each call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.utils import CursorWrapper
from psycopg import Cursor


class _Prepared(Cursor[tuple[Any, ...]]):
    def execute(self, query: Any, params: Any = None, **options: Any) -> _Prepared:
        super().execute(query, params, **{**options, "prepare": True})
        return self


Values = Sequence[Any] | Mapping[str, Any]


def ask(sql: str, values: Values) -> tuple[Any, ...] | None:
    """The first row of a statement that is always written the same, or None.

    The values travel beside the statement, so give each a type that PostgreSQL need not guess. The driver prepares it on
    the connection; a pooler that hands each transaction another one must know prepared statements (pgbouncer from 1.22).
    """
    with _ready() as cursor:
        cursor.execute(sql, values)
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row


def ask_all(sql: str, values: Values) -> list[tuple[Any, ...]]:
    """All rows of such a statement."""
    with _ready() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _ready() -> CursorWrapper:
    here = connections[DEFAULT_DB_ALIAS]  # what `connection` looks up anew each time it is touched
    # A log of queries shows statements with their values, so there the ordinary way is taken.
    if here.queries_logged:
        return here.cursor()
    here.ensure_connection()
    # Django turns preparing off because of what the ORM writes; its own cursors never prepare, whatever stands here.
    here.connection.prepare_threshold = 5
    return here.make_cursor(_Prepared(here.connection))  # type: ignore[arg-type]
