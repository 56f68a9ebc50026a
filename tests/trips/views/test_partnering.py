"""The pages of a partner: its events' trips, what they brought, statements, and getting paid."""

from __future__ import annotations

import csv
import io
from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse
from pypdf import PdfReader
from pytest_django import DjangoAssertNumQueries

from payments.actions import bearers, earnings, ledger
from payments.models import Account, Payee, Transfer
from rally.models import User
from rally.money import Money
from tests.factories.events import event, partner, place
from tests.factories.people import person, proven
from tests.factories.trips import proposed
from tests.seeing import signed_in, text
from trips.actions import partners
from trips.models import Partner, Trip

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at")]

MONTH = [2026, 11]


@pytest.fixture
def pat() -> User:
    return person("pat")


@pytest.fixture
def club(pat: User) -> Partner:
    found = partner(share_percent=20, name="Fans of Łódź")
    found.members.add(pat)
    place()
    return found


def brought(club: Partner, now: datetime, minor: int = 1234) -> Trip:
    """A trip to one of its events, and a share of it that was booked."""
    trip = proposed(to=event(partner=club))
    payee = partners.payee_of(partner_id=club.id, now=now)
    club.refresh_from_db()
    group = f"trip:{trip.id}"
    ledger.post(
        f"earned:{trip.id}",
        [(Account.RIDER_DEPOSIT, Account.PARTNER_PAYABLE, minor, payee.id)],
        group=group,
        currency="USD",
        now=now,
    )
    bearers.loose(
        payee.id,
        group=group,
        amount=Money(minor, "USD"),
        reference=f"partner:{group}",
        due_at=now,
        purpose=Transfer.Purpose.PARTNER,
        now=now,
    )
    return trip


def test_a_partner_sees_its_trips_and_its_share(club: Partner, pat: User, now: datetime) -> None:
    empty = signed_in(pat).get(reverse("trips:partner", args=[club.slug])).content.decode()
    assert "No trips yet" in empty
    trip, other = brought(club, now), proposed(to=event())
    hidden = proposed(to=event(partner=club), visibility="link")
    assert signed_in(pat).get(reverse("trips:partners")).headers["Location"] == reverse(
        "trips:partner", args=[club.slug]
    )
    page = signed_in(pat).get(reverse("trips:partner", args=[club.slug])).content.decode()
    for words in (
        "Fans of Łódź",
        "$12.34",
        "waits for you",
        "20 %",
        trip.get_absolute_url(),
        "November 2026",
    ):
        assert words in page, words
    assert other.code not in page
    assert hidden.code not in page  # counted, but known only by its link


def test_who_works_for_two_gets_from_one_to_the_other(club: Partner, pat: User) -> None:
    second = partner("zebras", name="Zebras")
    second.members.add(pat)
    page = signed_in(pat).get(reverse("trips:partner", args=[club.slug])).content.decode()
    assert reverse("trips:partner", args=["zebras"]) in page
    assert (
        "Set up payouts" not in signed_in(pat).get(reverse("trips:partner", args=["zebras"])).content.decode()
    )


def test_a_statement_as_page_paper_and_table(club: Partner, pat: User, now: datetime) -> None:
    trip = brought(club, now)
    page = signed_in(pat).get(reverse("trips:partner_statement", args=[club.slug, *MONTH])).content.decode()
    assert str(trip) in page
    assert "$12.34" in page
    paper = signed_in(pat).get(reverse("trips:partner_statement_paper", args=[club.slug, *MONTH]))
    text = PdfReader(io.BytesIO(paper.content)).pages[0].extract_text()
    assert "Fans of Łódź" in text
    assert "$12.34" in text
    sheet = signed_in(pat).get(reverse("trips:partner_statement_csv", args=[club.slug, *MONTH]))
    rows = list(csv.reader(io.StringIO(sheet.content.decode("utf-8-sig"))))
    assert (rows[1][-1], rows[2][3], rows[-1][-1]) == ("0.00", "12.34", "12.34")


@pytest.mark.parametrize("when", [(2026, 10), (2026, 13), (2026, 0), (0, 5)])
def test_there_is_no_statement_of_a_time_without_one(
    club: Partner, pat: User, now: datetime, when: tuple[int, int]
) -> None:
    assert signed_in(pat).get(reverse("trips:partner_statement", args=[club.slug, *when])).status_code == 404
    brought(club, now)
    assert signed_in(pat).get(reverse("trips:partner_statement", args=[club.slug, *when])).status_code == 404


def test_a_member_by_address_shows_to_be_its_owner_first(club: Partner) -> None:
    vic = User.objects.create_user("vic@test.example")
    club.members.add(vic)

    for way in (reverse("trips:partners"), reverse("trips:partner", args=[club.slug])):
        page = signed_in(vic).get(way)
        assert page.status_code == 403
        assert "Send me the mail" in text(page)


def test_strangers_find_nothing(club: Partner, max_: User, now: datetime) -> None:
    brought(club, now)
    addresses = [
        reverse("trips:partners"),
        *(
            reverse(f"trips:{name}", args=[club.slug])
            for name in ("partner", "partner_payouts", "partner_onboard_again", "partner_onboarded")
        ),
        *(
            reverse(f"trips:{name}", args=[club.slug, *MONTH])
            for name in ("partner_statement", "partner_statement_paper", "partner_statement_csv")
        ),
    ]
    partner("others").members.add(other := person("other"))
    for address in addresses:
        assert signed_in(max_).get(address).status_code == 404, address
        assert Client().get(address).status_code == 302, address
        assert signed_in(other).get(address).status_code == (302 if address == addresses[0] else 404), address
    assert signed_in(max_).post(reverse("trips:partner_onboard", args=[club.slug])).status_code == 404


def test_the_list_asks_no_more_for_more_trips(
    club: Partner, pat: User, now: datetime, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    brought(club, now)
    browser, address = signed_in(pat), reverse("trips:partner", args=[club.slug])
    browser.get(address)
    with CaptureQueriesContext(connection) as few:
        browser.get(address)
    for _ in range(3):
        brought(club, now)
    with django_assert_num_queries(len(few)):
        browser.get(address)


@pytest.mark.django_db(transaction=True)
def test_the_way_to_being_paid(club: Partner, pat: User, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, page = signed_in(pat), reverse("trips:partner_payouts", args=[club.slug])
    assert "<strong>Not begun</strong>" in browser.get(page).content.decode()
    assert (
        "still wants something"
        in browser.get(reverse("trips:partner_onboarded", args=[club.slug]), follow=True).content.decode()
    )
    from payments.sandbox import runtime

    with monkeypatch.context() as patch:
        patch.setattr(runtime.current(), "handle", lambda *_call, **_more: (500, {}, b"{}"))
        away = browser.post(reverse("trips:partner_onboard", args=[club.slug]), follow=True)
    assert "Nothing is lost" in away.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_partner_becomes_one_who_is_paid(club: Partner, pat: User) -> None:
    browser = signed_in(pat)
    assert browser.post(reverse("trips:partner_onboard", args=[club.slug])).status_code == 303
    assert browser.get(reverse("trips:partner_onboard_again", args=[club.slug])).status_code == 303
    club.refresh_from_db()
    assert club.payee is not None
    assert Payee.objects.count() == 1
    from payments.sandbox import runtime

    runtime.current().finish_onboarding(club.payee.account)
    done = browser.get(reverse("trips:partner_onboarded", args=[club.slug]), follow=True).content.decode()
    assert "Payouts are set up." in done
    assert "Look at them" in browser.get(reverse("trips:partner", args=[club.slug])).content.decode()


def test_only_a_member_opens_an_account(club: Partner, pat: User, max_: User, now: datetime) -> None:
    from rally.errors import NotAllowed

    with pytest.raises(NotAllowed):
        partners.payee_of(partner_id=club.id, now=now, by=max_)
    first = partners.payee_of(partner_id=club.id, now=now, by=pat)
    assert partners.payee_of(partner_id=club.id, now=now) == first


@pytest.mark.django_db(transaction=True)
def test_a_share_before_the_first_member_can_be_paid(club: Partner, pat: User, now: datetime) -> None:
    club.members.clear()
    opened = partners.payee_of(partner_id=club.id, now=now)
    assert opened.email == ""
    club.members.add(pat)
    pat.email = "pat"
    pat.save(update_fields=["email"])
    browser = signed_in(proven(pat))
    refused = browser.post(reverse("trips:partner_onboard", args=[club.slug]), follow=True)
    assert "refused the e-mail address pat" in refused.content.decode()
    assert refused.redirect_chain[-1][0] == reverse("account_email")  # where it is corrected
    pat.email = "pat@test.example"
    pat.save(update_fields=["email"])
    proven(pat)
    assert browser.post(reverse("trips:partner_onboard", args=[club.slug])).status_code == 303
    opened.refresh_from_db()
    assert (opened.email, bool(opened.account)) == ("pat@test.example", True)


def test_nobody_is_told_of_who_has_no_member(now: datetime) -> None:
    assert partners.payee_of(partner_id=partner("lonely").id, now=now).email == ""
    assert earnings.send_due(now=now) == 0
