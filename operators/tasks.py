"""Background work of supply: news that was lost, pay that was not booked yet, papers that run out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from celery import shared_task

from operators.actions import overdue, papers, pay, runs, thanks
from operators.queries import due
from operators.queries.companies import companies_to_warn
from rally import clock

logger = logging.getLogger(__name__)


@shared_task(name="operators.book_pay")
def book_pay(run_id: str) -> None:
    """Book what a completed run earned, now."""
    pay.book(run_id=run_id, now=clock.now())


@shared_task(name="operators.thank")
def thank(trip_id: str) -> None:
    """Give captain and friends what is due for a completed trip, now."""
    thanks.thank(trip_id=trip_id, now=clock.now())


@shared_task(name="operators.sweep_runs")
def sweep_runs() -> None:
    """Bring every run to where its trip and its money are, ask about overdue ones, and announce papers that run out.

    One thing that fails is logged and does not hold up the others.
    """
    now = clock.now()
    work: list[Callable[[], Any]] = [
        *(partial(runs.confirm, trip_id=each, now=now) for each in due.trips_confirmed_without_their_run()),
        *(partial(runs.give_back, trip_id=each, now=now) for each in due.trips_over_with_a_run()),
        *(partial(pay.book, run_id=each, now=now) for each in due.runs_to_book()),
        *(partial(pay.close, run_id=each, now=now) for each in due.runs_to_close()),
        *(partial(thanks.thank, trip_id=each, now=now) for each in thanks.to_thank(now=now)),
        *(partial(overdue.ask, run_id=each, now=now) for each in due.runs_overdue(now)),
        *(partial(papers.warn, operator_id=each, now=now) for each in companies_to_warn(now)),
    ]
    for act in work:
        try:
            act()
        except Exception:
            logger.exception("sweep_runs.failed work=%r", act)
