"""Pages of leaving, changing and waiting: exact amounts before the button, the list, the link that ends, strangers."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from rally import clock
from rally.models import User
from rally.money import Money
from tests.factories import pledges as make
from tests.factories.disputes import complain, decide
from tests.seeing import fresh, signed_in, text
from tests.trips.views.test_riding import walk
from trips import tasks
from trips.actions import pledges, trips
from trips.models import FreedSeat, Pledge, Trip
from trips.queries import leaving, links
from trips.states import TripState

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def going(van: Trip, now: datetime) -> tuple[Trip, Pledge]:
    """A van that goes at 9 of 14, and two paid seats on it that it needs."""
    mine = make.backed(van, seats=2, now=now)
    make.backed(van, seats=7, now=now)
    make.bound(van, seats=14, now=now)
    assert fresh(van).state == TripState.CONFIRMED
    return fresh(van), fresh(mine)


def lines(pledge: Pledge, *more: str, without: int = 0) -> dict[str, Any]:
    """What the form of the seats sends."""
    first = fresh(pledge)
    parts = [part for part in leaving.ride(first) if part.state == first.state]
    seats = [seat for part in parts for seat in part.passengers.all()][without:]
    facts: dict[str, Any] = {"lines": str(len(seats) + len(more)), "do": "save"}
    for n, seat in enumerate(seats):
        facts |= {f"p{n}-name": seat.name, f"p{n}-seat": str(seat.id)}
    for n, name in enumerate(more, start=len(seats)):
        facts[f"p{n}-name"] = name
    return facts


# --- leaving


def test_what_leaving_costs_is_shown_before_and_after(
    going: tuple[Trip, Pledge],
    at: Any,
    django_assert_max_num_queries: Any,
) -> None:
    trip, mine = going
    client, then = signed_in(mine.rider), trip.departs_at - timedelta(hours=300)
    at.move_to(then)
    look = pledges.leaving(mine, then)
    address = f"/p/{mine.code}/leave/"

    with django_assert_max_num_queries(16):
        page = client.get(address)

    shown = text(page)
    assert f"You get back at once {look.refund}" in shown
    assert f"Stays with the trip {look.kept}" in shown
    assert f"In all, if sold again {look.if_resold}" in shown
    assert "without your seats the others no longer pay the bus" in shown
    assert "until Sunday" in shown
    assert f"Leave and get {look.refund} back" in shown

    fields = {"refund": str(look.refund.minor), "kept": str(look.kept.minor)}
    assert all(f'name="{name}" value="{value}"' in page.content.decode() for name, value in fields.items())
    for worse in ({"refund": str(look.refund.minor + 1)}, {"kept": str(look.kept.minor - 1)}, {"kept": ""}):
        assert client.post(address, fields | worse).status_code == 409
    left = client.post(address, fields, follow=True)
    assert "You have left this trip." in text(left)
    assert f"Back if sold again {look.kept}" in text(left)

    make.backed(fresh(trip), seats=1, now=then)
    half = str(Money(look.kept.minor // 2, "USD"))
    shown = text(client.get(mine.get_absolute_url()))
    assert f"Sold again: came back {half} Back if sold again {half}" in shown
    make.backed(fresh(trip), seats=1, now=then)
    shown = text(client.get(mine.get_absolute_url()))
    assert f"Sold again: came back {look.kept}" in shown
    assert "if sold again" not in shown


@pytest.fixture
def left(going: tuple[Trip, Pledge], at: Any) -> tuple[Trip, Pledge, Money]:
    """The trip, what its rider had, and what stayed of it 100 hours before departure."""
    trip, mine = going
    then = trip.departs_at - timedelta(hours=100)
    at.move_to(then)
    kept = pledges.leaving(mine, then).kept
    pledges.withdraw(pledge_id=mine.id, by=mine.rider, now=then)
    return trip, mine, kept


def about_freed(mine: Pledge) -> str:
    """What the rider's page says of money."""
    shown = text(signed_in(mine.rider).get(mine.get_absolute_url()))
    return shown[shown.index("Taken so far") :]


def test_of_a_trip_that_was_called_off_nothing_is_left_to_be_sold(
    left: tuple[Trip, Pledge, Money], sam: User
) -> None:
    trip, mine, _kept = left
    trips.cancel(trip_id=trip.id, now=clock.now(), by=sam)
    shown = about_freed(mine)
    assert f"Given back {mine.charge}" in shown
    assert "old again" not in shown


def test_once_the_bus_has_left_what_was_not_sold_stays(left: tuple[Trip, Pledge, Money], at: Any) -> None:
    trip, mine, kept = left
    at.move_to(trip.departs_at)
    trips.set_off(trip_id=trip.id, now=trip.departs_at, by=None)
    for _twice in range(2):
        shown = about_freed(mine)
        assert f"Not sold again: stays with the trip {kept}" in shown
        assert "if sold again" not in shown
        trips.complete(trip_id=trip.id, now=trip.returns_at, by=None)


@pytest.mark.parametrize("won", [True, False])
def test_what_a_bank_holds_up_did_not_come_back(left: tuple[Trip, Pledge, Money], won: bool) -> None:
    trip, mine, kept = left
    dispute = complain(mine, clock.now())
    make.backed(fresh(trip), seats=2, now=clock.now())

    assert f"Sold again: still to come back {kept}" in about_freed(mine)
    assert "came back" not in about_freed(mine)

    decide(dispute, clock.now(), won=won)
    tasks.settle_due()

    assert (f"Sold again: came back {kept}" in about_freed(mine)) is won
    assert "still to come back" not in about_freed(mine)


def test_strangers_find_nothing(going: tuple[Trip, Pledge], max_: User) -> None:
    _trip, mine = going
    for page in ("", "leave/", "seats/", "pay/", "paid/", "trip.ics"):
        assert signed_in(max_).get(f"/p/{mine.code}/{page}").status_code == 404, page
    assert signed_in(max_).post(f"/p/{mine.code}/leave/", {}).status_code == 404
    assert fresh(mine).state == "paid"


def test_leaving_was_free_until_the_bus_became_certain(van: Trip, now: datetime) -> None:
    mine = make.backed(van, seats=2, now=now)
    make.backed(van, seats=7, now=now)
    client = signed_in(mine.rider)
    assert "Leave, free of charge" in text(client.get(f"/p/{mine.code}/leave/"))
    fewer = {**lines(mine), "do": "remove-1"}
    assert "giving up seats is free" in text(client.post(f"/p/{mine.code}/seats/", fewer))
    free = {"refund": "0", "kept": "0"}

    make.bound(van, seats=14, now=now)

    left = client.post(f"/p/{mine.code}/leave/", free)
    changed = client.post(f"/p/{mine.code}/seats/", {**lines(mine, without=1), **free})
    look = pledges.leaving(fresh(mine), now)
    assert (left.status_code, changed.status_code) == (409, 409)
    assert f"{look.refund}, and {look.kept} would stay with the trip" in text(left)
    assert f"Leave and get {look.refund} back" in text(left)
    assert (fresh(mine).state, fresh(mine).seats, fresh(mine.payment).refunded_minor) == ("paid", 2, 0)


# --- changing a paid ride


def test_fewer_seats_say_what_comes_back(going: tuple[Trip, Pledge], at: Any) -> None:
    trip, mine = going
    then = trip.departs_at - timedelta(hours=100)
    at.move_to(then)
    client = signed_in(mine.rider)
    look = leaving.giving_up(mine, 1, then)
    address = f"/p/{mine.code}/seats/"

    seats = lines(mine)
    page = client.post(address, {**seats, "do": "remove-0"})
    shown = text(page)
    fields = {"refund": str(look.refund.minor), "kept": str(look.kept.minor)}
    assert all(f'name="{name}" value="{value}"' in page.content.decode() for name, value in fields.items())
    assert f"You get back at once {look.refund}" in shown
    assert f"Stays with the trip {look.kept}" in shown

    assert client.post(address, {**lines(mine, without=1), **fields, "kept": "0"}).status_code == 409
    sent = {**lines(mine, without=1), **fields}
    for _pressed_twice in range(2):
        assert client.post(address, sent).status_code == 303
    assert (fresh(mine).seats, fresh(mine.payment).refunded_minor) == (1, look.refund.minor)
    assert FreedSeat.objects.get().kept_minor == look.kept.minor


def test_more_seats_are_paid_and_shown_as_one_ride(
    going: tuple[Trip, Pledge], now: datetime, django_assert_max_num_queries: Any
) -> None:
    trip, mine = going
    client, address = signed_in(mine.rider), f"/p/{mine.code}/seats/"
    page = client.post(address, {**lines(mine, "Gus"), "do": "add"})
    page = client.post(address, lines(mine, "Gus"))
    assert page.status_code == 409  # not agreed to
    shown = re.search(r'name="shown" value="(\w+)"', page.content.decode())
    assert shown
    assert f"One seat added, to pay now {mine.price}" in text(page)

    answer = client.post(address, {**lines(mine, "Gus"), "consent": "on", "shown": shown[1]})

    added = Pledge.objects.get(enlarges=mine)
    assert (answer.status_code, answer["Location"].split("?")[0]) == (303, f"/p/{added.code}/pay/")
    assert "One added seat is not paid yet" in text(client.get(mine.get_absolute_url()))
    assert "One added seat waits for your card" in text(client.get("/rides/"))
    assert "your added seats" not in text(client.get(f"/p/{mine.code}/leave/"))

    make.pay(added, now=now)
    with django_assert_max_num_queries(22):
        page = client.get(mine.get_absolute_url())
    assert "+ 1 added" in text(page)
    assert str(mine.charge + added.charge) in text(page)
    assert text(client.get("/rides/")).count(str(trip)) == 1
    assert "2 seats + 1 added" in text(client.get("/rides/"))
    assert "You have 3 seats" in text(client.get(trip.get_absolute_url()))
    assert client.get(f"/p/{added.code}/")["Location"] == mine.get_absolute_url()
    assert client.get(f"/p/{added.code}/seats/")["Location"] == f"/p/{mine.code}/seats/"
    assert b"Seats: 3" in client.get(f"/p/{mine.code}/trip.ics").content
    assert client.get(added.passengers.get().get_absolute_url()).status_code == 200


# --- the waiting list


@pytest.fixture
def full(van: Trip, now: datetime) -> tuple[Trip, Pledge]:
    """A van without a free seat, and four seats on it that may become free."""
    make.backed(van, seats=10, now=now)
    return van, make.backed(van, seats=4, now=now)


def test_a_full_bus_has_a_waiting_list(
    full: tuple[Trip, Pledge], client: Client, now: datetime, django_assert_max_num_queries: Any
) -> None:
    trip, four = full
    assert "Join the waiting list" in text(client.get(trip.get_absolute_url()))
    form = text(client.get(f"/t/{trip.code}/pledge/"))
    assert "This bus is full" in form
    assert "Join the waiting list, pay nothing" in form

    refused = walk(client, trip, do="take")
    assert refused.status_code == 409
    assert not User.objects.filter(email="ana.new@test.example").exists()
    answer = walk(client, trip, do="wait")

    mine = Pledge.objects.get(state="waiting")
    assert (answer.status_code, answer["Location"]) == (303, mine.get_absolute_url())
    with django_assert_max_num_queries(14):
        page = client.get(mine.get_absolute_url())
    assert "You are next in line" in text(page)
    assert "You wait for a seat" in text(client.get(trip.get_absolute_url()))
    assert "On the waiting list" in text(client.get("/rides/"))
    assert client.get(f"/t/{trip.code}/pledge/")["Location"] == mine.get_absolute_url()

    pledges.withdraw(pledge_id=four.id, by=four.rider, now=now)
    assert "Seats became free and are kept for you until" in text(client.get(mine.get_absolute_url()))
    page = client.get(f"/p/{mine.code}/pay/")
    assert "what you agreed to when you joined the waiting list" in text(page)
    shown = re.search(r'name="shown" value="(\w+)"', page.content.decode())
    assert shown
    answer = client.post(f"/p/{mine.code}/pay/", {"shown": shown[1], "consent": "on"})
    assert answer.status_code == 303
    assert client.get(f"/p/{mine.code}/pay/")["Location"] == answer["Location"]  # once is enough


def test_leaving_the_list(full: tuple[Trip, Pledge], client: Client) -> None:
    trip, _four = full
    walk(client, trip, do="wait")
    mine = Pledge.objects.get(state="waiting")

    assert "whoever is behind you moves up" in text(client.get(f"/p/{mine.code}/leave/"))
    left = client.post(f"/p/{mine.code}/leave/", {}, follow=True)

    assert "You have left the waiting list." in text(left)
    assert fresh(mine).state == "withdrawn"


def test_words_that_changed_are_agreed_to_before_paying(
    van: Trip,
    now: datetime,
    at: Any,
    client: Client,
    ana: User,
) -> None:
    make.backed(van, seats=9, now=now)
    five = make.backed(van, seats=5, now=now)
    walk(client, van, do="wait")
    mine = Pledge.objects.get(state="waiting")
    make.bound(van, seats=14, now=now)
    pledges.withdraw(pledge_id=five.id, by=five.rider, now=now)
    link = links.pay_link(fresh(mine))

    page = Client().get(link)
    shown = re.search(r'name="shown" value="(\w+)"', page.content.decode())
    assert shown
    assert "no longer what you agreed to" in text(page)
    assert "my card is charged now" in text(page)
    assert "Ana" not in text(page)
    assert "Sign in first to use it" in text(page)
    assert "Promotion code" not in text(page)
    assert page["X-Robots-Tag"] == "noindex, nofollow"
    assert Client().post(link, {"shown": shown[1]}).status_code == 409

    answer = Client().post(link, {"shown": shown[1], "consent": "on"})

    assert answer.status_code == 303
    assert "/checkout/" in answer["Location"] or "sandbox" in answer["Location"]
    assert "my card is charged now" in fresh(mine).consent_text


# --- the link that works without signing in


def test_the_link_is_for_one_asking(van: Trip, now: datetime, at: Any, max_: User) -> None:
    pledge = make.draft(van, names=["Anastasia Confidential"], now=now)
    link = links.pay_link(pledge)
    other = make.draft(van, now=now)
    key = link.split("?k=")[1]
    assert Client().get(link).status_code == 303
    assert Client().get(f"/p/{other.code}/pay/?k={key}").status_code == 404
    assert Client().get(f"/p/{pledge.code}/pay/?k={key[:-2]}").status_code == 404
    assert Client().get(f"/p/{pledge.code}/pay/").status_code == 404
    for page in ("leave/", "seats/", ""):
        assert Client().get(f"/p/{pledge.code}/{page}?k={key}").status_code == 302
    assert Client().get(f"/p/{pledge.code}/trip.ics?k={key}").status_code == 404
    assert Client().get(f"/p/{pledge.code}/paid/?k={key}").status_code == 404

    make.pay(fresh(pledge), now=now)
    done = Client().get(link)

    assert done.status_code == 410
    assert "A card stands behind these seats already" in text(done)
    for secret in ("Anastasia", pledge.rider.email, pledge.rider.name):
        assert secret not in text(done)
    assert (done["X-Robots-Tag"], done["Referrer-Policy"]) == ("noindex, nofollow", "same-origin")


def test_the_link_of_a_refused_card_ends_with_the_grace(van: Trip, now: datetime, at: Any) -> None:
    make.backed(van, seats=8, now=now)
    poor = make.backed(van, seats=1, card=make.SAVES_THEN_DECLINES, now=now)
    old = links.pay_link(Pledge.objects.get(id=poor.id))
    make.bound(van, seats=14, now=now)
    asked = fresh(poor)
    assert asked.state == "needs_card"
    link = links.pay_link(asked)

    assert Client().get(link).status_code == 303
    assert Client().get(old).status_code == 410
    at.move_to(asked.card_due_at)
    assert Client().get(link).status_code == 410
    tasks.settle_due()
    assert Client().get(link).status_code == 410


def test_coming_back_shows_no_names(van: Trip, now: datetime) -> None:
    pledge = make.draft(van, names=["Anastasia Confidential"], now=now)
    back = links.paid_link(pledge)

    waiting = Client().get(back)
    assert waiting["Refresh"] == "5"
    left = text(Client().get(f"{back}&left=1"))
    assert "Go on to the card" in left
    make.pay(pledge, now=now)
    done = Client().get(back)

    assert "You are in" in text(done)
    assert "Go on to the card" not in text(done)
    for page in (text(waiting), left, text(done)):
        assert "Anastasia" not in page
        assert pledge.rider.name not in page
    assert done["X-Robots-Tag"] == "noindex, nofollow"


def test_the_ladder_has_dates(van: Trip, client: Client) -> None:
    for address in (van.get_absolute_url(), f"/t/{van.code}/pledge/"):
        shown = text(client.get(address))
        assert re.search(r"until \w+ \d+ \w+, \d\d:\d\d CST: all of it", shown), address
        assert "as soon as somebody else pays for your seat" in shown
