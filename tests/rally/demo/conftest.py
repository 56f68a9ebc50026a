"""The demo mode inside a test: its addresses, its own clock file, its own folder of mails."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.urls import clear_url_caches


@pytest.fixture
def demo_mode(settings: Any, tmp_path: Path) -> Any:
    """Settings as the demo has them."""
    import_module("rally.urls")  # once read as outside the demo, for the tests after this one
    settings.DEMO = True
    settings.STATE_DIR = tmp_path
    settings.CLOCK_FILE = str(tmp_path / "clock.json")
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    settings.ROOT_URLCONF = "tests.rally.demo.urls"
    clear_url_caches()
    return settings
