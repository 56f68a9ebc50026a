"""Holds that are about to lapse at the bank: the trip is decided now, or the hold is let go and the card kept."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from payments.actions import payments
from payments.locks import locked_payment
from payments.states import PaymentState
from trips.actions import backing, settlement
from trips.locks import locked_pledge
from trips.models import Pledge
from trips.states import PledgeState, TripState

_UNDECIDED = (TripState.GATHERING, TripState.SETTLING)


def decide_or_let_go(*, payment_id: UUID, now: datetime) -> None:
    """Take the trip of this payment as far as it can go now. If it stays undecided, let its hold go and keep the card: a
    settling trip asks for a fresh hold at once, a gathering one when it settles. Safe to repeat.
    """
    found = Pledge.objects.filter(payment_id=payment_id).values_list("id", "trip_id").first()
    if found is None:
        return
    pledge_id, trip_id = found
    settlement.settle(trip_id=trip_id, now=now)
    if _let_go(pledge_id, now):
        backing.follow(payment_id=payment_id, now=now)


@transaction.atomic
def _let_go(pledge_id: UUID, now: datetime) -> bool:
    """Let the hold of a trip that is still undecided go. True when the pledge should look at its payment again."""
    trip, pledge = locked_pledge(pledge_id)
    payment = locked_payment(backing.payment_id_of(pledge))
    if payment.state != PaymentState.HELD:
        return False
    if trip.state in _UNDECIDED and pledge.state == PledgeState.HELD:
        backing.move(pledge, PledgeState.BACKED, now=now, by=None, trip=trip, why="the hold ends")
        payments.release(payment_id=payment.id, keep_card=True, now=now, why="the hold ends")
    return True
