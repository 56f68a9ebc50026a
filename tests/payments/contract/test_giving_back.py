"""Giving back, and what banks take back: refunds and disputes."""

from __future__ import annotations

from uuid import uuid4

import pytest

from payments import gateway
from payments.gateway import words
from tests.payments.contract.till import Till


def back(till: Till, intent: str, amount: int, **tags: str) -> words.RefundSeen:
    """Give back a part."""
    return gateway.create_refund(intent_id=intent, amount=amount, tags=tags, key=till.key())


def test_all_of_it_is_given_back_once(till: Till) -> None:
    taken = till.paid()
    given = back(till, taken.id, 4200, op="r1")
    assert (given.status, given.amount, given.intent) == ("succeeded", 4200, taken.id)
    assert given.booking is not None
    assert (given.booking.amount, given.returned) == (-4200, None)
    with pytest.raises(words.AlreadyMoved) as again:
        back(till, taken.id, 4200)
    assert again.value.code == "charge_already_refunded"


def test_parts_are_given_back_up_to_what_was_taken(till: Till) -> None:
    taken = till.paid()
    first, second = str(uuid4()), str(uuid4())
    back(till, taken.id, 1200, op=first)
    back(till, taken.id, 800, op=second)
    with pytest.raises(words.Refused):
        back(till, taken.id, 2201)
    found = {each.tags.op: each.amount for each in gateway.refunds_of(taken.id)}
    assert found == {first: 1200, second: 800}
    assert back(till, taken.id, 2200).amount == 2200


def test_the_same_key_gives_back_once(till: Till) -> None:
    taken, key = till.paid(), till.key()
    given = [gateway.create_refund(intent_id=taken.id, amount=500, tags={}, key=key).id for _ in range(2)]
    assert given[0] == given[1]
    assert [each.id for each in gateway.refunds_of(taken.id)] == given[:1]


def test_of_less_taken_no_more_is_given_back(till: Till) -> None:
    held = till.held()
    gateway.capture_intent(held.id, amount=3000, key=till.key())
    with pytest.raises(words.Refused):
        back(till, held.id, 3001)
    assert back(till, held.id, 3000).status == "succeeded"


def test_a_hold_is_not_given_back(till: Till) -> None:
    held = till.held()
    with pytest.raises(words.Refused):
        back(till, held.id, 4200)
    assert gateway.intent(held.id).status == "held"


def test_a_refund_can_take_its_time(till: Till) -> None:
    given = back(till, till.paid(card="pm_card_pendingRefund").id, 4200)
    assert given.status == "pending"
    assert gateway.refund(given.id).amount == 4200


def test_a_refund_that_had_arrived_can_come_back(clock_moves: Till) -> None:
    till = clock_moves
    taken = till.paid(card="pm_card_refundFail")
    given = back(till, taken.id, 4200)
    assert given.status == "succeeded"
    till.pause(3 * 24 * 3600)
    failed = gateway.refund(given.id)
    assert failed.status == "failed"
    assert failed.returned is not None
    assert failed.returned.amount == 4200


# ---- disputes


def disputed(till: Till) -> tuple[words.Intent, str]:
    """A payment that its cardholder disputes, and the dispute."""
    taken = till.paid(card="pm_card_createDispute")
    found = till.until(lambda: till.v1.disputes.list({"payment_intent": taken.id}).data)
    return taken, str(found[0].id)


def test_a_dispute_takes_the_money_and_waits_for_us(till: Till) -> None:
    taken, dispute = disputed(till)
    seen = gateway.dispute(dispute)
    assert (seen.status, seen.intent, seen.amount) == ("open", taken.id, 4200)
    assert (seen.answerable, seen.answers, seen.answer_by is not None) == (True, 0, True)
    assert [line.amount for line in seen.bookings] == [-4200]
    assert seen.bookings[0].fee > 0
    with pytest.raises(words.Refused) as no:
        back(till, taken.id, 4200)
    assert no.value.code == "charge_disputed"


@pytest.mark.parametrize(("text", "end"), [("winning_evidence", "won"), ("losing_evidence", "lost")])
def test_evidence_is_staged_then_sent_and_decides(till: Till, text: str, end: str) -> None:
    taken, dispute = disputed(till)
    staged = gateway.update_dispute(
        dispute, {"customer_name": "Ana", "service_date": "21 November 2026"}, submit=False, key=till.key()
    )
    assert (staged.status, staged.answerable, staged.answers) == ("open", True, 0)
    key = till.key()
    for _ in range(2):
        gateway.update_dispute(dispute, {"uncategorized_text": text}, submit=True, key=key)
    decided = till.until(lambda: seen if (seen := gateway.dispute(dispute)).status != "open" else None)
    assert decided is not None
    assert (decided.status, decided.answers) == (end, 1)
    assert sum(line.amount for line in decided.bookings) == (0 if end == "won" else -4200)
    with pytest.raises(words.Refused):
        gateway.update_dispute(dispute, {"customer_name": "Bo"}, submit=True, key=till.key())
    if end == "won":  # the money is ours again, and can be given back like any other
        assert back(till, taken.id, 1200).amount == 1200
    else:
        with pytest.raises(words.Refused):
            back(till, taken.id, 1200)


def test_a_dispute_that_is_accepted_is_lost(till: Till) -> None:
    _, dispute = disputed(till)
    assert gateway.close_dispute(dispute, key=till.key()).status == "lost"
    with pytest.raises(words.Refused):
        gateway.close_dispute(dispute, key=till.key())
