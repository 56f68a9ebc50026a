"""Fares that fall, on pages: chosen with a preview, seen beside the coach, agreed to, locked."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from rally import outbox
from rally.models import Notice, User
from rally.models.notices import NoticeState
from tests.factories import pledges as make
from tests.factories.events import event, place
from tests.factories.trips import falling_van, proposed
from tests.seeing import fresh, signed_in, text
from tests.trips.views.test_leaving_pages import lines
from trips.actions import fares
from trips.models import Pledge, Trip
from trips.states import VehicleClass
from trips.templatetags.fares import price_of_pledge

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def van(at: Any, now: datetime) -> Trip:
    """A van for 14 that goes at 9 and grows cheaper at 11, 13 and 14; $66 from Milwaukee, less from Sheboygan."""
    return falling_van(now=now)


def money(fare: int, percent: int) -> str:
    """`$38` or `$38.50` for that share."""
    dollars, rest = divmod(-(-fare * percent // 100), 100)
    return f"${dollars:,}.{rest:02}" if rest else f"${dollars:,}"


# --- proposing


def answers(**more: str) -> dict[str, str]:
    data = {"stops": "1", "vehicle_class": "coach", "threshold": "", "visibility": "public"}
    data |= {"s0-where": "Milwaukee", "s0-spot": "", "s0-latitude": "", "s0-longitude": ""}
    return {**data, **more}


def test_a_captain_chooses_and_sees_the_steps_first(at: Any, client: Client, cleo: User) -> None:
    place()
    game = event()
    client.force_login(cleo)
    page = text(client.get(f"/events/{game.code}/propose/"))
    assert "The price falls as the coach fills" in page

    stands = text(client.post(f"/events/{game.code}/propose/", answers()))
    assert "the less each pays" not in stands
    falls = text(client.post(f"/events/{game.code}/propose/", answers(falling_fares="on")))
    for fact in (
        "The more of you, the less each pays",
        "From 25 seats on $72",
        "From 33 seats on $54.72",
        "From 41 seats on $43.92",
        "The amount is at most $72",
        "to $54.72 from 33 seats, $43.92 from 41 seats",
    ):
        assert fact in falls, fact
    assert not Trip.objects.exists()


def test_the_choice_is_kept_with_the_trip(at: Any, client: Client, cleo: User) -> None:
    place()
    game = event()
    client.force_login(cleo)
    page = client.post(f"/events/{game.code}/propose/", answers(falling_fares="on")).content.decode()
    shown = re.search(r'name="shown" value="(\w+)"', page)
    assert shown
    own = {"stop": "1", "lines": "1", "p0-name": "Cleo", "consent": "on", "shown": shown[1], "do": "propose"}

    answer = client.post(f"/events/{game.code}/propose/", answers(falling_fares="on", **own))

    assert answer.status_code == 303
    assert Trip.objects.get().ladder == [[25, 100], [33, 76], [41, 61]]
    assert "at most $72" in Pledge.objects.get().consent_text


def test_a_minimum_that_leaves_nothing_to_fall_is_explained(at: Any, client: Client) -> None:
    place()
    page = text(client.post(f"/events/{event().code}/propose/", answers(falling_fares="on", threshold="56")))
    assert "the price cannot fall: nearly everybody is needed" in page


# --- looking


def test_the_page_says_what_everybody_pays_now_and_next(van: Trip, now: datetime, client: Client) -> None:
    far = van.stops.get(position=1).fare_minor
    page = text(client.get(van.get_absolute_url()))
    assert f"{money(far, 100)} now, {money(far, 82)} when 11 are in: 11 more" in page
    assert f"You agree to at most {money(far, 100)}." in page
    make.backed(van, seats=11, now=now)

    page = text(client.get(van.get_absolute_url()))

    # Beside the coach and beside the button.
    assert page.count(f"{money(far, 82)} now, {money(far, 70)} when 13 are in: 2 more") == 2
    assert f"From 11 seats on · now {money(far, 82)}" in page
    assert "is locked by" not in page
    assert "The seats that are really held when the bus becomes certain make the price of all" in page


def test_the_live_part_follows_the_price(van: Trip, now: datetime, client: Client) -> None:
    far = van.stops.get(position=1).fare_minor
    tags = set()
    for seats in (11, 0, 2):
        if seats:
            make.backed(van, seats=seats, now=now)
        else:
            make.bound(van, seats=14, now=now)
        live = client.get(f"/t/{van.code}/live/")
        assert live.headers["ETag"] not in tags
        tags.add(live.headers["ETag"])
    assert f"{money(far, 70)} now, {money(far, 65)} when 14 are in: 1 more" in text(live)
    assert client.get(f"/t/{van.code}/live/", headers={"If-None-Match": live["ETag"]}).status_code == 304

    fares.close(trip_id=van.id, now=now)

    closed = client.get(f"/t/{van.code}/live/", headers={"If-None-Match": live["ETag"]})
    assert f"{money(far, 70)} now, and that is final" in text(closed)
    assert "Who had paid more got the difference back." in text(closed)


def test_a_trip_whose_fare_stands_says_nothing_of_it(at: Any, now: datetime, client: Client) -> None:
    trip = proposed(now=now)
    page = text(client.get(trip.get_absolute_url()))
    assert "the less each pays" not in page
    assert " now, " not in page


def test_lists_say_how_far_it_falls(van: Trip, client: Client) -> None:
    place("Milwaukee")
    near = van.stops.get(position=2).fare_minor
    page = text(client.get(van.event.get_absolute_url()))
    assert f"{money(near, 100)} a seat, falls to {money(near, 65)}" in page


def test_the_captain_sees_the_steps(van: Trip, now: datetime, client: Client, max_: User) -> None:
    near = van.stops.get(position=2).fare_minor
    captain = signed_in(van.captain)
    page = text(captain.get(f"/t/{van.code}/captain/"))
    assert "The price falls as the coach fills" in page
    assert f"{money(near, 100)} now, {money(near, 82)} when 11 are in: 11 more" in page
    assert signed_in(max_).get(f"/t/{van.code}/captain/").status_code == 404
    make.backed(van, seats=11, now=now)
    make.bound(van, seats=14, now=now)
    assert "later riders can still lower it" in text(captain.get(f"/t/{van.code}/captain/"))


def test_as_many_queries_as_for_a_fare_that_stands(
    van: Trip, now: datetime, client: Client, django_assert_max_num_queries: Any
) -> None:
    make.backed(van, seats=11, now=now)
    with django_assert_max_num_queries(5):
        client.get(van.get_absolute_url())


# --- joining and riding


def test_the_most_is_agreed_to_before_the_decision(van: Trip, client: Client) -> None:
    far, near = (each.fare_minor for each in van.stops.order_by("position"))
    page = text(client.get(f"/t/{van.code}/pledge/"))
    for fact in (
        f"at most the price of my stop, {money(near, 100)} to {money(far, 100)}, for each seat",
        "82% of that from 11 seats, 70% of that from 13 seats, 65% of that from 14 seats",
        "by the same share of their fare",
        "what later riders save me comes back once, 24 hours before departure",
        "only the locked price is charged",
    ):
        assert fact in page, fact


def test_who_comes_later_is_shown_the_price_in_force(van: Trip, now: datetime, client: Client) -> None:
    make.backed(van, seats=11, now=now)
    make.bound(van, seats=14, now=now)
    far = van.stops.get(position=1).fare_minor
    address = f"/t/{van.code}/pledge/"
    one = client.get(address)
    assert money(far, 82) in text(one)
    two = client.post(address, {"do": "add", "lines": "1", "p0-name": "Ana", "stop": "1"})
    assert money(far, 70) in text(two)  # the second seat reaches the next step
    shown = re.search(r'name="shown" value="(\w+)"', two.content.decode())
    assert shown
    facts = {"stop": "1", "lines": "2", "p0-name": "Ana", "p1-name": "Abe", "consent": "on", "do": "take"}
    who = {"rider": "Ana", "email": "ana.new@test.example", "shown": shown[1]}

    answer = client.post(address, {**facts, **who})

    assert answer.status_code == 303, text(answer)
    pledge = Pledge.objects.get(rider__email="ana.new@test.example")
    assert (str(pledge.fare), pledge.price) == (money(far, 70), pledge.fare)
    assert f"to {money(far, 70)}," in pledge.consent_text


def test_seats_added_at_the_checkout_cost_what_the_words_say(van: Trip, now: datetime) -> None:
    far = van.stops.get(position=1).fare_minor
    mine = make.draft(van, now=now)
    make.backed(van, seats=11, now=now)
    client, address = signed_in(mine.rider), f"/p/{mine.code}/seats/"
    before = text(client.post(address, lines(mine, "Abe")))
    assert f"The amount is at most {money(far, 100)} for each seat" in before
    make.bound(van, seats=14, now=now)

    page = client.post(address, lines(mine, "Abe"))
    assert f"The amount is {money(far, 82)} for each seat" in text(page)
    assert f"2 seats from {mine.stop.name} {fresh(mine).price * 2}" in text(page)
    shown = re.search(r'name="shown" value="(\w+)"', page.content.decode())
    assert shown
    answer = client.post(address, {**lines(mine, "Abe"), "consent": "on", "shown": shown[1]})

    assert answer.status_code == 303
    assert f"The amount is {money(far, 82)} for each seat" in fresh(mine).consent_text
    paid = make.pay(fresh(mine), now=now)
    assert money(fresh(paid.payment).captured_minor, 100) == money(-(-far * 82 // 100) * 2, 100)
    # Of paid seats more cost what a seat costs now: with these two the price fell to the next step.
    assert f"The amount is {money(far, 65)} for each seat" in text(client.post(address, lines(paid, "Zoe")))


def test_once_the_fares_are_closed_the_price_is_the_price(van: Trip, now: datetime, client: Client) -> None:
    make.backed(van, seats=11, now=now)
    make.bound(van, seats=14, now=now)
    far, near = (each.fare_minor for each in van.stops.order_by("position"))
    assert "When later riders make the price fall" in text(client.get(f"/t/{van.code}/pledge/"))
    fares.close(trip_id=van.id, now=now)

    page = text(client.get(f"/t/{van.code}/pledge/"))

    assert f"The amount is the price of my stop, {money(near, 82)} to {money(far, 82)}, for each seat" in page
    assert "later riders" not in page


def test_a_price_that_fell_while_reading_is_read_again(van: Trip, now: datetime, client: Client) -> None:
    make.backed(van, seats=11, now=now)
    make.bound(van, seats=14, now=now)
    address = f"/t/{van.code}/pledge/"
    shown = re.search(r'name="shown" value="(\w+)"', client.get(address).content.decode())
    assert shown
    make.backed(van, seats=2, now=now)
    facts = {"stop": "1", "lines": "1", "p0-name": "Ana", "consent": "on", "do": "take", "shown": shown[1]}

    answer = client.post(address, {**facts, "rider": "Ana", "email": "ana.new@test.example"})

    assert answer.status_code == 409
    assert "has changed meanwhile" in text(answer)


def test_the_ride_says_where_its_price_stands(van: Trip, now: datetime, at: Any, max_: User) -> None:
    far = van.stops.get(position=1).fare_minor
    mine = make.backed(van, seats=11, now=now)
    client = signed_in(mine.rider)
    page = text(client.get(mine.get_absolute_url()))
    assert f"You agreed to at most {money(far, 100)} a seat" in page
    make.bound(van, seats=14, now=now)
    page = text(client.get(mine.get_absolute_url()))
    assert (
        f"locked at {money(far, 82)} a seat and can only fall. It falls to {money(far, 70)} when 13" in page
    )
    late = make.backed(van, seats=2, now=now)
    difference = (-(-far * 82 // 100) - -(-far * 70 // 100)) * 11
    page = text(client.get(mine.get_absolute_url()))
    assert f"Others joined since: {money(difference, 100)} comes back to you before departure." in page
    assert "Others joined since" not in text(signed_in(late.rider).get(late.get_absolute_url()))

    fares.close(trip_id=van.id, now=now)

    assert f"The price is final: {money(far, 70)} a seat." in text(client.get(mine.get_absolute_url()))
    assert signed_in(max_).get(mine.get_absolute_url()).status_code == 404


def test_a_ride_whose_fare_stands_says_nothing_of_it(at: Any, now: datetime) -> None:
    mine = make.backed(proposed(vehicle_class=VehicleClass.VAN, now=now), seats=2, now=now)
    assert price_of_pledge(mine) == ""
    page = text(signed_in(mine.rider).get(mine.get_absolute_url()))
    assert "the price is locked" not in page


def test_the_last_step_has_nothing_ahead(van: Trip, now: datetime) -> None:
    mine, other = make.backed(van, seats=10, now=now), make.backed(van, seats=4, now=now)
    make.bound(van, seats=14, now=now)
    far = van.stops.get(position=1).fare_minor
    page = text(signed_in(mine.rider).get(mine.get_absolute_url()))
    assert f"locked at {money(far, 65)} a seat and can only fall." in page
    assert "It falls to" not in page
    assert fresh(other).price_minor == fresh(mine).price_minor


def test_mails_say_what_was_locked_and_what_comes_back(van: Trip, now: datetime, at: Any) -> None:
    far = van.stops.get(position=1).fare_minor
    mine = make.backed(van, seats=11, now=now)
    make.bound(van, seats=14, now=now)
    make.backed(van, seats=2, now=now)
    fares.close(trip_id=van.id, now=now)
    for notice in Notice.objects.filter(state=NoticeState.WAITING):
        outbox.deliver(notice.id, now=now)

    words = {
        message.subject.split(":")[0]: " ".join(str(message.body).split())
        for message in mail.outbox
        if mine.rider.email in message.to
    }
    assert (
        f"You agreed to at most {money(far, 100)} a seat; so many of you came that it is" in words["It goes"]
    )
    difference = (-(-far * 82 // 100) - -(-far * 70 // 100)) * 11
    paid = -(-far * 82 // 100) * 11
    told = words[f"{money(difference, 100)} comes back"]
    assert f"You paid {money(paid, 100)} for your 11 seats, {money(far, 82)} each." in told
    assert f"A seat now costs {money(far, 70)}." in told
