"""`python3 manage.py reconcile`: compare our books with the provider's, now."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from payments import gateway
from payments.actions import reconciling
from payments.models import Reconciliation
from rally import clock


class Command(BaseCommand):
    """Compare, mend what may be mended, say what is left. Exit 1 when something is."""

    help = "Compare our books with the payment provider's. Exit 1 when differences are left."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How much, and for whom."""
        parser.add_argument(
            "--full", action="store_true", help="everything, as at night; else what is open and new"
        )
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run one comparison and print it."""
        with gateway.patient():
            row = reconciling.reconcile(full=options["full"], now=clock.now())
        if row is None:
            raise CommandError("Another comparison is at work. Try again when it has ended.")
        self.stdout.write(json.dumps(_facts(row), indent=2) if options["json"] else _words(row))
        if row.differences or row.error:
            raise CommandError("Differences are left." if row.differences else "It could not be finished.")


def _facts(row: Reconciliation) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "started_at": row.started_at.isoformat(),
        "looked_at": row.looked_at,
        "mended": row.mended,
        "differences": row.differences,
        "error": row.error,
    }


def _words(row: Reconciliation) -> str:
    lines = [f"{row.kind}: {row.looked_at} things looked at, {row.mended} mended"]
    for name, differences in row.differences.items():
        lines += [f"{name}:", *(f"  {each}" for each in differences)]
    if row.error:
        lines.append(f"not finished: {row.error}")
    return "\n".join(lines if row.differences or row.error else [*lines, "no differences"])
