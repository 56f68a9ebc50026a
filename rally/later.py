"""The one door to background work: a named task with ids, sent after the transaction has committed."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


def later(task: str, **ids: Any) -> None:
    """Ask the worker to run `task` (such as `payments.run_operation`) once this transaction commits.

    Only ids travel; a task reads the rest again. A message may be lost (broker down) or arrive twice: each task is
    safe to repeat, and a sweep finds work that nobody was told of. So a broker that is down never fails a request.
    """
    arguments = {name: str(value) if isinstance(value, uuid.UUID) else value for name, value in ids.items()}
    transaction.on_commit(lambda: _send(task, arguments), robust=False)


def load_tasks() -> None:
    """Import the tasks of all apps, as a worker does at its start.

    Nothing more: Celery's own `import_default_modules` sets Django up once more, and logging with it, in the middle of whatever
    is going on.
    """
    current_app.autodiscover_tasks(force=True)


def _send(task: str, arguments: dict[str, Any]) -> None:
    if current_app.conf.task_always_eager:
        # `send_task` ignores eager mode; tests run the real task in place.
        if task not in current_app.tasks:
            load_tasks()
        current_app.tasks[task].apply(kwargs=arguments, throw=True)
        return
    try:
        current_app.send_task(task, kwargs=arguments, retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("later.not_sent task=%s error=%s", task, type(error).__name__)
