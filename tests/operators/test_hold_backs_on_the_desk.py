"""Pay that is held back stands on the desk of staff, with its age and a way to its page."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from operators.actions import holding
from operators.models import HoldBack
from payments.queries import desk
from payments.queries.hold_backs import HeldBack, hold_backs
from payments.signals import hold_backs_asked
from rally.models import User
from rally.money import Money
from tests.factories.operators import confirmed_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(sam: User) -> Client:
    """Somebody of the staff, signed in."""
    client = Client()
    client.force_login(sam)
    return client


def hold(sam: User, now: datetime, *, amount: int = 0, why: str = "A complaint is open.") -> HoldBack:
    """Pay of a new run waits."""
    return holding.hold_back(
        run_id=confirmed_run().id, amount=Money(amount, "USD") if amount else None, why=why, now=now, by=sam
    )


def test_it_stands_there_until_it_is_lifted(staff: Client, sam: User, now: datetime) -> None:
    with time_machine.travel(now, tick=False) as clock:
        some, all_ = hold(sam, now, amount=900), hold(sam, now, why="The tachograph is missing.")
        page = staff.get(reverse("desk:money")).content.decode()
        for back in (some, all_):
            assert back.run.code in page
            assert back.why in page
            assert reverse("admin:operators_holdback_change", args=[back.id]) in page
        assert "$9" in page
        assert "all that waits" in page
        assert "too long" not in page
        assert "held_back" not in desk.today(now=now).open

        late = now + timedelta(days=31)
        clock.move_to(late)
        staff.force_login(sam)
        assert "too long" in staff.get(reverse("desk:money")).content.decode()
        assert "held back for too long" in staff.get(reverse("desk:home")).content.decode()
        assert desk.today(now=late).open["held_back"] == "2"

        holding.lift(hold_back_id=some.id, kept=None, now=late, by=sam)
        assert [each.why for each in hold_backs(now=late)] == ["The tachograph is missing."]
        assert staff.get(hold_backs(now=late)[0].url).status_code == 200


def test_more_of_them_ask_no_more(staff: Client, sam: User, now: datetime) -> None:
    counts = []
    for _more in range(2):
        hold(sam, now)
        with CaptureQueriesContext(
            connection,
        ) as seen:
            staff.get(reverse("desk:money"))
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_who_fails_to_answer_hides_nothing(sam: User, now: datetime) -> None:
    def fail(**_more: object) -> None:
        raise RuntimeError("no")

    back = hold(sam, now)
    hold_backs_asked.connect(fail)
    try:
        [found] = hold_backs(now=now)
    finally:
        hold_backs_asked.disconnect(fail)
    assert isinstance(found, HeldBack)
    assert (found.payee, found.amount, found.old) == (back.run.operator.name, None, False)


def test_nobody_else_finds_it(sam: User, max_: User, now: datetime) -> None:
    hold(sam, now)
    client = Client()
    client.force_login(max_)
    assert client.get(reverse("desk:money")).status_code == 404
