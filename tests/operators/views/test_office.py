"""The pages of the office, thinly."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from operators.models import Member, Operator, Paper, Run, Vehicle
from operators.queries.manifests import harmless
from operators.states import Role, RunState
from payments.models import Payee
from payments.sandbox import runtime
from rally.models import User
from tests.factories.operators import (
    Company,
    bus,
    company,
    confirmed_run,
    decided,
    member,
    owner_of,
    ready,
    riders,
    van_trip,
)
from tests.seeing import text
from trips.models import Seat
from trips.states import Need, PledgeState

pytestmark = pytest.mark.django_db

As = Callable[..., Client]

PAGES = ("home", "company", "board", "fleet", "add_vehicle", "people", "papers", "runs", "money")


def pages(crew: Company, run: Run) -> list[str]:
    """Every address of the office that is looked at."""
    return [
        *(reverse(f"operators:{name}") for name in PAGES),
        reverse("operators:vehicle", args=[crew.vehicle.id]),
        reverse("operators:person", args=[crew.driver.id]),
        reverse("operators:trip", args=[run.trip.code]),
        reverse("operators:run", args=[run.code]),
        reverse("operators:manifest", args=[run.code]),
        reverse("operators:manifest_csv", args=[run.code]),
    ]


def test_every_page_opens_for_the_office(crew: Company, run: Run, otto: User, as_: As) -> None:
    van_trip()
    for address in pages(crew, run):
        assert as_(otto).get(address).status_code == 200, address
    assert as_(crew.owner).get(reverse("operators:add_person")).status_code == 200


def test_strangers_drivers_and_other_companies_find_nothing(
    crew: Company, run: Run, max_: User, dee: User, as_: As
) -> None:
    rival = ready().owner
    own = [reverse(f"operators:{name}") for name in PAGES] + [reverse("operators:trip", args=[run.trip.code])]
    for address in pages(crew, run):
        if address == reverse("operators:home"):
            continue
        assert as_(max_).get(address).status_code == 404, address
        assert as_(dee).get(address).status_code == 404, address
        assert as_(rival).get(address).status_code == (200 if address in own else 404), address
        assert Client().get(address).status_code == 302, address


def test_what_changes_something_is_closed_to_others_too(crew: Company, run: Run, max_: User, as_: As) -> None:
    pair = {"vehicle": crew.vehicle.id, "driver": crew.driver.id}
    posts = [
        (reverse("operators:commit", args=[van_trip().code]), pair),
        (reverse("operators:change_run", args=[run.code]), pair),
        (reverse("operators:withdraw_run", args=[run.code]), {}),
        (reverse("operators:retire", args=[crew.vehicle.id]), {}),
        (reverse("operators:deactivate", args=[crew.driver.id]), {}),
    ]
    for address, given in posts:
        assert as_(max_).post(address, given).status_code == 404, address
    for address, given in posts[1:]:
        assert as_(ready().owner).post(address, given).status_code == 404, address


def test_the_front_door(crew: Company, otto: User, dee: User, max_: User, as_: As) -> None:
    home = reverse("operators:home")
    assert "Register your company" in Client().get(home).content.decode()
    assert "Register your company" in as_(max_).get(home).content.decode()
    assert as_(dee).get(home).headers["Location"] == reverse("driving:today")
    assert crew.operator.name in as_(otto).get(home).content.decode()


def test_a_member_by_address_shows_to_be_its_owner_first(crew: Company, run: Run, as_: As) -> None:
    vic = User.objects.create_user("vic@test.example", name="Vic")
    member(crew.operator, vic, role=Role.OWNER)

    for name in ("operators:home", "operators:people", "driving:today"):
        page = as_(vic).get(reverse(name), follow=True)
        assert page.status_code == 403, name
        assert "Send me the mail" in text(page), name
    assert as_(vic).get(reverse("driving:run", args=[run.code])).status_code == 404
    assert as_(vic).get("/api/v1/operator/board").status_code == 404


def test_registering(max_: User, as_: As) -> None:
    company()  # loads the town
    given = {
        "name": "Max Motors",
        "email": "max@test.example",
        "phone": "414 555 0101",
        "base_name": "Milwaukee, WI",
    }
    wrong = as_(max_).post(reverse("operators:register"), {**given, "base_name": "Atlantis"})
    assert wrong.status_code == 422
    assert "We do not know this town" in wrong.content.decode()
    done = as_(max_).post(reverse("operators:register"), given)
    assert done.headers["Location"] == reverse("operators:home")
    assert owner_of(Operator.objects.get(name="Max Motors")) == max_


def test_the_front_page_says_what_needs_the_office(crew: Company, otto: User, as_: As) -> None:
    page = as_(otto).get(reverse("operators:home")).content.decode()
    assert "Set up payouts" in page
    assert "Nothing. Every paper holds" not in page
    Payee.objects.update(can_be_paid=True)
    assert "Nothing. Every paper holds" in as_(otto).get(reverse("operators:home")).content.decode()
    Paper.objects.filter(kind="licence").update(expires_on="2026-12-01")
    assert "runs out on 1 December" in as_(otto).get(reverse("operators:home")).content.decode()
    Paper.objects.filter(kind="insurance").update(refused=True, refused_why="forged")
    assert "Missing:" in as_(otto).get(reverse("operators:home")).content.decode()


def test_who_works_in_two_offices_goes_between_them(crew: Company, otto: User, max_: User, as_: As) -> None:
    other = company(name="Second Coaches")
    member(other, otto, role=Role.OWNER)
    browser = as_(otto)
    assert crew.operator.name in browser.get(reverse("operators:fleet")).content.decode()
    browser.post(reverse("operators:choose"), {"operator": other.code})
    page = browser.get(reverse("operators:fleet")).content.decode()
    assert crew.vehicle.name not in page
    assert browser.post(reverse("operators:choose"), {"operator": "ZZZZZZ"}).status_code == 404


def test_the_company_is_changed_by_its_owner(crew: Company, otto: User, as_: As) -> None:
    address = reverse("operators:company")
    given = {
        "name": "New Name",
        "email": "n@test.example",
        "phone": "414 555 0101",
        "base_name": "Milwaukee, WI",
    }
    assert as_(otto).post(address, given).status_code == 403
    assert as_(crew.owner).post(address, {**given, "phone": "x"}).status_code == 422
    assert as_(crew.owner).post(address, given).status_code == 302
    crew.operator.refresh_from_db()
    assert crew.operator.name == "New Name"


def test_a_vehicle_comes_changes_and_goes(crew: Company, otto: User, as_: As) -> None:
    given = {
        "name": "Little Red",
        "plate": "WI 99",
        "vehicle_class": "mini",
        "seats": 28,
        "wheelchair_spaces": 0,
    }
    browser = as_(otto)
    assert browser.post(reverse("operators:add_vehicle"), {**given, "seats": 3}).status_code == 422
    assert browser.post(reverse("operators:add_vehicle"), given).status_code == 302
    again = browser.post(reverse("operators:add_vehicle"), given)
    assert "already have a vehicle with the plate" in again.content.decode()
    red = Vehicle.objects.get(name="Little Red")
    address = reverse("operators:vehicle", args=[red.id])
    assert browser.post(address, {**given, "plate": crew.vehicle.plate}).status_code == 422
    assert browser.post(address, {**given, "seats": 27}).status_code == 302
    red.refresh_from_db()
    assert red.seats == 27
    for active in (False, True):
        browser.post(reverse("operators:retire", args=[red.id]))
        red.refresh_from_db()
        assert red.active is active
    crew.commits(van_trip())
    refused = browser.post(reverse("operators:retire", args=[crew.vehicle.id]), follow=True)
    assert "promised to upcoming runs" in refused.content.decode()


def test_people_come_change_and_go(crew: Company, otto: User, as_: As) -> None:
    owner, add = as_(crew.owner), reverse("operators:add_person")
    given = {"email": "nell@test.example", "role": "driver", "name": "Nell"}
    assert as_(otto).post(add, given).status_code == 403
    assert owner.post(add, {**given, "name": ""}).status_code == 422
    assert owner.post(add, given).status_code == 302
    nell = Member.objects.get(user__name="Nell")
    address = reverse("operators:person", args=[nell.id])
    assert as_(otto).post(address, {"role": "owner"}).status_code == 403
    assert owner.post(address, {"role": "king"}).status_code == 422
    assert owner.post(address, {"role": "dispatcher"}).status_code == 302
    assert as_(otto).post(reverse("operators:deactivate", args=[nell.id])).status_code == 403
    assert owner.post(reverse("operators:deactivate", args=[nell.id])).status_code == 302
    nell.refresh_from_db()
    assert (nell.role, nell.active) == (Role.DISPATCHER, False)
    me = crew.operator.members.get(user=crew.owner)
    last = owner.post(reverse("operators:deactivate", args=[me.id]), follow=True)
    assert "at least one owner" in last.content.decode()
    assert (
        "at least one owner"
        in owner.post(reverse("operators:person", args=[me.id]), {"role": "driver"}).content.decode()
    )


@pytest.mark.parametrize("kind", ["licence", "insurance", "driving"])
def test_papers_are_handed_in(crew: Company, otto: User, as_: As, kind: str) -> None:
    whose = {"licence": "", "insurance": f":{crew.vehicle.id}", "driving": f":{crew.driver.id}"}[kind]
    given = {
        "about": f"{kind}{whose}",
        "number": "N 1",
        "valid_from": "2026-11-01",
        "expires_on": "2027-11-01",
    }
    address = reverse("operators:papers")
    assert as_(otto).get(f"{address}?about={kind}{whose}").status_code == 200
    assert as_(otto).post(address, {**given, "expires_on": "2026-10-01"}).status_code == 422
    assert as_(otto).post(address, {**given, "about": "love:letter"}).status_code == 422
    assert as_(otto).post(address, given).status_code == 302
    assert Paper.objects.filter(number="N 1", kind=kind).count() == 1


def test_the_board_and_committing_from_it(crew: Company, otto: User, as_: As) -> None:
    trip, browser = van_trip(), as_(otto)
    assert trip.code in browser.get(reverse("operators:board")).content.decode()
    nothing = browser.get(reverse("operators:board"), {"vehicle_class": "coach", "within_km": "48"})
    assert "No trip looks for a bus here" in nothing.content.decode()
    for odd in ("?page=99&after=0001-01-01", "?before=9999-12-31&within_km=", "?order=luck&within_km=x"):
        assert browser.get(reverse("operators:board") + odd).status_code == 200

    address = reverse("operators:commit", args=[trip.code])
    assert browser.get(address).headers["Location"] == reverse("operators:trip", args=[trip.code])
    assert browser.post(address, {"vehicle": "x"}).status_code == 422
    small = bus(crew.operator, seats=4, wheelchair_spaces=0)
    refused = browser.post(address, {"vehicle": small.id, "driver": crew.driver.id})
    assert refused.status_code == 422
    assert "this trip needs 6" in refused.content.decode()
    done = browser.post(address, {"vehicle": crew.vehicle.id, "driver": crew.driver.id})
    run = Run.objects.get()
    assert done.headers["Location"] == reverse("operators:run", args=[run.code])
    assert "Yours, with" in browser.get(reverse("operators:trip", args=[trip.code])).content.decode()


def test_the_trip_page_says_what_is_missing(crew: Company, otto: User, as_: As) -> None:
    Paper.objects.filter(kind="licence").update(expires_on="2026-12-01")
    page = as_(otto).get(reverse("operators:trip", args=[van_trip().code])).content.decode()
    assert "is missing or not valid on 13 December 2026" in page
    assert "Not possible yet" in page
    over = van_trip()
    decided(over, "lapsed")
    assert (
        "not looking for a bus" in as_(otto).get(reverse("operators:trip", args=[over.code])).content.decode()
    )
    assert as_(otto).get(reverse("operators:trip", args=["NOPE22"])).status_code == 404


def test_exchanging_and_giving_back(crew: Company, otto: User, as_: As) -> None:
    run, relief, browser = crew.commits(van_trip()), member(crew.operator), as_(otto)
    address = reverse("operators:change_run", args=[run.code])
    assert browser.post(address, {}).status_code == 422
    small = bus(crew.operator, seats=4, wheelchair_spaces=0)
    assert browser.post(address, {"vehicle": small.id, "driver": relief.id}).status_code == 422
    assert browser.post(address, {"vehicle": crew.vehicle.id, "driver": relief.id}).status_code == 302
    run.refresh_from_db()
    assert run.driver == relief
    browser.post(reverse("operators:withdraw_run", args=[run.code]), {"why": "engine"})
    run.refresh_from_db()
    assert run.state == RunState.WITHDRAWN
    assert browser.get(reverse("operators:run", args=[run.code])).status_code == 200
    assert "nobody rides" in browser.get(reverse("operators:manifest", args=[run.code])).content.decode()


def test_a_confirmed_run_is_not_given_back(run: Run, otto: User, as_: As) -> None:
    page = as_(otto).post(reverse("operators:withdraw_run", args=[run.code]), follow=True)
    assert "riders count on you" in page.content.decode()


def test_the_manifest_names_everybody_and_their_needs(run: Run, otto: User, as_: As) -> None:
    Seat.objects.filter(name="Ben Ito").update(needs=[Need.WHEELCHAIR], name="<b>Ben</b>")
    page = as_(otto).get(reverse("operators:manifest", args=[run.code])).content.decode()
    assert "Ana Lund" in page
    assert "&lt;b&gt;Ben&lt;/b&gt;" in page
    assert "Space for a wheelchair (1)" in page
    assert "6 / 56" in page


def test_before_confirmation_the_manifest_names_nobody(crew: Company, otto: User, as_: As) -> None:
    trip = van_trip()
    run = crew.commits(trip)
    riders(trip, "Ana Lund", state=PledgeState.BACKED)
    for name in ("manifest", "manifest_csv"):
        page = as_(otto).get(reverse(f"operators:{name}", args=[run.code])).content.decode()
        assert "Ana" not in page


def test_the_table_is_no_formula(run: Run, otto: User, as_: As) -> None:
    Seat.objects.filter(name="Ana Lund").update(name='=HYPERLINK("http://evil","Ana")')
    answer = as_(otto).get(reverse("operators:manifest_csv", args=[run.code]))
    assert answer["Content-Disposition"] == f'attachment; filename="manifest-{run.code}.csv"'
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert rows[0] == ["Stop", "Leaves", "Name", "Needs", "Boarded out", "Boarded back"]
    assert len(rows) == 7
    assert [row[2] for row in rows if "HYPERLINK" in row[2]] == ['\'=HYPERLINK("http://evil","Ana")']


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("Ana", "Ana"),
        ("=1", "'=1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        (" =1", "' =1"),
        ("\t=", "'\t="),
    ],
)
def test_what_a_spreadsheet_would_run_is_quoted(text: str, safe: str) -> None:
    assert harmless(text) == safe


@pytest.mark.django_db(transaction=True)
def test_money_and_onboarding(crew: Company, run: Run, otto: User, as_: As) -> None:
    assert "Nothing earned yet" in as_(otto).get(reverse("operators:money")).content.decode()
    assert as_(otto).post(reverse("operators:onboard")).status_code == 403
    away = as_(crew.owner).post(reverse("operators:onboard"))
    assert away.status_code == 303
    back = as_(crew.owner).get(reverse("operators:onboarded"), follow=True)
    assert "still wants something" in back.content.decode()
    Payee.objects.update(can_be_paid=True, account="")
    assert (
        "Payouts are set up."
        in as_(crew.owner).get(reverse("operators:onboarded"), follow=True).content.decode()
    )
    Run.objects.filter(id=run.id).update(
        state=RunState.COMPLETED, started_at=run.committed_at, completed_at=run.committed_at, pay_minor=12_345,
        booked_at=run.committed_at,
    )  # fmt: skip
    assert "$123.45" in as_(otto).get(reverse("operators:money")).content.decode()


@pytest.mark.django_db(transaction=True)
def test_onboarding_while_the_payment_service_is_away(
    crew: Company, as_: As, monkeypatch: pytest.MonkeyPatch, clock_at: Any
) -> None:
    owner = as_(crew.owner)
    with monkeypatch.context() as patch:
        patch.setattr(runtime.current(), "handle", lambda *_call, **_more: (500, {}, b"{}"))
        refused = owner.post(reverse("operators:onboard"), follow=True)
        back = owner.get(reverse("operators:onboarded"), follow=True)

    assert refused.redirect_chain == [(reverse("operators:payouts"), 302)]
    assert "The payment service does not answer right now" in refused.content.decode()
    assert "seats" not in refused.content.decode().split('id="messages"')[1].split("</div>")[0]
    assert "Payouts are set up." not in back.content.decode()
    clock_at.shift(timedelta(minutes=1))
    assert owner.post(reverse("operators:onboard")).status_code == 303


def test_lists_ask_the_database_no_more_for_more_rows(
    crew: Company, otto: User, as_: As, django_assert_num_queries: DjangoAssertNumQueries, now: datetime
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    browser = as_(otto)
    trip = van_trip()
    lists = [
        reverse(f"operators:{name}")
        for name in ("home", "board", "fleet", "people", "papers", "runs", "money")
    ]
    lists += [reverse("operators:trip", args=[trip.code])]
    done = confirmed_run(ready(), trip=None)
    Run.objects.filter(id=done.id).update(
        operator=crew.operator, state=RunState.COMPLETED, started_at=now, completed_at=now
    )
    crew.commits(van_trip())

    def counts() -> dict[str, int]:
        found = {}
        for address in lists:
            browser.get(address)
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert browser.get(address).status_code == 200
            found[address] = len(queries)
        return found

    before = counts()
    for _more in range(2):
        extra = Company(crew.operator, crew.owner, bus(crew.operator), member(crew.operator))
        extra.commits(van_trip())
        van_trip()
        other = confirmed_run(ready())
        Run.objects.filter(id=other.id).update(
            operator=crew.operator, state=RunState.COMPLETED, started_at=now, completed_at=now
        )
    assert counts() == before
    assert max(before.values()) <= 20
