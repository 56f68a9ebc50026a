"""The whole story through the API alone: proposed, pledged, confirmed, driven, paid."""

from __future__ import annotations

import pytest

from payments.models import LedgerTransfer, Payment, Transfer
from payments.models.ledger import Account
from payments.queries import check_ledger
from payments.sandbox import runtime
from tests.journeys.api import STOPS, Program, pay, program
from tests.journeys.world import World

LATER_REFUSED, ASKS_THE_BANK, GOOD = "4000000000000341", "4000002500003155", "4242424242424242"


def _propose(world: World, captain: Program) -> str:
    [game, *_others] = captain.get("events", q="packers bills")["results"]
    assert game["code"] == world.game.code
    trip = captain.post(
        "trips",
        {"event": game["code"], "vehicle_class": "coach", "stops": STOPS},
        expect=201,
        key="propose-1",
    )
    again = captain.post(
        "trips",
        {"event": game["code"], "vehicle_class": "coach", "stops": STOPS},
        expect=201,
        key="propose-1",
    )
    assert again["code"] == trip["code"]
    return str(trip["code"])


def _join(program: Program, trip: str, seats: int, *, card: str = GOOD, stop: int = 1) -> dict[str, object]:
    passengers = [{"name": f"Passenger {number}"} for number in range(1, seats + 1)]
    pledge = program.post(
        f"trips/{trip}/pledges", {"stop": stop, "passengers": passengers, "consent": True}, expect=201
    )
    assert pledge["state"] == "draft"
    pay(pledge["checkout_url"], card)
    after: dict[str, object] = program.get(f"pledges/{pledge['code']}")
    return after


def test_a_trip_is_proposed_fills_is_confirmed_driven_and_paid(world: World) -> None:
    # Cleo proposes and takes the first seat; her card is only saved.
    cleo = program("cleo")
    trip = _propose(world, cleo)
    first = _join(cleo, trip, 1)
    assert first["state"] == "backed"
    assert Payment.objects.filter(attempts__isnull=False).count() == 0

    # Twenty-four more seats. Ben's card will be refused when it counts, Gia's bank wants to be asked.
    ben, gia = program("ben"), program("gia")
    bens = _join(ben, trip, 2, card=LATER_REFUSED)
    assert bens["state"] == "backed"
    assert _join(gia, trip, 2, card=ASKS_THE_BANK, stop=2)["state"] == "backed"
    riders = [program(f"rider{number}") for number in range(1, 6)]
    for rider in riders:
        _join(rider, trip, 4)
    seen = cleo.get(f"trips/{trip}")
    assert (seen["state"], seen["seats_pledged"], seen["threshold"]) == ("gathering", 25, 25)

    # Otto finds it on the board and commits a coach and Dee. All cards are asked; Ben's says no.
    otto = Program(world.otto.email)
    assert trip in str(otto.get("operator/board"))
    run = _commit(otto, trip)
    world.pass_time(minutes=1)
    seen = cleo.get(f"trips/{trip}")
    assert (seen["state"], seen["seats_held"]) == ("settling", 23)
    asked = ben.get(f"pledges/{bens['code']}")
    assert asked["state"] == "needs_card"
    assert not Payment.objects.filter(captured_minor__gt=0).exists()

    # Ben brings another card in time. Now 25 seats are held: it goes, and everybody pays once.
    pay(asked["checkout_url"], GOOD)
    world.pass_time(minutes=2)
    seen = cleo.get(f"trips/{trip}")
    assert seen["state"] == "confirmed"
    assert "Lakeshore Coaches" in str(seen["operator"])
    assert {pledge["state"] for pledge in _all_pledges([cleo, ben, gia, *riders])} == {"paid"}
    assert Payment.objects.filter(state="paid").count() == 8
    assert len(_charges()) == 8

    # Somebody who comes now pays at once.
    late = program("late")
    assert _join(late, trip, 1)["state"] == "paid"

    # The day. Dee checks everybody in by code, both ways; one seat stays empty.
    dee = Program(world.dee.email)
    _to_departure(world)
    seats = _codes(dee.get(f"runs/{run['code']}/manifest"))
    assert len(seats) == 26
    _board(dee, run["code"], seats[1:], "outbound")
    stranger = dee.post(f"runs/{run['code']}/boardings", _boarding("NOSUCHCODE", "outbound"), expect=409)
    assert stranger["code"] == "unknown_boarding_code"
    assert dee.post(f"runs/{run['code']}/start")["state"] == "outbound"
    assert cleo.get(f"trips/{trip}")["state"] == "under_way"
    world.pass_time(hours=3)
    assert dee.post(f"runs/{run['code']}/arrive")["state"] == "at_event"
    world.pass_time(hours=5)
    _board(dee, run["code"], seats[1:], "return")
    assert dee.post(f"runs/{run['code']}/return")["state"] == "returning"
    world.pass_time(hours=3)
    assert dee.post(f"runs/{run['code']}/complete")["state"] == "completed"

    # Three days later the operator has its share, to the cent, and the books agree with the provider's.
    assert not Transfer.objects.filter(state="paid").exists()
    world.pass_time(days=3, hours=1)
    assert cleo.get(f"trips/{trip}")["state"] == "closed"
    captured = sum(Payment.objects.values_list("captured_minor", flat=True))
    share = captured * 100 // 112
    assert sum(Transfer.objects.filter(state="paid").values_list("amount_minor", flat=True)) == share
    paid_out = LedgerTransfer.objects.filter(debit=Account.OPERATOR_PAYABLE, credit=Account.STRIPE_BALANCE)
    assert sum(paid_out.values_list("amount_minor", flat=True)) == share
    assert check_ledger() == {}


def test_too_few_join_it_lapses_and_nobody_was_charged(world: World) -> None:
    cleo = program("cleo")
    trip = _propose(world, cleo)
    _join(cleo, trip, 1)
    riders = [program(f"rider{number}") for number in range(1, 4)]
    for rider in riders:
        _join(rider, trip, 3)
    otto = Program(world.otto.email)
    run = _commit(otto, trip)

    # Two days before the decision someone's money is held at once, because that is soon.
    world.pass_time(days=14)
    soon = program("soon")
    held = _join(soon, trip, 2)
    assert held["state"] in {"held", "backed"}
    world.pass_time(days=7)

    seen = cleo.get(f"trips/{trip}")
    assert (seen["state"], seen["seats_held"]) == ("lapsed", 0)
    assert {pledge["state"] for pledge in _all_pledges([cleo, soon, *riders])} == {"released"}
    assert not Payment.objects.filter(captured_minor__gt=0).exists()
    assert _charges() == []
    assert otto.get(f"runs/{run['code']}/manifest")["state"] == "withdrawn"
    full = cleo.post(
        f"trips/{trip}/pledges", {"stop": 1, "passengers": [{"name": "Late"}], "consent": True}, expect=409
    )
    assert full["code"] == "pledges_closed"
    assert check_ledger() == {}


def _commit(otto: Program, trip: str) -> dict[str, str]:
    [coach, *_others] = otto.get("operator/vehicles")["results"]
    [dee] = [driver for driver in otto.get("operator/drivers")["results"] if driver["name"] == "Dee"]
    run: dict[str, str] = otto.post(
        f"trips/{trip}/runs", {"vehicle": coach["id"], "driver": dee["id"]}, expect=201
    )
    assert run["state"] in {"committed", "confirmed"}
    return run


def _all_pledges(programs: list[Program]) -> list[dict[str, object]]:
    return [pledge for program in programs for pledge in program.get("pledges")["results"]]


def _charges() -> list[object]:
    """What the provider really took, in its own books."""
    with runtime.current().looking() as call:
        return [charge for charge in call.rows.where("charge") if charge["amount_captured"]]


def _to_departure(world: World) -> None:
    from rally.demo import clock

    clock.forward(to=clock.when("departure"))


def _codes(manifest: dict[str, object]) -> list[str]:
    return [seat["seat"] for stop in manifest["stops"] for seat in stop["passengers"]]  # type: ignore[attr-defined,index]


def _boarding(seat: str, leg: str) -> dict[str, str]:
    from rally import clock

    return {"seat": seat, "leg": leg, "at": clock.now().isoformat(), "device": "phone-1"}


def _board(dee: Program, run: str, seats: list[str], leg: str) -> None:
    for seat in seats:
        dee.post(f"runs/{run}/boardings", _boarding(seat, leg), expect=201)
    twice = dee.post(f"runs/{run}/boardings", _boarding(seats[0], leg), expect=409)
    assert twice["code"] == "already_boarded"


@pytest.mark.parametrize("expect", [404])
def test_another_riders_pledge_is_not_there(world: World, expect: int) -> None:
    cleo, ben = program("cleo"), program("ben")
    pledge = _join(cleo, _propose(world, cleo), 1)

    ben.get(f"pledges/{pledge['code']}", expect=expect)
    ben.post(f"pledges/{pledge['code']}/withdraw", expect=expect)
