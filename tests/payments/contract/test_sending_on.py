"""Sending an operator's part on, taking it back, and an account that cannot be paid yet."""

from __future__ import annotations

from uuid import uuid4

import pytest

from payments import gateway
from payments.gateway import words
from tests.payments.contract.till import Till


def send(
    till: Till, account: str, charge: str | None, amount: int, group: str, **tags: str
) -> words.TransferSeen:
    """Send a part on."""
    asked = {"amount": amount, "currency": "USD", "account": account, "charge": charge, "group": group}
    return gateway.create_transfer(asked, tags=tags, key=till.key())


def test_a_part_of_a_charge_is_sent_at_once(till: Till, operator: str) -> None:
    taken, group, op = till.paid(), f"trip:{uuid4()}", str(uuid4())
    sent = send(till, operator, taken.charge, 3000, "trip:contract", op=op)
    assert (sent.amount, sent.reversed, sent.reversals) == (3000, 0, ())
    assert sent.booking is not None
    assert sent.booking.amount == -3000
    assert gateway.find_transfer(group="trip:contract", op=op) == sent
    assert gateway.find_transfer(group=group, op=op) is None
    assert gateway.transfer(sent.id) == sent


def test_no_more_than_the_charge_is_sent_on(till: Till, operator: str) -> None:
    taken = till.paid()
    send(till, operator, taken.charge, 4000, "trip:contract")
    with pytest.raises(words.Refused):
        send(till, operator, taken.charge, 201, "trip:contract")


def test_the_same_key_sends_once(till: Till, operator: str) -> None:
    taken, key = till.paid(), till.key()
    asked = {
        "amount": 3000,
        "currency": "USD",
        "account": operator,
        "charge": taken.charge,
        "group": "trip:contract",
    }
    assert len({gateway.create_transfer(asked, tags={}, key=key).id for _ in range(2)}) == 1


def test_a_transfer_is_taken_back_in_parts_and_no_further(till: Till, operator: str) -> None:
    op = str(uuid4())
    sent = send(till, operator, till.paid().charge, 3000, "trip:contract")
    part = gateway.reverse_transfer(sent.id, amount=1000, tags={"op": op}, key=till.key())
    assert part.booking is not None
    assert (part.amount, part.booking.amount) == (1000, 1000)
    assert gateway.find_reversal(sent.id, op=op) == part
    seen = gateway.transfer(sent.id)
    assert (seen.reversed, [each.id for each in seen.reversals]) == (1000, [part.id])
    assert seen.reversals[0].booking == part.booking  # the expansion inside the list
    with pytest.raises(words.Refused):
        gateway.reverse_transfer(sent.id, amount=2001, tags={}, key=till.key())
    gateway.reverse_transfer(sent.id, amount=2000, tags={}, key=till.key())
    with pytest.raises(words.ProviderTrouble):
        gateway.reverse_transfer(sent.id, amount=1, tags={}, key=till.key())


def test_giving_back_to_the_payer_leaves_the_transfer_alone(till: Till, operator: str) -> None:
    taken = till.paid()
    sent = send(till, operator, taken.charge, 3000, "trip:contract")
    gateway.create_refund(intent_id=taken.id, amount=4200, tags={}, key=till.key())
    assert gateway.transfer(sent.id).reversed == 0


def test_an_account_is_not_paid_before_its_owner_told_who_they_are(till: Till) -> None:
    made = gateway.create_account(email="o@contract.example", name="Prairie", tags={}, key=till.key())
    assert made.can_be_paid is False
    assert gateway.account(made.id).can_be_paid is False
    page = gateway.onboarding_page(made.id, return_url="https://rally.example/operator/money/")
    assert page.startswith("http")
    with pytest.raises(words.Refused):
        send(till, made.id, till.paid().charge, 100, "trip:contract")


def test_an_account_needs_no_address_but_takes_none_that_is_wrong(till: Till) -> None:
    assert gateway.create_account(email="", name="Fans", tags={}, key=till.key()).id
    with pytest.raises(words.Refused) as wrong:
        gateway.create_account(email="nobody", name="Prairie", tags={}, key=till.key())
    assert wrong.value.code == words.NO_ADDRESS


def test_without_a_charge_the_balance_must_have_it(clock_moves: Till, operator: str) -> None:
    till = clock_moves
    till.paid()
    with pytest.raises(words.Refused) as poor:
        send(till, operator, None, 1000, "payee:contract")
    assert poor.value.code == "balance_insufficient"
    till.pause(2 * 24 * 3600)
    assert send(till, operator, None, 1000, "payee:contract").amount == 1000


def test_money_that_is_there_at_once_can_be_sent_without_a_charge(till: Till, operator: str) -> None:
    till.paid(card="pm_card_bypassPending")
    assert send(till, operator, "", 1000, "payee:contract").amount == 1000
