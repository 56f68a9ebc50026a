"""Codes and credit at pledging: who may use them, what they pay, and what comes back. The books agree after every test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, transaction

from payments import queries
from payments.actions import audits, checkouts, contributions, inbox, operations, sweeps
from payments.models import Account, Attempt, Contribution
from payments.queries import Back
from payments.sandbox.errors import ApiError
from rally import clock, outbox
from rally.models import Notice, User
from rally.money import Money
from tests.factories import pledges as make
from tests.factories.events import event, partner
from tests.factories.payments import DECLINED, type_card, usd
from tests.factories.people import person
from tests.factories.promotions import credited, promotion
from tests.factories.trips import proposed
from tests.racing import at_once
from tests.seeing import fresh, signed_in, text
from tests.trips.actions.test_waiting import queue
from trips.actions import backing, covering, failures, pledges, promotions, settlement, trips, waiting
from trips.errors import (
    CodeElsewhere,
    CodeNotValid,
    CodeUsedByYou,
    CodeUsedUp,
    ConsentMissing,
    CreditChanged,
    NotChangeable,
    UnknownCode,
)
from trips.models import Pledge, Promotion, PromotionUse, Trip
from trips.queries.waiting import words_to_show
from trips.states import PledgeState, TripState, VehicleClass

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def at(now: datetime) -> Iterator[Any]:
    """The clock stands still until it is moved; in the end everybody catches up and the books agree."""
    with time_machine.travel(now, tick=False) as traveller:
        yield traveller
        for _ in range(3):
            traveller.shift(timedelta(minutes=3))
            work()
        assert audits.check(now=clock.now()) == {}


def work() -> None:
    """What workers do, once."""
    moment = clock.now()
    for operation_id in operations.due(now=moment):
        operations.run(operation_id, now=moment)
    inbox.poll(now=moment)
    inbox.read_due(now=moment)
    sweeps.check_holds(now=moment)
    contributions.hand_back_due(now=moment)


def covered(
    trip: Trip,
    rider: User | None = None,
    *,
    code: str = "",
    credit: bool = False,
    seats: int = 1,
    **more: Any,
) -> Pledge:
    """A draft with a code and credit."""
    pledge = make.draft(trip, rider, seats=seats, now=clock.now())
    covering.cover(pledge_id=pledge.id, promotion=code, use_credit=credit, now=clock.now(), **more)
    return Pledge.objects.get(id=pledge.id)


def paid(pledge: Pledge) -> Pledge:
    """Its rider has been at the checkout."""
    return make.pay(pledge, now=clock.now())


def uses(code: str = "GAMEDAY") -> int:
    """How often it counts as used."""
    return Promotion.objects.get(code=code).uses


# ---- looking a code up


def find(typed: str, trip: Trip, rider: User | None, now: datetime) -> Promotion:
    """Look it up."""
    return promotions.find(typed, trip=trip, rider=rider, now=now)


def test_a_code_is_found_however_it_is_typed(van: Trip, ana: User, now: datetime) -> None:
    found = promotion()
    assert find(" game-day ", van, ana, now) == found
    assert find("gameday", van, None, now) == found
    assert promotions.saving_of(found).of(usd(4200)) == usd(840)
    assert promotions.saving_of(promotion("TENNER", amount_minor=1000)).of(usd(4200)) == usd(1000)


def test_a_code_says_why_not(van: Trip, ana: User, now: datetime) -> None:
    promotion("EARLY", valid_from=now + timedelta(days=1))
    promotion("OVER", valid_until=now)
    promotion("EURO", currency="EUR")
    promotion("OTHER", event=event(name="Bears at Packers"))
    promotion("CLUB", partner=partner())
    for typed, refusal in (
        ("NOSUCH", UnknownCode),
        ("EURO", UnknownCode),
        ("", UnknownCode),
        ("EARLY", CodeNotValid),
        ("OVER", CodeNotValid),
        ("OTHER", CodeElsewhere),
        ("CLUB", CodeElsewhere),
    ):
        with pytest.raises(refusal) as said:
            find(typed, van, ana, now)
        assert said.value.field == "promotion"
        assert str(said.value)
    promotion("HERE", event=van.event)
    assert find("HERE", van, ana, now).code == "HERE"


# ---- using it


def test_a_pledge_is_paid_by_code_credit_and_card(van: Trip, ana: User, now: datetime) -> None:
    promotion()
    credited(ana, 500)
    pledge = covered(van, ana, code="gameday", credit=True, seats=2)
    whole = pledge.amount.minor
    parts = queries.parts_paid(pledge.payment)
    assert (parts.by_code.minor, parts.from_credit.minor) == (whole * 20 // 100, 500)
    assert parts.whole == pledge.amount
    assert (uses(), PromotionUse.objects.get().saved_minor, queries.credit_of(ana)) == (
        1,
        parts.by_code.minor,
        usd(0),
    )
    with pytest.raises(NotChangeable):
        covering.cover(pledge_id=pledge.id, use_credit=True, now=now)


def test_a_refused_code_leaves_nothing_behind(van: Trip, ana: User, now: datetime) -> None:
    promotion(max_uses_per_rider=1)
    covered(van, ana, code="GAMEDAY")
    other = proposed(to=van.event, vehicle_class=VehicleClass.VAN, captain=person("cap"), now=now)
    draft = make.draft(other, ana, now=now)
    with pytest.raises(CodeUsedByYou):
        covering.cover(pledge_id=draft.id, promotion="GAMEDAY", now=now)
    draft.refresh_from_db()
    assert (draft.payment_id, uses()) == (None, 1)


def test_a_rider_may_use_it_so_often(van: Trip, ana: User, now: datetime) -> None:
    promotion(max_uses_per_rider=2)
    covered(van, ana, code="GAMEDAY")
    for n in range(2):
        other = proposed(to=van.event, vehicle_class=VehicleClass.VAN, captain=person(f"cap{n}"), now=now)
        draft = make.draft(other, ana, now=now)
        if n == 0:
            covering.cover(pledge_id=draft.id, promotion="GAMEDAY", now=now)
    assert sorted(PromotionUse.objects.values_list("n", flat=True)) == [1, 2]
    with pytest.raises(CodeUsedByYou):
        covering.cover(pledge_id=draft.id, promotion="GAMEDAY", now=now)


def test_less_credit_than_shown_is_refused(van: Trip, ana: User, now: datetime) -> None:
    credited(ana, 500)
    draft = make.draft(van, ana, now=now)
    with pytest.raises(CreditChanged, match=r"\$5 by now"):
        covering.cover(pledge_id=draft.id, use_credit=True, credit_shown=usd(501), now=now)
    assert queries.credit_of(ana) == usd(500)
    parts = covering.cover(pledge_id=draft.id, use_credit=True, credit_shown=usd(500), now=now)
    assert parts.from_credit == usd(500)


# ---- at the same moment


@pytest.mark.race
def test_the_last_use_goes_to_exactly_one(van: Trip, now: datetime) -> None:
    promotion(max_uses=1)
    drafts = [make.draft(van, now=now) for _ in range(4)]

    def use(draft: Pledge) -> object:
        return covering.cover(pledge_id=draft.id, promotion="GAMEDAY", now=now)

    answers = at_once(*[lambda each=each: use(each) for each in drafts])
    assert sorted(type(each).__name__ for each in answers) == ["CodeUsedUp"] * 3 + ["Parts"]
    assert (uses(), PromotionUse.objects.count(), Contribution.objects.count()) == (1, 1, 1)


@pytest.mark.race
def test_one_rider_at_two_trips_uses_it_once(van: Trip, ana: User, now: datetime) -> None:
    """Neither trip's lock keeps the other back; the constraint does."""
    promotion(max_uses_per_rider=1)
    others = [
        proposed(to=van.event, vehicle_class=VehicleClass.VAN, captain=person(f"cap{n}"), now=now)
        for n in range(3)
    ]
    drafts = [make.draft(trip, ana, now=now) for trip in others]
    answers = at_once(
        *[
            lambda each=each: covering.cover(pledge_id=each.id, promotion="GAMEDAY", now=now)
            for each in drafts
        ]
    )
    assert sorted(type(each).__name__ for each in answers) == ["CodeUsedByYou"] * 2 + ["Parts"]
    assert uses() == 1


def test_a_code_used_up_between_looking_and_using(
    van: Trip, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = promotion(max_uses=1)
    covered(van, code="GAMEDAY")
    monkeypatch.setattr(promotions, "find", lambda *_args, **_more: found)  # as it was read a moment ago
    with pytest.raises(CodeUsedUp):
        covered(van, code="GAMEDAY")


@pytest.mark.race
def test_two_trips_that_lapse_with_the_same_riders_do_not_wait_for_each_other(
    van: Trip, ana: User, ben: User, now: datetime, at: Any
) -> None:
    promotion(max_uses_per_rider=5)
    other = proposed(to=van.event, vehicle_class=VehicleClass.VAN, captain=person("cap"), now=now)
    for rider in (ana, ben):
        credited(rider, 600)
    for trip, riders in ((van, (ana, ben)), (other, (ben, ana))):
        for rider in riders:
            paid(covered(trip, rider, code="GAMEDAY", credit=True))
    at.move_to(van.decides_at)
    moment = clock.now()
    at_once(*[lambda each=each: settlement.settle(trip_id=each.id, now=moment) for each in (van, other)])
    assert set(Trip.objects.values_list("state", flat=True)) == {TripState.LAPSED}
    for rider in (ana, ben):
        assert queries.credit_of(rider) == usd(600)
    assert (uses(), queries.balance(Account.PROMOTION)) == (0, 0)


# ---- seats offered from the waiting list


@pytest.fixture
def offered(van: Trip, now: datetime, at: Any) -> list[Pledge]:
    """Seats of a certain trip that are offered to three riders, who agreed to other words on the list."""
    make.backed(van, seats=9, now=now)
    five = make.backed(van, seats=5, now=now)
    line = [queue(van, person(f"patient{n}"), now=now + timedelta(seconds=n)) for n in range(3)]
    make.bound(van, seats=14, now=now)
    pledges.withdraw(pledge_id=five.id, by=five.rider, now=now)
    return list(
        Pledge.objects.select_related("trip__event__venue", "stop").filter(
            id__in=[each.id for each in line], state=PledgeState.DRAFT
        )
    )


def take(pledge: Pledge, now: datetime, **helps: Any) -> queries.Parts:
    """What the page and the program do."""
    with transaction.atomic():
        shown = words_to_show(pledge, now)
        waiting.agree(pledge_id=pledge.id, shown=shown.text if shown else "", now=now)
        return covering.cover(pledge_id=pledge.id, now=now, **helps)


def test_offered_seats_are_covered_once_they_are_agreed_to(offered: list[Pledge], now: datetime) -> None:
    promotion()
    mine = offered[0]
    credited(mine.rider, 2000)
    with pytest.raises(ConsentMissing):
        covering.cover(pledge_id=mine.id, use_credit=True, now=now)
    with pytest.raises(UnknownCode):
        take(mine, now, promotion="NOSUCH")
    assert words_to_show(fresh(mine), now) is not None  # a refused code leaves nothing agreed to
    parts = take(mine, now, promotion="GAMEDAY", use_credit=True)
    assert (parts.by_code, parts.from_credit) == (mine.charge.percent(20), usd(2000))
    assert make.pay(mine, now=now).state == PledgeState.PAID
    assert Attempt.objects.get(payment__payer=mine.rider).amount_minor == parts.by_card.minor


@pytest.mark.race
def test_the_last_use_goes_to_one_of_those_who_are_offered_seats(
    offered: list[Pledge], now: datetime
) -> None:
    promotion(max_uses=1)
    answers = at_once(*[lambda each=each: take(each, now, promotion="GAMEDAY") for each in offered])
    assert sorted(type(each).__name__ for each in answers) == ["CodeUsedUp"] * 2 + ["Parts"]
    assert (uses(), PromotionUse.objects.count(), Contribution.objects.count()) == (1, 1, 1)


# ---- what becomes of it


def back_to_the_cent(rider: User, credit: int) -> None:
    """Nobody has paid anything, and nothing is on its way."""
    assert queries.credit_of(rider) == usd(credit)
    accounts = (Account.PROMOTION, Account.CREDIT_SET_ASIDE, Account.RIDER_DEPOSIT, Account.STRIPE_BALANCE)
    assert [queries.balance(account) for account in accounts] == [0, 0, 0, 0]


def test_it_lapses_and_everything_comes_back(van: Trip, ana: User, at: Any) -> None:
    promotion()
    credited(ana, 1200)
    pledge = paid(covered(van, ana, code="GAMEDAY", credit=True, seats=2))
    assert pledge.state == PledgeState.BACKED
    at.move_to(van.decides_at)
    settlement.settle(trip_id=van.id, now=clock.now())
    assert Pledge.objects.get().state == PledgeState.RELEASED
    back_to_the_cent(ana, 1200)
    assert uses() == 0
    assert promotions.give_back(pledge=Pledge.objects.get(), now=clock.now()) is False  # once


def test_a_draft_that_expires_gives_everything_back(van: Trip, ana: User, at: Any) -> None:
    promotion()
    credited(ana, 1200)
    pledge = covered(van, ana, code="GAMEDAY", credit=True)
    at.shift(timedelta(hours=2))
    backing.expire(pledge_id=pledge.id, now=clock.now())
    assert Pledge.objects.get().state == PledgeState.EXPIRED
    back_to_the_cent(ana, 1200)
    assert uses() == 0
    covered(van, ana, code="GAMEDAY", credit=True)  # and may be used again
    assert uses() == 1


def test_who_leaves_has_used_the_code_and_has_the_credit(van: Trip, ana: User) -> None:
    promotion()
    credited(ana, 1200)
    pledge = paid(covered(van, ana, code="GAMEDAY", credit=True))
    pledges.withdraw(pledge_id=pledge.id, by=ana, now=clock.now())
    work()
    assert Pledge.objects.get().state == PledgeState.WITHDRAWN
    back_to_the_cent(ana, 1200)
    assert uses() == 1


@pytest.mark.parametrize("hours", [None, 20], ids=["a card is saved", "a hold is placed"])
def test_who_leaves_before_any_card_has_not_used_the_code(
    van: Trip, ana: User, ben: User, at: Any, hours: int | None
) -> None:
    """Neither the rider who picks another stop loses it, nor do accounts that never pay use it up for others."""
    if hours:
        at.move_to(van.decides_at - timedelta(hours=hours))
    promotion(max_uses=1)
    for how in ("no page", "page left", "card refused", "card refused, as we know"):
        draft = covered(van, ana, code="GAMEDAY")
        page = make.at_checkout(draft, now=clock.now()) if how != "no page" else ""
        if how.startswith("card refused"):
            with pytest.raises(ApiError):
                type_card(page, DECLINED)
        if how.endswith("as we know"):
            draft.refresh_from_db()
            checkouts.come_back(payment_id=draft.payment_id, now=clock.now())
        pledges.withdraw(pledge_id=draft.id, by=ana, now=clock.now())
        work()
        draft.refresh_from_db()
        assert (draft.state, uses()) == (PledgeState.WITHDRAWN, 0), how
    covered(van, ben, code="GAMEDAY")


def test_who_pays_in_the_other_tab_and_leaves_has_used_the_code(van: Trip, ana: User) -> None:
    """The card came in before the page could be closed: it was given."""
    promotion()
    draft = covered(van, ana, code="GAMEDAY")
    type_card(make.at_checkout(draft, now=clock.now()))
    pledges.withdraw(pledge_id=draft.id, by=ana, now=clock.now())
    work()
    draft.refresh_from_db()
    assert (draft.state, uses()) == (PledgeState.WITHDRAWN, 1)


def run(van: Trip, at: Any) -> None:
    """Fill the van, bind a bus, confirm."""
    make.backed(van, seats=8, now=clock.now())
    make.bound(van, seats=14, now=clock.now())
    work()


def test_it_goes_and_the_card_pays_the_rest(van: Trip, ana: User, at: Any) -> None:
    promotion()
    credited(ana, 1200)
    pledge = paid(covered(van, ana, code="GAMEDAY", credit=True, seats=2))
    run(van, at)
    pledge = Pledge.objects.select_related("payment").get(id=pledge.id)
    assert pledge.state == PledgeState.PAID
    assert pledge.payment is not None
    by_code = pledge.amount.minor * 20 // 100
    assert pledge.payment.captured_minor == pledge.amount.minor - by_code - 1200
    assert queries.worth(pledge.payment) == pledge.amount
    assert queries.paid_by_payer(pledge.payment) == pledge.amount - usd(by_code)
    assert queries.balance(Account.RIDER_DEPOSIT, payment=pledge.payment) == pledge.amount.minor
    assert uses() == 1


def test_called_off_after_paying_gives_back_to_where_it_came_from(van: Trip, ana: User, at: Any) -> None:
    promotion()
    credited(ana, 1200)
    pledge = paid(covered(van, ana, code="GAMEDAY", credit=True, seats=2))
    run(van, at)
    trips.cancel(trip_id=van.id, now=clock.now(), by=None)
    for _ in range(3):
        at.shift(timedelta(minutes=3))
        work()
        backing.follow(payment_id=pledge.payment_id, now=clock.now())
    pledge.refresh_from_db()
    assert pledge.state == PledgeState.REFUNDED
    assert queries.credit_of(ana) == usd(1200)
    assert [queries.balance(each) for each in (Account.PROMOTION, Account.RIDER_DEPOSIT)] == [0, 0]
    assert uses() == 0


def test_leaving_after_paying_gives_back_but_not_the_use(van: Trip, ana: User, at: Any) -> None:
    promotion(amount_minor=1000, code="TENNER")
    credited(ana, 1200)
    pledge = paid(covered(van, ana, code="TENNER", credit=True))
    run(van, at)
    at.move_to(van.departs_at - timedelta(hours=30))
    pledge.refresh_from_db()
    look = pledges.leaving(pledge, clock.now())
    assert Money.zero("USD") < look.refund < pledge.amount
    pledges.withdraw(pledge_id=pledge.id, by=ana, now=clock.now())
    work()
    assert uses("TENNER") == 1
    payment = Pledge.objects.select_related("payment").get(id=pledge.id).payment
    assert payment is not None
    assert payment.refunded_minor + queries.credit_of(ana).minor == look.refund.minor


def test_fewer_seats_before_paying_give_credit_back(van: Trip, ana: User, at: Any) -> None:
    promotion()
    credited(ana, 9000)
    pledge = paid(covered(van, ana, code="GAMEDAY", credit=True, seats=2))
    one = list(pledge.passengers.all())[:1]
    pledges.change_seats(
        pledge_id=pledge.id,
        passengers=[pledges.Passenger(name=seat.name, seat=seat.id) for seat in one],
        by=ana,
        now=clock.now(),
    )
    pledge.refresh_from_db()
    payment = pledge.payment
    assert payment is not None
    parts = queries.parts_paid(payment)
    assert parts.whole == pledge.amount
    assert parts.by_code.minor == pledge.amount.minor * 20 // 100
    assert parts.by_card.minor >= 100
    assert queries.credit_of(ana) == usd(9000) - parts.from_credit
    run(van, at)
    assert Attempt.objects.get(payment=payment).amount_minor == parts.by_card.minor


def test_one_pledge_has_one_code(van: Trip, ana: User, now: datetime) -> None:
    """`cover` asks once; whoever calls beside it is stopped by the database, and the fault is not hidden."""
    promotion(max_uses_per_rider=5)
    draft = covered(van, ana, code="GAMEDAY")
    with pytest.raises(IntegrityError):
        promotions.use(pledge=draft, typed="GAMEDAY", now=now)


# ---- what mails and pages say of it


def written(user: User, kind: str) -> str:
    """The mail that this person got, in both its forms, as one line."""
    mail = outbox.message(Notice.objects.get(recipient=user, kind=f"trips.{kind}"))
    return " ".join(f"{mail.body} {mail.alternatives[0][0]}".split())


def where(by_card: Money, credit: Money) -> str:
    """How mails and pages say where money goes that comes back."""
    return f"{by_card} goes back to the card that paid, and {credit} to your credit."


def going(van: Trip, rider: User, **more: Any) -> Pledge:
    """Seats that credit paid a part of, on a van that goes and would go without them."""
    pledge = paid(covered(van, rider, credit=True, **more))
    make.backed(van, seats=9, now=clock.now())
    make.bound(van, seats=14, now=clock.now())
    pledge.refresh_from_db()
    assert pledge.state == PledgeState.PAID
    return pledge


def back_of(pledge: Pledge) -> Back:
    """What was given back of it so far."""
    payment = Pledge.objects.select_related("payment").get(id=pledge.id).payment
    assert payment is not None
    return queries.given_back(payment)


def test_a_trip_called_off_says_what_really_comes_back(van: Trip, ana: User) -> None:
    promotion()
    credited(ana, 1000)
    pledge = going(van, ana, code="GAMEDAY")
    names = [pledges.Passenger(seat.name, (), seat.id) for seat in pledge.passengers.all()]
    pledges.change_seats(  # added and never paid for
        pledge_id=pledge.id,
        passengers=[*names, pledges.Passenger("Gus")],
        by=ana,
        now=clock.now(),
        consent_text="I agree.",
        consent_version="test",
        consented=True,
    )
    trips.cancel(trip_id=van.id, now=clock.now(), by=None)

    back = back_of(pledge)
    assert back == Back(usd(pledge.charge.minor * 80 // 100 - 1000), usd(1000))
    said = written(ana, "cancelled")
    assert said.count(where(back.to_card, back.to_credit)) == 2
    assert str(pledge.charge) not in said


def test_leaving_says_what_goes_to_the_card_and_what_to_credit(van: Trip, ana: User) -> None:
    credited(ana, 9000)
    pledge = going(van, ana)
    by_card = pledge.charge - usd(9000)
    page = f"{pledge.get_absolute_url()}leave/"
    assert where(by_card, usd(9000)) in text(signed_in(ana).get(page))

    pledges.withdraw(pledge_id=pledge.id, by=ana, now=clock.now())
    work()

    assert back_of(pledge) == Back(by_card, usd(9000))
    assert written(ana, "withdrawn").count(where(by_card, usd(9000))) == 2
    after = f"{by_card} went back to the card that paid, and $90 to your credit."
    assert after in text(signed_in(ana).get(pledge.get_absolute_url()))


def test_what_comes_back_as_credit_alone_did_not_come_too_late(van: Trip, ana: User, at: Any) -> None:
    credited(ana, 20000)
    pledge = going(van, ana, seats=2)
    by_card = pledge.charge - usd(20000)
    failures.refund_leg(trip_id=van.id, leg="return", now=clock.now(), by=None)
    first = back_of(pledge)
    assert (first.to_card, bool(first.to_credit)) == (by_card, True)
    assert written(ana, "leg_failed").count(where(by_card, first.to_credit)) == 2

    keep = list(pledge.passengers.all())[:1]
    pledges.change_seats(
        pledge_id=pledge.id,
        passengers=[pledges.Passenger(seat.name, (), seat.id) for seat in keep],
        by=ana,
        now=clock.now(),
    )

    more = back_of(pledge).to_credit - first.to_credit
    said = written(ana, "fewer_seats")
    assert said.count(f"{more} goes back to your credit. You can use it for your next ride.") == 2
    assert "to the card" not in said


def test_a_seat_sold_again_says_where_the_rest_goes(van: Trip, ana: User, at: Any) -> None:
    credited(ana, 9000)
    pledge = going(van, ana)
    at.move_to(van.departs_at - timedelta(hours=100))
    pledges.withdraw(pledge_id=pledge.id, by=ana, now=clock.now())
    first = back_of(pledge)
    make.backed(van, seats=1, now=clock.now())
    work()

    more = back_of(pledge).to_credit - first.to_credit
    assert written(ana, "resold").count(f"{more} goes back to your credit.") == 2
    assert back_of(pledge).whole == pledge.charge
