"""Refunds that somebody makes at the provider, and what becomes of what they had kept when they come back."""

from __future__ import annotations

import pytest

from payments import gateway, queries
from payments.actions import operations, payments, sightings
from payments.gateway import words
from payments.models import Checkout, Operation, Payment, Refund
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Fault
from rally.models import User
from tests.factories.payments import REFUND_FAILS, VISA, at_page, payment, usd
from tests.payments.conftest import Time, work


def test_promises_kept_by_a_refund_by_hand_that_comes_back_are_owed_again(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = at_page(payment(ana, now=time()), Checkout.Mode.CHARGE, now=time(), number=REFUND_FAILS)
    for reason, amount in (("left", 1000), ("leg:return", 500)):
        payments.refund(payment_id=paid.id, amount=usd(amount), reason=reason, now=time(), by=None)
    time.move(days=3)
    work(time)
    sandbox.refund_in_dashboard(paid.attempts.get().charge)
    work(time)
    by_hand = Refund.objects.get(amount_minor=2700)
    assert set(by_hand.keeps.values_list("amount_minor", "state")) == {
        (1000, "succeeded"),
        (500, "succeeded"),
    }
    assert not queries.still_owed().exists()

    time.move(days=3)
    for _twice in range(2):
        work(time)
        sightings.look("refund", by_hand.refund, now=time())
    assert sorted(each.amount_minor for each in queries.still_owed()) == [500, 1000, 2700]
    assert queries.balance("rider:refund_due") == 4200
    assert not by_hand.keeps.exists()

    sent = payments.refund_again(refund_id=Refund.objects.get(amount_minor=1000).id, now=time(), by=None)
    for each in operations.due(now=time()):
        operations.run(each, now=time())
    sent.refresh_from_db()
    assert (sent.state, queries.balance("rider:refund_due")) == ("succeeded", 3200)


@pytest.mark.parametrize(
    ("by_hand", "stand"),
    [
        # Both promises exactly: one of them is the refund, and has kept the other.
        (3000, [(1200, "left", "succeeded"), (1500, "resold:1", "succeeded"), (1500, "resold:2", "succeeded")]),
        # More than one, less than both: the rest is a part of the second.
        (2000, [(500, "provider", "succeeded"), (1000, "resold:2", "failed"), (1200, "left", "succeeded"),
                (1500, "resold:1", "succeeded")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("comes_back", [False, True])
def test_two_promises_without_room_beside_them_are_kept_by_one_refund_by_hand(
    sandbox: Sandbox,
    ana: User,
    time: Time,
    by_hand: int,
    stand: list[tuple[int, str, str]],
    comes_back: bool,
) -> None:
    number = REFUND_FAILS if comes_back else VISA
    paid = at_page(payment(ana, now=time()), Checkout.Mode.CHARGE, now=time(), number=number)
    payments.refund(payment_id=paid.id, amount=usd(1200), reason="left", now=time(), by=None)
    sandbox.faults.script("POST", "/v1/refunds", Fault.DROP_BEFORE)
    for reason in ("resold:1", "resold:2"):
        payments.refund(payment_id=paid.id, amount=usd(1500), reason=reason, now=time(), by=None)
        sandbox.faults.script("POST", "/v1/refunds", Fault.DROP_BEFORE)
        time.move(seconds=1)
    sandbox.faults.stop()
    sandbox.refund_in_dashboard(paid.attempts.get().charge, by_hand)
    (newest, *_older) = gateway.refunds_of(paid.attempts.get().intent)
    with pytest.raises(words.Unknown):  # whether there was room for ours is not known yet
        sightings.look("refund", newest.id, now=time())
    for _again in range(2):
        time.move(minutes=5)
        work(time)

    rows = Refund.objects.filter(attempt__payment=paid)
    assert sum(each.amount_minor for each in rows) == 4200
    assert queries.balance("rider:deposit") == 0  # all of it was promised, and nothing twice
    found = [(each.amount_minor, each.reason.partition(":re_")[0], each.state) for each in rows.all()]
    assert sorted(found) == stand
    if comes_back:
        time.move(days=3)
        for _twice in range(2):
            work(time)
        assert set(rows.values_list("state", "kept_by")) == {("failed", None)}
        assert sum(each.amount_minor for each in queries.still_owed()) == 4200
        assert (queries.balance("rider:deposit"), queries.balance("rider:refund_due")) == (0, 4200)


@pytest.mark.parametrize("promised", [1000, 4200])
@pytest.mark.parametrize("heard", ["before it is asked again", "after it was asked again"])
def test_nobody_goes_on_asking_for_what_a_refund_by_hand_has_given_back(
    sandbox: Sandbox, ana: User, time: Time, promised: int, heard: str
) -> None:
    paid = at_page(payment(ana, now=time()), Checkout.Mode.CHARGE, now=time())
    sandbox.faults.script("POST", "/v1/refunds", Fault.DROP_BEFORE)
    payments.refund(payment_id=paid.id, amount=usd(promised), reason="left", now=time(), by=None)
    seen = sandbox.refund_in_dashboard(paid.attempts.get().charge)["id"]
    asked = Operation.objects.get(kind=Operation.Kind.REFUND)
    if heard == "before it is asked again":
        with pytest.raises(words.Unknown):
            sightings.look("refund", seen, now=time())
    time.move(minutes=5)
    assert operations.run(asked.id, now=time()) == "failed"
    work(time)

    paid.refresh_from_db()
    assert (paid.state, paid.refunded_minor) == ("refunded", 4200)
    assert {(each, "succeeded") for each in (promised, 4200 - promised) if each} == set(
        Refund.objects.values_list("amount_minor", "state")
    )
    assert not queries.still_owed().exists()


def kept(paid: Payment) -> list[tuple[int, str, str]]:
    """Its refunds: how much, why, where they stand."""
    rows = Refund.objects.filter(attempt__payment=paid)
    return sorted((each.amount_minor, each.reason.partition(":re_")[0], each.state) for each in rows)


def test_one_of_ours_whose_answer_is_lost_is_known_before_one_by_hand(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    """Three quarters went back and nobody knows, an eighth is promised; somebody gives all the rest back."""
    paid = at_page(payment(ana, now=time()), Checkout.Mode.CHARGE, now=time())
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "/v1/refunds", Fault.DROP_AFTER, Fault.DROP_BEFORE)
    for reason, amount in (("left", 3150), ("resold:1", 525)):
        payments.refund(payment_id=paid.id, amount=usd(amount), reason=reason, now=time(), by=None)
    by_hand = sandbox.refund_in_dashboard(paid.attempts.get().charge)
    assert by_hand["amount"] == 1050
    with pytest.raises(words.Unknown):
        sightings.look("refund", by_hand["id"], now=time())

    for _again in range(3):
        time.move(minutes=5)
        work(time)

    assert kept(paid) == [
        (525, "provider", "succeeded"),
        (525, "resold:1", "succeeded"),
        (3150, "left", "succeeded"),
    ]
    assert (queries.balance("rider:deposit"), queries.balance("rider:refund_due")) == (0, 0)


@pytest.mark.parametrize(
    ("ours", "by_hand", "asked", "stand"),
    [
        # As much as one of the two: that one is not asked for any more, the other one is.
        ((2000, 1500), 1500, {2000}, [(1500, "2", "succeeded"), (2000, "1", "succeeded")]),
        # A part of the larger one: the rest of it is asked for.
        ((3150, 525), 1050, {2100, 525}, [(525, "2", "succeeded"), (1050, "provider", "succeeded"),
                                          (2100, "1", "succeeded")]),
        # More than both.
        ((1000, 500), 4200, set(), [(500, "2", "succeeded"), (1000, "1", "succeeded"), (2700, "provider", "succeeded")]),
    ],
)  # fmt: skip
def test_what_was_not_asked_for_yet_is_not_asked_for_beside_one_by_hand(
    sandbox: Sandbox,
    ana: User,
    time: Time,
    monkeypatch: pytest.MonkeyPatch,
    ours: tuple[int, int],
    by_hand: int,
    asked: set[int],
    stand: list[tuple[int, str, str]],
) -> None:
    paid = at_page(payment(ana, now=time()), Checkout.Mode.CHARGE, now=time())
    with monkeypatch.context() as lost:
        lost.setattr("payments.actions.journal.later", lambda *_args, **_more: None)  # no worker hears of it
        for reason, amount in enumerate(ours, start=1):
            payments.refund(payment_id=paid.id, amount=usd(amount), reason=str(reason), now=time(), by=None)
    seen = sandbox.refund_in_dashboard(paid.attempts.get().charge, by_hand)
    for _twice in range(2):
        sightings.look("refund", seen["id"], now=time())
    for _again in range(2):
        time.move(minutes=5)
        work(time)

    found = gateway.refunds_of(paid.attempts.get().intent)
    assert {each.amount for each in found if each.tags.op} == asked
    assert kept(paid) == stand
    assert queries.balance("rider:refund_due") == 0


def test_what_got_stuck_and_is_kept_by_one_by_hand_is_owed_no_more(
    sandbox: Sandbox, ana: User, sam: User, time: Time
) -> None:
    paid = at_page(payment(ana, now=time()), Checkout.Mode.CHARGE, now=time())
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "/v1/refunds", Fault.DROP_BEFORE)
    payments.refund(payment_id=paid.id, amount=usd(1000), reason="left", now=time(), by=None)
    asked = Operation.objects.get(kind=Operation.Kind.REFUND)
    Operation.objects.filter(id=asked.id).update(state="stuck")  # ten hours later
    by_hand = sandbox.refund_in_dashboard(paid.attempts.get().charge)
    sightings.look("refund", by_hand["id"], now=time())
    stand = [(1000, "left", "succeeded"), (3200, "provider", "succeeded")]
    assert kept(paid) == stand

    operations.run_again(asked.id, now=time(), by=sam)
    asked.refresh_from_db()
    assert (asked.state, kept(paid)) == ("failed", stand)
    assert not queries.still_owed().exists()
