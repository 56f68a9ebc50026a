"""What happens by itself: messages, sweeps, news from the provider, the clock, trouble, and a backup that is restored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from operators import tasks as of_operators
from payments.actions import contributions, earnings, inbox, payments, sweeps
from rally.proof.moves import move
from rally.proof.world import World
from trips import tasks as of_trips
from trips.models import Pledge

#: What the clock of the workers starts, by name. News is fetched by `World.hear`, operations by `run_operations`.
SWEEPS: dict[str, Callable[[World], object]] = {
    "inbox": lambda world: inbox.read_due(now=world.now),
    "announce": lambda world: payments.announce_again(now=world.now),
    "holds": lambda world: sweeps.check_holds(now=world.now),
    "transfers": lambda world: earnings.send_due(now=world.now),
    "credit": lambda world: contributions.hand_back_due(now=world.now),
    "settle": lambda _world: of_trips.settle_due(),
    "expire": lambda _world: of_trips.expire_drafts(),
    "fares": lambda _world: of_trips.close_fares(),
    "remind": lambda _world: of_trips.remind(),
    "runs": lambda _world: of_operators.sweep_runs(),
}


@move(12)
def messages(world: World) -> None:
    """Workers take some of what waits, in any order."""
    world.work_off(4)


@move(5)
def operations_due(world: World) -> None:
    """The sweep of operations."""
    world.run_operations(world.chance.choice([1, 3, 100]))


@move(5)
def news(world: World) -> None:
    """The provider tells us, or we ask."""
    world.say("news from the provider")
    world.hear()


@move(10)
def sweep(world: World) -> None:
    """One of the sweeps."""
    name = world.chance.choice(sorted(SWEEPS))
    world.say(f"sweep: {name}")
    run_sweep(world, name)


def run_sweep(world: World, name: str) -> None:
    """One sweep, as a process of its own."""
    world.attempt(lambda: SWEEPS[name](world))


def everything(world: World) -> None:
    """Everything that runs by itself, once."""
    world.work_off(200)
    world.run_operations(200)
    world.hear()
    for name in SWEEPS:
        run_sweep(world, name)
        world.work_off(200)


def second_worker(world: World) -> None:
    """What another worker does while the first one waits for an answer."""
    draw = world.chance.random()
    world.say("      meanwhile another worker:")
    if draw < 0.5:
        world.run_operations(2)
    elif draw < 0.8:
        world.work_off(2)
    else:
        run_sweep(world, world.chance.choice(sorted(SWEEPS)))


def round_in_trouble(world: World) -> None:
    """What the workers get done in a while, if little goes right."""
    run_sweep(world, "settle")
    world.work_off(6)
    world.run_operations(6)
    if world.chance.random() < 0.4:
        world.hear()
        run_sweep(world, "inbox")
    run_sweep(world, world.chance.choice(sorted(SWEEPS)))
    world.pass_time(minutes=world.chance.choice([1, 1, 5, 20, 20, 25 * 60]))


# ---- time


@move(7)
def time_passes(world: World) -> None:
    """Minutes, hours or days; sometimes to the moment of the decision."""
    draw = world.chance.random()
    decides_at = world.trip().decides_at
    if draw < 0.08 and decides_at > world.now:
        world.clock.move_to(decides_at + timedelta(minutes=world.chance.choice([-3000, -60, 1, 60])))
    elif draw < 0.5:
        world.pass_time(minutes=world.chance.choice([1, 3, 10, 33]))
    elif draw < 0.8:
        world.pass_time(hours=world.chance.choice([1, 5, 12, 25]))
    else:
        world.pass_time(days=1 if world.certain_since else world.chance.choice([1, 2, 4]))
    world.say(f"it is {world.now:%d %B, %H:%M}")


# ---- trouble


@move(4)
def weather(world: World) -> None:
    """Trouble begins, changes or ends."""
    if world.chance.random() < 0.7:
        world.say(f"trouble: {world.trouble.begin()}")
    else:
        world.trouble.end()
        world.say("trouble is over")


@move(0.3)
def back_up(world: World) -> None:
    """The nightly backup."""
    if world.backed_up is None and not world.restored:
        with world.trouble.undisturbed():
            world.ground.back_up()
        world.backed_up = world.memory.copy()
        world.say("a backup is made")


@move(0.4)
def restore(world: World) -> None:
    """The database is lost and comes back from the backup; the provider remembers everything."""
    if world.backed_up is None or world.restored:
        return
    with world.trouble.undisturbed():
        world.ground.restore()
        known = set(Pledge.objects.values_list("id", flat=True))
    world.memory, world.restored = world.backed_up, True
    world.queue.clear()
    world.pages = [page for page in world.pages if page[0] in known]
    world.links = [link for link in world.links if link[0] in known]
    world.again = None
    world.say("the database is lost, and restored from the backup")
