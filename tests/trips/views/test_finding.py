"""The pages on which people find a ride."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.factories.events import MADISON, event, place
from tests.factories.trips import NOW, proposed, stop
from trips.models import Event

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at")]


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_home_with_nothing_to_show_says_what_to_do(client: Client) -> None:
    page = text(client, "/")
    assert "No bus forms yet" in page
    assert "No events are listed right now" in page
    assert "How it works" in page


def test_home_remembers_where_somebody_starts(client: Client) -> None:
    place()
    place("Madison", latitude=MADISON[0], longitude=MADISON[1])
    trip = proposed()
    assert "Forming now" in text(client, "/")
    page = text(client, "/?near=milwauke")
    assert "Forming near Milwaukee, WI" in page
    assert f'href="/t/{trip.code}/"' in page
    assert "in town" in page
    assert "Forming near Milwaukee, WI" in text(client, "/")
    assert "75 miles away" in text(client, "/?near=madison-wi")
    assert "Forming now" in text(client, "/?near=")
    assert "Forming now" in text(client, "/")


def test_home_takes_coordinates_and_says_what_it_does_not_know(client: Client) -> None:
    assert "Forming near 43.039, -87.906" in text(client, "/?near=43.0389,-87.9065")
    assert "This is no place on the earth." in text(client, "/?near=143,0")
    assert "We do not know a town called “Qqqqq”" in text(client, "/?near=Qqqqq")


def test_a_town_too_far_shows_no_bus_near(client: Client) -> None:
    place("Seattle", latitude=47.6, longitude=-122.3)
    proposed()
    assert "No bus forms near Seattle, WI yet" in text(client, "/?near=seattle")


def test_searching_finds_events_and_their_buses(client: Client) -> None:
    trip = proposed()
    other = event(name="Bears at Lions", search_text="bears at lions", starts_at=NOW + timedelta(days=9))
    page = text(client, "/?q=packrs")
    assert f"/t/{trip.code}/" in page
    assert other.name not in page
    assert "Nothing found" in text(client, "/?q=zzzzzzzz")
    assert "No bus forms to these events yet" in text(client, "/?q=lions")


def test_dates_are_those_of_the_place(client: Client) -> None:
    """1 December 05:00 UTC is still 30 November in Milwaukee."""
    place()
    event(name="Late Game", starts_at=datetime(2026, 12, 1, 5, 0, tzinfo=UTC))
    assert "Late Game" in text(client, "/events/?before=2026-11-30&near=milwaukee")
    assert "Late Game" not in text(client, "/events/?after=2026-12-01")
    assert "This is before the first day." in text(client, "/events/?after=2026-12-02&before=2026-12-01")
    assert "No event fits" in text(client, "/events/?after=9999-12-31&before=9999-12-31")
    assert "Late Game" in text(client, "/events/?after=nonsense")


@pytest.mark.parametrize(
    "odd",
    [
        "%00",
        "%00%00&near=%00",
        "x" * 3000,
        "%F0%9F%8F%88&near=%F0%9F%8F%88",
        "a&near=nan,nan",
        "a&near=inf,1",
        "a&page=zzz",
    ],
)
def test_odd_questions_get_a_page(client: Client, odd: str) -> None:
    assert client.get(f"/?q={odd}").status_code == 200
    assert client.get(f"/events/?q={odd}").status_code == 200
    assert client.get(f"/places/?q={odd}").status_code == 200


def test_a_spoiled_session_is_no_place(client: Client) -> None:
    session = client.session
    session["near"] = {"latitude": 999, "longitude": 0, "label": "x"}
    session.save()
    assert "Forming now" in text(client, "/")


def test_events_come_in_pages(client: Client) -> None:
    for day in range(30):
        event(starts_at=NOW + timedelta(days=day + 1))
    assert "Page 1 of 2" in text(client, "/events/")
    page = text(client, "/events/?q=packers&page=2")
    assert "Page 2 of 2" in page
    assert "?q=packers&amp;page=1" in page


def test_an_event_shows_its_buses_nearest_first(client: Client) -> None:
    place()
    place("Madison", latitude=MADISON[0], longitude=MADISON[1])
    game = event()
    one, two = proposed(to=game), proposed(to=game, stops=[stop("Madison", MADISON)])
    page = text(client, f"{game.get_absolute_url()}?near=madison")
    assert page.index(two.code) < page.index(one.code)
    assert "2 buses you can join" in page
    assert "in 3 weeks" in page
    assert f'href="/events/{game.code}/propose/"' in page


def test_an_event_tells_search_engines_what_it_is(client: Client) -> None:
    game = event(name="Bills </script><b> at Packers")
    page = text(client, game.get_absolute_url())
    (block,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    facts = json.loads(block)
    assert facts["name"] == game.name
    assert facts["startDate"] == "2026-12-13T18:00:00+00:00"
    assert facts["location"]["geo"]["latitude"] == game.venue.latitude
    assert facts["homeTeam"]["name"] == "Green Bay Packers"


def test_an_event_has_one_address(client: Client) -> None:
    game = event()
    answer = client.get(f"/events/other-name-{game.code.lower()}/")
    assert (answer.status_code, answer["Location"]) == (301, game.get_absolute_url())
    assert client.get("/events/x-ZZZZZZ/").status_code == 404
    canonical = f'<link rel="canonical" href="{settings.SITE_URL}{game.get_absolute_url()}">'
    assert canonical in text(client, game.get_absolute_url())


@pytest.mark.parametrize(
    ("fields", "says"),
    [({"state": "cancelled"}, "This event was cancelled"), ({"starts_at": NOW}, "has begun or is over")],
)
def test_nothing_starts_to_what_is_over(client: Client, fields: dict[str, object], says: str) -> None:
    game = event(**fields)
    page = text(client, game.get_absolute_url())
    assert says in page
    assert "propose" not in page


def test_an_event_without_a_bus_asks_for_one(client: Client) -> None:
    assert "No bus yet" in text(client, event().get_absolute_url())


def test_a_town_has_its_page(client: Client) -> None:
    town = place()
    place("West Allis", latitude=43.01, longitude=-88.0)
    game = event()
    trip = proposed(to=game)
    page = text(client, f"/from/{town.slug}/")
    assert trip.code in page
    assert game.name in page
    assert "/from/west-allis-wi/" in page
    assert f'<link rel="canonical" href="{settings.SITE_URL}/from/{town.slug}/">' in page
    assert client.get("/from/atlantis/").status_code == 404
    far = place("Honolulu", latitude=21.3, longitude=-157.86)
    assert "Nothing within reach" in text(client, f"/from/{far.slug}/")


def test_places_for_the_field_that_suggests(client: Client) -> None:
    town = place()
    answer = client.get("/places/?q=milwake")
    assert answer.json() == {
        "results": [
            {
                "id": town.pk, "name": "Milwaukee", "detail": "WI", "slug": "milwaukee-wi", "latitude": town.latitude,
                "longitude": town.longitude, "time_zone": "America/Chicago",
            }
        ]
    }  # fmt: skip
    assert client.get("/places/").json() == {"results": []}
    assert client.post("/places/").status_code == 405


@pytest.mark.parametrize(
    "address", ["/", "/?near=43.04,-87.9", "/?q=packers", "/events/", "/from/milwaukee-wi/", "event"]
)
def test_as_many_queries_for_three_as_for_one(client: Client, address: str) -> None:
    place()
    game = event()
    proposed(to=game)
    address = game.get_absolute_url() if address == "event" else address
    client.get(address)
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as seen:
            client.get(address)
        counts.append(len(seen))
        proposed(to=game)
        proposed()
    assert counts[0] == counts[1]
    assert Event.objects.count() == 3
