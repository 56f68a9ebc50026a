"""Statements that are planned once for each connection."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from rally import statements
from rally.models import User


@pytest.mark.django_db
def test_asks_for_one_row_and_is_counted(ana: User, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(2) as seen:
        assert statements.ask("SELECT name FROM rally_user WHERE id = %s", (ana.id,)) == (ana.name,)
        assert statements.ask("SELECT name FROM rally_user WHERE email = %s", ("nobody",)) is None
    assert ana.id.hex in seen.captured_queries[0]["sql"]


@pytest.mark.django_db
def test_is_planned_once(ana: User) -> None:
    for _ in range(3):
        statements.ask("SELECT email FROM rally_user WHERE id = %s", (ana.id,))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT email FROM%'"
        )
        assert cursor.fetchone() == (1,)


@pytest.mark.django_db
def test_is_part_of_the_transaction_and_fails_as_any_other(ana: User) -> None:
    insert = "INSERT INTO rally_rulevalue (name, value, changed_at) VALUES (%s, '1', now()) RETURNING name"

    def twice() -> None:
        statements.ask(insert, ("a",))
        statements.ask(insert, ("a",))

    with pytest.raises(IntegrityError), transaction.atomic():
        twice()
    assert statements.ask("SELECT name FROM rally_rulevalue WHERE name = %s", ("a",)) is None
