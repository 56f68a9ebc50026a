"""A trip with a code, credit and a captain's reward, from the pledge to the payout: to the cent, and the operator is paid
as if the code were not there."""

from __future__ import annotations

from payments import queries as money
from payments.actions import audits
from payments.models import Account, Contribution
from rally import clock
from rally.demo import clock as moving
from tests.factories import pledges as make
from tests.factories.operators import Company, van_trip
from tests.factories.payments import usd
from tests.factories.people import person
from tests.factories.promotions import credited, promotion
from tests.journeys.test_settling_with_companies import driven, paid_out
from tests.journeys.world import World
from trips.actions import covering
from trips.models import Pledge, Promotion
from trips.queries import credit


def covered(trip: object, name: str, seats: int) -> Pledge:
    """Somebody with $3 of credit and the code gives a card for the rest."""
    rider = credited(person(name), 300, clock.now())
    draft = make.draft(trip, rider, seats=seats, now=clock.now())  # type: ignore[arg-type]
    covering.cover(pledge_id=draft.id, promotion="GAMEDAY", use_credit=True, now=clock.now())
    return make.pay(draft, now=clock.now())


def test_it_runs_and_everybody_has_what_is_theirs(world: World, crew: Company) -> None:
    promotion(
        percent=2
    )  # what cards paid covers the operator's share, or we would have to put money in first
    cleo = person("cleo")
    trip = van_trip(captain=cleo)
    captains = make.backed(trip, cleo, now=clock.now())
    pledges = [covered(trip, "una", 3), covered(trip, "otis", 3)]
    run = crew.commits(trip, now=clock.now())
    moving.work()
    run.refresh_from_db()
    assert run.state == "confirmed"
    whole = sum(each.amount.minor for each in [*pledges, captains])
    by_code = sum(each.amount.minor * 2 // 100 for each in pledges)
    by_card = whole - by_code - 600
    assert money.trip_money(f"trip:{trip.id}").captured == usd(by_card)
    assert money.balance(Account.RIDER_DEPOSIT) == whole

    run = driven(world, crew, run)
    share = whole * 100 // 112  # the platform's twelve percent come on top of it
    assert money.balance(Account.RIDER_DEPOSIT) == 0
    assert money.balance(Account.OPERATOR_PAYABLE) + money.balance(Account.PLATFORM_FEE) == whole
    assert abs(money.balance(Account.OPERATOR_PAYABLE) - share) <= 1
    due = money.balance(Account.OPERATOR_PAYABLE)
    assert paid_out(world, crew) == due
    assert money.balance(Account.PROMOTION) == -by_code
    assert money.balance(Account.CREDIT_SET_ASIDE) == 0
    assert Promotion.objects.get().uses == 2

    assert money.credit_of(cleo) == captains.price
    assert [each.kind for each in credit.history(cleo)] == ["captain"]
    assert audits.check(now=clock.now()) == {}


def test_nobody_drives_and_everything_is_as_before(world: World, crew: Company) -> None:
    promotion()
    trip = van_trip()
    pledges = [covered(trip, "una", 3), covered(trip, "otis", 3)]
    moving.forward(to=trip.decides_at)
    moving.work()
    trip.refresh_from_db()
    assert trip.state == "lapsed"
    for pledge in pledges:
        assert money.credit_of(pledge.rider) == usd(300)
        assert [each.kind for each in credit.history(pledge.rider)] == ["back", "set_aside", "goodwill"]
    for account in (
        Account.PROMOTION,
        Account.CREDIT_SET_ASIDE,
        Account.RIDER_DEPOSIT,
        Account.STRIPE_BALANCE,
    ):
        assert money.balance(account) == 0
    assert {each.state for each in Contribution.objects.all()} == {"returned"}
    assert Promotion.objects.get().uses == 0
    assert audits.check(now=clock.now()) == {}
