"""Real threads that want the same thing at the same moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Begin all of them at the same moment, each on a connection of its own; what each answered or raised, in order."""
    gate = threading.Barrier(len(works))
    answers: list[Any] = [None] * len(works)

    def run(number: int, work: Callable[[], Any]) -> None:
        try:
            gate.wait(30)
            answers[number] = work()
        except Exception as error:  # noqa: BLE001 - it is the answer
            answers[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


def together(*works: Callable[[], Any]) -> list[Any]:
    """The same, and none of them may fail: the first that did raises here what it met."""
    answers = at_once(*works)
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


def meanwhile(first: Callable[[], Any], then: Callable[[], Any]) -> Any:
    """`then` looks at how things were before `first`, and has to wait for the rows that `first` has locked until that is
    written. Answers what `then` did.
    """
    done = threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                first()
                done.set()
                _somebody_waits()
        finally:
            done.set()
            connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    done.wait(30)
    answer = then()
    holder.join(60)
    return answer


def _somebody_waits() -> None:
    waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
    for _try in range(600):
        with connection.cursor() as cursor:
            cursor.execute(waits)
            if cursor.fetchone() == (True,):
                return
        time.sleep(0.05)
    raise AssertionError
