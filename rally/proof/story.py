"""One story from its seed to its verdict."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field
from datetime import timedelta

from rally.proof import ending, machine, others, riders, safety
from rally.proof.ground import Ground
from rally.proof.moves import next_move
from rally.proof.trouble import mend_connection
from rally.proof.world import Broken, World
from trips.models import Trip

__all__ = ["Verdict", "others", "riders", "tell"]


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


def tell(seed: int, ground: Ground) -> Verdict:
    """Tell the story of this seed on fresh ground. The same seed is the same story, word for word."""
    began = time.perf_counter()
    mend_connection()
    ground.reset()
    world = World(seed, ground)
    broken = what = ""
    steps = 0
    with world.told():
        try:
            _begin(world)
            for steps in range(1, world.chance.randint(40, 70) + 1):
                _step(world, steps)
            ending.finish(world)
        except Broken as found:
            broken, what = found.name, found.what
        except Exception as fault:  # noqa: BLE001 - a story that fails in any way is a finding
            broken, what = "P0", f"{type(fault).__name__}: {fault}"
            world.say(traceback.format_exc())
        end = Trip.objects.filter(id=ground.cast.trip).values_list("state", flat=True).first() or ""
    return Verdict(seed, steps, end, broken, what, world.log, time.perf_counter() - began)


def _begin(world: World) -> None:
    """Where this story begins: how many seats it takes, how near the decision is, and whether a bus is bound."""
    draw = world.chance
    threshold = draw.choice([2, 3, 4])
    Trip.objects.filter(id=world.cast.trip).update(threshold=threshold)
    trip = world.trip()
    world.trouble.second_worker = lambda: machine.second_worker(world)
    world.say(f"seed {world.seed}: goes at {threshold}, hears by {world.feed}")
    if draw.random() < 0.6:
        others.commit_bus(world)
    if draw.random() < 0.5:
        world.clock.move_to(trip.decides_at - timedelta(hours=draw.choice([1, 30, 90, 200])))
    for _ in range(draw.choice([0, 2, 4])):
        riders.join_and_pay(world)
    safety.check(world)


def _step(world: World, number: int) -> None:
    chosen = next_move(world)
    world.say(f"-- {number}, {world.now:%d %b %H:%M}: {chosen.name}")
    chosen.act(world)
    safety.check(world)
    if number % 15 == 0:
        safety.check_books(world)
