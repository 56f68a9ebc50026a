"""The riders' pages: happy paths, refusals shown, strangers get 404, fragments, numbers of queries."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from payments.models import Checkout, Payment
from payments.queries import Back
from payments.states import CheckoutState, PaymentState
from rally import outbox
from rally.models import Notice, User
from rally.templatetags import look
from tests.factories import pledges as make
from tests.factories.payments import SAVES_THEN_DECLINES, type_card
from tests.factories.people import person, proven
from tests.factories.trips import proposed, stop
from tests.seeing import fresh, signed_in, text
from trips.actions import pledges, trips
from trips.models import Pledge, Trip
from trips.permissions import NotYours
from trips.queries import links
from trips.states import TripState, Visibility

pytestmark = pytest.mark.django_db(transaction=True)


def typed(page: Any, **changes: Any) -> dict[str, Any]:
    """What the form of this page would send."""
    shown = re.search(r'name="shown" value="(\w+)"', page.content.decode())
    assert shown
    facts = {
        "stop": "1",
        "lines": "1",
        "p0-name": "Ana",
        "consent": "on",
        "shown": shown[1],
        "do": "take",
        "rider": "Ana Rider",
        "email": "ana.new@test.example",
    }
    return {**facts, **changes}


def walk(client: Client, van: Trip, **changes: Any) -> Any:
    """Open the form and send it."""
    address = f"/t/{van.code}/pledge/"
    return client.post(address, typed(client.get(address), **changes))


# --- taking seats


def test_a_new_person_takes_a_seat_and_saves_a_card(client: Client, van: Trip) -> None:
    answer = walk(client, van)

    pledge = Pledge.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, links.pay_link(pledge))
    assert (pledge.rider.email, pledge.rider.name) == ("ana.new@test.example", "Ana Rider")
    assert "Rally keeps my card" in pledge.consent_text
    checkout = client.get(answer["Location"])
    assert checkout.status_code == 303
    assert Checkout.objects.get().url == checkout["Location"]
    assert client.get(answer["Location"])["Location"] == checkout["Location"]  # a second press, a second tab

    type_card(checkout["Location"])
    back = client.get(links.paid_link(pledge), follow=True)

    assert back.redirect_chain == [(pledge.get_absolute_url(), 303)]
    assert "Your card is saved and nothing is charged" in back.content.decode()
    assert fresh(pledge).state == "backed"
    again = client.get(answer["Location"], follow=True)
    assert again.status_code == 200
    assert Checkout.objects.count() == 1


def test_what_was_shown_is_what_is_kept(client: Client, van: Trip) -> None:
    page = client.get(f"/t/{van.code}/pledge/").content.decode()
    walk(client, van)

    for line in Pledge.objects.get().consent_text.split("\n"):
        assert line.replace("'", "&#x27;") in page


def test_a_known_address_signs_in_first_and_finds_what_was_typed(
    client: Client, van: Trip, ana: User
) -> None:
    answer = walk(client, van, email=ana.email.upper(), **{"p0-name": "Aunt May"})

    assert answer.status_code == 303
    assert answer["Location"] == f"/accounts/login/?next=%2Ft%2F{van.code}%2Fpledge%2F"
    assert not Pledge.objects.exists()
    client.force_login(ana, backend="allauth.account.auth_backends.AuthenticationBackend")


def test_what_was_typed_waits_in_the_session(client: Client, van: Trip, ana: User) -> None:
    walk(client, van, email=ana.email, **{"p0-name": "Aunt May"})
    client.post("/accounts/login/", {"login": ana.email, "password": "ride-together"})

    assert 'value="Aunt May"' in client.get(f"/t/{van.code}/pledge/").content.decode()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"consent": ""}, "Please agree"),
        ({"stop": "9"}, "Select a valid choice"),
        ({"stop": ""}, "required"),
        ({"p0-name": ""}, "required"),
        ({"p0-name": "\x07"}, "Each seat needs a name"),
        ({"p0-name": "x" * 10_000}, "at most 400"),
        ({"p0-name": "x" * 100}, "at most 80"),
        ({"email": "nobody"}, "valid email"),
        ({"rider": ""}, "required"),
        ({"p0-needs": "throne"}, "Select a valid choice"),
    ],
)
def test_bad_input_is_named(client: Client, van: Trip, changes: dict[str, str], words: str) -> None:
    answer = walk(client, van, **changes)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Pledge.objects.exists()
    assert not User.objects.filter(email="ana.new@test.example").exists()


def test_two_hundred_lines(client: Client, van: Trip) -> None:
    answer = walk(client, van, lines="200", **{f"p{n}-name": f"P{n}" for n in range(200)})

    assert answer.status_code == 409
    assert "at most 10 seats" in answer.content.decode()


@pytest.mark.parametrize("lines", ["", "x", "-3", "0", "9" * 30])
def test_any_number_of_lines(client: Client, van: Trip, lines: str) -> None:
    assert walk(client, van, lines=lines).status_code in {303, 422}


def test_lines_come_and_go_without_scripts(client: Client, van: Trip) -> None:
    more = walk(client, van, do="add")
    assert more.status_code == 200
    assert 'name="p1-name"' in more.content.decode()
    assert 'value="Ana"' in more.content.decode()

    less = walk(client, van, do="remove-0", lines="2", **{"p1-name": "Bo"})
    assert 'value="Bo"' in less.content.decode()
    assert 'name="p1-name"' not in less.content.decode()


def test_the_sum_for_scripts(client: Client, van: Trip) -> None:
    address = f"/t/{van.code}/pledge/"
    facts = typed(client.get(address), do="sum", lines="2", **{"p1-name": ""})
    answer = client.post(address, facts, headers={"HX-Request": "true"})

    fare = van.stops.get().fare_minor
    assert answer.status_code == 200
    assert f"${fare * 2 // 100}" in answer.content.decode()
    assert "<html" not in answer.content.decode()


def test_terms_that_changed_meanwhile(client: Client, van: Trip, now: datetime) -> None:
    page = client.get(f"/t/{van.code}/pledge/")
    Trip.objects.filter(id=van.id).update(state=TripState.CONFIRMED, decided_at=now, seats_supplied=14)

    answer = client.post(f"/t/{van.code}/pledge/", typed(page))

    assert answer.status_code == 409
    assert "read it again" in answer.content.decode()
    assert not Pledge.objects.exists()


def test_a_refusal_is_shown(client: Client, van: Trip, now: datetime) -> None:
    make.draft(van, seats=10, now=now)
    make.draft(van, seats=4, now=now)

    answer = walk(client, van)

    assert answer.status_code == 409
    assert "Only 0 seats are left" in answer.content.decode()
    assert not User.objects.filter(email="ana.new@test.example").exists()


def test_closed(client: Client, van: Trip, at: Any) -> None:
    at.move_to(van.decides_at)

    assert "takes no more riders" in client.get(f"/t/{van.code}/pledge/").content.decode()


def test_a_second_visit_leads_to_the_pledge(van: Trip, ana: User, now: datetime) -> None:
    pledge = make.draft(van, ana, now=now)

    assert signed_in(ana).get(f"/t/{van.code}/pledge/")["Location"] == pledge.get_absolute_url()


def test_not_too_often(client: Client, van: Trip) -> None:
    for _ in range(60):
        walk(client, van, consent="")
    answer = walk(client, van)

    assert answer.status_code == 429
    assert answer["Retry-After"] == "600"


# --- paying


def test_the_link_works_without_signing_in(client: Client, van: Trip, now: datetime) -> None:
    pledge = make.draft(van, now=now)

    checkout = client.get(links.pay_link(pledge))
    assert checkout.status_code == 303
    type_card(checkout["Location"])
    back = client.get(links.paid_link(pledge))

    assert back.status_code == 200
    assert "Your card is saved" in back.content.decode()


def test_back_without_paying(client: Client, van: Trip, now: datetime) -> None:
    pledge = make.draft(van, now=now)
    client.get(links.pay_link(pledge))

    page = client.get(f"{links.paid_link(pledge)}&left=1").content.decode()
    waiting = client.get(links.paid_link(pledge))

    assert "Go on to the card" in page
    assert waiting["Refresh"] == "5"
    assert fresh(pledge).state == "draft"


@pytest.mark.parametrize("key", ["", "nonsense", "é"])
def test_a_forged_link(client: Client, van: Trip, now: datetime, key: str) -> None:
    pledge = make.draft(van, now=now)

    for page in ("pay", "paid", "trip.ics"):
        slash = "" if page.endswith("ics") else "/"
        assert client.get(f"/p/{pledge.code}/{page}{slash}", {"k": key}).status_code == 404


def test_the_closed_tab_heals(client: Client, van: Trip, now: datetime, at: Any) -> None:
    """Paid, then the tab was closed and no news arrived: coming back late, or the sweep, finds it."""
    from trips import tasks

    pledge = make.draft(van, now=now)
    type_card(client.get(links.pay_link(pledge))["Location"])
    assert fresh(pledge).state == "draft"

    at.move_to(now + timedelta(minutes=40))
    tasks.expire_drafts()

    assert fresh(pledge).state == "backed"


def test_nobody_came_back(client: Client, van: Trip, now: datetime, at: Any) -> None:
    from trips import tasks

    pledge = make.draft(van, now=now)
    client.get(links.pay_link(pledge))

    at.move_to(now + timedelta(minutes=40))
    tasks.expire_drafts()
    page = client.get(links.pay_link(pledge), follow=True)

    assert fresh(pledge).state == "expired"
    assert Payment.objects.get().state == PaymentState.RELEASED
    assert Checkout.objects.get().state == CheckoutState.EXPIRED
    assert page.status_code == 410
    assert "its time is over" in page.content.decode()


def test_the_provider_is_away(client: Client, van: Trip, now: datetime) -> None:
    from payments.sandbox.faults import Faults

    pledge = make.draft(van, now=now)
    sandbox = make.runtime.current()
    sandbox.faults = Faults()
    before = sandbox.handle
    sandbox.handle = lambda *a, **k: (500, {}, b"{}")  # type: ignore[method-assign]
    try:
        answer = client.get(links.pay_link(pledge))
    finally:
        sandbox.handle = before  # type: ignore[method-assign]

    assert answer.status_code == 503
    assert "Your seats stay reserved" in answer.content.decode()


# --- my pages


def test_rides(van: Trip, ana: User, now: datetime, django_assert_num_queries: Any) -> None:
    client = signed_in(ana)
    first = make.backed(van, ana, now=now)
    with django_assert_num_queries(7):
        page = client.get("/rides/").content.decode()
    assert str(van) in page
    for _ in range(2):
        make.backed(proposed(now=now), ana, now=now)
    with django_assert_num_queries(7):
        client.get("/rides/")
    assert first.get_absolute_url() in page
    assert str(van) not in signed_in(person("stranger")).get("/rides/").content.decode()


def test_a_pledge_is_nobody_elses(van: Trip, ana: User, max_: User, now: datetime) -> None:
    pledge = make.backed(van, ana, now=now)
    stranger = signed_in(max_)

    assert signed_in(ana).get(pledge.get_absolute_url()).status_code == 200
    for page in ("", "leave/", "seats/", "pay/", "paid/", "trip.ics"):
        assert stranger.get(f"{pledge.get_absolute_url()}{page}").status_code == 404
    assert stranger.get(f"/pass/{pledge.passengers.get().code}/hand-over/").status_code == 404
    assert Client().get(pledge.get_absolute_url()).status_code == 302


def test_leave(van: Trip, ana: User, now: datetime) -> None:
    pledge = make.backed(van, ana, now=now)
    client = signed_in(ana)
    assert "Leaving is free" in client.get(f"{pledge.get_absolute_url()}leave/").content.decode()

    answer = client.post(f"{pledge.get_absolute_url()}leave/", {"refund": "0"}, follow=True)

    assert fresh(pledge).state == "withdrawn"
    assert "You left. Nothing was taken." in answer.content.decode()


def test_leave_a_certain_trip(van: Trip, ana: User, now: datetime, at: Any) -> None:
    pledge = make.backed(van, ana, seats=1, now=now)
    make.backed(van, seats=9, now=now)
    make.bound(van, seats=14, now=now)
    at.move_to(van.departs_at - timedelta(hours=100))
    client = signed_in(ana)
    page = client.get(f"{pledge.get_absolute_url()}leave/").content.decode()
    refund = re.search(r'name="refund" value="(\d+)"', page)
    assert refund
    assert int(refund[1]) == pledge.amount.minor - pledge.amount.percent(25).minor

    at.move_to(van.departs_at - timedelta(hours=50))
    late = client.post(f"{pledge.get_absolute_url()}leave/", {"refund": refund[1]})

    assert late.status_code == 409
    assert "Time has passed" in late.content.decode()
    assert fresh(pledge).state == "paid"


def test_change_seats(van: Trip, ana: User, now: datetime) -> None:
    pledge = make.backed(van, ana, now=now)
    client = signed_in(ana)
    address = f"{pledge.get_absolute_url()}seats/"
    seat = pledge.passengers.get()
    facts = {"lines": "1", "p0-name": "Passenger 1", "p0-seat": str(seat.id)}
    more = client.post(address, {**facts, "do": "add"}).content.decode()
    shown = re.search(r'name="shown" value="(\w+)"', more)
    assert shown
    two = {**facts, "lines": "2", "p1-name": "Bo", "do": "save"}

    assert client.post(address, two).status_code == 409  # no consent to the higher amount
    done = client.post(address, {**two, "consent": "on", "shown": shown[1]})

    assert done.status_code == 303
    assert fresh(pledge).seats == 2


def test_hand_over(van: Trip, ana: User, now: datetime) -> None:
    pledge = make.backed(van, ana, now=now)
    seat = pledge.passengers.get()

    bad = signed_in(ana).post(f"/pass/{seat.code}/hand-over/", {"name": "Fred", "email": "x"})
    done = signed_in(ana).post(
        f"/pass/{seat.code}/hand-over/", {"name": "Fred", "email": "fred@test.example"}
    )

    assert (bad.status_code, done.status_code) == (422, 303)
    assert fresh(seat).name == "Fred"
    assert Client().get(f"/pass/{seat.code}/").status_code == 404
    fred = signed_in(proven(User.objects.get(email="fred@test.example")))
    assert str(van) in fred.get("/rides/").content.decode()


def test_a_seat_handed_to_an_address_is_for_its_owner_only(
    client: Client, van: Trip, ana: User, now: datetime
) -> None:
    walk(client, van, email="vic@test.example")  # whoever this is, it is not Vic
    seat = make.backed(van, ana, now=now).passengers.get()
    pledges.hand_over(seat_id=seat.id, email="vic@test.example", name="Vic", by=ana, now=now)
    seat = fresh(seat)

    page = client.get("/rides/")
    assert seat.code not in page.content.decode()
    assert "Somebody handed you a seat" in text(page)
    assert "Send me the mail" in text(page)
    assert Pledge.objects.get(rider__email="vic@test.example").code in page.content.decode()
    assert client.post(f"/pass/{seat.code}/hand-over/", {"name": "M", "email": "m@x.org"}).status_code == 404
    with pytest.raises(NotYours):
        pledges.hand_over(seat_id=seat.id, email="m@x.org", name="M", by=fresh(seat.holder), now=now)

    client.post("/accounts/email/", {"email": "vic@test.example", "action_send": "1"})
    link = re.search(r"https?://[^/]+(/accounts/confirm-email/\S+)", str(mail.outbox[-1].body))
    assert link
    assert mail.outbox[-1].to == ["vic@test.example"]
    vic = Client()
    vic.post(link[1])
    assert client.get("/rides/").status_code == 302  # the stranger is out
    vic.force_login(User.objects.get(email="vic@test.example"))
    assert seat.code in vic.get("/rides/").content.decode()


def test_boarding_pass(client: Client, van: Trip, now: datetime) -> None:
    pledge = make.backed(van, seats=9, now=now)
    seat = pledge.passengers.first()
    early = client.get(seat.get_absolute_url()).content.decode()
    make.bound(van, seats=14, now=now)

    page = client.get(f"/pass/{seat.code.lower()}/")

    assert "Not valid yet" in early
    assert 'class="qr"' not in early
    assert 'class="qr"' in page.content.decode()
    assert "style=" not in page.content.decode()
    assert page["X-Robots-Tag"] == "noindex"


def test_calendar(client: Client, van: Trip, now: datetime) -> None:
    pledge = make.backed(van, now=now)

    file = client.get(links.calendar_link(pledge))

    text = file.content.decode()
    assert file["Content-Type"].startswith("text/calendar")
    assert "STATUS:TENTATIVE" in text
    assert f"DTSTART:{pledge.stop.departs_at:%Y%m%dT%H%M%SZ}" in text


# --- captain


def test_captain(van: Trip, now: datetime, max_: User) -> None:
    rider = person("first")
    User.objects.filter(id=rider.id).update(name="First Last")
    make.backed(van, rider, now=now)
    address = f"/t/{van.code}/captain/"
    captain = signed_in(van.captain)
    page = captain.get(address).content.decode()

    assert "First" in page
    assert "Last" not in page
    assert "first@test.example" not in page
    assert signed_in(max_).get(address).status_code == 404
    assert captain.post(address).status_code == 409
    assert captain.post(address, {"sure": "on"}).status_code == 303
    assert fresh(van).state == TripState.CANCELLED


# --- the trip's page


def test_trip_page(
    client: Client, at: Any, now: datetime, ana: User, django_assert_max_num_queries: Any
) -> None:
    trip = proposed(stops=[stop(), stop("West Bend", (43.4253, -88.1834))], now=now)
    make.backed(trip, ana, seats=2, now=now)
    with django_assert_max_num_queries(5):
        page = client.get(trip.get_absolute_url())
    browser = signed_in(ana)
    with django_assert_max_num_queries(12):
        mine = browser.get(trip.get_absolute_url())

    text = page.content.decode()
    assert "2 of 25" in text
    assert "Take a seat" in text
    assert "noindex" not in text
    assert "style=" not in text
    assert len(page.content) < 60_000
    assert "You have 2 seats" in mine.content.decode()
    assert client.get(f"/t/{trip.code.lower()}/").status_code == 200
    assert client.get("/t/NOSUCH/").status_code == 404


def test_link_only(client: Client, at: Any, now: datetime) -> None:
    trip = proposed(visibility=Visibility.LINK, now=now)

    assert '<meta name="robots" content="noindex">' in client.get(trip.get_absolute_url()).content.decode()


def test_live_answers_304(client: Client, van: Trip, now: datetime) -> None:
    address = f"/t/{van.code}/live/"
    first = client.get(address)
    same = client.get(address, headers={"If-None-Match": first["ETag"]})
    make.backed(van, now=now)
    other = client.get(address, headers={"If-None-Match": first["ETag"]})

    assert [first.status_code, same.status_code, other.status_code] == [200, 304, 200]
    assert "<html" not in first.content.decode()
    assert "1 of 9" in other.content.decode()


def test_every_state_of_the_page(client: Client, van: Trip, now: datetime) -> None:
    make.backed(van, seats=5, now=now)
    make.bound(van, seats=14, now=now)
    make.backed(van, seats=4, card=SAVES_THEN_DECLINES, now=now)
    assert fresh(van).state == TripState.SETTLING
    seen = {"settling": client.get(van.get_absolute_url()).content.decode()}
    make.backed(van, seats=4, now=now)
    seen["confirmed"] = client.get(van.get_absolute_url()).content.decode()
    for step in (trips.set_off, trips.complete, trips.close):
        state = step(trip_id=van.id, now=now, by=None).state
        seen[state] = client.get(van.get_absolute_url()).content.decode()

    assert "Take a seat" in seen["settling"]
    assert "It goes" in seen["confirmed"]
    assert "on its way" in seen["under_way"]
    assert "It ran" in seen["completed"]
    assert "It ran" in seen["closed"]
    other = proposed(now=now)
    trips.cancel(trip_id=other.id, now=now, by=other.captain)
    assert "called off" in client.get(other.get_absolute_url()).content.decode()


def test_refused_cards_are_told_while_it_settles(client: Client, van: Trip, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    make.backed(van, seats=6, now=now)
    poor = make.backed(van, seats=3, card=SAVES_THEN_DECLINES, now=now)
    address = f"/t/{van.code}/live/"
    waiting = client.get(address)
    text = " ".join(waiting.content.decode().split())
    until = look.local_short(fresh(van).grace_ends_at, van.event.venue)

    assert "3 of 9 seats wait for their riders’ cards." in text
    assert f"it is decided by {until} at the latest. Nobody is charged meanwhile. You can still join." in text
    assert "Take a seat" in text

    Pledge.objects.filter(id=poor.id).update(
        state="authorizing"
    )  # another card, and its bank has not answered
    after = client.get(address, headers={"If-None-Match": waiting["ETag"]})
    assert after.status_code == 200
    assert "wait for their" not in after.content.decode()


def test_stream_is_elsewhere_under_wsgi(client: Client, van: Trip) -> None:
    assert client.get(f"/stream/trips/{van.code}/").status_code == 503


# --- mails


def test_every_mail_can_be_read(van: Trip, at: Any, now: datetime) -> None:
    """Each kind of message is put by a real action, then written in both forms."""
    from trips import notices, tasks

    pledge = make.backed(van, person("reader"), seats=5, now=now)
    seat = pledge.passengers.first()
    make.bound(van, seats=14, now=now)
    make.backed(van, seats=4, card=SAVES_THEN_DECLINES, now=now)
    make.backed(van, seats=5, now=now)
    pledges.hand_over(seat_id=seat.id, email="f@test.example", name="Fred", by=pledge.rider, now=now)
    at.move_to(now + timedelta(hours=25))
    tasks.remind()
    at.move_to(van.departs_at - timedelta(hours=24))
    tasks.settle_due()
    tasks.remind()
    pledge = fresh(pledge)
    for extra in (
        notices.still_needed,
        notices.lapsed,
        notices.came_late,
        notices.all_back,
        notices.waiting,
        notices.waiting_ended,
        notices.seats_offered,
        notices.offer_over,
    ):
        extra(pledge, now)
    notices.run_changed([pledge], now)
    notices.bus_lost(pledge.trip, [pledge], now)
    back = Back(to_card=pledge.price, to_credit=pledge.price)
    notices.cancelled([pledge], back, now)
    notices.rest_back(pledge, back, now)
    notices.resold(pledge, 1, back, now)
    notices.goodwill(pledge, pledge.price, now)
    notices.leg_failed(pledge, "return", back, now, about="leg:return")
    notices.refund_late(pledge, pledge.price, "refund:1", now)
    notices.fewer_seats(pledge, 1, pledges.leaving(pledge, now), now)
    pledges.withdraw(pledge_id=pledge.id, by=pledge.rider, now=van.departs_at - timedelta(hours=30))

    found = Notice.objects.all()
    kinds = {notice.kind.split(".")[1] for notice in found}
    assert kinds == {
        "pledged",
        "still_needed",
        "confirmed",
        "lapsed",
        "cancelled",
        "card_needs_you",
        "card_reminder",
        "withdrawn",
        "dropped",
        "came_late",
        "all_back",
        "boarding_pass",
        "run_changed",
        "handed_over",
        "seat_gone",
        "bus_lost",
        "waiting",
        "waiting_ended",
        "seats_offered",
        "offer_over",
        "resold",
        "rest_back",
        "goodwill",
        "leg_failed",
        "refund_late",
        "fewer_seats",
    }
    mail.outbox.clear()
    for notice in found:
        written = outbox.message(notice)
        html = str(written.alternatives[0][0])
        assert 5 < len(written.subject) < 120
        assert "{" not in written.body + written.subject
        assert "None" not in written.body
        assert "http://127.0.0.1:8000/" in written.body
        assert "</html>" in html
        assert "{{" not in html
