"""Leaving, changing and waiting by program."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from rally.models import User
from tests.factories import pledges as make
from tests.factories.trips import proposed
from tests.racing import at_once
from tests.seeing import fresh
from tests.trips.api.test_pledges import join, program
from trips.actions import pledges
from trips.models import Pledge, Trip
from trips.states import VehicleClass

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def going(at: Any, now: datetime) -> tuple[Trip, Pledge]:
    """A van that goes at 9 of 14, and two paid seats on it that it needs."""
    trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
    mine = make.backed(trip, seats=2, now=now)
    make.backed(trip, seats=7, now=now)
    make.bound(trip, seats=14, now=now)
    return fresh(trip), fresh(mine)


def minor(cents: int) -> dict[str, Any]:
    """Money as programs read it."""
    return {"minor": cents, "currency": "USD"}


def test_what_leaving_means(going: tuple[Trip, Pledge], at: Any, django_assert_max_num_queries: Any) -> None:
    trip, mine = going
    at.move_to(trip.departs_at - timedelta(hours=100))
    client, whole = program(mine.rider), mine.charge.minor
    program(mine.rider).get("/api/v1/pledges")

    with django_assert_max_num_queries(20):
        told = client.get(f"/api/v1/pledges/{mine.code}").data

    kept = whole // 4
    assert told["leaving"] == {
        "paid": minor(whole),
        "percent": 75,
        "refund": minor(whole - kept),
        "kept": minor(kept),
        "if_resold": minor(whole),
        "others_short": False,
        "by_the_bank": False,
    }
    assert (told["place"], told["offered_until"], told["added"]) == (0, None, [])

    leave = f"/api/v1/pledges/{mine.code}/withdraw"
    agreed = {"agreed": whole - kept, "agreed_kept": kept}
    for worse in ({"agreed": whole}, {"agreed_kept": kept - 1}):
        refused = client.post(leave, agreed | worse)
        assert (refused.status_code, refused.json()["code"]) == (409, "amount_changed")
    # What was free when it was shown: nothing stays that was not agreed to.
    assert client.post(leave, {"agreed": 0}).json()["code"] == "amount_changed"
    done = client.post(leave, agreed)
    assert (done.status_code, done.json()["state"]) == (200, "withdrawing")
    assert client.post(leave, agreed).status_code == 200


def test_more_and_fewer_seats(going: tuple[Trip, Pledge], at: Any, now: datetime, max_: User) -> None:
    trip, mine = going
    at.move_to(trip.departs_at - timedelta(hours=100))
    client, address = program(mine.rider), f"/api/v1/pledges/{mine.code}/seats"
    seats = client.get(f"/api/v1/pledges/{mine.code}").data["passengers"]
    kept = [{"id": seat["id"], "name": seat["name"]} for seat in seats]
    more = {"passengers": [*kept, {"name": "Gus", "needs": ["step_free"]}]}

    assert program(max_).post(address, more).status_code == 404
    assert client.post(address, more).json()["code"] == "consent_missing"
    answer = client.post(address, {**more, "consent": True})

    (added,) = answer.data["added"]
    assert (answer.status_code, added["state"], added["seats"]) == (200, "draft", 1)
    assert f"/p/{added['code']}/pay/" in added["checkout_url"]
    assert [each["code"] for each in client.get("/api/v1/pledges").data["results"]] == [mine.code]
    assert client.post(address, {**more, "consent": True}).json()["code"] == "not_changeable"

    fewer = client.post(address, {"passengers": kept[:1], "agreed": mine.charge.minor})
    assert fewer.json()["code"] == "amount_changed"
    fewer = client.post(address, {"passengers": kept[:1], "agreed": 0})
    assert fewer.json()["code"] == "amount_changed"
    look = client.get(f"/api/v1/pledges/{mine.code}").data["leaving"]
    agreed = {"agreed": look["refund"]["minor"] // 2, "agreed_kept": look["kept"]["minor"] // 2}
    for _twice in range(2):
        fewer = client.post(address, {"passengers": kept[:1], **agreed})
        assert (fewer.status_code, fewer.data["seats"]) == (200, 1)
    assert fresh(mine.payment).refunded_minor == agreed["agreed"]
    bad = client.post(address, {"passengers": [{"id": seats[1]["id"], "name": "X"}]})
    assert bad.status_code == 400


def test_the_waiting_list(at: Any, now: datetime, ana: User, ben: User) -> None:
    van = proposed(vehicle_class=VehicleClass.VAN, now=now)
    make.backed(van, seats=10, now=now)
    four = make.backed(van, seats=4, now=now)

    full = join(program(ana), van)
    assert (full.status_code, full.json()["code"], full.json()["waiting"]) == (409, "trip_full", True)
    first = join(program(ana), van, wait=True, key="k-1")
    again = join(program(ana), van, wait=True, key="k-1")

    assert (first.status_code, first.data["state"], first.data["checkout_url"]) == (201, "waiting", None)
    assert again.json() == first.json()
    assert Pledge.objects.filter(state="waiting").count() == 1
    assert join(program(ana), van, wait=True).json()["code"] == "already_pledged"
    assert join(program(ben), van, wait=True, stop=9).status_code == 400
    assert join(program(ben), van, wait=True, consent=False).json()["code"] == "consent_missing"

    client, address = program(ana), f"/api/v1/pledges/{first.data['code']}"
    assert client.get(address).data["place"] == 1
    pledges.withdraw(pledge_id=four.id, by=four.rider, now=now)
    offered = client.get(address).data
    assert (offered["state"], offered["place"]) == ("draft", 0)
    assert offered["offered_until"] == (now + timedelta(hours=5)).isoformat()
    assert "/pay/" in offered["checkout_url"]
    # With seats there, `wait` is no reason to wait.
    assert join(program(ben), van, wait=True).data["state"] == "draft"


@pytest.mark.race
def test_one_key_at_once_is_one_place_in_line(at: Any, now: datetime, ana: User) -> None:
    van = proposed(vehicle_class=VehicleClass.VAN, now=now)
    make.draft(van, seats=10, now=now)
    make.draft(van, seats=4, now=now)
    client = program(ana)
    client.get("/api/v1/pledges")

    answers = at_once(*[lambda: join(client, van, wait=True, key="k-2")] * 3)

    assert {answer.status_code for answer in answers} == {201}
    assert Pledge.objects.filter(state="waiting").count() == 1
