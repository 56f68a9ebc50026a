"""Staff screen of partners: what they are paid and who of them may sign in is changed with a line."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client

from payments.actions import payees
from rally.models import StaffAction, User
from tests.factories.events import partner
from tests.seeing import fresh, signed_in
from trips.models import Partner

pytestmark = pytest.mark.django_db

PARTNERS = "/admin/trips/partner/"


@pytest.fixture
def desk(sam: User) -> Client:
    """Staff at the admin."""
    return signed_in(sam)


def saved(desk: Client, club: Partner, **typed: object) -> None:
    """Save the form of a partner with these fields."""
    given = {
        "name": club.name,
        "slug": club.slug,
        "website": "",
        "share_percent": club.share_percent,
        **typed,
    }
    assert desk.post(f"{PARTNERS}{club.pk}/change/", given).status_code == 302


def test_who_is_paid_is_not_changed_by_hand(desk: Client, now: datetime) -> None:
    club = partner(payee=payees.open(name="Packers Club", email="club@test.example", now=now))
    other = payees.open(name="Mallory", email="mallory@test.example", now=now)
    saved(desk, club, payee=other.id)

    assert fresh(club).payee_id == club.payee_id
    assert 'name="payee"' not in desk.get(f"{PARTNERS}add/").content.decode()


def test_share_and_members_are_changed_with_a_line(desk: Client, sam: User, ana: User) -> None:
    club = partner()
    saved(desk, club, share_percent=20, members=[ana.pk])
    line = StaffAction.objects.get()
    assert (line.by, line.what, line.subject) == (sam, "partner.change", f"partner:{club.pk}")
    assert line.facts == {"share_percent": 20, "members": [str(ana.pk)]}

    saved(desk, club, share_percent=20, members=[ana.pk], website="https://club.example")
    assert StaffAction.objects.count() == 1
    saved(desk, club, share_percent=20)
    assert StaffAction.objects.latest("at", "id").facts == {"members": []}


def test_a_new_partner_that_is_paid_has_a_line(desk: Client) -> None:
    typed = {"name": "Bills Club", "slug": "bills", "website": "", "share_percent": 15}
    assert desk.post(f"{PARTNERS}add/", typed).status_code == 302

    line = StaffAction.objects.get()
    assert (line.subject, line.facts) == (f"partner:{Partner.objects.get().pk}", {"share_percent": 15})
