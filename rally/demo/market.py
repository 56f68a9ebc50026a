"""Making the market: people, companies, a schedule, and trips in every state, played through the real actions."""

from __future__ import annotations

import heapq
import io
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import cycle, islice
from random import Random
from typing import Any

from celery import current_app
from django.core.management import call_command
from django.db.models import QuerySet

from operators.models import Operator
from payments.models import FeedCursor
from payments.sandbox import runtime
from rally import clock, outbox, rules
from rally.demo import cast, fleet, gifts, schedule
from rally.demo import clock as moving
from rally.demo.play import Cue, Performance, stops_of
from rally.demo.scenes import ROUTES, SCENES, End, Scene
from rally.errors import Refusal
from rally.models import Notice, User
from rally.models.notices import NoticeState
from trips.models import Event, Place, Trip

logger = logging.getLogger(__name__)

Say = Callable[[str], Any]

_FIRST_DAY = timedelta(days=30)  # the companies are that old
_LATER = (End.GATHERING, End.CONFIRMED)
_AT_ONCE = 10_000
#: The provider's news say nothing that its answers have not said: in the market nothing gets lost on the way.
_WORK = tuple(name for name in moving.DUE_WORK if name not in {"payments.poll_events", "payments.read_inbox"})


def load(*, say: Say) -> None:
    """Fill the demo. Where that was done to its end and games lie ahead, nothing is done.

    Once the schedule is over, its games are moved on and new trips gather to them; what has been stays. A second filling
    that was interrupted goes on with the games that nobody travels to yet; after a first one the launcher starts from nothing.
    """
    now = clock.now()
    if rules.current().provider_calls_per_second == _AT_ONCE:
        _set_pace(rules.DEFAULTS.provider_calls_per_second)  # whoever had lifted it was killed
    if schedule.is_played() and not schedule.is_over(now):
        return
    first_time = not Trip.objects.exists()
    people = cast.ensure()
    fellows = cast.fellows()
    if not Place.objects.exists():
        say("Towns and their time zones …")
        call_command("load_places", stdout=io.StringIO())
    weeks = schedule.load(now=now, people=people)
    say(f"The schedule, moved on by {weeks} weeks." if weeks else "The schedule.")
    with _in_place():
        if first_time:
            with moving.played_from(now - _FIRST_DAY):
                companies = fleet.ensure(now=clock.now())
                say(f"{len(companies)} bus companies.")
                _play(SCENES, now=now, people=people, fellows=fellows, companies=companies, say=say)
        else:
            scenes = [scene for scene in SCENES if scene.end in _LATER]
            _play(scenes, now=now, people=people, fellows=fellows, companies=fleet.ensure(now=now), say=say)
    gifts.ensure(ana=people["ana"], now=now)
    schedule.played(weeks)
    say(_summary())


def _play(
    scenes: list[Scene] | tuple[Scene, ...],
    *,
    now: datetime,
    people: dict[str, User],
    fellows: list[User],
    companies: dict[str, Operator],
    say: Say,
) -> None:
    """Play all scenes together, deed by deed in the order of time; what falls due in between is done in between."""
    stage: list[tuple[datetime, int, int, Cue, Performance]] = []
    taken: set[Any] = set()
    played = set(Trip.objects.filter(event__starts_at__gt=now).values_list("event_id", flat=True))
    for place, scene in enumerate(scenes):
        event = _event_for(scene, now, taken)
        if event is None:
            continue
        taken.add(event.id)
        if event.id in played:
            continue
        performance = Performance(
            scene=scene,
            event=event,
            stops=stops_of(ROUTES[event.venue.name][scene.route]),
            captain=people[scene.captain] if scene.captain else fellows[-1 - place],
            riders=_riders(fellows, place),
            guest=people[scene.aboard] if scene.aboard else None,
            company=companies.get(scene.bus),
            chance=Random(f"{place} {scene.to}"),  # noqa: S311 - a market, not a secret
        )
        for number, cue in enumerate(performance.cues(now)):
            heapq.heappush(stage, (cue.at, place, number, cue, performance))
    total, done, broken = len(stage), 0, set()
    while stage:
        at, place, _number, cue, performance = heapq.heappop(stage)
        _live_until(at)
        if place not in broken:
            try:
                cue.deed()
            except Refusal as refusal:
                broken.add(place)
                logger.warning("demo_market.left_out scene=%s why=%s", performance.scene.to, refusal)
        done += 1
        if done % 30 == 0:
            say(f"Riders join: {100 * done // total} %.")
    _live_until(now)
    _forget_the_noise(now)


def _live_until(moment: datetime) -> None:
    """Move this process's clock on, and do on the way what falls due. At the real time nothing is left to move."""
    while moment > clock.now():
        due = moving.next_due(clock.now(), moment)
        if due is None:
            clock.move(max(timedelta(0), moment - clock.now()))
            return
        clock.move(max(timedelta(0), due - clock.now()))
        moving.work(_WORK)


def _event_for(scene: Scene, now: datetime, taken: set[Any]) -> Event | None:
    if scene.to not in ROUTES:
        return schedule.festival(scene.to)
    nearest, farthest = (timedelta(days=days) for days in scene.days)
    ahead: QuerySet[Event] = (
        Event.objects.select_related("venue")
        .filter(venue__name=scene.to, starts_at__range=(now + nearest, now + farthest))
        .exclude(home="")
        .exclude(id__in=taken)
        .order_by("starts_at")
    )
    return ahead.filter(away=scene.opponent).first() or ahead.first()


def _riders(fellows: list[User], place: int) -> Iterator[User]:
    """Fellow riders for one trip, beginning elsewhere for each, so that nobody is everywhere."""
    return islice(cycle(fellows), place * 37 % len(fellows), None)


@contextmanager
def _in_place() -> Iterator[None]:
    """Do background work at once and here, mails to made-up riders left out, and the provider's pace lifted."""
    eager, pace = current_app.conf.task_always_eager, rules.current().provider_calls_per_second
    current_app.conf.task_always_eager = True
    logging.getLogger("celery.app.trace").setLevel(
        logging.WARNING
    )  # a line for each of ten thousand small tasks
    _set_pace(_AT_ONCE)
    try:
        with outbox.dropping(lambda notice: cast.is_fellow(notice.recipient.email)):
            yield
    finally:
        current_app.conf.task_always_eager = eager
        _set_pace(pace)


def _set_pace(calls_per_second: int) -> None:
    rules.change("provider_calls_per_second", calls_per_second, now=clock.now(), by=None)


def _forget_the_noise(now: datetime) -> None:
    """What nobody needs to hear again: hundreds of mails to made-up riders, and the provider's news of what we know."""
    _to_fellows().filter(due_at__lte=now).update(state=NoticeState.DROPPED)
    with runtime.current().store.writing() as rows:
        rows.sql("UPDATE delivery SET state = 'delivered' WHERE state = 'pending'")
    FeedCursor.objects.update(read_to=now)


def _to_fellows() -> QuerySet[Notice]:
    return Notice.objects.filter(
        state=NoticeState.WAITING, recipient__email__endswith="@" + cast.FELLOW_DOMAIN
    )


def _summary() -> str:
    states = Counter(Trip.objects.values_list("state", flat=True))
    return (
        f"{sum(states.values())} trips: "
        + ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        + "."
    )
