"""A price that falls, from the captain's choice to the operator's pay: 25 go, more join later, and each gets one refund."""

from __future__ import annotations

from operators.models import Run
from payments.actions import audits
from payments.models import Payment, Refund, Transfer
from payments.queries import check_ledger
from rally import clock
from rally.demo import clock as moving
from rally.models import Notice
from tests.journeys.api import STOPS, Program, pay, program
from tests.journeys.world import World
from trips.actions.backing import payment_id_of
from trips.models import Pledge, Trip
from trips.queries.fares import overcharged


def _join(program: Program, trip: str, seats: int, *, stop: int = 1) -> Pledge:
    passengers = [{"name": f"Passenger {number}"} for number in range(1, seats + 1)]
    pledge = program.post(
        f"trips/{trip}/pledges", {"stop": stop, "passengers": passengers, "consent": True}, expect=201
    )
    pay(pledge["checkout_url"])
    return Pledge.objects.select_related("stop").get(code=pledge["code"])


def _share(fare: int, percent: int) -> int:
    return -(-fare * percent // 100)


def test_twenty_five_go_and_later_riders_make_it_cheaper(world: World) -> None:
    # Cleo lets the price fall. With 25 seats everybody pays the whole fare, as they agreed to at most.
    cleo = program("cleo")
    code = cleo.post(
        "trips",
        {"event": world.game.code, "vehicle_class": "coach", "stops": STOPS, "falling_fares": True},
        expect=201,
    )["code"]
    early = [_join(cleo, code, 3)]
    early += [_join(program(f"early{n}"), code, 4, stop=1 + n % 2) for n in range(5)]
    early += [_join(program("alone"), code, 2)]
    assert all("at most" in pledge.consent_text for pledge in early)
    otto = Program(world.otto.email)
    [coach, *_others] = otto.get("operator/vehicles")["results"]
    [dee] = [driver for driver in otto.get("operator/drivers")["results"] if driver["name"] == "Dee"]
    otto.post(f"trips/{code}/runs", {"vehicle": coach["id"], "driver": dee["id"]}, expect=201)
    world.pass_time(minutes=2)
    seen = cleo.get(f"trips/{code}")
    assert (seen["state"], seen["seats_held"], seen["percent_now"]) == ("confirmed", 25, 100)
    assert seen["next_step"] == {"seats": 33, "percent": 76, "missing": 8}

    # Three more riders come: five seats at the whole fare, then three at once at what they themselves bring about.
    first = _join(program("later1"), code, 2)
    second = _join(program("later2"), code, 3)
    third = _join(program("later3"), code, 3, stop=2)
    assert [each.price_minor for each in (first, second)] == [first.stop.fare_minor] * 2
    assert third.price_minor == _share(third.stop.fare_minor, 76)
    world.pass_time(minutes=1)
    seen = cleo.get(f"trips/{code}")
    assert (seen["percent_now"], seen["seats_held"]) == (76, 33)
    assert not Refund.objects.exists()
    assert Trip.objects.get().fares_closed_at is None

    # A day before departure the fares close: one refund for each who paid more, one letter each, and never again.
    world.pass_time(days=(Trip.objects.get().departs_at - clock.now()).days - 1, hours=24)
    assert Trip.objects.get().fares_closed_at is not None
    earlier = [*early, first, second]
    refunds = {refund.attempt.payment_id: refund for refund in Refund.objects.select_related("attempt")}
    assert set(refunds) == {pledge.payment_id for pledge in earlier}
    for pledge in earlier:
        difference = pledge.stop.fare_minor - _share(pledge.stop.fare_minor, 76)
        refund = refunds[payment_id_of(pledge)]
        assert (refund.reason, refund.state) == ("fare_fell", "succeeded")
        assert refund.amount_minor == difference * pledge.seats
    assert Notice.objects.filter(kind="trips.fare_fell").count() == len(earlier)
    assert overcharged() == []
    assert audits.check(now=clock.now()) == {}
    kept = sum(payment.refundable.minor for payment in Payment.objects.all())
    assert kept >= sum(Trip.objects.get().cost_parts.values())

    # Who comes on the last day pays that price, and nobody gets anything for it any more.
    last = _join(program("last"), code, 8)
    assert last.price_minor == _share(last.stop.fare_minor, 76)
    world.pass_time(hours=1)
    assert Refund.objects.count() == len(earlier)

    # The trip is driven; the operator is paid from what was kept, to the cent.
    run, driver = Run.objects.get(), Program(world.dee.email)
    moving.forward(to=moving.when("departure"))
    for verb, hours in (("start", 3), ("arrive", 8), ("return", 3)):
        driver.post(f"runs/{run.code}/{verb}")
        world.pass_time(hours=hours)
    driver.post(f"runs/{run.code}/complete")
    world.pass_time(days=3, hours=1)
    assert cleo.get(f"trips/{code}")["state"] == "closed"
    kept = sum(payment.refundable.minor for payment in Payment.objects.all())
    assert kept == sum(
        _share(pledge.stop.fare_minor, 76) * pledge.seats
        for pledge in Pledge.objects.filter(state="paid").select_related("stop")
    )
    assert (
        sum(Transfer.objects.filter(state="paid").values_list("amount_minor", flat=True)) == kept * 100 // 112
    )
    assert Refund.objects.count() == len(earlier)
    assert check_ledger() == {}
