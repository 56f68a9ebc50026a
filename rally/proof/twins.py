"""P14 and P15: the same day, heard of in other ways, ends the same; and being told everything again changes nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from payments import queries
from payments.actions import inbox
from payments.gateway import reading
from payments.models import FeedCursor, InboxEvent, Wallet
from payments.sandbox.errors import ApiError
from payments.sandbox.faults import WebhookFault
from rally.proof import ending, machine, more_seats, others, riders, safety, saving
from rally.proof.ground import CODES, Ground
from rally.proof.world import Broken, World
from trips.models import Pledge, Promotion, Trip
from trips.pricing import ladders
from trips.states import OCCUPYING

#: How long each scene lasts, whatever it takes to settle: so the clock shows the same in all tellings.
_SCENE = timedelta(hours=1)
_SCENES = 14


@dataclass(frozen=True)
class Ear:
    """A way to hear of what happened at the provider."""

    name: str
    feed: str
    garbled: bool = False  #: late, out of order, twice


EARS = (
    Ear("both", "both"),
    Ear("push", "push"),
    Ear("push, out of order and twice", "push", garbled=True),
    Ear("poll", "poll"),
)


@dataclass(frozen=True)
class Scene:
    """One thing that somebody does, told by numbers, so that it can be told again."""

    act: Callable[[World, Scene], None]
    who: int
    what: int


def _pledge(world: World, scene: Scene) -> Pledge | None:
    rider = world.cast.riders[scene.who]
    mine = Pledge.objects.filter(trip_id=world.cast.trip, rider=rider, state__in=OCCUPYING)
    return mine.order_by("created_at", "id").first()


def _joins_and_pays(world: World, scene: Scene) -> None:
    """Joins and gives a card, and never comes back to our page: only the news tells of it."""
    riders.join_as(world, world.cast.riders[scene.who], seats=1 + scene.what % 3)
    _gives_card(world, scene)


def _saves_and_pays(world: World, scene: Scene) -> None:
    """The same with a code, and with credit where there is some."""
    typed = ("", *CODES)[scene.what % (1 + len(CODES))]
    rider = world.cast.riders[scene.who]
    saving.join_with(world, rider, seats=1 + scene.what % 3, typed=typed, use_credit=True)
    _gives_card(world, scene)


def _gives_card(world: World, scene: Scene) -> None:
    pledge = _pledge(world, scene)
    if pledge is not None and riders.open_page_of(world, pledge.id):
        riders.give_card(
            world, *world.pages[-1], card=riders.CARDS[scene.what % len(riders.CARDS)], passes=True
        )


def _waits(world: World, scene: Scene) -> None:
    more_seats.wait(world, world.cast.riders[scene.who], 1 + scene.what % 3)


def _pays(world: World, scene: Scene) -> None:
    pledge = _pledge(world, scene)
    if pledge is not None and riders.open_page_of(world, pledge.id):
        riders.give_card(world, *world.pages[-1], card=riders.VISA, passes=True)


def _leaves(world: World, scene: Scene) -> None:
    pledge = _pledge(world, scene)
    if pledge is not None:
        riders.leave_with(world, pledge.id)


def _changes(world: World, scene: Scene) -> None:
    pledge = _pledge(world, scene)
    if pledge is not None:
        riders.change_by(world, pledge.id, (-1, 1)[scene.what % 2])


def _commits(world: World, scene: Scene) -> None:
    others.commit(world, world.cast.crews[scene.what % len(world.cast.crews)])


def _refunds_by_hand(world: World, scene: Scene) -> None:
    _at_provider(world, scene, lambda charge: world.sandbox.refund_in_dashboard(charge, 100))


def _disputes(world: World, scene: Scene) -> None:
    _at_provider(world, scene, world.sandbox.open_dispute)


def _at_provider(world: World, scene: Scene, act: Callable[[str], object]) -> None:
    pledge = _pledge(world, scene)
    taken = world.truth.by_payment().get(pledge.payment_id, []) if pledge and pledge.payment_id else []
    for each in taken:
        if each.kept > 0:
            try:
                act(each.charge)
            except ApiError as no:
                world.say(f"      the provider refuses: {no}")


def _days_go_by(world: World, scene: Scene) -> None:
    world.pass_time(days=1 + scene.what % 4)


_ACTS = (_joins_and_pays, _saves_and_pays) * 3 + (_pays, _pays, _waits, _leaves, _changes, _changes, _commits, _commits, _refunds_by_hand, _disputes,
                                  _days_go_by, _days_go_by)  # fmt: skip


def script(seed: int) -> list[Scene]:
    """What happens on this day."""
    draw = random.Random(f"twins of {seed}")
    scenes = [Scene(draw.choice(_ACTS), draw.randrange(8), draw.randrange(1000)) for _ in range(_SCENES)]
    return [Scene(_commits, 0, seed % 2), *scenes]


def check(seed: int, ground: Ground, log: list[str]) -> None:
    """Tell the same day to each ear, into `log`. Raises `Broken` when two of them end differently."""
    first: dict[str, Any] | None = None
    for ear in EARS:
        end = _telling(seed, ground, ear, log)
        if first is None:
            first = end
        elif end != first:
            name = "P14" if ear.garbled else "P15"
            differs = {key: (first[key], end[key]) for key in first if first[key] != end[key]}
            raise Broken(name, f"heard by {ear.name} it ends differently: {differs}")


def _telling(seed: int, ground: Ground, ear: Ear, log: list[str]) -> dict[str, Any]:
    ground.reset()
    world = World(seed, ground, log)
    world.feed = ear.feed
    threshold = 2 + seed // 10 % 3
    ladder = ladders.build(threshold=threshold, capacity=14, least_percent=60) if seed // 10 % 2 else []
    Trip.objects.filter(id=world.cast.trip).update(threshold=threshold, ladder=ladder)
    world.say(f"== the same day, heard by {ear.name}")
    with world.told():
        for rider, amount in zip(world.cast.riders, saving.SUMS, strict=False):
            saving.give_to(world, rider, amount)
            saving.agree(world)
        for scene in script(seed):
            _play(world, scene, garbled=ear.garbled)
        ending.to_the_end(world)
        end = _fingerprint(world)
        if ear.garbled:
            _all_news_again(world)
            again = _fingerprint(world)
            if again != end:
                raise Broken("P14", f"told again it ends differently: {end} → {again}")
    return end


def _play(world: World, scene: Scene, *, garbled: bool) -> None:
    until = world.now + _SCENE
    if garbled and world.sandbox.faults is not None:
        world.sandbox.faults.webhook_rates = {WebhookFault.LATER: 0.3, WebhookFault.TWICE: 0.4}
    world.say(f"-- {world.now:%d %b %H:%M}: {scene.act.__name__.strip('_')}")
    scene.act(world, scene)
    safety.check(world)
    _settle_down(world)
    world.clock.move_to(until)


def _settle_down(world: World) -> None:
    """Everybody hears and does what there is to do, within the scene."""
    for _ in range(8):
        machine.everything(world)
        safety.check(world)
        if not ending.restless():
            return
        world.pass_time(minutes=3)


def _fingerprint(world: World) -> dict[str, Any]:
    """Where everybody and all money is, without ids and moments."""
    trip = world.trip()
    intents = world.truth.by_payment()
    pledges = Pledge.objects.filter(trip_id=trip.id).select_related("payment", "rider")
    return {
        "trip": (trip.state, trip.why_ended, trip.seats_taken),
        "credit": dict(Wallet.objects.order_by("user__email").values_list("user__email", "balance_minor")),
        "codes": dict(Promotion.objects.order_by("code").values_list("code", "uses")),
        "ledger": {name: amount for name, amount in sorted(queries.balances().items()) if amount},
        "pledges": sorted(
            (
                pledge.rider.name,
                pledge.state,
                pledge.seats,
                pledge.price.minor,
                pledge.payment.state if pledge.payment else "",
                pledge.payment.captured_minor if pledge.payment else 0,
                pledge.payment.refunded_minor if pledge.payment else 0,
                sum(each.kept for each in intents.get(pledge.payment_id, ())) if pledge.payment_id else 0,
            )
            for pledge in pledges
        ),
    }


def _all_news_again(world: World) -> None:
    """Forget that any news was heard, and hear all of it, shuffled and twice."""
    with world.sandbox.looking() as call:
        told = [reading.event(each) for each in call.rows.where("event") if not each.get("account")]
    InboxEvent.objects.all().delete()
    FeedCursor.objects.all().delete()
    news = told * 2
    world.chance.shuffle(news)
    for event in news:
        inbox.keep([event], source="push", now=world.now)
    _settle_down(world)
