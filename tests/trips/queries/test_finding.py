"""Finding events, trips and towns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from rally.geo import Point
from tests.factories.events import CHICAGO, MADISON, MILWAUKEE, event, partner, venue
from tests.factories.trips import NOW, proposed, stop
from trips.models import Event, Trip
from trips.queries import finding
from trips.states import TripState

pytestmark = pytest.mark.django_db

HERE = Point(*MILWAUKEE)


@pytest.fixture
def season() -> None:
    """The shipped schedule."""
    call_command(
        "import_events", "trips/data/nfl-2026-late-season.csv", "--venues", "trips/data/nfl-venues.csv"
    )


@pytest.fixture
def towns() -> None:
    """The shipped gazetteer."""
    call_command("load_places", verbosity=0)


def named(words: str) -> list[str]:
    return [one.name for one in finding.events(now=NOW, words=words)]


@pytest.mark.parametrize(
    ("typed", "team"),
    [
        ("bufalo", "Buffalo Bills"),
        ("buffallo", "Buffalo Bills"),
        ("packrs", "Green Bay Packers"),
        ("pakcers", "Green Bay Packers"),
        ("greenbay", "Green Bay Packers"),
        ("GREEN BAY", "Green Bay Packers"),
        ("chicgo bears", "Chicago Bears"),
        ("seahwks", "Seattle Seahawks"),
        ("kansas cty", "Kansas City Chiefs"),
        ("dolfins", "Miami Dolphins"),
        ("jagaurs", "Jacksonville Jaguars"),
        ("vikngs", "Minnesota Vikings"),
        ("Packers game", "Green Bay Packers"),
    ],
)
def test_typing_mistakes_are_forgiven(season: None, typed: str, team: str) -> None:
    found = named(typed)
    assert found
    assert all(team in name for name in found[:4]), found


@pytest.mark.parametrize("typed", ["lambeau", "lambo field", "Lambeau Feild"])
def test_events_are_found_by_their_venue(season: None, typed: str) -> None:
    assert all(name.endswith("Green Bay Packers") for name in named(typed)[:3])


def test_events_are_found_by_their_city(season: None) -> None:
    assert "Cleveland Browns" in named("clevland")[0]


def test_two_teams_name_one_game(season: None) -> None:
    games = Event.objects.filter(home="Green Bay Packers").order_by("starts_at")
    away = games[0].away.rsplit(" ", 1)[-1]
    assert named(f"packers {away}")[0] == games[0].name


def test_nonsense_breaks_nothing(season: None, towns: None) -> None:
    for typed in ("qqqqzzzz", "---", "\x00", "🏈", "x" * 5000, "'; drop table", "%", "\\"):
        assert len(named(typed)) <= Event.objects.count(), typed
        assert len(finding.places(typed)) <= 8, typed
    assert named("qqqqzzzz") == []


def test_no_words_are_everything_to_come_soonest_first() -> None:
    late = event(starts_at=NOW + timedelta(days=9))
    soon = event(starts_at=NOW + timedelta(days=5))
    event(starts_at=NOW - timedelta(days=5))
    event(starts_at=NOW + timedelta(days=5), state="cancelled")
    assert list(finding.events(now=NOW)) == [soon, late]
    assert list(finding.events(now=NOW, words="  ")) == [soon, late]


def test_by_date_and_partner() -> None:
    club = partner()
    early, late = event(starts_at=datetime(2026, 12, 1, tzinfo=UTC), partner=club), event()
    cut = datetime(2026, 12, 5, tzinfo=UTC)
    assert list(finding.events(now=NOW, before=cut)) == [early]
    assert list(finding.events(now=NOW, after=cut)) == [late]
    assert list(finding.events(now=NOW, partner=club)) == [early]
    past = event(starts_at=NOW - timedelta(days=3))
    assert list(finding.events(now=NOW, after=NOW - timedelta(days=7), before=NOW)) == [past]


def test_events_near_are_nearest_first_and_within_reach() -> None:
    far = event(venue=venue("Soldier Field", city="Chicago", latitude=41.86246, longitude=-87.616776))
    near = event(starts_at=NOW + timedelta(days=30))
    place = Point(44.5, -88.0)
    assert list(finding.events(now=NOW, near=place)) == [near, far]
    assert list(finding.events(now=NOW, near=place, km=200)) == [near]


def test_events_say_how_many_buses_form() -> None:
    game = event()
    proposed(to=game)
    proposed(to=game)
    proposed(to=game, visibility="link")
    lapsed = proposed(to=game)
    Trip.objects.filter(pk=lapsed.pk).update(state=TripState.LAPSED)
    assert finding.events(now=NOW).get().forming == 2
    event(starts_at=NOW + timedelta(days=40))
    assert [one.forming for one in finding.events(now=NOW)] == [2, 0]


def codes(**wanted: object) -> list[str]:
    return [found.trip.code for found in finding.trips(now=NOW, **wanted)]  # type: ignore[arg-type]


def test_trips_near_are_nearest_first_each_once() -> None:
    game = event()
    madison = proposed(to=game, stops=[stop("Madison", MADISON)])
    two = proposed(to=game, stops=[stop("Kenosha", (42.58, -87.82)), stop("Milwaukee")])
    assert codes(near=HERE) == [two.code, madison.code]
    first, second = finding.trips(now=NOW, near=HERE)
    assert (first.stop.name, first.km) == ("Milwaukee", 0)
    assert first.fare.minor == first.stop.fare_minor
    assert (second.stop.name, round(second.km or 0)) == ("Madison", 122)


def test_trips_nobody_can_join_are_not_found() -> None:
    game = event()
    proposed(to=game, visibility="link")
    lapsed = proposed(to=game)
    Trip.objects.filter(pk=lapsed.pk).update(state=TripState.LAPSED)
    assert codes(near=HERE) == []
    assert codes() == []
    assert codes(states=[TripState.LAPSED]) == [lapsed.code]
    assert codes(states=[TripState.LAPSED], near=HERE, km=10) == [lapsed.code]
    gone = proposed(to=game)
    assert [one.trip for one in finding.trips(now=gone.departs_at, near=HERE)] == []
    assert [one.trip for one in finding.trips(now=gone.departs_at)] == []


def test_trips_within_a_distance_exactly() -> None:
    """Madison is 121.6 km from Milwaukee as the bird flies; the corner of the box would reach farther."""
    proposed(stops=[stop("Madison", MADISON)])
    assert len(codes(near=HERE, km=122)) == 1
    assert codes(near=HERE, km=121) == []
    diagonal = Point(HERE.latitude - 0.8, HERE.longitude - 1.1)
    proposed(stops=[stop("Rockford", (diagonal.latitude, diagonal.longitude))])
    assert codes(near=HERE, km=120) == []


def test_trips_to_events_and_pages() -> None:
    one, other = event(), event(starts_at=NOW + timedelta(days=40))
    first, second = proposed(to=one), proposed(to=one, stops=[stop("Madison", MADISON)])
    third = proposed(to=other)
    assert set(codes(events=[one.pk])) == {first.code, second.code}
    assert codes(events=[one.pk], near=Point(*MADISON)) == [second.code, first.code]
    assert codes(events=[one.pk], near=Point(*CHICAGO), km=150) == [first.code]
    assert codes(limit=1, offset=2) == [third.code]
    assert set(codes(near=HERE, limit=2)) == {first.code, third.code}  # equally near: in any order
    assert codes(near=HERE, limit=2, offset=2) == [second.code]


def test_by_state_along_the_index() -> None:
    proposed()
    assert codes(near=HERE, states=[TripState.CONFIRMED]) == []
    assert len(codes(near=HERE, states=[TripState.GATHERING])) == 1


def test_without_a_place_the_fare_is_the_lowest() -> None:
    proposed(stops=[stop("Kenosha", (42.58, -87.82)), stop("Milwaukee")])
    (found,) = finding.trips(now=NOW)
    assert (found.stop.name, found.km) == ("Milwaukee", None)


@pytest.mark.parametrize("wanted", [{"near": HERE}, {}, {"near": HERE, "states": [TripState.LAPSED]}])
def test_as_many_queries_for_three_as_for_one(wanted: dict[str, object]) -> None:
    game = event()
    proposed(to=game)
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(
            connection,
        ) as seen:
            for found in finding.trips(now=NOW, **wanted):  # type: ignore[arg-type]
                assert (
                    len([str(found.trip), found.trip.captain.name, found.fare, *found.trip.stops.all()]) == 4
                )
        counts.append(len(seen))
        proposed(to=game)
        proposed(to=game)
    assert counts[0] == counts[1] or wanted.get("states")
    assert counts[1] <= 4


def test_the_nearest_search_walks_the_index() -> None:
    """The plan can read stops in order of distance, without sorting them all: among millions it will."""
    proposed()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
    with CaptureQueriesContext(connection) as seen:
        finding.trips(now=NOW, near=HERE)
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + seen[0]["sql"])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "stop_earth_findable" in plan
    assert "Order By" in plan
    assert "Sort" not in plan


def test_towns(towns: None) -> None:
    first = {
        "milw": "Milwaukee, WI",
        "milwakee": "Milwaukee, WI",
        "Madison, WI": "Madison, WI",
        "madison alabama": "Madison, AL",
        "st louis": "St. Louis, MO",
        "Saint Paul": "Saint Paul, MN",
        "charleston west virginia": "Charleston, WV",
        "chicgo": "Chicago, IL",
        "new york": "New York City, NY",
        "green bay wi": "Green Bay, WI",
        "washington": "Washington, DC",
    }
    assert {typed: str(finding.places(typed)[0]) for typed in first} == first
    assert {typed: str(finding.place_meant(typed)) for typed in first} == first


def test_a_slug_is_a_town_and_nonsense_is_none(towns: None) -> None:
    assert str(finding.place_meant("green-bay-wi")) == "Green Bay, WI"
    assert finding.place_meant("") is None
    assert finding.place_meant("qqqqqqq") is None
    assert len(finding.places("san")) == 8
    assert len(finding.places("san", limit=3)) == 3


def test_a_bus_can_be_started_only_while_there_is_time() -> None:
    """60 hours to gather riders and 90 minutes to be there early."""
    for minutes, startable in ((29, False), (31, True)):
        game = event(starts_at=NOW + timedelta(hours=61, minutes=minutes))
        assert finding.events(now=NOW).get(pk=game.pk).startable is startable  # type: ignore[attr-defined]
