"""Grace for refused cards while a trip settles: told at once, reminded, asked once more, and the gap filled by others."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from payments.actions import payments
from payments.models import Attempt, Payment
from payments.states import PaymentState
from rally.models import Notice
from tests.factories import pledges as make
from tests.factories.payments import SAVES_THEN_DECLINES
from tests.seeing import fresh
from trips import tasks
from trips.actions.backing import payment_id_of
from trips.errors import PledgesClosed
from trips.models import Pledge, Trip
from trips.states import PledgeState, TripState

pytestmark = pytest.mark.django_db(transaction=True)


def settling(van: Trip, now: datetime) -> tuple[Pledge, Pledge]:
    """Seven seats are held, and two wait for their rider's card."""
    make.bound(van, seats=14, now=now)
    good = make.backed(van, seats=7, now=now)
    poor = make.backed(van, seats=2, card=SAVES_THEN_DECLINES, now=now)
    assert (fresh(van).state, fresh(poor).state) == (TripState.SETTLING, PledgeState.NEEDS_CARD)
    return good, poor


def told(pledge: Pledge, kind: str) -> list[str]:
    rows = Notice.objects.filter(recipient=pledge.rider, kind=f"trips.{kind}").order_by("created_at")
    return list(rows.values_list("subject", flat=True))


def test_told_at_once_with_a_link_that_needs_no_account(van: Trip, now: datetime) -> None:
    good, poor = settling(van, now)

    assert len(told(poor, "card_needs_you")) == 1
    assert told(good, "card_needs_you") == []
    facts = Notice.objects.get(recipient=poor.rider, kind="trips.card_needs_you").facts
    assert fresh(poor).card_due_at == fresh(van).grace_ends_at == now + timedelta(hours=72)
    stranger = Client()
    page = stranger.get(facts["pay_url"].removeprefix("http://127.0.0.1:8000"))
    assert page.status_code in {200, 302, 303}
    assert "_auth_user_id" not in stranger.session  # it pays, and signs nobody in


def test_reminded_after_a_day_and_after_two_and_a_half(van: Trip, at: Any, now: datetime) -> None:
    _good, poor = settling(van, now)
    reminders = {}
    for hours in (1, 23, 24, 30, 59, 60, 71):
        at.move_to(now + timedelta(hours=hours))
        tasks.remind()
        tasks.remind()
        reminders[hours] = [subject.rsplit(":", 1)[1] for subject in told(poor, "card_reminder")]

    assert reminders[23] == []
    assert reminders[24] == reminders[59] == ["24"]
    assert reminders[60] == reminders[71] == ["24", "60"]
    assert fresh(van).state == TripState.SETTLING


@pytest.mark.parametrize(
    ("decline", "advice", "asked_again"),
    [
        ("insufficient_funds", "", True),
        ("generic_decline", "try_again_later", True),
        ("try_again_later", "", True),
        ("generic_decline", "", False),
        ("processing_error", "", False),
        ("expired_card", "confirm_card_data", False),
        ("insufficient_funds", "do_not_try_again", False),
        ("authentication_required", "", False),
    ],
)
def test_asked_once_more_only_where_the_bank_said_not_now(
    van: Trip, at: Any, now: datetime, decline: str, advice: str, asked_again: bool
) -> None:
    _good, poor = settling(van, now)
    Payment.objects.filter(id=payment_id_of(poor)).update(decline_code=decline, advice_code=advice)
    assert payments.may_retry(fresh(poor).payment) is asked_again
    tried = Attempt.objects.filter(payment=poor.payment).count()

    at.move_to(now + timedelta(hours=23))
    tasks.remind()
    assert Attempt.objects.filter(payment=poor.payment).count() == tried
    for hours in (24, 36, 60):
        at.move_to(now + timedelta(hours=hours))
        tasks.remind()

    assert Attempt.objects.filter(payment=poor.payment).count() == tried + asked_again
    assert fresh(poor).state == PledgeState.NEEDS_CARD
    assert len(told(poor, "card_needs_you")) == 1  # a second refusal does not start the grace again
    assert fresh(poor).card_due_at == now + timedelta(hours=72)


def test_new_riders_fill_the_gap_and_the_others_keep_their_grace(van: Trip, at: Any, now: datetime) -> None:
    good, poor = settling(van, now)
    at.move_to(now + timedelta(hours=5))
    later = now + timedelta(hours=5)

    filler = make.draft(van, seats=2, now=later)
    assert filler.instrument == "hold"
    filler = make.pay(filler, now=later)

    assert fresh(van).state == TripState.CONFIRMED
    assert [fresh(one).state for one in (good, poor, filler)] == ["paid", "needs_card", "paid"]
    at.move_to(now + timedelta(hours=72))
    tasks.settle_due()
    assert (fresh(poor).state, fresh(poor.payment).state) == ("released", PaymentState.RELEASED)
    assert len(told(poor, "dropped")) == 1
    assert Attempt.objects.filter(payment=poor.payment, captured_minor__gt=0).count() == 0


def test_nobody_joins_once_the_grace_is_over(van: Trip, at: Any, now: datetime) -> None:
    settling(van, now)
    over = fresh(van).grace_ends_at
    at.move_to(over)
    with pytest.raises(PledgesClosed):
        make.draft(van, now=over)
