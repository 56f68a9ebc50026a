"""Going to pay: the link, the payment behind a pledge, and by which kind of checkout page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from payments.actions import payments
from payments.models import Checkout, Payment
from payments.queries import Saving
from rally import rules
from trips import notices
from trips.actions.joining import check_bus
from trips.errors import ConsentMissing, NotChangeable
from trips.locks import locked_pledge
from trips.models import Pledge, Trip
from trips.models.pledges import Instrument
from trips.queries import links
from trips.queries.waiting import words_to_agree
from trips.states import PledgeState, TripState


@dataclass(frozen=True)
class ToPay:
    """Where the rider has to go: this payment, by this kind of checkout page."""

    payment_id: Any
    mode: Checkout.Mode


def pay_link(pledge: Pledge) -> str:
    """The absolute address at which this pledge is paid, signed so that it works without signing in.

    Whoever has it can pay for the seats and see that they are paid, nothing else.
    """
    return links.pay_link(pledge)


@transaction.atomic
def open_payment(*, pledge_id: Any, now: datetime) -> ToPay:
    """Make sure there is a payment to pay, and say by which kind of checkout page.

    A draft keeps its seats while its rider is at the checkout, at most twice `reserve_minutes` altogether. Safe to
    repeat. Raises `NotChangeable` when there is nothing to pay (any more), `PledgesClosed` for a draft while its certain
    trip has no bus, `ConsentMissing` for seats offered from the waiting list while the words of today were not agreed to
    (`waiting.agree`).
    """
    trip, pledge = locked_pledge(pledge_id)

    mode = _mode(trip, pledge, now)
    if pledge.state == PledgeState.DRAFT:
        check_bus(trip)
    if words_to_agree(pledge, now) is not None:
        raise ConsentMissing
    if pledge.payment_id is None:
        pledge.payment = begin(trip, pledge, now=now)
    elif mode == Checkout.Mode.CHARGE and pledge.state != PledgeState.PAYMENT_DUE:
        # The price may have been locked since; what is due was told the payment when it was to be taken.
        payments.change_amount(
            payment_id=pledge.payment_id, amount=pledge.charge, description=described(trip, pledge), now=now
        )
    if pledge.state == PledgeState.DRAFT:
        pledge.reserved_until = max(pledge.reserved_until, _kept_until(pledge, now))
    pledge.save(update_fields=["payment", "reserved_until"])
    return ToPay(payment_id=pledge.payment_id, mode=mode)


def begin(
    trip: Trip, pledge: Pledge, *, saving: Saving | None = None, use_credit: bool = False, now: datetime
) -> Payment:
    """The payment behind a locked pledge; what a promotion and credit pay of it is set aside when it is first opened."""
    return payments.open(
        payer=pledge.rider,
        reference=f"pledge:{pledge.id}",
        group=f"trip:{trip.id}",
        description=described(trip, pledge),
        amount=pledge.charge,
        saving=saving,
        use_credit=use_credit,
        now=now,
    )


def _kept_until(pledge: Pledge, now: datetime) -> datetime:
    """A draft is kept while its rider is at the checkout, but not for ever."""
    numbers = rules.current()
    keep = timedelta(minutes=numbers.reserve_minutes)
    if pledge.offered_at is None:
        return min(now + keep, pledge.created_at + 2 * keep)
    return min(now + keep, pledge.offered_at + timedelta(hours=numbers.waiting_offer_hours) + keep)


def _mode(trip: Trip, pledge: Pledge, now: datetime) -> Checkout.Mode:
    state = PledgeState(pledge.state)
    if state == PledgeState.PAYMENT_DUE:
        return Checkout.Mode.CHARGE
    if state not in {PledgeState.DRAFT, PledgeState.NEEDS_CARD}:
        raise NotChangeable(why=_why_nothing_to_pay(state))
    if trip.state == TripState.CONFIRMED and now < trip.departs_at:
        return Checkout.Mode.CHARGE
    if trip.state == TripState.SETTLING:
        return Checkout.Mode.HOLD
    if trip.state == TripState.GATHERING:
        return Checkout.Mode.HOLD if pledge.instrument == Instrument.HOLD else Checkout.Mode.SAVE
    raise NotChangeable(why=_("the trip takes no more cards"))


def _why_nothing_to_pay(state: PledgeState) -> str:
    if state in {PledgeState.BACKED, PledgeState.HELD, PledgeState.PAID}:
        return _("your part is done already")
    if state in {PledgeState.AUTHORIZING, PledgeState.CAPTURING}:
        return _("your bank is being asked at this moment")
    if state == PledgeState.EXPIRED:
        return _("the seats were given up because no card came in time")
    return _("these seats were given up")


def described(trip: Trip, pledge: Pledge) -> str:
    """What is paid for, as the payer reads it on the checkout page and on an invoice. It goes with the amount."""
    facts = {"seats": pledge.seats, "trip": trip, "day": notices.day_of(trip)}
    return (_("Seats: %(seats)s. %(trip)s, %(day)s") % facts)[:200]
