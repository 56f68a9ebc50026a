"""The pages and buttons of the demo."""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as current
from django.test import Client
from django.urls import Resolver404, resolve

from rally import clock
from rally.demo import cast
from rally.models import User

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("demo_mode")]


@pytest.fixture
def people() -> dict[str, User]:
    return cast.ensure()


def _who(client: Client) -> str:
    return str(client.session.get("_auth_user_id", ""))


@pytest.mark.parametrize("key", ["ana", "cleo", "otto", "dee", "pat", "sam", "max"])
def test_becoming_somebody(client: Client, people: dict[str, User], key: str) -> None:
    answer = client.post("/demo/become/", {"persona": key, "next": "/events/?q=packers"})

    assert (answer.status_code, answer["Location"]) == (302, "/events/?q=packers")
    assert _who(client) == str(people[key].id)


def test_becoming_nobody_again(client: Client, people: dict[str, User]) -> None:
    client.force_login(people["ana"])

    client.post("/demo/become/", {"persona": "nobody"})

    assert _who(client) == ""


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_one_never_ends_up_elsewhere(client: Client, people: dict[str, User], elsewhere: str) -> None:
    assert client.post("/demo/become/", {"persona": "ana", "next": elsewhere})["Location"] == "/"


def test_a_stranger_to_the_cast_cannot_be_become(client: Client, people: dict[str, User], sam: User) -> None:
    for key in ("sam@test.example", "root", ""):
        client.post("/demo/become/", {"persona": key})
        assert _who(client) == ""


@pytest.mark.parametrize("address", ["/demo/become/", "/demo/clock/"])
def test_only_by_pressing_a_button_of_ours(client: Client, people: dict[str, User], address: str) -> None:
    assert client.get(address, {"persona": "ana", "move": "day"}).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(address, {"persona": "ana", "move": "day"}).status_code == 403


def test_moving_the_clock_leaves_its_news_for_the_next_page(client: Client) -> None:
    before = clock.now()

    answer = client.post("/demo/clock/", {"move": "day", "next": "/demo/"})

    assert answer["Location"] == "/demo/"
    assert clock.now() - before >= timedelta(days=1)
    assert client.session["demo_news"][1:] == ["Nothing was due."]


def test_a_move_that_makes_no_sense_is_explained(client: Client) -> None:
    before = clock.now()

    client.post("/demo/clock/", {"move": "yesterday"})

    assert clock.now() - before < timedelta(minutes=1)
    assert client.session["demo_news"][0].startswith("Say how far")


@pytest.mark.parametrize("address", ["/demo/", "/demo/mail/", "/demo/become/", "/demo/clock/"])
def test_elsewhere_nothing_of_this_is_there(client: Client, settings: Any, address: str) -> None:
    with pytest.raises(Resolver404):
        resolve(address, "rally.urls")

    settings.DEMO = False
    assert client.get(address).status_code == client.post(address).status_code == 404


def test_the_bar_shows_the_news_once(client: Client, people: dict[str, User]) -> None:
    client.force_login(people["ana"])
    client.post("/demo/clock/", {"move": "hour"})

    first, second = client.get("/demo/").content.decode(), client.get("/demo/").content.decode()

    assert "Nothing was due." in first
    assert "Nothing was due." not in second
    assert 'value="ana" aria-pressed="true"' in second


def test_the_tour_names_the_cast(client: Client) -> None:
    page = client.get("/demo/").content.decode()

    assert all(persona.email in page for persona in cast.CAST)
    assert "4242 4242 4242 4242" in page


def _mail(to: str, subject: str, *, html: str = "", name: str = "20261121-150000-1.log") -> None:
    message = EmailMessage()
    message["To"], message["Subject"], message["Message-ID"] = to, subject, "<x@rally.example>"
    message.set_content("Plain words.")
    if html:
        message.add_alternative(html, subtype="html")
    folder = Path(current.EMAIL_FILE_PATH)
    folder.mkdir(exist_ok=True)
    with (folder / name).open("ab") as file:
        file.write(message.as_bytes() + b"\n" + b"-" * 79 + b"\n")


def test_no_mail_yet(client: Client) -> None:
    assert "No mail yet" in client.get("/demo/mail/").content.decode()


def test_the_mails_of_the_cast_and_of_everybody(client: Client) -> None:
    _mail("ana@demo.example", "For Ana")
    _mail("cleo@demo.example", "For Cleo")
    _mail("abel.chen@riders.example", "For a fellow", name="20261121-160000-2.log")

    cast_page = client.get("/demo/mail/").content.decode()
    assert "For Ana" in cast_page
    assert "For a fellow" not in cast_page
    hers = client.get("/demo/mail/?to=ana").content.decode()
    assert "For Ana" in hers
    assert "For Cleo" not in hers
    everybody = client.get("/demo/mail/?to=all").content.decode()
    assert everybody.index("For a fellow") < everybody.index("For Cleo") < everybody.index("For Ana")


def test_a_mail_is_read_in_a_sealed_frame(client: Client) -> None:
    _mail(
        "ana@demo.example",
        "For Ana",
        html="<html><head></head><body><a href='/rides/'>Rides</a></body></html>",
    )

    page = client.get("/demo/mail/20261121-150000-1.log/0/").content.decode()
    frame = client.get("/demo/mail/20261121-150000-1.log/0/html/")

    assert "Plain words." in page
    assert 'sandbox="allow-top-navigation-by-user-activation"' in page
    assert '<base target="_top">' in frame.content.decode()
    assert "default-src 'none'" in frame["Content-Security-Policy"]
    assert frame["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.parametrize("name", ["20261121-150000-9.log", "..", "%2e%2e%2fclock.json", "clock.json"])
def test_no_other_file_is_a_mail(client: Client, name: str) -> None:
    _mail("ana@demo.example", "For Ana")

    assert client.get(f"/demo/mail/{name}/0/").status_code == 404
    assert client.get("/demo/mail/20261121-150000-1.log/7/").status_code == 404
