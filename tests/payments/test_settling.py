"""Several payees, pay that depends on nobody, money that no card paid, what is held back, and what payees owe."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from payments import queries
from payments.actions import bearers, earnings, holding, ledger, payments
from payments.actions import credits as credit
from payments.actions.earnings import Due
from payments.models import Account, LedgerTransfer, Operation, Payee, Payment, Transfer
from payments.queries import statements
from payments.sandbox.core import Sandbox
from payments.states import TransferState
from rally.errors import NotAllowed
from rally.ids import uuid7
from rally.models import User
from tests.factories.payments import payee, usd
from tests.payments.conftest import Time, heal
from tests.payments.test_earnings import paid_by
from tests.racing import together

PAYABLE, PARTNER, TAX = "operator:payable", "partner:payable", "tax:payable"


@pytest.fixture
def group() -> str:
    return f"trip:{uuid7()}"


def share(
    group: str,
    time: Time,
    *,
    operators: list[Due],
    partner: Due | None = None,
    taxes: dict[Any, int] | None = None,
    **by: float,
) -> list[Transfer]:
    ids = list(Payment.objects.filter(group=group).order_by("id").values_list("id", flat=True))
    return earnings.book(
        group=group,
        payment_ids=ids,
        operators=operators,
        partner=partner,
        taxes=taxes,
        due_at=time() + timedelta(**by),
        now=time(),
        by=None,
    )


def back(paid: Payment, amount: int, time: Time, reason: str = "leg") -> None:
    payments.refund(payment_id=paid.id, amount=usd(amount), reason=reason, now=time(), by=None)


def balances(*accounts: str) -> list[int]:
    return [queries.balance(account) for account in accounts]


# ---- several payees


def test_everybody_gets_their_part_of_each_payment(
    sandbox: Sandbox, ana: User, ben: User, group: str, time: Time
) -> None:
    one, two = paid_by(ana, group, time, 4200), paid_by(ben, group, time, 3000)
    first, second, club = payee(now=time()), payee(now=time()), payee(now=time())
    made = share(
        group,
        time,
        operators=[Due(first.id, {one.id: 1800, two.id: 1300}), Due(second.id, {one.id: 1700, two.id: 1200})],
        partner=Due(club.id, {one.id: 60, two.id: 40}),
        taxes={one.id: 210, two.id: 150},
    )
    assert balances(PAYABLE, PARTNER, TAX, "platform:fee", "rider:deposit") == [6000, 100, 360, 740, 0]
    assert sorted((each.purpose, each.amount_minor) for each in made) == [
        ("partner", 100), ("share", 1200), ("share", 1300), ("share", 1700), ("share", 1800),
    ]  # fmt: skip
    assert share(group, time, operators=[Due(first.id, {one.id: 9999})]) == list(
        Transfer.objects.filter(group=group).order_by("created_at", "id")
    )
    time.move(days=8)
    sandbox.see("tick")
    assert earnings.send_due(now=time()) == 5
    assert balances(PAYABLE, PARTNER) == [0, 0]
    assert queries.trip_money(group).paid_out == usd(6100)


def test_nobody_is_due_less_than_nothing_or_more_than_there_is(
    sandbox: Sandbox, ana: User, group: str, time: Time
) -> None:
    paid, to = paid_by(ana, group, time), payee(now=time())
    with pytest.raises(ValueError, match="less than nothing"):
        share(group, time, operators=[Due(to.id, {paid.id: -1})])
    with pytest.raises(earnings.ShareTooLarge):
        share(group, time, operators=[Due(to.id, {paid.id: 4000})], taxes={paid.id: 201})
    assert not earnings.is_booked(group)


# ---- pay that depends on nobody


def test_a_price_beyond_what_riders_paid_is_ours_to_bear(
    sandbox: Sandbox, ana: User, group: str, time: Time
) -> None:
    paid_by(ana, group, time)
    to = payee(now=time())
    made = share(group, time, operators=[Due(to.id, firm=10_000)])
    assert sorted((each.purpose, each.amount_minor) for each in made) == [("share", 4200), ("top_up", 5800)]
    assert balances(PAYABLE, "platform:fee", "expense:guarantee") == [10_000, 0, -5800]
    earnings.send_due(now=time())
    tied, loose = Transfer.objects.get(purpose="share"), Transfer.objects.get(purpose="top_up")
    assert (tied.state, loose.state) == (TransferState.PAID, TransferState.PENDING)  # our balance is short
    assert loose.due_at > time()
    assert not earnings.not_covered(transfer_id=tied.id, now=time())  # a charge covers itself
    assert earnings.send_due(now=time()) == 0

    other = paid_by(ana, f"trip:{uuid7()}", time, 20_000)
    time.move(days=8)
    sandbox.see("tick")
    assert earnings.send_due(now=time()) == 1
    loose.refresh_from_db()
    assert (loose.state, queries.balance(PAYABLE)) == (TransferState.PAID, 0)
    assert other.group != group


def test_a_trip_nobody_paid_for_still_pays_a_price(sandbox: Sandbox, group: str, time: Time) -> None:
    to = payee(now=time())
    [only] = share(group, time, operators=[Due(to.id, firm=500)])
    assert (only.purpose, only.payment, only.reference) == ("top_up", None, f"top_up:{group}")
    assert share(group, time, operators=[Due(to.id, firm=500)]) == [only]
    assert balances(PAYABLE, "expense:guarantee") == [500, -500]


def test_a_refund_leaves_a_price_as_it_is_and_a_transfer_within_its_card(
    sandbox: Sandbox, ana: User, ben: User, group: str, time: Time
) -> None:
    one, _two = paid_by(ana, group, time), paid_by(ben, group, time)
    to = payee(now=time())
    share(group, time, operators=[Due(to.id, firm=8000)], days=3)
    back(one, 4200, time)
    assert balances(PAYABLE, "platform:fee") == [8000, 400 - 4200]
    amounts = {(each.purpose, each.state): each.amount_minor for each in Transfer.objects.filter(payee=to)}
    assert sum(each for key, each in amounts.items() if key[1] == "pending") == 8000
    assert amounts["top_up", "pending"] == 4000
    assert amounts["share", "reversed"] == 4000


def test_a_refund_of_a_shared_part_and_a_price_takes_only_the_part(
    sandbox: Sandbox, ana: User, group: str, time: Time
) -> None:
    paid, to = paid_by(ana, group, time), payee(now=time())
    share(group, time, operators=[Due(to.id, {paid.id: 750}, firm=3000)])
    earnings.send_due(now=time())
    back(paid, 4200, time)
    heal(sandbox, time)
    assert balances(PAYABLE, "operator:receivable") == [0, 0]
    sent = Transfer.objects.get()
    assert sent.amount_minor - sent.reversed_minor == 3000


def test_money_without_a_payment_goes_to_no_other_provider(
    sandbox: Sandbox, group: str, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = payee(now=time())
    share(group, time, operators=[Due(to.id, firm=500)])
    from payments.actions import operations

    with monkeypatch.context() as waiting:
        waiting.setattr(operations, "run", lambda *_args, **_more: None)
        assert earnings.send_due(now=time()) == 1
    asked = Operation.objects.get(kind="transfer")
    Payee.objects.filter(id=to.id).update(provider="test")
    assert operations.run(asked.id, now=time()) == "stuck"
    Payee.objects.filter(id=to.id).update(provider="sandbox")
    asked.refresh_from_db()
    Operation.objects.filter(id=asked.id).update(state="pending", due_at=time())


# ---- who bears what is given back


def test_tax_goes_back_in_proportion_and_a_partner_after_the_operator(
    sandbox: Sandbox, ana: User, group: str, time: Time
) -> None:
    paid, to, club = paid_by(ana, group, time), payee(now=time()), payee(now=time())
    share(
        group,
        time,
        operators=[Due(to.id, {paid.id: 3500})],
        partner=Due(club.id, {paid.id: 98}),
        taxes={paid.id: 210},
        days=3,
    )
    back(paid, 2100, time, "half")
    assert balances(PAYABLE, PARTNER, TAX, "platform:fee") == [3500 - 1995, 98, 105, 392]
    back(paid, 2100, time, "the other half")
    assert balances(PAYABLE, PARTNER, TAX, "platform:fee", "rider:deposit") == [0, 0, 0, 0, 0]
    assert set(Transfer.objects.values_list("state", flat=True)) == {TransferState.REVERSED}


def test_a_partner_who_was_paid_gives_nothing_back(
    sandbox: Sandbox, ana: User, group: str, time: Time
) -> None:
    paid, to, club = paid_by(ana, group, time), payee(now=time()), payee(now=time())
    share(group, time, operators=[Due(to.id, {paid.id: 3700})], partner=Due(club.id, {paid.id: 100}))
    time.move(days=8)
    sandbox.see("tick")
    assert earnings.send_due(now=time()) == 2
    back(paid, 4200, time)
    heal(sandbox, time)
    assert balances(PARTNER, "platform:fee") == [0, -100]


def test_two_operators_bear_their_own_parts(sandbox: Sandbox, ana: User, group: str, time: Time) -> None:
    paid, first, second = paid_by(ana, group, time), payee(now=time()), payee(now=time())
    share(group, time, operators=[Due(first.id, {paid.id: 2000}), Due(second.id, {paid.id: 1700})])
    earnings.send_due(now=time())
    back(paid, 4200, time)
    assert Operation.objects.filter(kind="reverse").count() == 2
    heal(sandbox, time)
    for each, amount in ((first, 2000), (second, 1700)):
        assert queries.balance("operator:receivable", payee=each) == 0
        assert Transfer.objects.get(payee=each).reversed_minor == amount


def test_credit_given_back_is_borne_like_a_refund(
    sandbox: Sandbox, ana: User, group: str, time: Time
) -> None:
    paid, to = paid_by(ana, group, time), payee(now=time())
    assert bearers.borne_by(payment=paid, amount=500, subject=uuid7(), now=time()) == [
        ledger.Source(Account.RIDER_DEPOSIT, 500)
    ]
    share(group, time, operators=[Due(to.id, {paid.id: 3750})], days=3)
    assert credit.give(
        user_id=ana.id, amount=usd(1), source=Account.GOODWILL, reference="x", now=time(), by=None
    )
    from django.db import transaction

    with transaction.atomic():
        locked = Payment.objects.select_for_update().get(id=paid.id)
        sources = bearers.borne_by(payment=locked, amount=4000, subject=uuid7(), now=time())
        assert [(each.account, each.amount) for each in sources] == [(PAYABLE, 3750), ("platform:fee", 250)]
        transaction.set_rollback(True)


# ---- holding back


def test_all_of_it_waits_until_it_is_lifted(
    sandbox: Sandbox, ana: User, sam: User, group: str, time: Time
) -> None:
    paid, to = paid_by(ana, group, time), payee(now=time())
    share(group, time, operators=[Due(to.id, {paid.id: 3750}, firm=200)])
    for _twice in range(2):
        holding.hold(group=group, payee_id=to.id, amount=None, reference="a", now=time())
    assert queries.waits(group, to.id) == usd(3950)
    assert earnings.send_due(now=time()) == 0
    for _twice in range(2):
        holding.lift(group=group, payee_id=to.id, kept=usd(500), reference="a", now=time())
    assert balances(PAYABLE, "platform:retained") == [3450, 500]
    assert queries.waits(group, to.id) == usd(0)
    assert earnings.send_due(now=time()) == 1
    assert Transfer.objects.get(state="paid").amount_minor == 3450


def test_a_part_waits_and_the_rest_goes(sandbox: Sandbox, ana: User, group: str, time: Time) -> None:
    paid, to = paid_by(ana, group, time), payee(now=time())
    share(group, time, operators=[Due(to.id, {paid.id: 3750})])
    for _twice in range(2):
        holding.hold(group=group, payee_id=to.id, amount=usd(1000), reference="b", now=time())
    assert queries.waits(group, to.id) == usd(1000)
    assert earnings.send_due(now=time()) == 1
    assert Transfer.objects.get(state="paid").amount_minor == 2750
    holding.lift(group=group, payee_id=to.id, kept=usd(1000), reference="b", now=time())
    assert balances(PAYABLE, "platform:retained") == [0, 1000]
    assert earnings.send_due(now=time()) == 0


def test_no_more_can_be_kept_than_waits(sandbox: Sandbox, ana: User, group: str, time: Time) -> None:
    paid, to = paid_by(ana, group, time), payee(now=time())
    share(group, time, operators=[Due(to.id, {paid.id: 3750})])
    holding.hold(group=group, payee_id=to.id, amount=usd(1000), reference="c", now=time())
    with pytest.raises(holding.NotThere):
        holding.lift(group=group, payee_id=to.id, kept=usd(1001), reference="c", now=time())
    assert queries.waits(group, to.id) == usd(1000)
    earnings.send_due(now=time())
    holding.hold(group=group, payee_id=to.id, amount=usd(50), reference="d", now=time())  # all was sent


def test_a_refund_takes_from_what_is_held_back_too(
    sandbox: Sandbox, ana: User, group: str, time: Time
) -> None:
    paid, to = paid_by(ana, group, time), payee(now=time())
    share(group, time, operators=[Due(to.id, {paid.id: 3750})])
    holding.hold(group=group, payee_id=to.id, amount=usd(3000), reference="e", now=time())
    back(paid, 4200, time)
    assert balances(PAYABLE, "operator:receivable") == [0, 0]
    holding.lift(group=group, payee_id=to.id, kept=usd(0), reference="e", now=time())
    assert earnings.send_due(now=time()) == 0


def test_what_is_held_back_is_not_sent_again_by_hand(
    sandbox: Sandbox, ana: User, sam: User, group: str, time: Time
) -> None:
    paid, to = paid_by(ana, group, time), payee(now=time(), ready=False)
    share(group, time, operators=[Due(to.id, {paid.id: 3750})])
    Payee.objects.filter(id=to.id).update(can_be_paid=True)
    earnings.send_due(now=time())
    failed = Transfer.objects.get()
    assert failed.state == TransferState.FAILED
    holding.hold(group=group, payee_id=to.id, amount=None, reference="f", now=time())
    assert earnings.send_again(transfer_id=failed.id, now=time(), by=sam).state == TransferState.FAILED
    with pytest.raises(NotAllowed):
        earnings.send_again(transfer_id=failed.id, now=time(), by=ana)


# ---- what payees owe


def test_a_debt_is_kept_from_what_is_sent_next(sandbox: Sandbox, ana: User, group: str, time: Time) -> None:
    to = payee(now=time())
    assert holding.penalise(payee_id=to.id, amount=usd(5000), reference="late:1", now=time())
    assert not holding.penalise(payee_id=to.id, amount=usd(5000), reference="late:1", now=time())
    with pytest.raises(ValueError, match="no penalty"):
        holding.penalise(payee_id=to.id, amount=usd(0), reference="late:2", now=time())
    one, two = paid_by(ana, group, time), paid_by(ana, group, time)
    share(group, time, operators=[Due(to.id, {one.id: 3750, two.id: 3750})])
    assert earnings.send_due(now=time()) == 2
    kept = sorted((each.netted_minor, each.state, bool(each.transfer)) for each in Transfer.objects.all())
    assert kept == [(1250, "paid", True), (3750, "paid", False)]
    assert balances(PAYABLE, "operator:receivable", "platform:retained") == [0, 0, 5000]
    assert queries.trip_money(group).paid_out == usd(2500)


def test_what_could_not_be_reversed_is_kept_next_time(
    sandbox: Sandbox, ana: User, group: str, time: Time
) -> None:
    paid, to = paid_by(ana, group, time), payee(now=time())
    share(group, time, operators=[Due(to.id, {paid.id: 3750})])
    earnings.send_due(now=time())
    time.move(days=6)  # paid out to the operator's bank
    sandbox.see("tick")
    back(paid, 4200, time)
    assert Operation.objects.get(kind="reverse").state == "failed"
    assert queries.balance("operator:receivable") == -3750
    later = f"trip:{uuid7()}"
    again = paid_by(ana, later, time, 9000)
    share(later, time, operators=[Due(to.id, {again.id: 8000})])
    earnings.send_due(now=time())
    assert balances(PAYABLE, "operator:receivable") == [0, 0]
    assert Transfer.objects.get(group=later).to_send_minor == 8000 - 3750


def test_a_reversal_under_way_is_not_kept_as_well(
    sandbox: Sandbox, ana: User, group: str, time: Time
) -> None:
    from payments.sandbox.faults import Fault

    paid, to = paid_by(ana, group, time), payee(now=time())
    share(group, time, operators=[Due(to.id, {paid.id: 3750})])
    earnings.send_due(now=time())
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "/reversals$", Fault.DROP_BEFORE)
    back(paid, 4200, time)
    assert bearers.debt_of(to.id, "USD") == 0
    later = f"trip:{uuid7()}"
    again = paid_by(ana, later, time, 9000)
    share(later, time, operators=[Due(to.id, {again.id: 8000})])
    earnings.send_due(now=time())
    heal(sandbox, time)
    assert Transfer.objects.get(group=later).netted_minor == 0
    assert queries.balance("operator:receivable") == 0


def test_what_was_kept_stays_kept_when_the_rest_is_refused(
    sandbox: Sandbox, ana: User, sam: User, group: str, time: Time
) -> None:
    paid, to = paid_by(ana, group, time), payee(now=time(), ready=False)
    holding.penalise(payee_id=to.id, amount=usd(750), reference="x", now=time())
    share(group, time, operators=[Due(to.id, {paid.id: 3750})])
    Payee.objects.filter(id=to.id).update(can_be_paid=True)
    earnings.send_due(now=time())
    row = Transfer.objects.get()
    assert (row.state, row.netted_minor) == (TransferState.FAILED, 750)
    # The rider gets everything back: what was not sent is not sent, what was kept against the debt is owed anew.
    back(paid, 4200, time)
    row.refresh_from_db()
    assert (row.state, row.amount_minor, row.netted_minor) == (TransferState.PAID, 750, 750)
    assert balances(PAYABLE, "operator:receivable") == [0, -750]


@pytest.mark.race
def test_two_transfers_do_not_keep_the_same_debt(
    sandbox: Sandbox, ana: User, ben: User, group: str, time: Time
) -> None:
    """A debt of 3000, two transfers of 3750 sent at the same moment: one keeps it, once."""
    to = payee(now=time())
    one, two = paid_by(ana, group, time), paid_by(ben, group, time)
    share(group, time, operators=[Due(to.id, {one.id: 3750, two.id: 3750})])
    holding.penalise(payee_id=to.id, amount=usd(3000), reference="late", now=time())
    now, rows = time(), Transfer.objects.values_list("id", flat=True)
    together(*[lambda which=each: earnings._send(which, now) for each in rows])
    heal(sandbox, time)
    assert sum(Transfer.objects.values_list("netted_minor", flat=True)) == 3000
    assert balances(PAYABLE, "operator:receivable") == [0, 0]


# ---- statements


@pytest.mark.parametrize("seed", range(4))
def test_statements_add_up_to_the_ledger_whatever_happened(
    sandbox: Sandbox, ana: User, ben: User, time: Time, seed: int
) -> None:
    chance, to, club = random.Random(seed), payee(now=time()), payee(now=time())
    begun, groups = time() - timedelta(days=1), []
    for step in range(7):
        group = f"trip:{uuid7()}"
        groups.append(group)
        paid = [paid_by(chance.choice([ana, ben]), group, time, chance.randint(500, 9000)) for _ in range(2)]
        if chance.random() < 0.3:
            back(paid[0], 100, time, "before")
        for each in paid:
            each.refresh_from_db()
        worth = {each.id: queries.worth(each).minor for each in paid}
        share(
            group,
            time,
            operators=[
                Due(to.id, {each: w * 8 // 10 for each, w in worth.items()}, chance.choice([0, 900, 9000]))
            ],
            partner=Due(club.id, {each: w // 20 for each, w in worth.items()}),
            taxes={each: w // 30 for each, w in worth.items()},
            days=chance.choice([0, 3]),
        )
        if chance.random() < 0.4:
            holding.hold(
                group=group,
                payee_id=to.id,
                amount=chance.choice([None, usd(300)]),
                reference=f"h{step}",
                now=time(),
            )
        if chance.random() < 0.3:
            holding.penalise(
                payee_id=to.id, amount=usd(chance.randint(1, 4000)), reference=f"p{step}", now=time()
            )
        earnings.send_due(now=time())
        if chance.random() < 0.6:
            back(paid[1], min(400, worth[paid[1].id]), time, "after")
        if chance.random() < 0.5:
            held = queries.waits(group, to.id)
            holding.lift(
                group=group, payee_id=to.id, kept=usd(held.minor // 3), reference=f"h{step}", now=time()
            )
        time.move(days=chance.randint(4, 20))
        sandbox.see("tick")
    heal(sandbox, time)

    for whose, account in ((to, PAYABLE), (club, PARTNER)):
        months = statements.months_of(whose.id, "America/Chicago", time())
        before, earned = statements.Standing(0, 0), 0
        for month in reversed(months):
            since, until = statements.month_bounds(month, "America/Chicago")
            found = statements.extract_of(whose.id, since=since, until=until)
            assert found.opening == before
            assert found.opening.net + sum(each.change for each in found.entries) == found.closing.net
            before, earned = found.closing, earned + found.sums.earned
        assert before.due == queries.balance(account, payee=whose)
        assert before.debt == -queries.balance("operator:receivable", payee=whose)
        booked = LedgerTransfer.objects.filter(credit=account, payee=whose).values_list(
            "amount_minor", flat=True
        )
        assert earned == sum(booked)
    assert begun < time()
    money = statements.group_money(groups, before=time() + timedelta(days=1))
    for group in groups:
        found_ = money[group]
        came = found_.gross - found_.refunds + found_.added
        assert came == found_.earned + found_.partner + found_.tax + found_.fee, group


def test_an_account_on_which_nothing_happened_has_no_statements(sandbox: Sandbox, time: Time) -> None:
    to = payee(now=time())
    assert statements.months_of(to.id, "UTC", time()) == []
    assert statements.standing(to.id) == statements.Standing(0, 0)


def test_how_far_a_payee_is(sandbox: Sandbox, time: Time) -> None:
    assert payee(now=time()).stage == Payee.Stage.READY
    assert payee(now=time(), ready=False).stage == Payee.Stage.MORE
    assert Payee(name="new").stage == Payee.Stage.NOTHING


def test_nothing_is_held_back_of_what_nobody_is_due(sandbox: Sandbox, time: Time) -> None:
    holding.hold(group="trip:none", payee_id=payee(now=time()).id, amount=usd(100), reference="r", now=time())
    assert not Transfer.objects.exists()
