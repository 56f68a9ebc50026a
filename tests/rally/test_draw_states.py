"""The drawn life cycles and the tables of moves are the same."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from django.conf import settings
from django.core.management import call_command


def test_the_states_are_drawn_as_they_are() -> None:
    drawn = StringIO()
    call_command("draw_states", stdout=drawn)

    kept = (Path(settings.BASE_DIR) / "docs" / "states.md").read_text(encoding="utf-8")
    assert drawn.getvalue() == kept, "docs/states.md is not what the tables say: make states"
