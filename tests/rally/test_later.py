"""Background work is asked for after the commit, and a broker that is down fails nobody's request."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from django.db import transaction

from rally import later as module
from rally.celery import app as ours
from rally.ids import uuid7
from rally.later import later
from rally.models import Notice, User


@pytest.mark.django_db(transaction=True)
def test_runs_only_what_was_committed(ana: User, now: Any) -> None:
    @transaction.atomic
    def undone() -> None:
        later("rally.no_such_task")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undone()
    with transaction.atomic():
        later("rally.deliver_notice", notice_id=uuid7())  # nothing to send: harmless
    assert not Notice.objects.exists()


@pytest.fixture
def no_broker() -> Iterator[None]:
    """A broker address at which nobody answers."""
    Celery(
        "elsewhere", broker="redis://127.0.0.1:1/0", broker_transport_options={"max_retries": 0}
    ).set_current()
    yield
    ours.set_current()


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_down_is_only_logged(no_broker: None, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger=module.__name__):
        later("rally.deliver_notice", notice_id=uuid7())
    assert [record.getMessage().split()[0] for record in caplog.records] == ["later.not_sent"]
