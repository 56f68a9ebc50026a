"""The page on which a captain starts a bus."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from rally.models import User
from tests.factories.events import MADISON, event, place
from tests.factories.trips import NOW
from trips.models import Event, Pledge, Trip

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at")]


@pytest.fixture
def game() -> Event:
    place()
    place("Madison", latitude=MADISON[0], longitude=MADISON[1])
    place("Kenosha", latitude=42.58, longitude=-87.82)
    place("Seattle", latitude=47.6, longitude=-122.3)
    place("Green Bay", latitude=44.519, longitude=-88.02)
    return event()


def answers(*towns: str, **more: str) -> dict[str, str]:
    """What the form sends for stops in these towns."""
    data = {"stops": str(len(towns)), "vehicle_class": "coach", "threshold": "", "visibility": "public"}
    for n, town in enumerate(towns):
        data |= {f"s{n}-where": town, f"s{n}-spot": "", f"s{n}-latitude": "", f"s{n}-longitude": ""}
    return {**data, **more}


def post(client: Client, game: Event, data: dict[str, str], **more: Any) -> Any:
    return client.post(f"/events/{game.code}/propose/", data, **more)


def test_an_empty_page_explains_itself(client: Client, game: Event) -> None:
    page = client.get(f"/events/{game.code}/propose/").content.decode()
    assert "Say where the bus stops" in page
    assert client.get("/events/ZZZZZZ/propose/").status_code == 404


def test_the_town_of_the_search_is_the_first_stop(client: Client, game: Event) -> None:
    client.get("/?near=milwaukee")
    assert 'value="Milwaukee, WI"' in client.get(f"/events/{game.code}/propose/").content.decode()
    client.get("/?near=seattle")
    assert 'value="Seattle' not in client.get(f"/events/{game.code}/propose/").content.decode()


def test_everything_is_shown_before_anything_is_saved(client: Client, game: Event, cleo: User) -> None:
    client.force_login(cleo)
    page = post(client, game, answers("milwakee", **{"s0-spot": "Intermodal Station"})).content.decode()
    for fact in [
        "$72",
        "07:45",
        "18:45",
        "25 of 56 seats",
        "Sunday 6 December, 07:45 CST",
        "$250",
        "$595.40",
        "$758.34",
        "$192.45",
        "$1,796.19",
    ]:
        assert fact in page, fact
    assert "Intermodal Station" in page
    assert not Trip.objects.exists()


def test_the_preview_alone_for_htmx(client: Client, game: Event) -> None:
    answer = post(client, game, answers("Milwaukee"), headers={"HX-Request": "true"})
    assert answer.content.decode().strip().startswith("<section")
    assert "HX-Request" in answer["Vary"]


def test_bus_and_minimum_change_the_price(client: Client, game: Event) -> None:
    assert "$45" in post(client, game, answers("Milwaukee", threshold="40")).content.decode()
    page = post(client, game, answers("Milwaukee", threshold="5")).content.decode()
    assert "The minimum is between 23 and 56 seats" in page
    assert (
        "That many seats no bus has."
        in post(client, game, answers("Milwaukee", threshold="99999")).content.decode()
    )


@pytest.mark.parametrize(
    ("towns", "says"),
    [
        (["Seattle, WI"], "hours of driving"),
        (["Green Bay"], "is at the venue itself"),
        (["Milwaukee", "Milwaukee"], "are the same place"),
        (["Qqqqqq"], "We do not know a town called"),
        ([""], "Where does the bus stop?"),
    ],
)
def test_refusals_are_told(client: Client, game: Event, towns: list[str], says: str) -> None:
    assert says in post(client, game, answers(*towns)).content.decode()


def test_a_better_order_is_one_button_away(client: Client, game: Event) -> None:
    data = answers("Milwaukee", "Kenosha")
    page = post(client, game, data).content.decode()
    assert "Better: Kenosha, WI, Milwaukee, WI." in page
    assert 'value="better"' in page
    page = post(client, game, {**data, "do": "better"}).content.decode()
    assert page.index('value="Kenosha, WI"') < page.index('value="Milwaukee, WI"')
    assert "too far" not in page
    assert "Why this price" in page


def test_stops_are_added_moved_and_removed_without_scripts(client: Client, game: Event) -> None:
    data = answers("Kenosha", "Milwaukee")
    page = post(client, game, {**data, "do": "add-stop"}).content.decode()
    assert 'name="s2-where"' in page
    assert "Where does the bus stop?" not in page
    page = post(client, game, {**data, "do": "down-0"}).content.decode()
    assert page.index('value="Milwaukee, WI"') < page.index('value="Kenosha, WI"')
    page = post(client, game, {**data, "do": "remove-stop-0"}).content.decode()
    assert "Kenosha" not in page
    for odd in ["up-0", "down-1", "up-99", "remove-stop-99", "nonsense", "x-1"]:
        assert post(client, game, {**data, "do": odd}).status_code == 200


def test_another_town_typed_over_the_first_is_where_it_is(client: Client, game: Event, cleo: User) -> None:
    """Without scripts the hidden coordinates of the first town come back beside the name of the second."""
    client.force_login(cleo)
    page = post(client, game, answers("Milwaukee")).content.decode()
    names = ("latitude", "longitude", "settled")
    hidden = {f"s0-{name}": re.findall(rf'name="s0-{name}" value="([^"]*)"', page)[0] for name in names}
    assert hidden["s0-settled"] == "Milwaukee, WI|43.0389,-87.90647"
    page = post(client, game, {**answers("Kenosha"), **hidden}).content.decode()
    assert 'name="s0-latitude" value="42.58"' in page
    # Chosen from the list, with a script: the new coordinates come with the new name.
    chosen = {**hidden, "s0-latitude": "42.6", "s0-longitude": "-87.83"}
    page = post(client, game, {**answers("Kenosha, WI"), **chosen}).content.decode()
    assert 'name="s0-latitude" value="42.6"' in page


def test_a_stop_by_coordinates(client: Client, game: Event) -> None:
    point = {"do": "add-point", "point_name": "Fan Bar", "point_latitude": "43.2", "point_longitude": "-88.1"}
    page = post(client, game, {**answers(""), **point}).content.decode()
    assert 'value="Fan Bar"' in page
    assert 'value="43.20000, -88.10000"' in page
    page = post(client, game, {**answers(""), **point, "point_latitude": "143"}).content.decode()
    assert "less than or equal to 90" in page
    assert post(client, game, {**answers("Milwaukee"), "do": "add-point"}).status_code == 200


def test_lines_never_grow_without_end(client: Client, game: Event) -> None:
    page = post(client, game, {**answers(*["Milwaukee"] * 8), "do": "add-stop"}).content.decode()
    assert page.count('name="s7-where"') == 1
    assert "s8-where" not in page
    assert post(client, game, {**answers("Milwaukee"), "stops": "9999999"}).status_code == 200
    assert post(client, game, {**answers("Milwaukee"), "stops": "x"}).status_code == 200


def agreed(client: Client, game: Event, **more: str) -> dict[str, str]:
    """The answers with own seats and consent, as the preview asks for them."""
    data = answers("Milwaukee", **more)
    page = post(client, game, data).content.decode()
    (shown,) = re.findall(r'name="shown" value="(\w+)"', page)
    return {
        **data,
        "do": "propose",
        "shown": shown,
        "stop": "1",
        "lines": "1",
        "p0-name": "Cleo",
        "consent": "on",
    }


def test_trip_and_own_seats_are_made_together(client: Client, game: Event, cleo: User) -> None:
    client.force_login(cleo)
    answer = post(
        client, game, {**agreed(client, game), "lines": "2", "p1-name": "Ana", "p1-needs": "wheelchair"}
    )
    trip, pledge = Trip.objects.get(), Pledge.objects.get()
    assert answer.status_code == 303
    assert f"/p/{pledge.code}/pay/?k=" in answer["Location"]
    assert (trip.captain, pledge.rider, pledge.trip, pledge.seats) == (cleo, cleo, trip, 2)
    assert "$72" in pledge.consent_text
    assert [seat.needs for seat in pledge.passengers.order_by("position")] == [[], ["wheelchair"]]


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"consent": ""}, 409, "Please agree to how your card is used"),
        ({"p0-name": ""}, 422, "This field is required"),
        ({"stop": ""}, 303, ""),
        ({"stop": "7"}, 303, ""),
        ({"shown": "0" * 32}, 409, "has changed meanwhile"),
        ({"s0-where": "Qqqqqq"}, 422, "We do not know a town"),
        ({"vehicle_class": "zeppelin"}, 422, "Which bus?"),
    ],
)
def test_both_or_neither(
    client: Client, game: Event, cleo: User, change: dict[str, str], status: int, says: str
) -> None:
    client.force_login(cleo)
    answer = post(client, game, {**agreed(client, game), **change})
    assert answer.status_code == status
    assert says in answer.content.decode()
    assert Trip.objects.count() == Pledge.objects.count() == (1 if status == 303 else 0)


def test_with_several_stops_one_is_chosen(client: Client, game: Event, cleo: User) -> None:
    client.force_login(cleo)
    data = {
        **answers("Kenosha", "Milwaukee"),
        "lines": "1",
        "p0-name": "Cleo",
        "consent": "on",
        "do": "propose",
    }
    (shown,) = re.findall(
        r'name="shown" value="(\w+)"', post(client, game, {**data, "do": ""}).content.decode()
    )
    answer = post(client, game, {**data, "shown": shown})
    assert (answer.status_code, Trip.objects.count()) == (422, 0)
    assert "Choose the stop where you get on." in answer.content.decode()
    assert post(client, game, {**data, "shown": shown, "stop": "2"}).status_code == 303
    assert Pledge.objects.get().stop.position == 2


def test_a_double_press_makes_one_trip(client: Client, game: Event, cleo: User) -> None:
    client.force_login(cleo)
    data = agreed(client, game)
    post(client, game, data)
    answer = post(client, game, data)
    assert (answer.status_code, Trip.objects.count()) == (409, 1)
    assert "You have proposed this very trip already" in answer.content.decode()


def test_own_passengers_are_added_and_removed_without_scripts(
    client: Client, game: Event, cleo: User
) -> None:
    client.force_login(cleo)
    data = {**answers("Milwaukee"), "lines": "1", "p0-name": "Cleo", "do": "add"}
    page = post(client, game, data).content.decode()
    assert 'name="p1-name"' in page
    page = post(client, game, {**data, "lines": "2", "p1-name": "Ana", "do": "remove-0"}).content.decode()
    assert 'value="Ana"' in page
    assert "p1-name" not in page


def test_strangers_sign_in_first_and_find_what_they_typed(client: Client, game: Event, cleo: User) -> None:
    answer = post(client, game, answers("Milwaukee", threshold="40", do="propose", **{"s0-spot": "Fan Bar"}))
    assert answer.status_code == 303
    assert answer["Location"] == f"/accounts/login/?next=%2Fevents%2F{game.code}%2Fpropose%2F"
    client.post("/accounts/login/", {"login": cleo.email, "password": "ride-together"})
    page = client.get(f"/events/{game.code}/propose/").content.decode()
    for typed in ['value="Fan Bar"', 'value="Milwaukee, WI"', 'value="40"', "$45", "Your own seats"]:
        assert typed in page, typed
    assert not Trip.objects.exists()


def test_too_late_and_over(client: Client, game: Event) -> None:
    over = event(starts_at=NOW)
    assert "This event has already begun." in client.get(f"/events/{over.code}/propose/").content.decode()
    assert "This event has already begun." in post(client, over, answers("Milwaukee")).content.decode()
    off = event(state="cancelled")
    assert "This event was cancelled." in post(client, off, answers("Milwaukee")).content.decode()
