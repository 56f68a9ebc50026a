"""Codes and credit by program."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from payments import queries
from rally.models import GivenAnswer, User
from tests.factories import pledges as make
from tests.factories.payments import usd
from tests.factories.promotions import credited, promotion
from tests.seeing import signed_in
from tests.trips.api.test_pledges import join, program
from trips.actions import pledges
from trips.models import Pledge, Promotion, Trip

pytestmark = pytest.mark.django_db(transaction=True)


def test_join_with_code_and_credit(van: Trip, ana: User) -> None:
    promotion()
    credited(ana, 1200)
    answer = join(program(ana), van, key="one", promotion="gameday", use_credit=True)
    whole = van.stops.get().fare_minor
    by_code = whole * 20 // 100
    assert answer.status_code == 201
    assert {name: part["minor"] for name, part in answer.data["paid_by"].items()} == {
        "by_code": by_code,
        "from_credit": 1200,
        "by_card": whole - by_code - 1200,
    }
    again = join(program(ana), van, key="one", promotion="gameday", use_credit=True)
    assert (again.status_code, again.json()) == (201, answer.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (Pledge.objects.count(), Promotion.objects.get().uses, GivenAnswer.objects.count()) == (1, 1, 1)
    shown = program(ana).get(f"/api/v1/pledges/{answer.data['code']}")
    assert shown.data["paid_by"] == answer.data["paid_by"]


def test_join_without_either_is_all_by_card(van: Trip, ana: User) -> None:
    credited(ana, 1200)
    answer = join(program(ana), van)
    assert answer.data["paid_by"]["by_card"] == answer.data["amount"]
    assert queries.credit_of(ana) == usd(1200)
    assert (
        program(ana).get(f"/api/v1/pledges/{answer.data['code']}").data["paid_by"]["from_credit"]["minor"]
        == 0
    )


def test_a_code_is_refused_with_its_reason(van: Trip, ana: User) -> None:
    answer = join(program(ana), van, key="one", promotion="NOSUCH")
    assert (answer.status_code, answer.data["code"]) == (409, "promotion_unknown")
    for _ in range(9):
        join(program(ana), van, promotion="NOSUCH")
    assert join(program(ana), van, promotion="NOSUCH").data["code"] == "promotion_guessed"
    assert not Pledge.objects.exists()
    assert join(program(ana), van, key="one").status_code == 201


def test_a_code_on_a_trip_that_is_not_there(van: Trip, ana: User) -> None:
    Trip.objects.update(code="GONE22")
    assert join(program(ana), van, promotion="GAMEDAY").status_code == 404


def test_code_and_credit_are_for_who_is_offered_seats_and_not_for_who_waits(
    van: Trip, ana: User, max_: User, now: datetime
) -> None:
    promotion()
    credited(ana, 2000)
    make.draft(van, seats=10, now=now)
    four = make.draft(van, seats=4, now=now)
    refused = join(program(ana), van, key="one", promotion="GAMEDAY", use_credit=True, wait=True)
    assert (refused.status_code, set(refused.data["fields"])) == (400, {"promotion", "use_credit"})
    assert "once seats are offered" in str(refused.data["fields"]["promotion"])
    waits = join(program(ana), van, wait=True)
    take = f"/api/v1/pledges/{waits.data['code']}/take"
    help_ = {"promotion": "gameday", "use_credit": True}
    assert program(ana).post(take, {"consent": True, **help_}).data["code"] == "not_changeable"

    pledges.withdraw(pledge_id=four.id, by=four.rider, now=now)
    assert program(max_).post(take, {"consent": True}).status_code == 404
    assert program(ana).post(take, {"consent": False, **help_}).data["code"] == "consent_missing"
    assert program(ana).post(take, {"consent": True, "promotion": "NO"}).data["code"] == "promotion_unknown"
    taken = [
        program(ana).post(take, {"consent": True, **help_}, headers={"Idempotency-Key": "two"})
        for _ in range(2)
    ]
    whole = van.stops.get().fare_minor
    by_code = whole * 20 // 100
    assert [each.status_code for each in taken] == [200, 200]
    assert {name: part["minor"] for name, part in taken[0].data["paid_by"].items()} == {
        "by_code": by_code,
        "from_credit": 2000,
        "by_card": whole - by_code - 2000,
    }
    assert taken[0].data["consent_text"] == Pledge.objects.get(rider=ana).consent_text
    assert (Promotion.objects.get().uses, queries.credit_of(ana)) == (1, usd(0))
    page = signed_in(ana).get(taken[0].data["checkout_url"])
    assert page.status_code == 303  # nothing more to agree to
    assert program(ana).post(take, {"consent": True, "use_credit": True}).data["code"] == "not_changeable"


def test_added_seats_are_paid_by_code_and_credit_too(van: Trip, ana: User, now: datetime) -> None:
    promotion()
    credited(ana, 2000)
    mine = make.backed(van, ana, seats=9, now=now)
    make.bound(van, seats=14, now=now)
    address = f"/api/v1/pledges/{mine.code}/seats"
    seats = [{"id": str(seat.id), "name": seat.name} for seat in mine.passengers.all()]
    help_ = {"consent": True, "promotion": "GAMEDAY", "use_credit": True}
    assert program(ana).post(address, {"passengers": seats, **help_}).data["code"] == "not_changeable"
    answer = program(ana).post(address, {"passengers": [*seats, {"name": "Gus"}], **help_})
    assert answer.status_code == 200
    added = Pledge.objects.select_related("payment").get(enlarges=mine)
    parts = queries.parts_paid(added.payment)
    assert (parts.by_code, parts.from_credit) == (usd(added.charge.minor * 20 // 100), usd(2000))
    assert answer.data["added"][0]["paid_by"]["by_card"]["minor"] == parts.by_card.minor


def test_my_credit(van: Trip, ana: User, max_: User, at: Any) -> None:
    for _ in range(3):
        credited(ana, 500)
    at.shift(timedelta(minutes=1))
    join(program(ana), van, use_credit=True)
    answer = program(ana).get("/api/v1/credit", {"limit": 2})
    assert answer.data["balance"] == {"minor": 0, "currency": "USD"}
    assert [each["kind"] for each in answer.data["results"]] == ["set_aside", "goodwill"]
    assert answer.data["results"][0]["amount"]["minor"] == -1500
    assert answer.data["results"][0]["trip"] == van.code
    more = program(ana).get(answer.data["next"])
    assert len(more.data["results"]) == 2
    assert program(max_).get("/api/v1/credit").data["results"] == []
    assert APIClient().get("/api/v1/credit").status_code == 401
