"""Riders who want seats that are not there yet: the waiting list and its offers, seats added after paying, links to pay."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from rally.models import User
from rally.proof import riders
from rally.proof.ground import CODES
from rally.proof.moves import move
from rally.proof.world import Broken, World
from trips.actions import covering, waiting
from trips.models import Pledge, Stop
from trips.queries import links
from trips.queries.links import Link
from trips.queries.waiting import words_to_show
from trips.states import PledgeState

#: Nobody waits for more seats than this.
_MOST = 4


@move(2, certain=4)
def wait_for_seats(world: World) -> None:
    """Too few seats are left: get on the list. Else take what is there."""
    rider = world.a_rider()
    wants = max(world.chance.choice([1, 2, 3]), world.trip().seats_left + 1)
    if wants > _MOST:
        riders.join_as(world, rider, seats=_MOST)
        return
    world.again = lambda w: wait(w, rider, wants)
    wait(world, rider, wants)


def wait(world: World, rider: User, seats: int) -> None:
    """Get on the list for so many seats."""
    world.say(f"{rider.name} waits for {seats}")
    stop = Stop.objects.select_related("trip").get(id=world.cast.stop)
    world.attempt(
        lambda: waiting.wait(
            trip_id=world.cast.trip,
            rider=rider,
            stop=stop,
            passengers=riders.people(seats),
            now=world.now,
            **riders.CONSENT,
        )
    )


@move(1.5, certain=4)
def take_offer(world: World) -> None:
    """Seats were offered: agree to the words of today, use a code and credit or not, and pay; or leave the list."""
    offered = Pledge.objects.filter(
        trip_id=world.cast.trip, state=PledgeState.DRAFT, offered_at__isnull=False
    )
    pledge = offered.select_related("trip__event__venue", "stop").order_by("offered_at", "id").first()
    if pledge is None:
        listed = world.a_pledge(PledgeState.WAITING)
        if listed is not None and world.chance.random() < 0.2:
            riders.leave_with(world, listed.id)
        return
    world.say(f"is offered the seats of {pledge.code}")
    words = words_to_show(pledge, world.now)
    helps = helps_of(world)
    if words is None or _take(world, pledge, words.text, helps) or _take(world, pledge, words.text, {}):
        riders.go_and_pay(world, pledge.id)


def _take(world: World, pledge: Pledge, shown: str, helps: dict[str, Any]) -> bool:
    """Agree, and say what pays beside the card, as the page does: both or neither. Whether it was done."""

    def work() -> bool:
        with transaction.atomic():
            waiting.agree(pledge_id=pledge.id, shown=shown, now=world.now)
            if helps:
                covering.cover(pledge_id=pledge.id, now=world.now, **helps)
        return True

    return bool(world.attempt(work))


def helps_of(world: World) -> dict[str, Any]:
    """A code, credit, both or nothing, for `covering.cover`."""
    typed, use_credit = world.chance.choice(["", "", *CODES]), world.chance.random() < 0.5
    if not typed and not use_credit:
        return {}
    world.say(f"   with code {typed or 'none'}, {'with' if use_credit else 'no'} credit")
    return {"promotion": typed, "use_credit": use_credit}


@move(0.5, certain=4)
def add_seats(world: World) -> None:
    """Seats are paid, and friends want to come along: one or two more, paid at once, or thought about."""
    pledge = world.a_pledge(PledgeState.PAID)
    if pledge is None:
        return
    more = world.chance.choice([1, 1, 2])
    added = riders.change_by(world, pledge.id, more, helps=helps_of(world))
    if added is not None and added.id != pledge.id and world.chance.random() < 0.8:
        riders.go_and_pay(world, added.id)


@move(1.5)
def ask_for_a_friend_to_pay(world: World) -> None:
    """Keep the link to pay of a pledge that waits for a card: somebody else will open it, now or much later."""
    waits = (PledgeState.DRAFT, PledgeState.NEEDS_CARD, PledgeState.PAYMENT_DUE)
    pledge = world.a_pledge(*waits)
    if pledge is not None:
        world.say(f"passes on the link to pay {pledge.code}")
        world.links.append((pledge.id, links.pay_key(pledge), _asking(pledge)))


@move(1.5)
def open_link(world: World) -> None:
    """Somebody opens a link that was passed on, and pays if it still asks for that."""
    if not world.links:
        return
    pledge_id, key, asked = world.chance.choice(world.links)
    pledge = Pledge.objects.filter(id=pledge_id).first()
    if pledge is None:
        return  # it was lost with the backup
    good = links.pay_standing(pledge, key, world.now) is Link.GOOD
    world.say(f"opens the link to pay {pledge.code}: {'good' if good else 'over'}")
    if good and _asking(pledge) != asked:
        raise Broken("P20", f"a link of {asked} opens {pledge.code}, which asks since {_asking(pledge)}")
    if good:
        riders.go_and_pay(world, pledge_id)


def _asking(pledge: Pledge) -> object:
    """What a link is for: these reserved seats, this offer, or this refusal of the bank."""
    return pledge.card_asked_at or pledge.offered_at or pledge.created_at
