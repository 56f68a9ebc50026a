"""The board, committing and giving back, for programs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import F
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from operators.models import Run
from operators.states import Role, RunState
from rally.models import User
from tests.factories.operators import NOW, Company, company, decided, member, ready, riders, van_trip
from trips.models import Trip
from trips.states import PledgeState, TripState, Visibility

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at")]


@pytest.fixture
def crew(otto: User, dee: User) -> Company:
    made = ready(driver=dee)
    member(made.operator, otto, role=Role.DISPATCHER)
    return made


def client(user: User) -> APIClient:
    found = APIClient()
    found.force_authenticate(user)
    return found


def commit(user: User, trip: Trip, crew: Company, **more: Any) -> Any:
    body = {"vehicle": str(crew.vehicle.id), "driver": str(crew.driver.id), **more}
    return client(user).post(f"/api/v1/trips/{trip.code}/runs", body)


def test_the_board_shows_money_way_and_pay(crew: Company, otto: User) -> None:
    trip = van_trip()
    riders(trip, "Ana", "Ben")
    riders(trip, "Cy", at=2, state=PledgeState.BACKED)
    [offer] = client(otto).get("/api/v1/operator/board").json()["results"]
    first, second = trip.stops.order_by("position")
    pledged = 2 * first.fare_minor + second.fare_minor
    assert offer["trip"] == trip.code
    assert (offer["seats_pledged"], offer["seats_held"], offer["threshold"]) == (3, 2, 6)
    assert offer["money_pledged"] == {"minor": pledged, "currency": "USD"}
    assert offer["money_held"] == {"minor": 2 * first.fare_minor, "currency": "USD"}
    assert offer["pay_at_threshold"]["minor"] == 6 * second.fare_minor * 100 // 112
    assert offer["pay_today"]["minor"] == pledged * 100 // 112
    assert (offer["km_from_depot"], offer["km"]) == (0, 2 * trip.distance_km)
    assert offer["departs_at"] == trip.departs_at.isoformat().replace("+00:00", "Z")


def test_pay_stays_true_where_the_price_falls(crew: Company, otto: User) -> None:
    trip = van_trip(falling_fares=True)
    riders(trip, *[f"Rider {n}" for n in range(7)])
    riders(trip, "Cy", at=2, state=PledgeState.BACKED)
    first, second = trip.stops.order_by("position")
    assert trip.ladder[:2] == [[6, 100], [8, 75]]

    [offer] = client(otto).get("/api/v1/operator/board").json()["results"]

    # Eight seats pay three quarters each, and with the threshold everybody pays the whole fare: the bus is paid both ways.
    today = (7 * first.fare_minor + second.fare_minor) * 75 // 100
    assert offer["pay_today"]["minor"] == today * 100 // 112
    assert offer["pay_at_threshold"]["minor"] == 6 * second.fare_minor * 100 // 112
    assert offer["pay_today"]["minor"] >= offer["pay_at_threshold"]["minor"] >= trip.cost_minor

    # Locked, and one more has come since: nobody's price is above the one in force.
    Trip.objects.filter(id=trip.id).update(
        state=TripState.CONFIRMED, decided_at=NOW, locked_percent=60, ladder=[[6, 100], [8, 75], [9, 60]]
    )
    trip.pledges.update(price_minor=F("fare_minor") * 75 / 100)
    [offer] = client(otto).get("/api/v1/operator/board").json()["results"]
    today = (7 * first.fare_minor + second.fare_minor) * 60 // 100
    assert offer["money_pledged"]["minor"] == today
    assert offer["pay_today"]["minor"] == today * 100 // 112


def test_the_pay_at_the_threshold_pays_the_bus(crew: Company, otto: User) -> None:
    trip = van_trip()
    [offer] = client(otto).get("/api/v1/operator/board").json()["results"]
    assert offer["pay_at_threshold"]["minor"] >= trip.cost_minor


def test_trips_by_link_want_a_bus_too_and_those_with_one_do_not(crew: Company, otto: User) -> None:
    hidden, taken, over = van_trip(visibility=Visibility.LINK), van_trip(), van_trip()
    crew.commits(taken)
    decided(over, "lapsed")
    codes = [offer["trip"] for offer in client(otto).get("/api/v1/operator/board").json()["results"]]
    assert codes == [hidden.code]


def test_a_confirmed_trip_that_lost_its_bus_is_on_the_board(crew: Company, otto: User) -> None:
    trip = van_trip()
    decided(trip)
    [offer] = client(otto).get("/api/v1/operator/board").json()["results"]
    assert offer["state"] == "confirmed"


def test_the_board_is_narrowed(crew: Company, otto: User) -> None:
    van_trip()
    ask = client(otto)

    def found(query: str) -> int:
        return len(ask.get(f"/api/v1/operator/board?{query}").json()["results"])

    assert [found("vehicle_class=van"), found("vehicle_class=coach")] == [1, 0]
    assert [found("after=2026-12-13"), found("after=2026-12-14")] == [1, 0]
    assert [found("before=2026-12-13"), found("before=2026-12-12")] == [1, 0]
    assert [found(f"order={order}") for order in ("distance", "date", "riders")] == [1, 1, 1]


def test_far_away_trips_are_left_out_unless_asked_for(otto: User, now: datetime) -> None:
    from tests.factories.events import place

    place("Waco", state="TX", slug="waco-tx", latitude=31.54933, longitude=-97.14667)
    far = company(base_name="Waco, TX")
    member(far, otto, role=Role.DISPATCHER)
    van_trip()
    assert client(otto).get("/api/v1/operator/board").json()["results"] == []
    [offer] = client(otto).get("/api/v1/operator/board?within_km=5000").json()["results"]
    assert 1400 < offer["km_from_depot"] < 1600


@pytest.mark.parametrize(
    "query", ["within_km=0", "within_km=x", "vehicle_class=plane", "after=soon", "order=luck"]
)
def test_wrong_questions_name_their_field(crew: Company, otto: User, query: str) -> None:
    answer = client(otto).get(f"/api/v1/operator/board?{query}")
    assert (answer.status_code, list(answer.json()["fields"])) == (400, [query.partition("=")[0]])


def test_pages_and_queries_do_not_grow(
    crew: Company, otto: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ask = client(otto)
    riders(van_trip(), "Ana")
    ask.get("/api/v1/operator/board")
    with django_assert_num_queries(3):
        ask.get("/api/v1/operator/board")
    for _more in range(2):
        riders(van_trip(), "Ana")
    with django_assert_num_queries(3):
        answer = ask.get("/api/v1/operator/board?limit=2").json()
    assert len(answer["results"]) == 2
    assert "offset=2" in answer["next"]


@pytest.mark.parametrize("path", ["operator/board", "operator/vehicles", "operator/drivers"])
def test_strangers_and_drivers_have_no_office(crew: Company, max_: User, dee: User, path: str) -> None:
    assert APIClient().get(f"/api/v1/{path}").status_code == 401
    for who in (max_, dee):
        assert client(who).get(f"/api/v1/{path}").status_code == 404


def test_vehicles_and_drivers_with_their_ids(crew: Company, otto: User) -> None:
    ask = client(otto)
    assert ask.get("/api/v1/operator/vehicles").json()["results"] == [
        {
            "id": str(crew.vehicle.id),
            "name": crew.vehicle.name,
            "plate": crew.vehicle.plate,
            "vehicle_class": "coach",
            "seats": 56,
            "wheelchair_spaces": 2,
            "amenities": "",
        }
    ]
    assert ask.get("/api/v1/operator/drivers").json()["results"] == [
        {"id": str(crew.driver.id), "name": "Dee", "role": "driver"}
    ]


def test_committing_and_the_same_again(crew: Company, otto: User) -> None:
    trip = van_trip()
    answer = commit(otto, trip, crew)
    assert answer.status_code == 201
    run = answer.json()
    assert (run["trip"], run["state"], run["vehicle"]["name"], run["driver"]["name"]) == (
        trip.code,
        "committed",
        crew.vehicle.name,
        "Dee",
    )
    again = commit(otto, trip, crew)
    assert (again.status_code, again.json()) == (201, run)
    assert client(otto).get(f"/api/v1/runs/{run['code']}").json() == run


def test_a_key_is_honoured(crew: Company, otto: User) -> None:
    trip, other = van_trip(), van_trip()
    ask = client(otto)
    body = {"vehicle": str(crew.vehicle.id), "driver": str(crew.driver.id)}
    first = ask.post(f"/api/v1/trips/{trip.code}/runs", body, headers={"Idempotency-Key": "k1"})
    again = ask.post(f"/api/v1/trips/{trip.code}/runs", body, headers={"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert again["Idempotent-Replayed"] == "true"
    reused = ask.post(f"/api/v1/trips/{other.code}/runs", body, headers={"Idempotency-Key": "k1"})
    assert (reused.status_code, reused.json()["code"]) == (409, "idempotency_key_reused")


def test_refusals_have_codes(crew: Company, otto: User) -> None:
    trip, rival = van_trip(), ready()
    commit(otto, trip, crew)
    busy = commit(otto, van_trip(), crew)
    assert (busy.status_code, busy.json()["code"]) == (409, "vehicle_busy")
    taken = commit(rival.owner, trip, rival)
    assert (taken.status_code, taken.json()["code"]) == (409, "trip_taken")
    foreign = commit(otto, van_trip(), rival)
    assert (foreign.status_code, foreign.json()["code"]) == (409, "vehicle_not_in_fleet")


def test_bad_input_names_its_field(crew: Company, otto: User) -> None:
    trip = van_trip()
    answer = client(otto).post(f"/api/v1/trips/{trip.code}/runs", {"vehicle": "blue", "driver": None})
    assert (answer.status_code, sorted(answer.json()["fields"])) == (400, ["driver", "vehicle"])
    assert client(otto).post("/api/v1/trips/NOPE22/runs", {}).status_code == 400
    assert commit(otto, Trip(code="NOPE22"), crew).status_code == 404


def test_who_works_for_several_says_for_which(crew: Company, otto: User) -> None:
    other = company()
    member(other, otto, role=Role.OWNER)
    trip = van_trip()
    unclear = commit(otto, trip, crew)
    assert (unclear.status_code, list(unclear.json()["fields"])) == (400, ["operator"])
    assert commit(otto, trip, crew, operator=crew.operator.code).status_code == 201
    assert commit(otto, van_trip(), crew, operator="ZZZZZZ").status_code == 404


def test_strangers_and_drivers_commit_nothing(crew: Company, max_: User, dee: User) -> None:
    trip = van_trip()
    assert APIClient().post(f"/api/v1/trips/{trip.code}/runs", {}).status_code == 401
    for who in (max_, dee):
        assert commit(who, trip, crew).status_code == 404
    assert Run.objects.count() == 0


def test_giving_back(crew: Company, otto: User, dee: User, max_: User) -> None:
    run = crew.commits(van_trip())
    path = f"/api/v1/runs/{run.code}/withdraw"
    assert client(max_).post(path).status_code == 404
    assert client(ready().owner).post(path).status_code == 404
    assert client(dee).post(path).json()["code"] == "not_allowed"
    for _twice in range(2):
        answer = client(otto).post(path, {"why": "engine"})
        assert (answer.status_code, answer.json()["state"]) == (200, RunState.WITHDRAWN)


def test_a_confirmed_run_is_not_given_back(crew: Company, otto: User, now: datetime) -> None:
    trip = van_trip()
    run = crew.commits(trip)
    decided(trip, now=now + timedelta(hours=1))
    answer = client(otto).post(f"/api/v1/runs/{run.code}/withdraw", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "run_not_changeable")
