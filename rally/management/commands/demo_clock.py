"""`manage.py demo_clock +7d`: move the demo's clock, do what is due, say what happened."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from rally.errors import BadInput


class Command(BaseCommand):
    """The same as the buttons in the bar, from a terminal."""

    help = "Move the clock of the demo, do what is due on the way, and say what happened."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to."""
        parser.add_argument(
            "to", help="+7d, +2h, +90m, decision, departure, or a time such as 2026-12-13T19:20:00-06:00"
        )
        parser.add_argument(
            "--trip", default="", help="the code of the trip whose decision or departure is meant"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Move it."""
        if not settings.DEMO:
            raise CommandError("The clock moves only in the demo.")
        from rally.demo import clock

        try:
            news = clock.forward(to=clock.when(options["to"], trip=options["trip"]))
        except BadInput as refusal:
            raise CommandError(refusal.message) from None
        for line in news:
            self.stdout.write(line)
