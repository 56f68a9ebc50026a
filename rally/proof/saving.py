"""Credit and codes: what two of the staff give, what riders use of it, and P18 and P19, what must be true of both."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from django.db import connection, transaction

from payments.actions import requests
from payments.models import Account, MoneyRequest, Wallet
from payments.queries.balances import balance
from payments.states import RequestState
from rally import rules
from rally.models import User
from rally.money import Money
from rally.proof import owing, riders
from rally.proof.ground import CODES
from rally.proof.moves import move
from rally.proof.world import Broken, World
from trips.actions import covering
from trips.models import Pledge, Promotion, PromotionUse
from trips.states import PledgeState

#: A little, a part of a fare, and more than all of it.
SUMS = (300, 2_500, 40_000)

# ---- moves


@move(1)
def give_credit(world: World) -> None:
    """Two of the staff say sorry to a rider; now and then the second one waits, or agrees twice."""
    rider = world.chance.choice(world.cast.riders)
    amount = world.chance.choice(SUMS)
    if give_to(world, rider, amount) and world.chance.random() < 0.9:
        agree(world)


def give_to(world: World, rider: User, amount: int) -> bool:
    """Ask for credit. Whether it was asked for."""
    world.say(f"staff ask for {amount} of credit for {rider.name}")
    asked = world.attempt(
        lambda: requests.ask(
            what=MoneyRequest.What.CREDIT,
            subject=rider.id,
            amount=Money(amount, "USD"),
            why="sorry",
            now=world.now,
            by=world.cast.staff[0],
        )
    )
    return asked is not None


@move(0.5)
def agree(world: World) -> None:
    """The second of the staff agrees to what is asked for."""
    asked = MoneyRequest.objects.filter(state=RequestState.ASKED).order_by("asked_at", "id").first()
    if asked is None:
        return
    world.say(f"the second of the staff agrees to {asked.what}, {asked.amount}")
    which = asked.id
    world.again = lambda w: _agree_to(w, which)
    _agree_to(world, which)


def _agree_to(world: World, which: UUID) -> None:
    if MoneyRequest.objects.filter(id=which).exists():  # else it was lost with the backup
        world.attempt(lambda: requests.agree(request_id=which, now=world.now, by=world.cast.staff[1]))


@move(4, certain=3)
def join_and_save(world: World) -> None:
    """Join with a code, with credit or with both, and pay the rest, or think about it."""
    rich = list(
        Wallet.objects.filter(balance_minor__gt=0).order_by("user_id").values_list("user_id", flat=True)
    )
    with_credit = [each for each in world.cast.riders if each.id in rich]
    rider = world.a_rider(among=with_credit)
    typed = world.chance.choice(["", "", *CODES])
    use_credit = not typed or world.chance.random() < 0.6
    pledge = join_with(
        world, rider, seats=world.chance.choice([1, 1, 2, 3]), typed=typed, use_credit=use_credit
    )
    if pledge is not None and world.chance.random() < 0.8:
        riders.go_and_pay(world, pledge.id)


def join_with(world: World, rider: User, *, seats: int, typed: str, use_credit: bool) -> Pledge | None:
    """Take so many seats with this code and one's credit, as the page does: both or neither."""
    world.say(
        f"{rider.name} joins with {seats}, code {typed or 'none'}, {'with' if use_credit else 'no'} credit"
    )

    def work() -> Pledge:
        with transaction.atomic():
            pledge = riders.make(world, rider, seats)
            covering.cover(pledge_id=pledge.id, promotion=typed, use_credit=use_credit, now=world.now)
        return pledge

    return world.attempt(work)


# ---- what must be true after every step

#: A code that pays for more pledges than its limits, counted from the parts that it has paid.
_OVERUSED = """
WITH pays AS (
    SELECT used.promotion_id, used.rider_id FROM payments_contribution part
    JOIN trips_pledge pledge ON pledge.payment_id = part.payment_id
    JOIN trips_promotionuse used ON used.pledge_id = pledge.id
    WHERE part.source = 'expense:promotion' AND part.state = 'spent' AND part.amount_minor > part.returned_minor
)
SELECT code || ' pays for ' || count(*) || ' pledges of at most ' || max_uses
FROM pays JOIN trips_promotion code ON code.id = promotion_id GROUP BY code, max_uses HAVING count(*) > max_uses
UNION ALL
SELECT code || ' pays for ' || count(*) || ' pledges of one rider'
FROM pays JOIN trips_promotion code ON code.id = promotion_id
GROUP BY code, rider_id, max_uses_per_rider HAVING count(*) > max_uses_per_rider
UNION ALL
SELECT code || ' counts ' || uses FROM trips_promotion code
WHERE uses <> (SELECT count(*) FROM trips_promotionuse WHERE promotion_id = code.id AND given_back_at IS NULL)
"""


def limits_hold(world: World) -> None:
    """P18: no code pays more often than it may, in all and for one rider, and what is counted is what is used."""
    with connection.cursor() as cursor:
        cursor.execute(_OVERUSED)
        wrong = cursor.fetchone()
    if wrong:
        raise Broken("P18", wrong[0])


# ---- what must be true in the end


def check(world: World) -> None:
    """P18, P19: codes took off what they say; all credit that was given is there, or has paid for a seat."""
    limits_hold(world)
    spent: Counter[UUID] = Counter()
    disputed = {
        payment for payment, intents in world.truth.by_payment().items() if any(i.disputed for i in intents)
    }
    gave_up = Counter[UUID]()
    for each in world.memory.gave_up:
        gave_up[each.pledge] += each.seats
    found = Pledge.objects.filter(trip_id=world.cast.trip).select_related("promotion_use__promotion")
    for pledge in found.order_by("created_at", "id"):
        spent[pledge.rider_id] += owing.covered(pledge, Account.RIDER_CREDIT)
        used = getattr(pledge, "promotion_use", None)
        if used is not None and pledge.payment_id not in disputed:
            _code_did_its_part(pledge, used, gave_up=gave_up[pledge.id])
            _leaving_kept_it_used(world, pledge, used)
    given: Counter[UUID] = Counter()
    done = MoneyRequest.objects.filter(what=MoneyRequest.What.CREDIT, state=RequestState.DONE)
    for user_id, amount in done.values_list("subject", "amount_minor"):
        given[user_id] += amount
    has: Counter[UUID] = Counter(dict(Wallet.objects.values_list("user_id", "balance_minor")))
    for rider in world.cast.riders:
        if has[rider.id] != given[rider.id] - spent[rider.id]:
            what = f"was given {given[rider.id]}, has {has[rider.id]}, and {spent[rider.id]} paid for seats"
            raise Broken("P19", f"{rider.name} {what}")
    if aside := balance(Account.CREDIT_SET_ASIDE):
        raise Broken("P19", f"{aside} is set aside for nothing")


def _off(code: Promotion, whole: int) -> int:
    return whole * code.percent // 100 if code.percent else code.amount_minor


def _code_did_its_part(pledge: Pledge, used: PromotionUse, *, gave_up: int) -> None:
    """A code took off what it says of seats that rode, and of seats that were given up no more than a part for each that
    nobody else has bought; of a pledge that came to nothing it took nothing and is free again."""
    paid = owing.covered(pledge, Account.PROMOTION)
    code, whole = used.promotion, pledge.charge.minor
    off = _off(code, whole)
    rode = pledge.state == PledgeState.PAID
    stays = pledge.seats if rode else 0
    seats = stays + gave_up
    pays_for = stays + pledge.freed_seats.filter(resold_at=None).count()
    if gave_up and paid > _off(code, pledge.fare.minor * seats) * pays_for // seats + seats:
        raise Broken("P18", f"{code} pays {paid} for {pays_for} of the {seats} seats of {pledge.code}")
    if rode and not gave_up and paid != min(off, whole - rules.current().least_by_card):
        raise Broken("P18", f"{code} took {paid} off {whole}")
    nothing = pledge.state in {PledgeState.EXPIRED, PledgeState.RELEASED}
    free = used.given_back_at is not None
    if (nothing and (paid or not free)) or (rode and free):
        raise Broken("P18", f"{code} paid {paid} of a pledge that is {pledge.state}, free again: {free}")


def _leaving_kept_it_used(world: World, pledge: Pledge, used: PromotionUse) -> None:
    """Who left before paying has used the code if a card was ever given for the seats, and not if there was none."""
    if pledge.state != PledgeState.WITHDRAWN or pledge.payment_id is None or world.restored:
        return  # a page that went with the database is one that nobody asks about
    carded, free = world.truth.has_taken_card(pledge.payment_id), used.given_back_at is not None
    if free is carded:
        what = "a card was given" if carded else "no card was ever given"
        raise Broken(
            "P18", f"{used.promotion} of {pledge.code}, whose rider left: {what}, free again: {free}"
        )
