"""The few statements that everybody waits for: planned once for each connection instead of once for each call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection
from psycopg import Cursor


class _Prepared(Cursor[tuple[Any, ...]]):
    def execute(self, query: Any, params: Any = None, **options: Any) -> _Prepared:
        super().execute(query, params, **{**options, "prepare": True})
        return self


def ask(sql: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
    """The first row of a statement that is always written the same, or None. Logged and counted as any other.

    The values travel beside the statement, so give each a type that PostgreSQL need not guess. The driver prepares it on
    the connection; a pooler that hands each transaction another one must know prepared statements (pgbouncer from 1.22).
    """
    connection.ensure_connection()
    cursor = _Prepared(connection.connection)
    wrapped = (
        connection.make_debug_cursor(cursor) if connection.queries_logged else connection.make_cursor(cursor)
    )
    with wrapped:
        wrapped.execute(sql, values)
        row: tuple[Any, ...] | None = wrapped.fetchone()
        return row
