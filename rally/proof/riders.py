"""What riders do: join, pay, come back or not, change, hand over, leave, and press twice."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from payments.actions import checkouts
from payments.sandbox.checkout import Typed
from payments.sandbox.errors import ApiError
from rally.models import User
from rally.proof import owing
from rally.proof.moves import move
from rally.proof.world import World
from trips.actions import covering, pledges
from trips.actions.pledges import Passenger
from trips.models import Pledge, Seat
from trips.states import OCCUPYING, PledgeState

VISA, MASTERCARD = "4242424242424242", "5555555555554444"
#: What is in their purses, as often as they pull it out: most cards are good.
CARDS = (
    *[VISA] * 8,
    *[MASTERCARD] * 2,
    *["4000000000000341"] * 3,  # saved, declines later
    *["4000002760003184"] * 2,  # asks every time
    *["4000002500003155"] * 2,  # asks once
    "4000000000000002",  # declines
    "4000000000009995",  # no money
    "4000000000000119",  # processing error
    "4000000000000077",  # money available at once
    "4000000000000259",  # disputes
    "4000000000007726",  # refunds take their time
    "4000000000005126",  # refunds fail later
)
#: The words are those of a page that the story does not draw.
CONSENT: dict[str, Any] = {"consent_text": "I agree.", "consent_version": "proof", "consented": True}
HERE, BACK = "http://testserver/paid/", "http://testserver/back/"


@move(8, certain=6)
def join_and_pay(world: World) -> None:
    """From the trip page to the pay page and back, in one go."""
    pledge = _join(world)
    if pledge is not None:
        go_and_pay(world, pledge.id)


def go_and_pay(world: World, pledge_id: UUID) -> None:
    """To the pay page of a pledge, give a card there, and mostly come back."""
    if not open_page_of(world, pledge_id):
        return
    _type_card(world, *world.pages[-1])
    if world.chance.random() < 0.8:
        _come_back(world, world.pages[-1][1])


@move(2)
def join(world: World) -> None:
    """Take seats and think about it."""
    _join(world)


@move(5)
def open_page(world: World) -> None:
    """Go to pay, most often when there is something to pay."""
    waiting = (PledgeState.DRAFT, PledgeState.NEEDS_CARD, PledgeState.PAYMENT_DUE)
    pledge = world.a_pledge(*waiting) if world.chance.random() < 0.9 else world.a_pledge()
    if pledge is None:
        return
    world.again = lambda w: _forget(open_page_of(w, pledge.id))
    open_page_of(world, pledge.id)


@move(5)
def type_card(world: World) -> None:
    """Give a card on a page: mostly the newest, sometimes one that was left open in another tab."""
    if world.pages:
        newest = world.chance.random() < 0.6
        _type_card(world, *(world.pages[-1] if newest else world.chance.choice(world.pages)))


@move(3)
def come_back(world: World) -> None:
    """Return from the pay page."""
    if world.pages:
        _come_back(world, world.chance.choice(world.pages)[1])


@move(2, certain=4)
def leave(world: World) -> None:
    """Give up the seats."""
    pledge = world.a_pledge(*OCCUPYING)
    if pledge is None:
        return
    world.again = lambda w: leave_with(w, pledge.id)
    leave_with(world, pledge.id)


@move(2, certain=3)
def change_seats(world: World) -> None:
    """One seat less, or one or two more."""
    pledge = world.a_pledge(*OCCUPYING)
    if pledge is not None:
        change_by(world, pledge.id, world.chance.choice([-1, 1, 1, 2]))


@move(1.5)
def change_while_paying(world: World) -> None:
    """Change the seats in one tab while the pay page is open in another, then pay there."""
    if not world.pages:
        return
    pledge_id, payment_id, address = world.pages[-1]
    change_by(world, pledge_id, world.chance.choice([-1, 1]))
    _type_card(world, pledge_id, payment_id, address)


@move(0.7)
def hand_over(world: World) -> None:
    """Give a seat to a friend. The money stays where it is."""
    pledge = world.a_pledge(*OCCUPYING)
    seat = pledge.passengers.first() if pledge is not None else None
    if pledge is None or seat is None:
        return
    friend = world.chance.choice(world.cast.riders)
    world.say(f"hands a seat of {pledge.code} to {friend.name}")
    world.attempt(
        lambda: pledges.hand_over(
            seat_id=seat.id, email=friend.email, name=friend.name, by=pledge.rider, now=world.now
        )
    )


@move(1)
def press_twice(world: World) -> None:
    """The last button once more."""
    if world.again is not None:
        world.say("once more:")
        world.again(world)


# ---- steps


def join_well(world: World, rider: User, *, seats: int) -> None:
    """Take so many seats and pay with a good card."""
    pledge = join_as(world, rider, seats=seats)
    if pledge is not None and open_page_of(world, pledge.id):
        give_card(world, *world.pages[-1], card=VISA, passes=True)
        _come_back(world, world.pages[-1][1])


def _forget(_answer: object) -> None:
    """Of a step that is repeated only what it does counts."""


def people(number: int) -> list[Passenger]:
    return [Passenger(f"Passenger {n}") for n in range(1, number + 1)]


def _join(world: World) -> Pledge | None:
    return join_as(world, world.a_rider(), seats=world.chance.choice([1, 1, 2, 3]))


def join_as(world: World, rider: User, *, seats: int) -> Pledge | None:
    """Take so many seats."""
    world.say(f"{rider.name} joins with {seats}")
    return world.attempt(lambda: make(world, rider, seats))


def make(world: World, rider: User, seats: int) -> Pledge:
    """Reserve so many seats, as the page does."""
    return pledges.make(
        trip_id=world.cast.trip,
        rider=rider,
        stop_id=world.cast.stop,
        passengers=people(seats),
        now=world.now,
        **CONSENT,
    )


def open_page_of(world: World, pledge_id: UUID) -> bool:
    """Go to the pay page of a pledge. Whether there is one."""

    def work() -> tuple[UUID, str]:
        to_pay = pledges.open_payment(pledge_id=pledge_id, now=world.now)
        address = checkouts.go(
            payment_id=to_pay.payment_id, mode=to_pay.mode, success_url=HERE, cancel_url=BACK, now=world.now
        )
        return to_pay.payment_id, address

    world.say(f"opens the pay page of {_code(pledge_id)}")
    found = world.attempt(work)
    if found is None:
        return False
    world.pages.append((pledge_id, *found))
    return True


def _type_card(world: World, pledge_id: UUID, payment_id: UUID, address: str) -> None:
    card, passes = world.chance.choice(CARDS), world.chance.random() < 0.85
    give_card(world, pledge_id, payment_id, address, card=card, passes=passes)


def give_card(
    world: World, pledge_id: UUID, payment_id: UUID, address: str, *, card: str, passes: bool
) -> None:
    """Give this card on this page; `passes` says how it goes if the bank asks who is there."""
    session = address.rstrip("/").rsplit("/", 1)[-1]
    try:
        done = world.sandbox.pay(session, Typed(number=card, expires=(12, 2035), cvc="123"))
        world.truth.note(lambda: payment_id, by_payer=True)
        if done["status"] == "open":  # the bank wants to see the cardholder
            intent = done["payment_intent"] or done["setup_intent"]
            done = world.sandbox.authenticate(intent, passed=passes)
        outcome = done["status"]
        if outcome == "complete":
            world.truth.took_card(payment_id)
    except ApiError as no:
        outcome = f"{no.body['error'].get('code', no.status)}"
    world.truth.note(lambda: payment_id, by_payer=True)
    world.say(f"gives card {card} for {_code(pledge_id)}: {outcome}")


def _come_back(world: World, payment_id: UUID) -> None:
    world.say("comes back from the pay page")
    world.attempt(lambda: checkouts.come_back(payment_id=payment_id, now=world.now))


def leave_with(world: World, pledge_id: UUID) -> None:
    """Give up the seats of a pledge."""
    pledge = Pledge.objects.select_related("rider", "trip").filter(id=pledge_id).first()
    if pledge is None:
        return  # it was lost with the backup
    world.say(f"{pledge.rider.name} leaves {pledge.code}, {pledge.state}")
    with owing.watching(world, pledge_id):
        world.attempt(lambda: pledges.withdraw(pledge_id=pledge_id, by=pledge.rider, now=world.now))


def change_by(
    world: World, pledge_id: UUID, by: int, *, helps: dict[str, Any] | None = None
) -> Pledge | None:
    """So many seats more or less; the pledge that holds them then. What `helps` pays for added ones beside the card."""
    pledge = Pledge.objects.select_related("rider", "trip").filter(id=pledge_id).first()
    if pledge is None or not pledge.is_live:
        return None
    seats = _seats_of(pledge)
    wanted = max(1, len(seats) + by)
    who = [Passenger(each.name, tuple(each.needs), each.id) for each in seats[:wanted]]
    who += people(wanted - len(who))
    world.say(f"{pledge.rider.name} changes {pledge.code}, {pledge.state}: {len(seats)} → {wanted}")

    def work() -> Pledge:
        with transaction.atomic():
            changed = pledges.change_seats(
                pledge_id=pledge_id, passengers=who, by=pledge.rider, now=world.now, **CONSENT
            )
            if helps and changed.id != pledge_id:
                covering.cover(pledge_id=changed.id, now=world.now, **helps)
        return changed

    with owing.watching(world, pledge_id):
        return world.attempt(work)


def _seats_of(pledge: Pledge) -> list[Seat]:
    """Those of the pledge, and once it is paid those that were added and are paid as well."""
    ride = Q(pledge=pledge)
    if pledge.state == PledgeState.PAID:
        ride |= Q(pledge__enlarges=pledge, pledge__state=PledgeState.PAID)
    return list(Seat.objects.filter(ride).order_by("pledge__created_at", "pledge_id", "position"))


def _code(pledge_id: UUID) -> str:
    return Pledge.objects.filter(id=pledge_id).values_list("code", flat=True).first() or "a lost pledge"
