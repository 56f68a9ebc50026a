"""Runs that nobody starts or ends: the office is asked once, and the log says so."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db import transaction

from operators import notices
from operators.locks import locked_run
from operators.models import Run
from operators.queries import due

logger = logging.getLogger(__name__)


@transaction.atomic
def ask(*, run_id: Any, now: datetime) -> None:
    """Ask the office whether the bus has left (30 minutes late) or is back (12 hours late). Each is asked once for a run.

    Nothing is started or completed by itself: that pays the company and ends the riders' right to their money back.
    """
    run = locked_run(run_id)

    late = Run.objects.filter(id=run.id)
    if late.filter(due.not_started(now)).exists():
        notices.run_not_started(run, now)
    elif late.filter(due.not_completed(now)).exists():
        notices.run_not_completed(run, now)
    else:
        return  # somebody has pressed it in the meantime
    logger.warning("run.overdue run=%s state=%s", run.code, run.state)
