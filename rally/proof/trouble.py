"""Trouble on our side of the line: processes that die between any two steps, connections that drop, a second worker."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import OperationalError, connection

from payments import gateway
from payments.actions import operations
from payments.gateway import line
from payments.sandbox.faults import Fault, Faults, WebhookFault
from rally.proof.swaps import StoryClock, swapped


class Crash(BaseException):
    """The process is gone. No `except Exception` may live on after it, as none does in life."""


class ConnectionLost(OperationalError):
    """The line to our own database went dead: nobody told us whether it did what we asked."""


#: What is heard says nothing of what was done.
_TREACHEROUS = (Fault.DROP_AFTER, Fault.STORED_WITH_EFFECT, Fault.STORED_WITHOUT_EFFECT)
#: How likely each kind of trouble is at each point, in a story that has it at all.
_CHANCES = (0.0, 0.005, 0.02)
_A_STATEMENT = 0.1  #: there are many more statements than commits and calls


class Trouble:
    """Draws what goes wrong, and when. Silent until `begin`, and after `end`."""

    def __init__(
        self, chance: random.Random, moment: StoryClock, faults: Faults, *, loses_news: bool
    ) -> None:
        self._chance = chance
        self._clock = moment
        self._faults = faults
        self._loses_news = loses_news
        self._crash = self._cut = self._meddle = 0.0
        self._busy = False
        self._exposed = False
        self._real_commit: Callable[[], None] = connection.commit
        self.on = False
        self.wrote = True  #: something was written since the story last looked
        self.seen: list[str] = []
        #: What a second worker does in the middle of a call of the first; the story sets it.
        self.second_worker: Callable[[], None] = lambda: None

    def begin(self, *, storm: bool = False) -> str:
        """Let trouble of some kinds begin; in words. In a storm it is much, and answers are lost that matter."""
        draw = self._chance
        rate = draw.choice([0.05, 0.15, 0.3, 0.6])
        kinds = draw.sample(list(Fault), draw.randint(1, 4))
        rates = {fault: rate / len(kinds) for fault in kinds}
        if storm:
            rates = {fault: 0.1 / len(kinds) for fault in kinds} | dict.fromkeys(_TREACHEROUS, 0.15)
        self._faults.rates = rates
        news = [fault for fault in WebhookFault if self._loses_news or fault is not WebhookFault.LOST]
        self._faults.webhook_rates = dict.fromkeys(news, 0.15)
        self._crash, self._cut, self._meddle = (
            draw.choice(_CHANCES),
            draw.choice(_CHANCES),
            draw.choice([0, 0.1, 0.3]),
        )
        self.on = True
        names = ", ".join(f"{fault} {share:.2f}" for fault, share in rates.items())
        return f"{names}, crashes {self._crash}, cuts {self._cut}, second worker {self._meddle}"

    def end(self) -> None:
        """All trouble is over."""
        self._faults.stop()
        self._crash = self._cut = self._meddle = 0.0
        self.on = False

    @contextmanager
    def exposed(self) -> Iterator[None]:
        """The application is at work: only now may it die. What the story looks up for itself is safe."""
        yield from self._set_exposed(True)

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """The story looks at something for itself, in the middle of the application's work."""
        yield from self._set_exposed(False)

    def _set_exposed(self, value: bool) -> Iterator[None]:
        before, self._exposed = self._exposed, value
        try:
            yield
        finally:
            self._exposed = before

    def _strikes(self, rate: float) -> bool:
        """Whether trouble of this rate comes at this point."""
        return bool(rate) and self._exposed and self._chance.random() < rate

    def likely(self, rate: float) -> bool:
        """Whether something of this rate happens now; never when trouble is off."""
        return self.on and self._chance.random() < rate

    # ---- points at which a process may die

    def point(self, where: str) -> None:
        """A step of the program: it may be the last one."""
        if self._strikes(self._crash):
            self._say(f"crash {where}")
            raise Crash

    def _say(self, what: str) -> None:
        self.seen.append(what)

    def _query(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.wrote = self.wrote or not sql.startswith("SELECT")
        if self._strikes(self._crash * _A_STATEMENT):
            self._say("crash at a statement")
            raise Crash
        if self._strikes(self._cut * _A_STATEMENT):
            self._hang_up()
        return execute(sql, params, many, context)

    def _hang_up(self) -> None:
        self._say("the database hung up")
        if connection.connection is not None:
            connection.connection.close()
        raise ConnectionLost("cut by the story")

    def _commit(self) -> None:
        if self._strikes(self._crash):
            connection.rollback()  # as the server does when it hears no more of us
            self._say("crash before a commit")
            raise Crash
        if self._strikes(self._cut):
            self._hang_up()
        self._real_commit()
        if self._strikes(self._crash):
            connection.run_on_commit = []  # its messages die with it
            self._say("crash after a commit")
            raise Crash
        if self._strikes(self._cut):
            connection.run_on_commit = []
            self._say("committed, and the answer was lost")
            raise ConnectionLost("committed, but nobody said so")

    # ---- calls to the provider

    def _ask(self, call: Any, real: Callable[[Any], Any], after: Callable[[], None]) -> Any:
        if connection.in_atomic_block:
            return real(call)  # refuses
        self.point("before a call")
        self._let_another_work()
        try:
            answer = real(call)
        finally:
            after()
        self.point("after a call")
        return answer

    def _let_another_work(self) -> None:
        """A second worker is quicker; sometimes because the first one stalls until its lease is over."""
        if self._busy or not self._strikes(self._meddle):
            return
        self._busy = True
        try:
            if self._chance.random() < 0.5:
                self._clock.move(operations.LEASE + timedelta(seconds=1))
            with self.undisturbed():
                self.second_worker()
        finally:
            self._busy = False

    @contextmanager
    def listening(self, after_call: Callable[[], None]) -> Iterator[None]:
        """Stand at every point where a process may die, until the story is over."""
        real = line.ask
        self._real_commit = connection.commit

        def ask(call: Any) -> Any:
            return self._ask(call, real, after_call)

        with (
            swapped(line, "ask", ask),
            swapped(gateway, "ask", ask),
            swapped(connection, "commit", self._commit),
            connection.execute_wrapper(self._query),
        ):
            try:
                yield
            finally:
                self.end()


def mend_connection() -> None:
    """What a worker does between two tasks: a connection that was cut is opened again at the next need."""
    connection.run_on_commit = []
    if connection.in_atomic_block:  # only after a fault of the story itself
        connection.in_atomic_block = False
        connection.savepoint_ids.clear()
        connection.close()
    if connection.connection is not None and connection.connection.closed:
        connection.close()
