"""What docs/money.md says is shown by a test is shown by a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENT = (PROJECT / "docs/money.md").read_text()
_NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


def section(title: str) -> str:
    """The text below a heading, up to the next one."""
    return DOCUMENT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def source(path: str) -> str:
    """A test module, named from `tests/` or, where the contract is spoken of, from its own folder."""
    homes = (PROJECT / "tests", PROJECT / "tests/payments/contract")
    return next((home / path).read_text() for home in homes if (home / path).is_file())


def head(path: str, name: str) -> str:
    """One test's name and what it asks for."""
    found = re.search(rf"^def {name}\((?:.*\n)+?(?=^\S|\Z)", source(path), re.MULTILINE)
    assert found is not None, f"{path}::{name}"
    return found[0]


@pytest.mark.parametrize(("path", "name"), sorted(set(_NAMED.findall(DOCUMENT))))
def test_every_test_that_is_named_exists(path: str, name: str) -> None:
    assert f"def {name}(" in head(path, name)


def test_every_row_of_the_failure_matrix_names_a_test() -> None:
    rows = [line for line in section("Failure matrix").splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 27
    assert [row for row in rows if not _NAMED.search(row)] == []


def test_every_open_question_is_asked_of_stripe_itself() -> None:
    """A test that only the sandbox runs answers nothing about Stripe."""
    text = section("Not verified against live Stripe")
    points = text.split("\n- ")[1:]
    assert len(points) > 15
    for point in points:
        named = _NAMED.findall(point)
        assert named, point
        for path, name in named:
            assert "clock_moves" not in head(path, name), name
