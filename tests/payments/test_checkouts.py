"""Hosted pages: one open page per payment, and what comes of pages that are completed late or twice."""

from __future__ import annotations

import pytest

from payments import gateway
from payments.actions import checkouts, payments, sightings
from payments.errors import PaymentClosed, ProviderUnavailable
from payments.models import Account, Attempt, Checkout, Customer, Operation, Payment, Refund
from payments.queries import balance
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Fault
from payments.states import AttemptState, CheckoutState, PaymentState
from rally.models import User
from tests.factories.payments import ALWAYS_ASKS, at_page, go, payment, type_card, usd
from tests.payments.conftest import Time, heal, work

SAVE, HOLD, CHARGE = Checkout.Mode.SAVE, Checkout.Mode.HOLD, Checkout.Mode.CHARGE


def test_two_clicks_end_at_one_page(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = payment(ana, now=time())
    assert go(paid, SAVE, now=time()) == go(paid, SAVE, now=time())
    assert Checkout.objects.count() == 1


def test_a_page_that_does_not_fit_is_replaced(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = payment(ana, now=time())
    urls = {go(paid, SAVE, now=time()), go(paid, HOLD, now=time())}
    time.move(minutes=30)  # about to close
    urls.add(go(paid, HOLD, now=time()))
    assert len(urls) == 3
    assert sorted(Checkout.objects.values_list("state", flat=True)) == ["expired", "expired", "open"]


def test_one_customer_for_all_payments_of_a_payer(sandbox: Sandbox, ana: User, time: Time) -> None:
    first, second = payment(ana, now=time()), payment(ana, now=time())
    go(first, SAVE, now=time())
    go(second, SAVE, now=time())
    assert Customer.objects.count() == 1


@pytest.mark.parametrize("state", ["held", "released", "paid"])
def test_no_page_where_no_card_is_wanted(sandbox: Sandbox, ana: User, time: Time, state: str) -> None:
    paid = at_page(payment(ana, now=time()), CHARGE if state == "paid" else HOLD, now=time())
    if state == "released":
        payments.release(payment_id=paid.id, keep_card=False, now=time(), why="")
    with pytest.raises(PaymentClosed):
        go(paid, CHARGE, now=time())


def test_a_payment_of_another_provider_gets_no_page(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = payment(ana, now=time())
    Payment.objects.filter(id=paid.id).update(provider="test")
    with pytest.raises(PaymentClosed):
        go(paid, SAVE, now=time())


def test_a_silent_provider_is_said_so_and_the_next_click_goes_on(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = payment(ana, now=time())
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "checkout/sessions", Fault.DROP_AFTER)
    with pytest.raises(ProviderUnavailable):
        go(paid, SAVE, now=time())
    time.move(seconds=5)
    url = go(paid, SAVE, now=time())
    assert Checkout.objects.get().url == url  # the page that was made, not a second one


def test_coming_back_never_fails_for_the_provider(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = payment(ana, now=time())
    checkouts.come_back(payment_id=paid.id, now=time())
    type_card(go(paid, SAVE, now=time()))
    assert sandbox.faults is not None
    sandbox.faults.script("GET", "checkout/sessions", Fault.DROP_BEFORE)
    checkouts.come_back(payment_id=paid.id, now=time())
    paid.refresh_from_db()
    assert paid.state == PaymentState.NEW
    checkouts.come_back(payment_id=paid.id, now=time())
    checkouts.come_back(payment_id=paid.id, now=time())
    paid.refresh_from_db()
    assert paid.state == PaymentState.CARD_SAVED


def test_a_closed_tab_is_made_good_by_the_feed(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = payment(ana, now=time())
    type_card(go(paid, HOLD, now=time()))
    work(time)
    paid.refresh_from_db()
    assert paid.state == PaymentState.HELD


def test_a_page_nobody_completed_closes_by_itself(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = payment(ana, now=time())
    go(paid, HOLD, now=time())
    time.move(minutes=40)
    work(time)
    assert Checkout.objects.get().state == CheckoutState.EXPIRED
    assert go(paid, HOLD, now=time())


@pytest.mark.parametrize(("mode", "number"), [(HOLD, ""), (CHARGE, ""), (SAVE, "")])
def test_a_page_completed_while_the_payment_is_let_go_costs_nothing(
    sandbox: Sandbox, ana: User, time: Time, mode: Checkout.Mode, number: str
) -> None:
    paid = payment(ana, now=time())
    url = go(paid, mode, now=time())
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "expire", Fault.DROP_BEFORE)
    payments.release(payment_id=paid.id, keep_card=False, now=time(), why="too late")
    paid.refresh_from_db()
    assert paid.state == PaymentState.RELEASING  # unknown is not "closed"
    type_card(url)  # the payer was quicker
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, paid.captured_minor) == (PaymentState.RELEASED, 0)
    kept = [each for each in Attempt.objects.all() if each.state == AttemptState.HELD]
    assert kept == []


def test_a_page_that_asked_for_less_than_is_owed_pays_nothing(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = payment(ana, now=time(), amount=1400)
    url = go(paid, CHARGE, now=time())
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "expire", Fault.DROP_BEFORE)
    payments.change_amount(payment_id=paid.id, amount=usd(4200), now=time())
    type_card(url)  # before the page could be closed
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, paid.captured_minor) == (PaymentState.NEW, 0)
    assert Refund.objects.get().amount_minor == 1400

    at_page(paid, CHARGE, now=time())
    paid.refresh_from_db()
    assert (paid.state, paid.captured_minor, paid.refunded_minor) == (PaymentState.PAID, 4200, 0)


def test_a_hold_that_comes_after_the_end_is_let_go(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = payment(ana, now=time())
    url = go(paid, HOLD, now=time())
    # As if our row of the page had been lost: it could not be closed.
    Checkout.objects.filter(payment=paid).update(state=CheckoutState.EXPIRED)
    payments.release(payment_id=paid.id, keep_card=False, now=time(), why="lapsed")
    type_card(url)
    work(time)
    work(time)
    paid.refresh_from_db()
    assert paid.state == PaymentState.RELEASED
    assert Attempt.objects.get().state == AttemptState.CANCELED


def test_a_second_hold_is_let_go(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = payment(ana, now=time())
    first = go(paid, HOLD, now=time())
    Checkout.objects.filter(payment=paid).update(state=CheckoutState.EXPIRED)
    second = go(paid, HOLD, now=time())
    type_card(first)
    type_card(second)
    work(time)
    work(time)
    paid.refresh_from_db()
    assert paid.state == PaymentState.HELD
    assert sorted(Attempt.objects.values_list("state", flat=True)) == ["canceled", "held"]


def test_a_second_charge_is_given_back(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = payment(ana, now=time())
    first = go(paid, CHARGE, now=time())
    Checkout.objects.filter(payment=paid).update(state=CheckoutState.EXPIRED)
    second = go(paid, CHARGE, now=time())
    type_card(first)
    type_card(second)
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, paid.captured_minor, paid.refunded_minor) == (PaymentState.PAID, 4200, 0)
    assert Attempt.objects.filter(unwanted=True, state=AttemptState.CAPTURED).count() == 1
    assert gateway.books().balance == 4200 - 2 * 152  # the provider keeps both fees


def test_a_page_paid_at_the_old_price_gives_the_difference_back(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = payment(ana, now=time())
    url = go(paid, CHARGE, now=time())
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "expire", Fault.DROP_BEFORE)
    payments.change_amount(payment_id=paid.id, amount=usd(4000), now=time())
    type_card(url)
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, paid.captured_minor, paid.refunded_minor) == (PaymentState.PAID, 4000, 0)
    assert gateway.books().balance == 4000 - 152


def test_a_hold_at_the_old_lower_price_is_let_go_and_the_card_kept(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = payment(ana, now=time())
    url = go(paid, HOLD, now=time())
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "expire", Fault.DROP_BEFORE)
    payments.change_amount(payment_id=paid.id, amount=usd(8400), now=time())
    type_card(url)
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, bool(paid.card)) == (PaymentState.CARD_SAVED, True)
    payments.authorize(payment_id=paid.id, amount=usd(8400), now=time())
    paid.refresh_from_db()
    assert paid.state == PaymentState.HELD


def test_a_payer_quicker_than_the_bank(sandbox: Sandbox, ana: User, time: Time) -> None:
    """The card declined before and the payer is on the page while we ask the bank once more: one hold stays."""
    paid = at_page(payment(ana, now=time()), SAVE, now=time(), number=ALWAYS_ASKS)
    payments.authorize(payment_id=paid.id, amount=usd(4200), now=time())
    paid.refresh_from_db()
    assert paid.state == PaymentState.DECLINED
    url = go(paid, HOLD, now=time())
    Payment.objects.filter(id=paid.id).update(decline_code="insufficient_funds")
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "expire", Fault.DROP_BEFORE)
    sandbox.faults.script("POST", "payment_intents", Fault.DROP_AFTER)
    payments.authorize(payment_id=paid.id, amount=usd(4200), now=time())
    type_card(url, ALWAYS_ASKS)
    checkouts.come_back(payment_id=paid.id, now=time())
    paid.refresh_from_db()
    assert paid.state == PaymentState.AUTHORIZING
    heal(sandbox, time)
    paid.refresh_from_db()
    assert paid.state == PaymentState.HELD
    assert Attempt.objects.filter(state=AttemptState.HELD).count() == 1


def test_who_paid_on_the_page_just_before_the_bank_is_asked_is_not_asked_for_more(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = at_page(payment(ana, now=time()), SAVE, now=time())
    type_card(go(paid, CHARGE, now=time()))  # and nobody has told us
    payments.authorize(payment_id=paid.id, amount=usd(4200), now=time())
    paid.refresh_from_db()
    assert (paid.state, Operation.objects.get(kind="authorize").error) == (PaymentState.PAID, "not_sent")
    work(time)
    assert (gateway.books().balance, gateway.books().capturable) == (4200 - 152, 0)


def test_who_paid_on_the_page_has_paid_whatever_the_bank_answers(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = at_page(payment(ana, now=time()), SAVE, now=time())
    url = go(paid, CHARGE, now=time())
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "expire", Fault.DROP_BEFORE)
    sandbox.faults.script("POST", "payment_intents", Fault.DROP_AFTER)
    payments.authorize(payment_id=paid.id, amount=usd(4200), now=time())
    type_card(url)
    checkouts.come_back(payment_id=paid.id, now=time())
    paid.refresh_from_db()
    assert (paid.state, balance(Account.RIDER_DEPOSIT)) == (PaymentState.PAID, 4200)
    heal(sandbox, time)
    paid.refresh_from_db()
    assert (paid.state, gateway.books().capturable) == (PaymentState.PAID, 0)
    assert gateway.books().balance == 4200 - 152


def test_a_stranger_s_session_means_nothing(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = payment(ana, now=time())
    go(paid, SAVE, now=time())
    seen = gateway.session(Checkout.objects.get().session)
    Checkout.objects.update(session="cs_other")
    from dataclasses import replace

    assert sightings.session(replace(seen, tags=gateway.words.Tags()), now=time()) is None
    Checkout.objects.update(session=seen.id)
