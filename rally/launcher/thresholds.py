"""How much of the code the tests must run through, file by file; the numbers stand in `pyproject.toml`."""

import fnmatch
import json
import tomllib
from pathlib import Path
from typing import Any

from rally.launcher.terminal import say, shout

PROJECT = Path(__file__).resolve().parents[2]


def check(report: Path) -> int:
    """Compare coverage's JSON report with `[tool.rally.coverage]`; 0 if it is enough, else 1 with the reasons."""
    rules = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["rally"]["coverage"]
    short = shortfalls(json.loads(report.read_text()), overall=rules["overall"], complete=rules["complete"])
    if short:
        shout("COVERAGE IS TOO LOW\n" + "\n".join(short))
        return 1
    say("Coverage is high enough.")
    return 0


def shortfalls(report: dict[str, Any], *, overall: float, complete: list[str]) -> list[str]:
    """One sentence for each thing not covered enough.

    `overall` is a percentage of everything; files whose path fits a pattern of `complete` must reach 100 %.
    """
    short = []
    total = report["totals"]["percent_covered"]
    if total < overall:
        short.append(f"everything together: {total:.2f} % of {overall} %")
    for path, seen in sorted(report["files"].items()):
        percent = seen["summary"]["percent_covered"]
        if percent < 100 and any(fnmatch.fnmatchcase(path, pattern) for pattern in complete):
            short.append(f"{path}: {percent:.1f} % of 100 % (not run: {_not_run(seen)})")
    return short


def _not_run(seen: dict[str, Any]) -> str:
    """The first lines that did not run or, where all did, the branches: from which line to which."""
    branches = [f"{line}->{to}" for line, to in seen["missing_branches"]]
    return ", ".join([str(line) for line in seen["missing_lines"]][:12] or branches[:12])
