"""Proposing a trip."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest

from rally.errors import BadInput, Refusal
from rally.models import StateChange, User
from tests.factories import events
from tests.factories.events import CHICAGO, GREEN_BAY, MADISON, MILWAUKEE
from tests.factories.trips import proposed, stop
from tests.racing import at_once
from trips.actions import proposals
from trips.actions.proposals import NewStop
from trips.errors import (
    AlreadyProposed,
    EventBegun,
    EventCancelled,
    StopAtVenue,
    StopsOutOfOrder,
    ThresholdOutOfRange,
    TooFar,
    TooLate,
    TooLongOnDuty,
)
from trips.models import Event, Trip
from trips.states import TripState

pytestmark = pytest.mark.django_db


def test_a_proposed_trip_has_all_it_needs(cleo: User, now: datetime) -> None:
    events.place("Milwaukee")
    game = events.event()
    trip = proposed(to=game, captain=cleo)
    trip.refresh_from_db()
    only = trip.stops.get()
    assert (trip.state, trip.captain, trip.event, trip.origin) == (
        TripState.GATHERING,
        cleo,
        game,
        "Milwaukee",
    )
    assert (trip.capacity, trip.threshold, trip.seats_taken, trip.seats_supplied) == (56, 25, 0, 0)
    assert trip.departs_at.isoformat() == "2026-12-13T13:45:00+00:00"
    assert trip.returns_at.isoformat() == "2026-12-14T00:45:00+00:00"
    assert trip.decides_at == trip.departs_at - timedelta(days=7)
    assert trip.cost_minor == 160_374
    assert sum(trip.cost_parts.values()) == 179_619
    assert (trip.distance_km, trip.drive_minutes, trip.platform_percent) == (204, 165, 12)
    assert (only.position, only.fare_minor, only.km_to_venue, only.findable) == (1, 7_200, 204, True)
    assert (only.departs_at, only.returns_at, only.time_zone) == (
        trip.departs_at,
        trip.returns_at,
        "America/Chicago",
    )


def test_the_journal_begins(cleo: User, now: datetime) -> None:
    trip = proposed(captain=cleo)
    line = StateChange.objects.get(subject=trip.pk)
    assert (line.noun, line.old, line.new, line.at, line.by) == ("trip", "", "gathering", now, cleo)


def test_a_trip_for_those_with_the_link_is_not_found_by_others() -> None:
    assert proposed(visibility="link").stops.get().findable is False


def test_stops_have_the_zone_of_the_nearest_town() -> None:
    events.place("Escanaba", latitude=45.7452, longitude=-87.0646, time_zone="America/Detroit")
    events.place("Marinette", latitude=45.1, longitude=-87.6307)
    trip = proposed(stops=[stop("Delta Plaza", (45.75, -87.08)), stop("Dunlap Square", (45.1, -87.62))])
    assert [one.time_zone for one in trip.stops.all()] == ["America/Detroit", "America/Chicago"]
    assert trip.origin == "Escanaba"


def test_without_a_town_near_the_venue_says_the_zone_and_the_stop_the_name() -> None:
    trip = proposed()
    assert trip.stops.get().time_zone == "America/Chicago"
    assert trip.origin == "Milwaukee Intermodal Station"


def test_a_town_named_by_the_stop_names_the_trip() -> None:
    events.place("Shorewood", latitude=43.05, longitude=-87.90)
    events.place("Milwaukee", latitude=43.06, longitude=-87.95)
    trip = proposed(stops=[stop("Milwaukee Lakefront", (43.05, -87.901))])
    assert trip.origin == "Milwaukee"


def test_the_captain_chooses_the_threshold_and_with_it_the_fare() -> None:
    trip = proposed(threshold=40)
    assert (trip.threshold, trip.stops.get().fare_minor) == (40, 4_500)


def test_names_are_tidied_and_scripts_kept() -> None:
    trip = proposed(stops=[NewStop("  Café\n\x00 🚌 محطة  ", *MILWAUKEE)])
    assert trip.stops.get().name == "Café 🚌 محطة"


def propose(event: Event, now: datetime, captain: User, **fields: object) -> Trip:
    given = {
        "vehicle_class": "coach",
        "stops": [stop()],
        "threshold": None,
        "visibility": "public",
        **fields,
    }
    return proposals.propose(event_id=event.pk, captain=captain, now=now, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"stops": []}, "stops", "at least one stop"),
        ({"stops": [stop(at=(43 + i / 10, -89)) for i in range(9)]}, "stops", "at most 8 stops; these are 9"),
        ({"stops": [stop(" \x00 ")]}, "stops", "needs a name"),
        ({"stops": [stop("x" * 121)]}, "stops", "at most 120 characters"),
        ({"stops": [stop(address="x" * 201)]}, "stops", "at most 200"),
        ({"stops": [stop(at=(91.0, 0.0))]}, "stops", "not on the earth"),
        ({"stops": [stop(at=(0.0, 180.5))]}, "stops", "not on the earth"),
        ({"stops": [stop(at=(float("nan"), 0.0))]}, "stops", "not on the earth"),
        ({"stops": [stop(at=(float("inf"), 0.0))]}, "stops", "not on the earth"),
        ({"stops": [stop("A"), stop("B", (43.0390, -87.9065))]}, "stops", "are the same place"),
        ({"vehicle_class": "zeppelin"}, "vehicle_class", "coach, mini, van"),
        ({"visibility": "secret"}, "visibility", "public"),
    ],
)
def test_what_makes_no_sense_is_named(
    cleo: User, now: datetime, fields: dict[str, object], field: str, says: str
) -> None:
    with pytest.raises(BadInput) as refusal:
        propose(events.event(), now, cleo, **fields)
    assert refusal.value.field == field
    assert says in refusal.value.message
    assert not Trip.objects.exists()


@pytest.mark.parametrize(
    ("event", "fields", "refusal"),
    [
        ({"state": "cancelled"}, {}, EventCancelled),
        ({"starts_at": datetime.fromisoformat("2026-11-21T15:00Z")}, {}, EventBegun),
        ({"starts_at": datetime.fromisoformat("2026-11-24T07:00Z")}, {}, TooLate),
        ({}, {"stops": [stop(at=GREEN_BAY)]}, StopAtVenue),
        ({}, {"stops": [stop("Seattle", (47.6, -122.3))]}, TooFar),
        ({}, {"stops": [stop("Des Plaines", (41.95, -87.9))]}, TooLongOnDuty),
        ({}, {"stops": [stop(), stop("Chicago", CHICAGO)]}, StopsOutOfOrder),
        ({}, {"threshold": 22}, ThresholdOutOfRange),
        ({}, {"threshold": 57}, ThresholdOutOfRange),
        ({}, {"threshold": 0}, ThresholdOutOfRange),
    ],
)
def test_what_is_refused(
    cleo: User, now: datetime, event: dict[str, object], fields: dict[str, object], refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal) as no:
        propose(events.event(**event), now, cleo, **fields)
    assert type(no.value) is refusal
    assert "%(" not in no.value.message
    assert not Trip.objects.exists()


def test_the_better_order_is_offered(cleo: User, now: datetime) -> None:
    with pytest.raises(StopsOutOfOrder) as no:
        propose(events.event(), now, cleo, stops=[stop("Milwaukee"), stop("Kenosha", (42.58, -87.82))])
    assert no.value.facts["better"] == [1, 0]
    assert "Better: Kenosha, Milwaukee" in no.value.message
    assert re.search(r"the bus drives \d+ miles too far", no.value.message)


def test_sixty_hours_are_enough(cleo: User, now: datetime) -> None:
    """The bus leaves 4 h 15 before the start: 64 h 15 ahead is the last minute."""
    last = now + timedelta(hours=64, minutes=15)
    trip = propose(events.event(starts_at=last), now, cleo)
    assert trip.departs_at == now + timedelta(hours=60)
    assert trip.decides_at == now + timedelta(hours=12)
    with pytest.raises(TooLate) as no:
        propose(events.event(starts_at=last - timedelta(minutes=1)), now, cleo)
    assert no.value.message.endswith("this one would leave Monday 23 November, 20:59 CST.")


def test_the_same_trip_twice_is_refused_while_it_has_seats(cleo: User, ben: User, now: datetime) -> None:
    game = events.event()
    first = propose(game, now, cleo)
    with pytest.raises(AlreadyProposed) as no:
        propose(game, now, cleo)
    assert first.code in no.value.message
    propose(game, now, ben)
    propose(game, now, cleo, stops=[stop("Madison", MADISON)])
    propose(game, now, cleo, vehicle_class="van")
    Trip.objects.filter(pk=first.pk).update(seats_taken=56)
    propose(game, now, cleo)
    assert Trip.objects.filter(captain=cleo).count() == 4


def test_a_code_that_is_taken_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = proposed()
    drawn = iter([first.code, first.code, "BBBBBB"])
    monkeypatch.setattr(proposals.codes, "short", lambda: next(drawn))
    game = first.event  # another event would draw a code of its own
    assert proposed(to=game).code == "BBBBBB"
    assert Trip.objects.filter(code=first.code).get() == first


def test_planning_saves_nothing(now: datetime) -> None:
    plan = proposals.plan(event=events.event(), vehicle_class="mini", stops=[stop()], threshold=None, now=now)
    assert (plan.quote.threshold, plan.quote.seats) == (14, 28)
    assert not Trip.objects.exists()


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_presses_at_once_make_one_trip(cleo: User, now: datetime) -> None:
    """Without the lock both would find no twin."""
    game = events.event()
    answers = at_once(*[lambda: propose(game, now, cleo)] * 2)
    assert sorted(type(answer).__name__ for answer in answers) == ["AlreadyProposed", "Trip"]
    assert Trip.objects.count() == 1
