"""The threshold engine against the sandbox: begin, authorize, wait, decide, take or let go."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from payments.actions import sweeps
from payments.models import Attempt, Operation, Payment
from payments.states import AttemptState, PaymentState
from rally import clock
from rally.models import Notice, StateChange
from tests.factories import pledges as make
from tests.factories.payments import MASTERCARD, POOR, SAVES_THEN_DECLINES, VISA
from tests.racing import at_once
from tests.seeing import fresh
from trips import tasks
from trips.actions import backing, pledges, settlement
from trips.errors import NotChangeable
from trips.models import Pledge, Trip
from trips.signals import trip_confirmed, trip_lapsed
from trips.states import PledgeState, TripState

pytestmark = pytest.mark.django_db(transaction=True)


def states(trip: Trip) -> list[str]:
    """Where its pledges stand, by alphabet."""
    return sorted(Pledge.objects.filter(trip=trip).values_list("state", flat=True))


def settle(trip: Trip, now: datetime) -> None:
    """One step of the engine."""
    settlement.settle(trip_id=trip.id, now=now)


# --- it goes


def test_confirms_as_soon_as_both_sides_are_bound(van: Trip, now: datetime) -> None:
    heard: list[Any] = []
    trip_confirmed.connect(lambda trip_id, **_more: heard.append(trip_id), weak=False, dispatch_uid="test")
    mine = make.backed(van, seats=5, now=now)
    make.bound(van, seats=14, now=now)
    assert fresh(van).state == TripState.GATHERING

    make.backed(van, seats=4, now=now)
    trip_confirmed.disconnect(dispatch_uid="test")

    after = fresh(van)
    assert (after.state, after.seats_funded, after.operator_name) == ("confirmed", 9, "Lakeshore Lines")
    assert states(van) == ["paid", "paid"]
    assert fresh(mine.payment).captured_minor == mine.amount.minor
    assert heard == [van.id]
    assert Notice.objects.filter(kind="trips.confirmed").count() == 2
    moves = StateChange.objects.filter(subject=mine.id).order_by("id").values_list("new", flat=True)
    assert list(moves) == ["backed", "authorizing", "held", "capturing", "paid"]


def test_the_bus_may_come_last(van: Trip, now: datetime) -> None:
    make.backed(van, seats=9, now=now)
    settle(van, now)
    assert fresh(van).state == TripState.GATHERING

    make.bound(van, seats=14, now=now)

    assert fresh(van).state == TripState.CONFIRMED


def test_settling_again_changes_nothing(van: Trip, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    make.backed(van, seats=9, now=now)
    before = (Operation.objects.count(), StateChange.objects.count(), Notice.objects.count())

    settle(van, now)
    tasks.settle_due()

    assert (Operation.objects.count(), StateChange.objects.count(), Notice.objects.count()) == before


def test_seats_nobody_paid_for_yet_do_not_count_and_are_told_nothing(van: Trip, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    undecided = make.draft(van, seats=2, now=now)  # has not been at the checkout: there is no payment
    make.backed(van, seats=8, now=now)
    assert fresh(van).state == TripState.GATHERING

    make.backed(van, seats=1, now=now)

    assert (fresh(van).state, fresh(van).seats_funded, fresh(van).seats_taken) == ("confirmed", 9, 11)
    assert states(van) == ["draft", "paid", "paid"]
    assert not Notice.objects.filter(recipient=undecided.rider).exists()
    assert make.pay(undecided, now=now).state == PledgeState.PAID


def test_money_that_went_unseen_is_not_counted(van: Trip, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    good = make.backed(van, seats=5, now=now)
    poor = make.backed(van, seats=4, card=SAVES_THEN_DECLINES, now=now)
    Payment.objects.filter(id=good.payment_id).update(state=PaymentState.RELEASED)  # and its news was lost

    settle(van, now)

    assert (fresh(good).state, fresh(poor).state) == ("released", "needs_card")
    assert (fresh(van).state, fresh(van).seats_taken) == ("gathering", 4)


def test_early_holds_just_count(van: Trip, at: Any) -> None:
    near = van.decides_at - timedelta(days=2)
    at.move_to(near)
    pledge = make.backed(van, seats=9, now=near)
    assert pledge.state == "held"

    make.bound(van, seats=14, now=near)

    assert states(van) == ["paid"]
    assert Attempt.objects.filter(payment=pledge.payment).count() == 1


def test_a_hold_that_ran_out_unseen_is_asked_for_again_first(van: Trip, at: Any) -> None:
    near = van.decides_at - timedelta(days=2)
    at.move_to(near)
    pledge = make.backed(van, seats=9, now=near)
    late = fresh(pledge.payment).hold_expires_at
    Trip.objects.filter(id=van.id).update(decides_at=late)
    at.move_to(late)  # every worker was asleep until now

    make.bound(van, seats=14, now=late)
    assert fresh(van).state == TripState.SETTLING
    sweeps.check_holds(now=late)
    tasks.settle_due()

    assert (fresh(van).state, states(van)) == (TripState.CONFIRMED, ["paid"])
    assert sorted(Attempt.objects.values_list("state", flat=True)) == ["canceled", "captured"]


# --- it does not go


def test_lapses_when_too_few(van: Trip, at: Any, now: datetime) -> None:
    heard: list[Any] = []
    trip_lapsed.connect(lambda trip_id, **_more: heard.append(trip_id), weak=False, dispatch_uid="test")
    make.bound(van, seats=14, now=now)
    pledge = make.backed(van, seats=8, now=now)
    draft = make.draft(van, seats=1, now=now)
    backing.expire(pledge_id=draft.id, now=now + timedelta(hours=2))

    at.move_to(van.decides_at)
    tasks.settle_due()
    tasks.settle_due()
    trip_lapsed.disconnect(dispatch_uid="test")

    after = fresh(van)
    assert (after.state, after.why_ended, after.seats_taken) == ("lapsed", "too_few", 0)
    assert states(van) == ["expired", "released"]
    assert fresh(pledge.payment).state == PaymentState.RELEASED
    assert Attempt.objects.count() == 0
    assert heard == [van.id]
    assert (
        Notice.objects.filter(kind="trips.lapsed").count() == 2
    )  # the rider, and the captain who has no seat


def test_lapses_without_a_bus(van: Trip, at: Any, now: datetime) -> None:
    make.backed(van, seats=9, now=now)

    at.move_to(van.decides_at)
    settle(van, van.decides_at)

    assert (fresh(van).state, fresh(van).why_ended) == ("lapsed", "no_bus")


def test_who_never_gave_a_card_hears_nothing_of_the_end(van: Trip, at: Any, now: datetime) -> None:
    almost = van.decides_at - timedelta(minutes=5)
    at.move_to(almost)
    undecided = make.draft(van, seats=2, now=almost)

    at.move_to(van.decides_at)
    settle(van, van.decides_at)

    assert (fresh(van).state, fresh(undecided).state, fresh(van).seats_taken) == ("lapsed", "released", 0)
    assert [notice.recipient for notice in Notice.objects.all()] == [van.captain]


def test_waits_for_a_rider_who_is_at_the_checkout(van: Trip, at: Any, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    make.backed(van, seats=8, now=now)
    almost = van.decides_at - timedelta(minutes=5)
    at.move_to(almost)
    last = make.draft(van, seats=1, now=almost)

    at.move_to(van.decides_at)
    settle(van, van.decides_at)
    assert fresh(van).state == TripState.GATHERING
    make.pay(last, now=van.decides_at)

    assert fresh(van).state == TripState.CONFIRMED


def test_early_holds_are_let_go(van: Trip, at: Any) -> None:
    near = van.decides_at - timedelta(days=2)
    at.move_to(near)
    pledge = make.backed(van, seats=3, now=near)

    at.move_to(van.decides_at)
    settle(van, van.decides_at)

    assert (fresh(pledge).state, fresh(pledge.payment).state) == ("released", PaymentState.RELEASED)
    assert Attempt.objects.get().state == AttemptState.CANCELED


# --- a card fails


def test_waits_for_a_refused_card_and_confirms_when_it_is_mended(van: Trip, at: Any, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    make.backed(van, seats=5, now=now)
    poor = make.backed(van, seats=4, card=SAVES_THEN_DECLINES, now=now)

    after = fresh(van)
    assert after.state == TripState.SETTLING
    assert after.grace_ends_at == now + min(timedelta(hours=72), (van.departs_at - now) / 4)
    assert states(van) == ["held", "needs_card"]
    assert fresh(poor).card_due_at == after.grace_ends_at
    assert Notice.objects.filter(kind="trips.card_needs_you", recipient=poor.rider).count() == 1
    settle(van, now + timedelta(hours=1))
    assert fresh(van).state == TripState.SETTLING

    later = now + timedelta(hours=30)
    at.move_to(later)
    make.pay(fresh(poor), card=MASTERCARD, now=later)

    assert fresh(van).state == TripState.CONFIRMED
    assert states(van) == ["paid", "paid"]


def test_a_new_rider_fills_the_gap(van: Trip, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    make.backed(van, seats=5, now=now)
    poor = make.backed(van, seats=4, card=SAVES_THEN_DECLINES, now=now)

    make.backed(van, seats=4, now=now)

    assert fresh(van).state == TripState.CONFIRMED
    assert states(van) == ["needs_card", "paid", "paid"]
    assert fresh(poor).card_due_at > now


@pytest.mark.parametrize(
    ("early", "kinds"), [(1, ["card_needs_you", "confirmed"]), (0, ["card_needs_you", "dropped"])]
)
def test_a_card_whose_time_is_over_when_it_is_certain_is_only_told_that_it_was_dropped(
    van: Trip, at: Any, now: datetime, early: int, kinds: list[str]
) -> None:
    make.backed(van, seats=8, now=now)
    poor = make.backed(van, card=SAVES_THEN_DECLINES, now=now)
    at.move_to(van.decides_at - timedelta(hours=2))
    make.bound(van, seats=14, now=clock.now())
    due = fresh(poor).card_due_at
    assert due < fresh(van).grace_ends_at

    at.move_to(due - timedelta(minutes=early))
    make.backed(van, now=clock.now())  # fills the gap
    assert fresh(van).state == TripState.CONFIRMED
    tasks.settle_due()

    told = Notice.objects.filter(recipient=poor.rider).exclude(kind="trips.pledged").order_by("id")
    assert list(told.values_list("kind", flat=True)) == [f"trips.{kind}" for kind in kinds]


def test_too_few_held_and_still_time_gathers_again(van: Trip, at: Any, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    good = make.backed(van, seats=5, now=now)
    poor = make.backed(van, seats=4, card=SAVES_THEN_DECLINES, now=now)
    over = fresh(van).grace_ends_at
    assert over < van.decides_at

    at.move_to(over)
    settle(van, over)

    assert fresh(van).state == TripState.GATHERING
    assert (fresh(good).state, fresh(good.payment).state) == ("backed", PaymentState.CARD_SAVED)
    assert (fresh(poor).state, fresh(poor.payment).state) == ("released", PaymentState.RELEASED)
    assert Notice.objects.filter(kind="trips.dropped").count() == 1
    assert Attempt.objects.filter(state=AttemptState.HELD).count() == 0
    settle(van, over)
    assert fresh(van).state == TripState.GATHERING
    make.backed(van, seats=4, now=over)
    assert fresh(van).state == TripState.CONFIRMED


def test_at_the_decision_a_refused_card_has_its_grace_and_then_it_lapses(
    van: Trip, at: Any, now: datetime
) -> None:
    make.backed(van, seats=5, now=now)
    make.backed(van, seats=4, card=SAVES_THEN_DECLINES, now=now)
    decision = van.decides_at
    at.move_to(decision - timedelta(minutes=1))
    make.bound(van, seats=14, now=decision - timedelta(minutes=1))
    assert fresh(van).state == TripState.SETTLING
    grace = fresh(van).grace_ends_at
    assert grace > decision

    for moment in (decision, grace - timedelta(seconds=1)):
        at.move_to(moment)
        settle(van, moment)
        assert fresh(van).state == TripState.SETTLING
    at.move_to(grace)
    settle(van, grace)

    assert (fresh(van).state, fresh(van).why_ended) == ("lapsed", "too_few_held")
    assert states(van) == ["released", "released"]
    assert not Attempt.objects.filter(captured_minor__gt=0).exists()


def test_after_it_is_certain_a_refused_card_is_dropped(van: Trip, at: Any, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    poor = make.backed(van, seats=2, card=SAVES_THEN_DECLINES, now=now)
    make.backed(van, seats=9, now=now)
    assert fresh(van).state == TripState.CONFIRMED
    due = fresh(poor).card_due_at

    at.move_to(due - timedelta(minutes=1))
    tasks.settle_due()
    assert fresh(poor).state == PledgeState.NEEDS_CARD
    at.move_to(due)
    tasks.settle_due()

    assert (fresh(poor).state, fresh(poor.payment).state) == ("released", PaymentState.RELEASED)
    assert Notice.objects.filter(kind="trips.dropped", recipient=poor.rider).count() == 1
    assert fresh(van).seats_taken == 9


def test_after_it_is_certain_a_mended_card_pays_at_once(van: Trip, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    poor = make.backed(van, seats=2, card=SAVES_THEN_DECLINES, now=now)
    make.backed(van, seats=9, now=now)

    make.pay(fresh(poor), card=VISA, now=now)

    assert fresh(poor).state == PledgeState.PAID
    assert fresh(poor.payment).captured_minor == poor.amount.minor


def test_reminders_and_one_more_try(van: Trip, at: Any, now: datetime) -> None:
    make.bound(van, seats=14, now=now)
    poor = make.backed(van, seats=2, card=SAVES_THEN_DECLINES, now=now)
    make.backed(van, seats=9, now=now)

    for hours in (10, 24, 25, 60, 61):
        at.move_to(now + timedelta(hours=hours))
        tasks.remind()

    reminders = Notice.objects.filter(kind="trips.card_reminder", recipient=poor.rider)
    assert reminders.count() == 2
    assert {notice.subject.rsplit(":", 1)[1] for notice in reminders} == {"24", "60"}
    assert fresh(poor).state == PledgeState.NEEDS_CARD


def test_a_bank_that_says_not_now_at_the_checkout_keeps_the_draft(van: Trip, now: datetime) -> None:
    pledge = make.draft(van, now=now)

    with pytest.raises(Exception, match=r".*"):
        make.pay(pledge, card=POOR, now=now)

    assert fresh(pledge).state == PledgeState.DRAFT


# --- races


def ready_but_unsettled(van: Trip, now: datetime, monkeypatch: pytest.MonkeyPatch) -> list[Pledge]:
    """Both sides are bound, but nobody has looked yet."""
    with monkeypatch.context() as quiet:
        quiet.setattr(backing, "later", lambda *_task, **_ids: None)
        found = [make.backed(van, seats=3, now=now) for _ in range(3)]
        make.bound(van, seats=14, now=now)
    assert fresh(van).state == TripState.GATHERING
    return found


@pytest.mark.race
def test_two_workers_settle(van: Trip, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ready_but_unsettled(van, now, monkeypatch)

    answers = at_once(*[lambda: settle(van, now)] * 4)

    assert answers == [None] * 4
    settle(van, now)
    assert fresh(van).state == TripState.CONFIRMED
    for pledge in found:
        assert list(pledge.payment.attempts.values_list("captured_minor", flat=True)) == [pledge.amount.minor]
    assert StateChange.objects.filter(subject=van.id, new="confirmed").count() == 1


@pytest.mark.race
def test_a_rider_leaves_while_the_bank_is_asked(
    van: Trip, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ready_but_unsettled(van, now, monkeypatch)
    leaver = found[0]

    answers = at_once(
        lambda: settle(van, now), lambda: pledges.withdraw(pledge_id=leaver.id, by=leaver.rider, now=now)
    )
    tasks.settle_due()

    after = fresh(leaver)
    refused = isinstance(answers[1], NotChangeable)
    if refused:
        assert after.state == PledgeState.PAID
        return
    payment = after.payment
    assert after.state in {PledgeState.WITHDRAWN, PledgeState.REFUNDED}
    assert payment.captured_minor == payment.refunded_minor
    held = Attempt.objects.filter(payment=payment, state=AttemptState.HELD)
    assert not held.exists()


@pytest.mark.race
def test_following_and_settling_at_once(van: Trip, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ready_but_unsettled(van, now, monkeypatch)

    answers = at_once(
        lambda: settle(van, now),
        *[lambda pledge=pledge: backing.follow(payment_id=pledge.payment_id, now=now) for pledge in found],
    )
    tasks.settle_due()

    assert answers == [None] * 4
    assert fresh(van).state == TripState.CONFIRMED
    assert states(van) == ["paid"] * 3
