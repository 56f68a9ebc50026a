"""One story from its seed to its verdict."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from rally import rules
from rally.proof import companies, ending, machine, more_seats, others, riders, safety, saving, twins
from rally.proof.ground import Ground
from rally.proof.moves import Move, next_move
from rally.proof.trouble import mend_connection
from rally.proof.world import Broken, World
from trips.models import Trip
from trips.pricing import ladders
from trips.states import TripState

#: Where the moves are.
TOLD_BY = (companies, machine, more_seats, others, riders, saving)
#: Steps before the storm in a short story: what is built wrongly shows in storms.
SHORT = 6
#: How many stories have their decision in a storm, and how long it lasts.
_STORMY, _STORM_ROUNDS = 0.6, 10
#: For each of so many seeds the metamorphic properties are judged, too: they cost four tellings more.
TWINS_EVERY = 10


@dataclass(frozen=True)
class Verdict:
    """What became of a story. `broken` is the property that did not hold, empty when all did."""

    seed: int
    steps: int
    end: str = ""
    broken: str = ""
    what: str = ""
    log: list[str] = field(default_factory=list)
    seconds: float = 0.0


def tell(seed: int, ground: Ground, *, steps: int | None = None) -> Verdict:
    """Tell the story of this seed on fresh ground. The same seed is the same story, word for word.

    With `steps` it is a short one: so many steps, and then a storm for certain.
    """
    began = time.perf_counter()
    mend_connection()
    ground.reset()
    world = World(seed, ground)
    broken, what = _judged(world, lambda: _whole(world, steps))
    end = Trip.objects.filter(id=ground.cast.trip).values_list("state", flat=True).first() or ""
    if not broken and steps is None and seed % TWINS_EVERY == 0:
        broken, what = _judged(world, lambda: twins.check(seed, ground, world.log))
    return Verdict(seed, world.steps, end, broken, what, world.log, time.perf_counter() - began)


def _judged(world: World, part: Callable[[], object]) -> tuple[str, str]:
    """The property that did not hold in this part, and what was seen; empty when all did."""
    try:
        part()
    except Broken as found:
        return found.name, found.what
    except Exception as fault:  # noqa: BLE001 - a story that fails in any way is a finding
        world.say(traceback.format_exc())
        return "P0", f"{type(fault).__name__}: {fault}"
    return "", ""


def _whole(world: World, steps: int | None) -> None:
    with world.told():
        _begin(world, whole=steps is None)
        for _ in range(world.chance.randint(30, 50) if steps is None else steps):
            _step(world, next_move(world))
        if steps is not None or world.chance.random() < _STORMY:
            _storm(world)
        ending.finish(world)


#: How many stories have a fare that falls, a small bus that fills up, riders with credit, and a trip that is certain.
_FALLING, _FULL, _CREDIT, _CERTAIN = 1 / 3, 0.45, 0.6, 0.45


def _begin(world: World, *, whole: bool) -> None:
    """Where this story begins: what kind of trip it is, who has credit, how near the decision is, whether a bus is bound.

    Only one that is told as a `whole` may begin with a trip that is certain.
    """
    draw = world.chance
    threshold = draw.choice([2, 3, 4])
    ladder = ladder_of(world, threshold) if draw.random() < _FALLING else []
    Trip.objects.filter(id=world.cast.trip).update(threshold=threshold, ladder=ladder)
    world.watch = lambda: safety.nothing_twice(world)
    world.trouble.second_worker = lambda: machine.second_worker(world)
    world.say(
        f"seed {world.seed}: goes at {threshold}, falls by {ladder or 'nothing'}, hears by {world.feed}"
    )
    companies.agree_on_terms(world)
    for rider in draw.sample(world.cast.riders, 3) if draw.random() < _CREDIT else ():
        saving.give_to(world, rider, draw.choice(saving.SUMS))
        saving.agree(world)
    full, certain = draw.random() < _FULL, draw.random() < _CERTAIN
    if whole and certain:
        make_certain(world, full=full)
    else:
        _gather(world, full=full)
    safety.check(world)


def _gather(world: World, *, full: bool) -> None:
    """Riders gather: none so far, or some; more where the bus is small."""
    draw = world.chance
    if full:
        others.commit(world, world.cast.crews[1])
    elif draw.random() < 0.35:
        others.commit_bus(world)
    if draw.random() < 0.5:
        world.clock.move_to(world.trip().decides_at - timedelta(hours=draw.choice([1, 30, 90, 200])))
    for _ in range(draw.choice([3, 5]) if full else draw.choice([0, 3, 5])):
        riders.join_and_pay(world)


def make_certain(world: World, *, full: bool) -> None:
    """It was decided in fair weather, and some days have gone by: now people leave, join late, and take over seats."""
    draw, crew = world.chance, world.cast.crews[1 if full else 0]
    others.commit(world, crew)
    for rider in world.cast.riders[:3]:
        riders.join_well(world, rider, seats=2)
    if full:
        riders.join_well(world, world.cast.riders[3], seats=1)
    for _ in range(3):
        machine.everything(world)
        safety.check(world)
        if world.certain_since is not None and not ending.restless():
            break
        world.pass_time(minutes=3)
    world.clock.move_to(world.trip().departs_at - timedelta(hours=draw.choice([300, 160, 100, 60, 40])))
    world.say(f"the trip is {world.trip().state}, it is {world.now:%d %B, %H:%M}")


def ladder_of(world: World, threshold: int) -> list[list[int]]:
    """The steps that the trip would have, proposed with this threshold and a fare that falls."""
    least = rules.current().ladder_least_percent
    return ladders.build(threshold=threshold, capacity=world.trip().capacity, least_percent=least)


def _step(world: World, chosen: Move) -> None:
    world.steps += 1
    world.pass_time(seconds=1)
    world.say(f"-- {world.steps}, {world.now:%d %b %H:%M}: {chosen.name}")
    chosen.act(world)
    safety.check(world)
    if world.steps % 30 == 0:
        safety.check_books(world)


def _storm(world: World) -> None:
    """The decision, and what follows from it, in the worst weather: where money moves, everything goes wrong."""
    world.trouble.end()
    machine.everything(world)
    if others.live_run(world) is None and world.trip().state == TripState.GATHERING:
        _step(world, Move("commit_bus", 0, others.commit_bus))
    world.say(f"-- a storm: {world.trouble.begin(storm=True)}")
    for number in range(_STORM_ROUNDS):
        if number == _STORM_ROUNDS // 2 and world.trip().state == TripState.GATHERING:
            world.clock.move_to(world.trip().decides_at + timedelta(minutes=1))
        _step(world, Move("storm", 0, machine.round_in_trouble))
