"""Read a schedule (table or calendar) and the venues it is played at."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from rally import clock
from trips.actions import events
from trips.actions.events import Taken
from trips.importing import calendars, files, schedules, venues
from trips.importing.rows import BadFile, Problem, Schedule, Venues, merged
from trips.models import Partner


class Command(BaseCommand):
    """`import_events FILE --venues FILE [--partner SLUG] [--dry-run]`; status 1 if a row was left out."""

    help = (
        "Take in the events of a schedule: a table (Match Number, Date, Location, Home Team, Away Team; dates dd/mm/yyyy hh:mm"
        " in UTC) or a calendar (.ics). Repeatable: what has not changed stays. Bad rows are listed and left out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The files, and whose they are."""
        parser.add_argument("file", type=Path, help="the schedule, .csv or .ics")
        parser.add_argument(
            "--venues", type=Path, help="name,city,state,latitude,longitude,time_zone,capacity"
        )
        parser.add_argument("--partner", metavar="SLUG", help="the partner whose events these are")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen and write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, take in, report."""
        partner = _partner(options["partner"])
        try:
            found_venues = venues.read(files.read_text(options["venues"])) if options["venues"] else Venues()
            known = Venues(merged(found_venues.known, events.known_venues()))
            schedule = _schedule(options["file"], known)
        except BadFile as problem:
            raise CommandError(str(problem)) from None
        taken = events.take_in(
            schedule=schedule,
            venues=found_venues.known,
            partner=partner,
            feed=options["file"].stem,
            save=not options["dry_run"],
            now=clock.now(),
        )
        self._complain(options["venues"], found_venues.problems)
        self._complain(options["file"], schedule.problems)
        self._report(taken, schedule, dry=options["dry_run"])
        if found_venues.problems or schedule.problems or not schedule.events:
            raise SystemExit(1)

    def _complain(self, path: Path | None, problems: list[Problem]) -> None:
        for problem in problems:
            self.stderr.write(f"{path}, {problem}")

    def _report(self, taken: Taken, schedule: Schedule, *, dry: bool) -> None:
        for change in taken.changes:
            what = ", ".join(column.removesuffix("_id").replace("_", " ") for column in change.columns)
            self.stdout.write(f"changed: {change.event} ({what})")
            for code in change.trips:
                if code in change.moved:
                    self.stdout.write(f"  trip {code} moves along; its riders are told")
                else:
                    self.stdout.write(f"  trip {code} was planned for how it was: look at it")
        if taken.venues_new or taken.venues_changed:
            self.stdout.write(f"Venues: {taken.venues_new} new, {taken.venues_changed} changed.")
        self.stdout.write(
            f"Events of “{taken.source}”: {taken.new} new, {len(taken.changes)} changed, {taken.same} same,"
            f" {len(schedule.problems)} rows left out."
        )
        if dry:
            self.stdout.write("Nothing was written: this was a dry run.")


def _partner(slug: str | None) -> Partner | None:
    if slug is None:
        return None
    partner = Partner.objects.filter(slug=slug).first()
    if partner is None:
        known = ", ".join(Partner.objects.order_by("slug").values_list("slug", flat=True)[:20]) or "none yet"
        raise CommandError(f"There is no partner “{slug}”. Known: {known}.")
    return partner


def _schedule(path: Path, known: Venues) -> Schedule:
    text = files.read_text(path)
    if calendars.looks_like_one(text):
        return calendars.read(text, known)
    if path.suffix.lower() in {".ics", ".ical", ".ifb"}:
        raise BadFile(f"{path} is called a calendar but does not begin as one (BEGIN:VCALENDAR).")
    return schedules.read(text, known)
