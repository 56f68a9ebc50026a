"""`prove_money` tells stories of riders, money and trouble from seeds, and says which property did not hold."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from rally.proof import running, wrong
from rally.proof.story import Verdict

#: Within so many seeds each wrong design must be caught.
_CAUGHT_WITHIN = 200


class Command(BaseCommand):
    """Prove that money is neither lost nor taken twice, as far as so many stories can."""

    help = (
        "Tell seeded stories of riders, money and trouble, and judge each by the properties of docs/money.md."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How many stories, which one, by how many processes, and by which wrong design."""
        parser.add_argument("--seeds", type=int, default=100, help="so many stories (100)")
        parser.add_argument("--from", type=int, default=1, dest="first", help="the first seed (1)")
        parser.add_argument("--seed", type=int, help="tell this one story aloud")
        parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
        parser.add_argument(
            "--wrong", choices=["all", *wrong.DESIGNS], help="build it wrongly, and see that it is caught"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit status 1 if a property was broken, or a wrong design was not caught."""
        if options["seed"] is not None:
            self._aloud(options["seed"], options["wrong"] or "")
        elif options["wrong"]:
            names = list(wrong.DESIGNS) if options["wrong"] == "all" else [options["wrong"]]
            missed = [name for name in names if not self._catch(wrong.DESIGNS[name], options)]
            if missed:
                raise CommandError(f"not caught: {', '.join(missed)}")
        else:
            self._many(options)

    def _aloud(self, seed: int, design: str) -> None:
        verdict = next(running.tell_all([seed], jobs=1, design="" if design == "all" else design))
        self._print(verdict)
        if verdict.broken:
            raise CommandError(f"seed {seed}: {verdict.broken}")

    def _many(self, options: dict[str, Any]) -> None:
        seeds = range(options["first"], options["first"] + options["seeds"])
        progress = running.Progress(len(seeds))
        for verdict in running.tell_all(seeds, jobs=options["jobs"]):
            progress.add(verdict)
            if verdict.broken:
                self._print(verdict)
        self.stdout.write(progress.line())
        if progress.failures:
            found = ", ".join(f"{each.seed} ({each.broken})" for each in progress.failures)
            raise CommandError(f"broken: {found}")

    def _catch(self, design: wrong.Design, options: dict[str, Any]) -> bool:
        others = 0
        seeds = range(options["first"], options["first"] + _CAUGHT_WITHIN)
        progress = running.Progress(len(seeds))
        for verdict in running.tell_all(seeds, jobs=options["jobs"], design=design.name):
            if verdict.broken in design.caught:
                self.stdout.write(
                    f"{design.name}: caught at seed {verdict.seed} as {design.as_} ({verdict.broken}: {verdict.what})"
                )
                return True
            others += bool(verdict.broken)
            progress.add(verdict)
        self.stdout.write(f"{design.name}: not caught as {design.as_}; broken otherwise in {others} stories")
        return False

    def _print(self, verdict: Verdict) -> None:
        for line in verdict.log:
            self.stdout.write(line)
        outcome = f"BROKEN {verdict.broken}: {verdict.what}" if verdict.broken else "every property held"
        self.stdout.write(
            f"seed {verdict.seed}: {outcome} (step {verdict.steps}, trip {verdict.end}, {verdict.seconds:.2f} s)\n\n"
        )
