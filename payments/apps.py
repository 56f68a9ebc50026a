"""Start-up of the payments app."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks


class PaymentsConfig(AppConfig):
    """The side of money."""

    name = "payments"

    def ready(self) -> None:
        """Check at each migration that no open payment would be left at another provider."""
        checks.register(other_providers_payments, checks.Tags.database)


def _has_column(connection: Any, table: str, column: str) -> bool:
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor):
            return False
        found = connection.introspection.get_table_description(cursor, table)
    return column in {each.name for each in found}


def other_providers_payments(
    *, databases: Sequence[str] | None = None, **_more: Any
) -> list[checks.CheckMessage]:
    """Refuse to go from the sandbox to Stripe, or from test to live or back, while payments are open there.

    Runs with `migrate` and `check --database default`. Whatever is sent all the same is stopped at the journal.
    """
    from django.db import connection

    from payments import gateway
    from payments.models import Payment
    from payments.states import PaymentState

    if not databases or not _has_column(connection, "payments_payment", "provider"):
        return []  # before the migration that brings it
    ended = [PaymentState.RELEASED, PaymentState.REFUNDED, PaymentState.PAID]
    others = Payment.objects.exclude(provider=gateway.provider()).exclude(state__in=ended)
    found = dict.fromkeys(others.order_by("provider").values_list("provider", flat=True))
    if not found:
        return []
    return [
        checks.Error(
            f"{others.count()} payments are open at: {', '.join(found)}. This installation now asks {gateway.provider()}.",
            hint="Go back to the key they were made with until they are released or paid; or start with a new database.",
            id="payments.E001",
        )
    ]
