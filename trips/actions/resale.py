"""Resale: a paid seat that its rider gave up for less than its price, and that somebody else pays for now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import CharField, Count, Exists, F, OuterRef, Value
from django.db.models.functions import Cast, Coalesce, Concat

from payments.actions import payments, rounds
from payments.locks import locked_payment
from payments.models import Refund
from payments.queries import Back
from payments.states import PaymentState
from rally.money import Money
from trips import notices
from trips.actions.backing import payment_id_of
from trips.locks import locked_trip
from trips.models import FreedSeat, Pledge
from trips.queries.leaving import RESOLD
from trips.states import PledgeState

#: A refund that could not be sent at once (its payment is disputed) is tried for as long as a dispute can last.
_TRY_DAYS = 120


@transaction.atomic
def resell(*, trip_id: Any, now: datetime) -> int:
    """Hand freed seats, the oldest first, to those who paid for a seat taken after they were freed, and give the rest
    of their price back. Answers how many were resold. Twice is once: a seat is resold to one pledge, and a pledge buys
    no more of them than it has seats.

    Behind the trip's lock: two joiners who pay at the same moment would both be found for one seat.
    """
    locked_trip(trip_id)

    waiting = list(
        FreedSeat.objects.filter(trip_id=trip_id, resold_at=None)
        .select_related("pledge__payment", "pledge__rider", "pledge__stop", "pledge__trip__event__venue")
        .order_by("freed_at", "pledge_id", "n")
    )
    if not waiting:
        return 0
    buyers = list(_buyers(trip_id, waiting[0].freed_at))
    resold = 0
    for seat in waiting:
        buyer = next((each for each in buyers if each.room and each.sold_at >= seat.freed_at), None)
        if buyer is None:
            continue
        buyer.room -= 1
        seat.resold_to_id, seat.resold_at = buyer.pledge_id, now
        seat.save(update_fields=["resold_to", "resold_at"])
        _give_the_rest(seat, now)
        resold += 1
    return resold


@dataclass
class _Buyer:
    """A paid pledge: since when its seats are taken, and how many freed seats it can still take over."""

    pledge_id: UUID
    sold_at: datetime
    room: int


def _buyers(trip_id: Any, since: datetime) -> list[_Buyer]:
    """Who paid for seats taken since then, in the order in which they took them."""
    rows = (
        Pledge.objects.filter(trip_id=trip_id, state=PledgeState.PAID)
        .annotate(sold_at=Coalesce("offered_at", "created_at"), room=F("seats") - Count("took_over"))
        .filter(sold_at__gte=since, room__gt=0)
        .order_by("sold_at", "id")
    )
    return [_Buyer(*row) for row in rows.values_list("id", "sold_at", "room")]


@transaction.atomic
def pay_back(*, seat_id: Any, now: datetime) -> None:
    """Give the rest for a resold seat back, if that was not possible when it was sold. Twice is once."""
    locked_trip(FreedSeat.objects.values_list("trip_id", flat=True).get(id=seat_id))
    seat = FreedSeat.objects.select_related(
        "pledge__rider", "pledge__stop", "pledge__trip__event__venue"
    ).get(id=seat_id)
    if seat.resold_at is not None:
        _give_the_rest(seat, now)


def _give_the_rest(seat: FreedSeat, now: datetime) -> None:
    """Never more than is left; nothing is left after a dispute that the bank decided for the rider. What a promotion paid of
    the seat is ours again in any case: whoever took it pays for it."""
    payment = locked_payment(payment_id_of(seat.pledge))
    promotion = Money(seat.promotion_minor, payment.currency)
    payments.take_back_promotion(payment_id=payment.id, amount=promotion, reason=f"{RESOLD}{seat.n}", now=now)
    left = (
        payments.left_to_refund(payment)
        if payment.state == PaymentState.PAID
        else Money.zero(payment.currency)
    )
    amount = min(Money(seat.kept_minor, payment.currency), left)
    if not amount:
        return
    # What a dispute holds is with the bank: `unpaid` finds the seat again once that is decided.
    back = payments.refund_unless_disputed(
        payment_id=payment.id, amount=amount, reason=f"{RESOLD}{seat.n}", now=now
    )
    if back:
        notices.resold(seat.pledge, seat.n, back, now)


def unpaid(now: datetime, limit: int = 200) -> list[UUID]:
    """The next of the resold seats whose rest was not given back yet; some never are, because a bank took the payment."""
    reason = Concat(Value(RESOLD), Cast(OuterRef("n"), CharField()))
    given = Refund.objects.filter(attempt__payment=OuterRef("pledge__payment"), reason=reason)
    rows = FreedSeat.objects.filter(
        ~Exists(given),
        resold_at__gt=now - timedelta(days=_TRY_DAYS),
        kept_minor__gt=0,
        pledge__payment__state=PaymentState.PAID,
    )
    return [seat.id for seat in rounds.following("resold_seats", rows, limit=limit, now=now)]


def open_trips(limit: int = 200) -> list[UUID]:
    """Trips that have freed seats for which nobody has paid yet, and somebody who may have: a sweep looks at them."""
    later_rider = Pledge.objects.annotate(sold_at=Coalesce("offered_at", "created_at")).filter(
        trip_id=OuterRef("trip_id"), state=PledgeState.PAID, sold_at__gte=OuterRef("freed_at"), took_over=None
    )
    rows = FreedSeat.objects.filter(Exists(later_rider), resold_at=None)
    return list(rows.order_by("trip_id").values_list("trip_id", flat=True).distinct()[:limit])


@transaction.atomic
def keep_nothing(*, trip_id: Any, now: datetime) -> None:
    """The trip is called off: what was kept of seats given up goes back too, and their riders are told, once for each
    pledge. Twice is once."""
    locked_trip(trip_id)
    seats = FreedSeat.objects.filter(trip_id=trip_id, resold_at=None, kept_minor__gt=0).select_related(
        "pledge__rider", "pledge__stop", "pledge__trip__event__venue"
    )
    back: dict[UUID, Back] = {}
    pledges: dict[UUID, Pledge] = {}
    for seat in seats.order_by("pledge__payment_id", "n"):
        given = _give_kept(seat, now)
        pledges.setdefault(seat.pledge_id, seat.pledge)
        back[seat.pledge_id] = back.get(seat.pledge_id, Back.nothing(seat.pledge.currency)) + given
    for pledge_id, whole in back.items():
        if whole:
            notices.rest_back(pledges[pledge_id], whole, now)


def _give_kept(seat: FreedSeat, now: datetime) -> Back:
    """What was kept of one seat of a trip that was called off, as far as it is left and no bank has it."""
    payment = locked_payment(payment_id_of(seat.pledge))
    amount = min(Money(seat.kept_minor, payment.currency), payments.left_to_refund(payment))
    if payment.state != PaymentState.PAID or not amount:
        return Back.nothing(payment.currency)
    return payments.refund_unless_disputed(
        payment_id=payment.id, amount=amount, reason=f"cancelled:{seat.n}", now=now
    )
