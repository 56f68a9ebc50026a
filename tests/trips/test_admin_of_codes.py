"""Staff screens of promotion codes, credit and friends."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client

from rally.models import User
from tests.factories import pledges as make
from tests.factories.promotions import credited, promotion
from tests.factories.trips import proposed
from tests.seeing import signed_in
from trips.actions import covering, invitations
from trips.models import Promotion

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def desk(sam: User) -> Client:
    """Staff at the admin."""
    return signed_in(sam)


def test_codes_are_made_and_counted(desk: Client, ana: User, now: datetime) -> None:
    typed = {
        "code": "KICKOFF",
        "name": "Kick-off",
        "percent": "10",
        "amount_minor": "0",
        "currency": "USD",
        "valid_from_0": "2026-11-01",
        "valid_from_1": "00:00:00",
        "valid_until_0": "2026-12-31",
        "valid_until_1": "00:00:00",
        "max_uses": "2",
        "max_uses_per_rider": "1",
        "used_for-TOTAL_FORMS": "0",
        "used_for-INITIAL_FORMS": "0",
    }
    assert desk.post("/admin/trips/promotion/add/", typed).status_code == 302
    found = Promotion.objects.get()
    draft = make.draft(proposed(now=now), ana, now=now)
    covering.cover(pledge_id=draft.id, promotion="kickoff", now=now)

    listed = desk.get("/admin/trips/promotion/").content.decode()
    assert "10 %" in listed
    assert "KICKOFF" in listed
    page = desk.get(f"/admin/trips/promotion/{found.id}/change/").content.decode()
    assert draft.code in page
    assert 'name="percent"' not in page  # what riders were told does not change under them
    assert 'name="max_uses"' in page
    assert desk.post(f"/admin/trips/promotion/{found.id}/delete/", {"post": "yes"}).status_code == 403


def test_sums_are_shown_as_money(desk: Client, now: datetime) -> None:
    promotion("TENNER", amount_minor=1000)
    assert "$10" in desk.get("/admin/trips/promotion/").content.decode()


def test_wallets_and_friends_can_be_looked_at(desk: Client, ana: User, ben: User, now: datetime) -> None:
    credited(ana, 1234)
    invitations.accept(code=invitations.code_of(inviter=ana, now=now), friend=ben, now=now)
    assert "$12.34" in desk.get("/admin/payments/wallet/").content.decode()
    assert ">Ben<" in desk.get("/admin/trips/friend/").content.decode()
    assert desk.get("/admin/payments/wallet/add/").status_code == 403
