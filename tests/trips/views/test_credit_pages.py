"""Codes, credit and personal links as visitors meet them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from payments import queries
from payments.actions import contributions
from payments.models import Checkout, Contribution
from rally import outbox
from rally.models import Notice, User
from tests.factories import pledges as make
from tests.factories.payments import type_card, usd
from tests.factories.promotions import credited, promotion
from tests.seeing import signed_in, text
from tests.trips.views.test_riding import typed, walk
from trips.actions import invitations, settlement
from trips.actions import pledges as actions
from trips.models import Friend, Pledge, Promotion, Trip
from trips.queries import inviting, links
from trips.views import friends

pytestmark = pytest.mark.django_db(transaction=True)


def fare(van: Trip) -> int:
    """One seat."""
    return van.stops.get().fare_minor


# ---- the form


def test_the_sum_shows_code_credit_and_card(van: Trip, ana: User) -> None:
    promotion()
    credited(ana, 1200)
    client = signed_in(ana)
    page = client.get(f"/t/{van.code}/pledge/")
    assert "Use my $12 credit" in text(page)
    assert re.search(r'id="id_use_credit" checked', page.content.decode())

    facts = typed(page, do="sum", promotion="gameday", use_credit="on")
    answer = client.post(f"/t/{van.code}/pledge/", facts, headers={"HX-Request": "true"})
    by_code = fare(van) * 20 // 100
    assert f"Code GAMEDAY \N{MINUS SIGN}{usd(by_code)}" in text(answer)
    assert "From your credit \N{MINUS SIGN}$12" in text(answer)
    assert f"By card, at most {usd(fare(van) - by_code - 1200)}" in text(answer)
    assert not Pledge.objects.exists()
    assert Promotion.objects.get().uses == 0


def test_a_code_is_used_with_the_seats(client: Client, van: Trip) -> None:
    promotion("TENNER", amount_minor=1000)
    answer = walk(client, van, promotion=" tenner ")
    pledge = Pledge.objects.select_related("payment").get()
    assert (answer.status_code, answer["Location"]) == (303, links.pay_link(pledge))
    assert (pledge.payment.covered_minor, Promotion.objects.get().uses) == (1000, 1)

    checkout = client.get(answer["Location"])["Location"]
    assert Checkout.objects.get().amount_minor == fare(van) - 1000
    type_card(checkout)
    page = client.get(links.paid_link(pledge), follow=True)
    assert f"Code TENNER \N{MINUS SIGN}$10 By card {usd(fare(van) - 1000)}" in text(page)
    body = str(outbox.message(Notice.objects.get(kind="trips.pledged")).body)
    assert (
        f"In all it is {usd(fare(van))}: $10 by your code, {usd(fare(van) - 1000)} by card."
        in body.replace("\n", " ")
    )
    assert f"asked to hold {usd(fare(van) - 1000)}" in body.replace("\n", " ")


def test_credit_is_used_unless_it_is_unticked(van: Trip, ana: User) -> None:
    credited(ana, 1200)
    client = signed_in(ana)
    walk(client, van, use_credit="on", credit="1200")
    assert (Contribution.objects.get().amount_minor, queries.credit_of(ana)) == (1200, usd(0))
    page = client.get(Pledge.objects.get().get_absolute_url())
    assert "From your credit \N{MINUS SIGN}$12" in text(page)


def test_unticked_credit_stays(van: Trip, ana: User) -> None:
    credited(ana, 1200)
    walk(signed_in(ana), van, credit="1200")
    assert (Contribution.objects.count(), queries.credit_of(ana)) == (0, usd(1200))


@pytest.mark.parametrize("shown", ["1300", "x", "", "9999999999"])
def test_less_credit_than_was_shown(van: Trip, ana: User, shown: str) -> None:
    credited(ana, 1200)
    answer = walk(signed_in(ana), van, use_credit="on", credit=shown)
    if shown == "1300":
        assert answer.status_code == 409
        assert "Your credit is $12 by now" in text(answer)
        assert not Pledge.objects.exists()
    else:
        assert answer.status_code == 303


def test_a_refused_code_takes_no_seats_and_makes_no_account(client: Client, van: Trip) -> None:
    promotion(max_uses=1)
    Promotion.objects.update(uses=1)
    answer = walk(client, van, promotion="GAMEDAY")
    assert answer.status_code == 409
    assert "This code was used as often as it may be." in text(answer)
    assert 'value="GAMEDAY"' in answer.content.decode()
    assert (Pledge.objects.count(), User.objects.filter(email="ana.new@test.example").count()) == (0, 0)
    Promotion.objects.update(uses=0)


def test_an_unknown_code_is_said_beside_the_sum(client: Client, van: Trip) -> None:
    answer = walk(client, van, do="sum", promotion="NOSUCH")
    assert answer.status_code == 200
    assert "We do not know this code" in text(answer)


def test_guessing_codes_ends_soon(client: Client, van: Trip) -> None:
    promotion()
    for n in range(10):
        assert "We do not know this code" in text(walk(client, van, do="sum", promotion=f"GUESS{n}"))
    answer = walk(client, van, promotion="GAMEDAY")  # also the right one
    assert answer.status_code == 409
    assert "Too many codes that do not exist" in text(answer)
    assert walk(client, van).status_code == 303  # without one it goes on


def test_what_was_typed_is_kept_for_who_signs_in(client: Client, van: Trip, ana: User) -> None:
    walk(client, van, email=ana.email, promotion="GAMEDAY")
    client.force_login(ana, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert 'value="GAMEDAY"' in client.get(f"/t/{van.code}/pledge/").content.decode()


# ---- seats that are offered or added


def shown_in(page: Any) -> dict[str, str]:
    """What a page hides in its form: which words and how much credit were read."""
    return dict(re.findall(r'name="(shown|credit)" value="(\w+)"', page.content.decode()))


def test_offered_seats_are_paid_with_code_and_credit(van: Trip, ana: User, now: datetime) -> None:
    promotion()
    credited(ana, 2000)
    make.backed(van, seats=10, now=now)
    four = make.backed(van, seats=4, now=now)
    client = signed_in(ana)
    assert "You can use a code and your credit then." in text(client.get(f"/t/{van.code}/pledge/"))
    walk(client, van, do="wait")
    mine = Pledge.objects.get(rider=ana)
    actions.withdraw(pledge_id=four.id, by=four.rider, now=now)

    page, address = client.get(links.pay_link(mine)), f"/p/{mine.code}/pay/"
    assert "Use my $20 credit" in text(page)
    assert f"By card, at most {usd(fare(van) - 2000)}" in text(page)
    facts = {**shown_in(page), "promotion": "gameday", "use_credit": "on", "consent": "on"}
    by_code = fare(van) * 20 // 100
    page = client.post(address, {**facts, "do": "sum"})
    assert f"By card, at most {usd(fare(van) - by_code - 2000)}" in text(page)
    assert not Contribution.objects.exists()
    refused = client.post(address, {**facts, "promotion": "NOSUCH"})
    assert (refused.status_code, Contribution.objects.count()) == (409, 0)
    assert "We do not know this code" in text(refused)
    assert client.post(address, {**facts, "promotion": "X" * 41}).status_code == 422
    assert client.post(address, {**facts, "credit": "2100"}).status_code == 409

    answer = client.post(address, facts)

    assert answer.status_code == 303
    assert Checkout.objects.get(payment__payer=ana).amount_minor == fare(van) - by_code - 2000
    assert (Promotion.objects.get().uses, queries.credit_of(ana)) == (1, usd(0))
    type_card(answer["Location"])
    assert "From your credit \N{MINUS SIGN}$20" in text(client.get(links.paid_link(mine), follow=True))


def test_somebody_else_with_the_link_uses_no_credit_of_the_rider(van: Trip, ana: User, now: datetime) -> None:
    credited(ana, 2000)
    make.backed(van, seats=10, now=now)
    four = make.backed(van, seats=4, now=now)
    walk(signed_in(ana), van, do="wait")
    actions.withdraw(pledge_id=four.id, by=four.rider, now=now)
    link = links.pay_link(Pledge.objects.get(rider=ana))
    page = Client().get(link)
    assert "$20" not in text(page)
    answer = Client().post(link, {**shown_in(page), "use_credit": "on", "consent": "on"})
    assert (answer.status_code, queries.credit_of(ana)) == (303, usd(2000))


def test_added_seats_are_paid_with_code_and_credit(van: Trip, ana: User, now: datetime) -> None:
    promotion()
    credited(ana, 2000)
    mine = make.backed(van, ana, seats=9, now=now)
    make.bound(van, seats=14, now=now)
    client, address = signed_in(ana), f"/p/{mine.code}/seats/"
    seats = list(mine.passengers.all())
    facts: dict[str, str] = {"lines": "9", "do": "add"}
    for n, seat in enumerate(seats):
        facts |= {f"p{n}-name": seat.name, f"p{n}-seat": str(seat.id)}
    page = client.post(address, facts)
    price = fare(van)
    assert f"By card, at most {usd(price - 2000)}" in text(page)

    facts |= {"lines": "10", "p9-name": "Gus", "promotion": "GAMEDAY", "use_credit": "on", "consent": "on"}
    facts |= shown_in(page)
    page = client.post(address, {**facts, "do": "sum"}, headers={"HX-Request": "true"})
    by_code = price * 20 // 100
    assert f"By card, at most {usd(price - by_code - 2000)}" in text(page)
    Promotion.objects.update(uses=100, max_uses=100)
    refused = client.post(address, {**facts, "do": "save"})
    assert (refused.status_code, Pledge.objects.filter(enlarges=mine).exists()) == (409, False)
    assert "This code was used as often as it may be." in text(refused)
    Promotion.objects.update(uses=0)

    answer = client.post(address, {**facts, "do": "save"})

    added = Pledge.objects.select_related("payment").get(enlarges=mine)
    assert (answer.status_code, added.payment.covered_minor) == (303, by_code + 2000)
    assert client.get(answer["Location"]).status_code == 303
    assert Checkout.objects.get(payment=added.payment).amount_minor == price - by_code - 2000


@pytest.mark.parametrize("card", [False, True])
def test_what_becomes_of_the_code_is_said_before_leaving(van: Trip, ana: User, card: bool) -> None:
    promotion(max_uses_per_rider=1)
    client = signed_in(ana)
    checkout = client.get(walk(client, van, promotion="GAMEDAY")["Location"])["Location"]
    mine = Pledge.objects.get()
    if card:
        type_card(checkout)
        client.get(links.paid_link(mine))
    said = text(client.get(f"/p/{mine.code}/leave/"))
    assert ("your code GAMEDAY can be used again" in said) is not card
    assert ("your code GAMEDAY stays used" in said) is card
    client.post(f"/p/{mine.code}/leave/", {"refund": "0"})
    assert walk(client, van, promotion="GAMEDAY").status_code == (409 if card else 303)


# ---- my credit


def test_my_credit_tells_where_it_came_from(
    van: Trip, ana: User, at: Any, django_assert_max_num_queries: Any
) -> None:
    credited(ana, 1200)
    client = signed_in(ana)
    walk(client, van, use_credit="on")
    at.move_to(van.decides_at)
    settlement.settle(trip_id=van.id, now=van.decides_at)
    contributions.hand_back_due(now=van.decides_at)
    pledge, client = Pledge.objects.get(), signed_in(ana)

    client.get("/rides/credit/")  # makes the link
    with django_assert_max_num_queries(9):
        page = client.get("/rides/credit/")
    said = text(page)
    assert "You have $12." in said
    assert "From us, to say sorry +$12" in said
    assert f"For your seats: {van} -$12" in said
    assert f"Back from your seats: {van} +$12" in said
    assert pledge.get_absolute_url() in page.content.decode()
    assert "/rides/credit/" in client.get("/rides/").content.decode()


def test_without_credit_it_says_how_to_get_some(at: Any, ana: User) -> None:
    said = text(signed_in(ana).get("/rides/credit/"))
    assert "You have none right now." in said
    assert "Nothing yet." in said


def test_a_stranger_signs_in_and_sees_only_their_own(client: Client, at: Any, ana: User, max_: User) -> None:
    credited(ana, 1200)
    assert client.get("/rides/credit/").status_code == 302
    assert "$12" not in text(signed_in(max_).get("/rides/credit/"))


# ---- personal links


def test_a_friend_who_makes_an_account_is_written_down(
    client: Client, van: Trip, ben: User, now: datetime
) -> None:
    code = invitations.code_of(inviter=ben, now=now)
    assert inviting.link(code).endswith(f"/?friend={code}")
    client.get("/", {"friend": code})
    walk(client, van)
    row = Friend.objects.get()
    assert (row.inviter, row.friend.email, row.outcome) == (ben, "ana.new@test.example", "waiting")
    assert "One friend signed up through it" in text(signed_in(ben).get("/rides/credit/"))


def test_a_link_to_a_trip_brings_friends_too(client: Client, van: Trip, ben: User, now: datetime) -> None:
    code = invitations.code_of(inviter=ben, now=now)
    client.get(f"/t/{van.code}/", {"friend": code.lower()})
    facts = {"email": "kim@test.example", "name": "Kim", "password1": "a-long-word-of-hers"}
    answer = client.post("/accounts/signup/", facts)
    assert answer.status_code == 302
    assert Friend.objects.get().friend.email == "kim@test.example"
    assert "friend" not in client.session


@pytest.mark.parametrize("code", ["", "short", "ABCDEFGHIJ", "<script>", "2" * 10, "é" * 10])
def test_what_is_no_link_does_nothing(client: Client, van: Trip, code: str) -> None:
    assert client.get("/", {"friend": code}).status_code == 200
    walk(client, van)
    assert not Friend.objects.exists()


def test_who_has_an_account_is_not_brought(van: Trip, ana: User, ben: User, now: datetime) -> None:
    client = signed_in(ana)
    client.get("/", {"friend": invitations.code_of(inviter=ben, now=now)})
    assert "friend" not in client.session


@pytest.mark.parametrize("address", ["/", "/?q=packers", "/?Friend=K7QM2PK7QM"])
def test_without_a_link_nobody_is_looked_up(rf: RequestFactory, address: str) -> None:
    """The request has neither session nor account: whoever asks for them fails here."""
    friends.remember(rf.get(address))


def test_the_page_of_a_trip_for_a_stranger_keeps_no_session(client: Client, van: Trip) -> None:
    with CaptureQueriesContext(connection) as seen:
        answer = client.get(f"/t/{van.code}/")
    assert not [each["sql"] for each in seen if "django_session" in each["sql"]]
    assert not answer.cookies.keys() & {"sessionid"}
