"""`manage.py demo_market`: fill the demo with a schedule, people, bus companies and trips in every state."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    """Called by `manage.py demo` after the tables are made. Where the market stands already, nothing is done."""

    help = "Load the schedule and a believable market into the demo. A second run does nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        """Load it."""
        if not settings.DEMO:
            raise CommandError("The market is made up and belongs into the demo only.")
        from rally.demo.market import load

        load(say=self.stdout.write)
