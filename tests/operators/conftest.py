"""What the tests of operators share."""

from __future__ import annotations

import pytest

from operators.models import Run
from rally.models import User
from tests.factories.operators import Company, confirmed_run, ready


@pytest.fixture
def crew(dee: User) -> Company:
    """A company for which Dee drives."""
    return ready(driver=dee)


@pytest.fixture
def run(crew: Company) -> Run:
    """A run that goes."""
    return confirmed_run(crew)
