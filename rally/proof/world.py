"""The world of one story: its time, its chance, its people, the messages under way, and what has happened so far."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from celery import current_app
from django.db import OperationalError

from payments import gateway
from payments.actions import inbox, operations
from payments.models import Operation
from payments.sandbox import runtime
from payments.sandbox.events import SECRET
from payments.sandbox.faults import Faults
from rally import later as doorway
from rally.errors import Refusal
from rally.models import User
from rally.proof.ground import START, Cast, Ground
from rally.proof.swaps import StoryClock, repeatable, swapped
from rally.proof.trouble import Crash, Trouble, mend_connection
from rally.proof.truth import Truth
from trips.models import Pledge, Trip
from trips.states import OCCUPYING, PledgeState

_Answer = TypeVar("_Answer")
_FEEDS = ("push", "poll", "both", "both")


class Broken(BaseException):
    """A property does not hold. `name` is that of docs/money.md. No `except Exception` on the way swallows it."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"{name}: {what}")
        self.name = name
        self.what = what


@dataclass(frozen=True)
class GaveUp:
    """Paid seats of a pledge that their rider gave up: what was in for all it had, and what had to come back by the ladder."""

    pledge: UUID
    seats: int
    of: int  #: seats that it had
    price: int  #: of each at that moment
    paid: int  #: what the rider had put in for all of them, by card and from credit
    percent: int

    @property
    def shares(self) -> list[int]:
        """What was in for each of the seats it had, those that go first."""
        each, odd = divmod(self.paid, self.of)
        return [each + (number < odd) for number in range(self.of)]

    @property
    def kept(self) -> list[int]:
        """What is kept of each seat given up, until it is sold again; none where all comes back."""
        stays = sum(self.shares[: self.seats]) * (100 - self.percent) // 100
        each, odd = divmod(stays, self.seats)
        return [amount for number in range(self.seats) if (amount := each + (number < odd))]

    @property
    def rest(self) -> int:
        """What is in for the seats that the pledge still has."""
        return sum(self.shares[self.seats :])


@dataclass
class Memory:
    """What the story knows by itself about pledges, to compare the books with."""

    #: Pledge → the most that it ever agreed to pay.
    agreed: dict[UUID, int] = field(default_factory=dict)
    #: Who left when, oldest first.
    gave_up: list[GaveUp] = field(default_factory=list)
    #: The most seats whose money was there at once, since the price is locked.
    funded: int = 0

    def copy(self) -> Memory:
        """As it is now."""
        return Memory(dict(self.agreed), list(self.gave_up), self.funded)


class Errors(logging.Handler):
    """Faults that somebody caught and only logged: a story does not overlook them."""

    def __init__(self, log: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._log = log
        self.faults: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line; a fault that is none of the story's own doing counts."""
        self._log.append(f"      logged: {record.getMessage()}")
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, Refusal | OperationalError):
            self.faults.append(f"{record.getMessage()}: {type(error).__name__} {error}")


class World:
    """Everything that a move may touch. `chance` is the only source of what happens next."""

    def __init__(self, seed: int, ground: Ground, log: list[str] | None = None) -> None:
        self.seed = seed
        self.ground = ground
        self.cast: Cast = ground.cast
        self.chance = random.Random(seed)
        self.clock = StoryClock(START)
        self.log: list[str] = log if log is not None else []
        self.queue: list[tuple[str, dict[str, Any]]] = []
        self.pages: list[tuple[UUID, UUID, str]] = []  #: pledge, payment, address
        self.links: list[
            tuple[UUID, str, object]
        ] = []  #: pledge, key of a link to pay, and which asking it was for
        self.elsewhere: set[UUID] = set()  #: payments for other trips
        self.steps = 0
        self.memory = Memory()
        self.feed = self.chance.choice(_FEEDS)
        self.sandbox = runtime.current()
        self.sandbox.faults = Faults(seed=seed)
        self.truth = Truth(self.sandbox)
        self.trouble = Trouble(self.chance, self.clock, self.sandbox.faults, loses_news=self.feed == "both")
        self.errors = Errors(self.log)
        self.again: Callable[[World], None] | None = None  #: what a double click repeats
        self.watch: Callable[[], None] = lambda: None  #: looks at the provider after each operation
        self.seen_there = -1  #: how much the provider had written when the story last looked
        self.backed_up: Memory | None = None
        self.restored = False
        self.certain_since: datetime | None = None  #: when the trip was first seen to be confirmed
        self._at_work: list[UUID] = []

    # ---- begin and end

    @contextmanager
    def told(self) -> Iterator[World]:
        """Put the story's own time, chance and trouble in place for as long as it lasts."""
        root = logging.getLogger()
        with ExitStack() as stack:
            stack.enter_context(repeatable(self.seed, self.clock))
            stack.enter_context(swapped(doorway, "_send", self._send))
            stack.enter_context(swapped(operations, "run", self._running(operations.run)))
            stack.enter_context(swapped(root, "handlers", [self.errors]))
            stack.enter_context(self.trouble.listening(self._after_call))
            yield self

    def _running(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Know which operation is at work, so that what it makes is known to be its own."""

        def run(operation_id: Any, *, now: datetime) -> Any:
            self._at_work.append(UUID(str(operation_id)))
            try:
                answer = real(operation_id, now=now)
            finally:
                self._at_work.pop()
            self.watch()
            return answer

        return run

    def _after_call(self) -> None:
        self.truth.note(self._payment_at_work, by_payer=False)

    def _payment_at_work(self) -> UUID | None:
        if not self._at_work:
            return None
        with self.trouble.undisturbed():
            found = Operation.objects.filter(id=self._at_work[-1]).values_list("payment_id", flat=True)
            return found.first()

    # ---- words

    @property
    def now(self) -> datetime:
        """The moment of the story."""
        return self.clock()

    def say(self, text: str) -> None:
        """One line of the story."""
        self.log.append(text)

    def trip(self) -> Trip:
        """The trip as it is."""
        return Trip.objects.get(id=self.cast.trip)

    def a_pledge(self, *states: str) -> Pledge | None:
        """One of the pledges in these states; of all, if none is named."""
        found = Pledge.objects.filter(trip_id=self.cast.trip).select_related("payment")
        rows = list((found.filter(state__in=states) if states else found).order_by("created_at", "id"))
        return self.chance.choice(rows) if rows else None

    def a_rider(self, *, among: Sequence[User] = ()) -> User:
        """One of the riders, mostly one who has no seats yet."""
        riders = among or self.cast.riders
        live = Pledge.objects.filter(trip_id=self.cast.trip, state__in=[*OCCUPYING, PledgeState.WAITING])
        inside = set(live.values_list("rider_id", flat=True))
        free = [each for each in riders if each.id not in inside]
        return self.chance.choice(free if free and self.chance.random() < 0.85 else riders)

    # ---- doing

    def attempt(self, work: Callable[[], _Answer]) -> _Answer | None:
        """Do something as a process of its own: it may be refused, die, or lose its database. None then."""
        try:
            with self.trouble.exposed():
                return work()
        except Crash:
            self.say("      it died")
        except Refusal as no:
            self.say(f"      refused: {type(no).__name__}")
        except OperationalError as cut:
            self.say(f"      {cut}")
        finally:
            mend_connection()
            self._tell_trouble()
        return None

    def _tell_trouble(self) -> None:
        for each in self.trouble.seen:
            self.say(f"      {each}")
        self.trouble.seen.clear()

    def _send(self, task: str, arguments: dict[str, Any]) -> None:
        """The broker: may lose a message or bring it twice."""
        if task.startswith("rally.") or self.trouble.likely(0.2):
            return
        self.queue.append((task, arguments))
        if self.trouble.likely(0.1):
            self.queue.append((task, arguments))

    def work_off(self, most: int) -> None:
        """Run up to so many messages, in any order."""
        for _ in range(most):
            if not self.queue:
                return
            task, arguments = self.queue.pop(self.chance.randrange(len(self.queue)))
            self.run_task(task, arguments)

    def run_task(self, task: str, arguments: dict[str, Any]) -> None:
        """One message, in a worker of its own."""
        self.say(f"   {task}")
        if task == "payments.run_operation":
            self.attempt(lambda: operations.run(arguments["operation_id"], now=self.now))
            return
        self.attempt(lambda: current_app.tasks[task].run(**arguments))

    def run_operations(self, most: int) -> None:
        """What the sweep of operations does, one after the other instead of in threads."""
        for each in operations.due(now=self.now)[:most]:
            self.attempt(lambda which=each: operations.run(which, now=self.now))  # type: ignore[misc]

    def hear(self) -> None:
        """Let the provider tell us what happened, the way this story hears of things."""
        if self.feed in ("push", "both"):
            self.attempt(lambda: self.sandbox.pump(self._deliver, secret=SECRET))
        if self.feed in ("poll", "both"):
            self.attempt(lambda: inbox.poll(now=self.now))

    def _deliver(self, payload: bytes, signature: str) -> int:
        """Our webhook. Whoever dies there gives no answer."""
        seen = gateway.verified_event(payload, signature, [SECRET])
        if seen is None:
            raise Broken("P14", "an event of the provider was not believed")
        try:
            inbox.keep([seen], source="push", now=self.now)
        except (Crash, OperationalError) as death:
            mend_connection()
            raise OSError("no answer") from death
        return 200

    def pass_time(self, **by: float) -> None:
        """Time goes by."""
        self.clock.move(timedelta(**by))
