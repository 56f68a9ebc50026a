"""The whole story through the pages, with scripts off: found, proposed, joined, committed, confirmed, driven, paid."""

from __future__ import annotations

import re

from django.core import mail

from payments.models import Payment, Transfer
from payments.queries import check_ledger
from payments.sandbox import runtime
from rally.demo import clock
from tests.factories.people import person
from tests.journeys.visitor import Visitor
from tests.journeys.world import World
from trips.models import Pledge, Seat, Trip

LATER_REFUSED, ASKS_THE_BANK, GOOD = "4000000000000341", "4000002500003155", "4242424242424242"


def _somebody(name: str) -> Visitor:
    person(name)
    return Visitor().sign_in(f"{name}@test.example")


def _pay(visitor: Visitor, number: str = GOOD) -> None:
    assert "/sandbox/checkout/" in visitor.address, visitor.text
    visitor.send("number", number=number, expiry="12 / 34", cvc="123", name="A Rider")


def _propose(world: World, cleo: Visitor) -> Trip:
    """From the search to the card, as a captain does it."""
    cleo.open("/").send("q", q="pakers bils")
    cleo.open(cleo.link_to(world.game.code))
    assert "Lambeau Field" in cleo.text
    cleo.open(cleo.link_to("/propose/"))
    cleo.send(
        "vehicle_class", press="Add a stop", **{"s0-where": "Milwaukee, WI", "s0-spot": "Intermodal Station"}
    )
    cleo.send("vehicle_class", press="Show times and price", **{"s1-where": "Sheboygan, WI"})
    assert "It goes at 25 of 56 seats" in cleo.text
    assert not Trip.objects.exists()
    cleo.send("vehicle_class", press="Start it", stop="1", consent="on")
    _pay(cleo)
    trip = Trip.objects.get()
    assert (trip.state, trip.seats_pledged, trip.captain.name) == ("gathering", 1, "Cleo")
    return trip


def _join(visitor: Visitor, trip: Trip, *names: str, stop: int = 1, card: str = GOOD) -> Pledge:
    visitor.open(trip.get_absolute_url()).open(visitor.link_to("/pledge/"))
    for _more in names[1:]:
        visitor.send("shown", press="Add a passenger")
    people = {f"p{place}-name": name for place, name in enumerate(names)}
    visitor.send("shown", press="Go on", stop=str(stop), consent="on", **people)
    _pay(visitor, card)
    if "/sandbox/authenticate/" in visitor.address:
        visitor.send("answer", press="Complete")
    assert "/paid/" in visitor.address or "/p/" in visitor.address, visitor.address
    return Pledge.objects.latest("created_at")


def _fill(trip: Trip, seats: int) -> None:
    """Others join, four at a time."""
    number = 0
    while seats:
        party = min(4, seats)
        number += 1
        _join(_somebody(f"rider{number}"), trip, *(f"Rider {number}.{seat}" for seat in range(party)))
        seats -= party


def test_a_trip_is_found_filled_confirmed_driven_and_paid(world: World) -> None:
    cleo = _somebody("cleo")
    trip = _propose(world, cleo)

    # Ana has no account: she makes one on the way. Ben's card will be refused, Gia's bank asks.
    ana = Visitor()
    ana.open(trip.get_absolute_url()).open(ana.link_to("/pledge/"))
    ana.send(
        "shown",
        press="Go on",
        stop="2",
        consent="on",
        email="ana@new.example",
        rider="Ana Ruiz",
        **{"p0-name": "Ana Ruiz"},
    )
    _pay(ana)
    ben = _somebody("ben")
    bens = _join(ben, trip, "Ben", "Bea", card=LATER_REFUSED)
    _join(_somebody("gia"), trip, "Gia", stop=2, card=ASKS_THE_BANK)
    _fill(trip, 20)
    trip.refresh_from_db()
    assert (trip.state, trip.seats_pledged) == ("gathering", 25)
    assert "25" in cleo.open(trip.get_absolute_url()).text

    # Otto commits; the cards are asked; Ben's says no and he is told.
    otto = Visitor().sign_in(world.otto.email)
    otto.open("/operator/board/").open(otto.link_to(f"/operator/trips/{trip.code}/"))
    otto.send("commit", vehicle=world.coach.id, driver=world.driver.id)
    clock.work()
    trip.refresh_from_db()
    assert trip.state == "settling"
    assert "needs you" in ben.open(bens.get_absolute_url()).text.lower() or "card" in ben.text.lower()
    asked = [each for each in mail.outbox if each.to == ["ben@test.example"]][-1]
    ben.open(re.search(r"http\S+/pay/\S+", asked.body)[0])  # type: ignore[index]
    _pay(ben)
    clock.work()

    # It goes. Everybody paid, nobody twice.
    trip.refresh_from_db()
    assert trip.state == "confirmed"
    assert set(trip.pledges.values_list("state", flat=True)) == {"paid"}  # type: ignore[attr-defined]
    with runtime.current().looking() as call:
        taken = [charge for charge in call.rows.where("charge") if charge["amount_captured"]]
    assert len(taken) == trip.pledges.count() == 9  # type: ignore[attr-defined]
    assert "Lakeshore Coaches" in ana.open(trip.get_absolute_url()).text
    told = [each for each in mail.outbox if each.to == ["ana@new.example"]]
    assert len(told) == len({each.subject for each in told})

    # The day: the pass, the door, the way there and back.
    seat = Seat.objects.get(pledge__rider__email="ana@new.example")
    assert seat.code in ana.open(seat.get_absolute_url()).text.replace(" ", "")
    clock.forward(to=clock.when("departure"))
    dee = Visitor().sign_in(world.dee.email)
    run = dee.open("/drive/").follow("Open").address.split("/")[2]
    _board_everybody(dee, run, trip)
    dee.open(f"/drive/{run}/").send("start", press="Leave")
    dee.send("leave", press="Leave")
    dee.send("arrive", press="We have arrived")
    world.pass_time(hours=8)
    _board_everybody(dee, run, trip)
    dee.open(f"/drive/{run}/").send("return", press="Head back")
    dee.send("leave", press="Leave")
    dee.send("leave", press="Leave") if "Leave Intermodal" in dee.text else None
    dee.send("complete", press="Everybody is home").send("complete", press="The bus is empty")
    trip.refresh_from_db()
    assert trip.state == "completed"

    # Three days later the company has its share.
    world.pass_time(days=3, hours=1)
    trip.refresh_from_db()
    assert trip.state == "closed"
    captured = sum(Payment.objects.values_list("captured_minor", flat=True))
    paid_out = sum(Transfer.objects.filter(state="paid").values_list("amount_minor", flat=True))
    assert paid_out == captured * 100 // 112
    assert f"{paid_out // 100:,}" in otto.open("/operator/money/").text
    assert check_ledger() == {}


def _board_everybody(dee: Visitor, run: str, trip: Trip) -> None:
    dee.open(f"/drive/{run}/scan/")
    codes = list(Seat.objects.filter(pledge__trip=trip).values_list("code", flat=True))
    for code in codes:
        dee.send("code", press="Check in", code=code)
        assert "is on board" in dee.text
    dee.send("code", press="Check in", code="NOT-A-CODE")
    assert f"{len(codes)} of {len(codes)} on board" in dee.text


def test_too_few_join_it_lapses_and_nobody_was_charged(world: World) -> None:
    cleo = _somebody("cleo")
    trip = _propose(world, cleo)
    _fill(trip, 8)
    ana = _somebody("ana")
    pledge = _join(ana, trip, "Ana")

    clock.forward(to=clock.when("decision", trip=trip.code))

    trip.refresh_from_db()
    assert trip.state == "lapsed"
    assert set(trip.pledges.values_list("state", flat=True)) == {"released"}  # type: ignore[attr-defined]
    assert not Payment.objects.filter(captured_minor__gt=0).exists()
    with runtime.current().looking() as call:
        assert [charge for charge in call.rows.where("charge") if charge["amount_captured"]] == []
    assert "did not run" in ana.open(trip.get_absolute_url()).text.lower() or "too few" in ana.text.lower()
    assert "nothing" in ana.open(pledge.get_absolute_url()).text.lower()
    told = [each for each in mail.outbox if each.to == ["ana@test.example"]]
    assert len(told) == len({each.subject for each in told}) >= 2
    assert check_ledger() == {}
