"""Load the gazetteer of US towns that ships with the project."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from trips.actions import places
from trips.importing import files, gazetteer
from trips.importing.rows import BadFile

SHIPPED = settings.BASE_DIR / "trips" / "data" / "us-places.csv"


class Command(BaseCommand):
    """`load_places [FILE]`; repeatable."""

    help = "Load towns with their zones (GeoNames, CC BY 4.0) for search and as origins of trips. Repeatable."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Another file than the shipped one."""
        parser.add_argument("file", type=Path, nargs="?", default=SHIPPED)

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, load, report."""
        try:
            found, problems = gazetteer.read(files.read_text(options["file"]))
        except BadFile as problem:
            raise CommandError(str(problem)) from None
        loaded = places.load(found=found)
        for left_out in problems:
            self.stderr.write(f"{options['file']}, {left_out}")
        self.stdout.write(f"Places: {loaded.new} new, {loaded.changed} changed, {loaded.same} same.")
        if problems:
            raise SystemExit(1)
