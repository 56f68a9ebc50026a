"""Putting together what is laid before a bank when a payer disputes a ride: only what is on record, and all of it.

The words are for a bank and therefore English, whatever language people read our pages in. Times are UTC and say so; the
day of the ride is the one on the wall where the bus starts, as its ticket says it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from operators.queries.evidence import Ride, ride_of, times_of, why_owed
from operators.states import Leg
from payments.actions import disputes
from payments.models import Dispute, Payment
from payments.states import RefundState
from rally.money import Money
from trips.queries import terms
from trips.states import FUNDED, PledgeState

_LEGS = {Leg.OUTBOUND: "on the way there", Leg.RETURN: "on the way back"}


def put_together(*, dispute_id: UUID, now: datetime) -> Dispute:
    """Assemble the evidence about a dispute and keep it with the dispute. Twice: as things stand then.

    Where our own books say that the payer is right, that is kept as advice to accept.
    """
    dispute = Dispute.objects.select_related("payment__payer").get(id=dispute_id)
    ride = ride_of(dispute)
    if ride is None:
        evidence, advice = _plain(dispute.payment), ""
    else:
        evidence, advice = _about(ride), why_owed(ride, now)
    return disputes.put_together(dispute_id=dispute_id, evidence=evidence, advice=advice, now=now)


def _plain(payment: Payment) -> dict[str, str]:
    """A payment that is for no ride that we know of: who paid, for what, and what was given back."""
    return {
        "customer_name": payment.payer.name,
        "customer_email_address": payment.payer.email,
        "product_description": f"{payment.description}. Paid: {payment.captured}.",
    }


def _about(ride: Ride) -> dict[str, str]:
    day = ride.pledge.trip.departs_at.astimezone(ZoneInfo(ride.first.time_zone))
    return {
        "customer_name": ride.pledge.rider.name,
        "customer_email_address": ride.pledge.rider.email,
        "service_date": f"{day:%B} {day.day}, {day:%Y}",
        "product_description": _lines(_product(ride)),
        "access_activity_log": _lines(_log(ride)),
        "refund_policy_disclosure": _lines(_consent(ride)),
        "cancellation_policy_disclosure": _lines(_policy(ride)),
        "refund_refusal_explanation": _lines(_refunds(ride)),
    }


def _product(ride: Ride) -> Iterable[str]:
    """What was sold, by whom it was driven, and the receipt."""
    pledge, trip = ride.pledge, ride.pledge.trip
    event = trip.event
    names = ", ".join(seat.name for seat in ride.seats)
    yield f"{pledge.seats} seat(s) on a bus from {trip.origin} to {event.name} at {event.venue.name}, {event.venue.city}, and back."
    yield f"Boarding at {pledge.stop.name} at {_at(pledge.stop.departs_at)}; back there at {_at(pledge.stop.returns_at)}."
    yield f"Passengers named by the customer: {names}."
    yield f"Order {pledge.code}: {pledge.seats} × {pledge.price}, in all {pledge.price * pledge.seats}; taken from the card: {ride.payment.captured}."
    for run in ride.runs:
        yield f"Driven by {run.operator.name} with the bus {run.vehicle.plate}."
        for what, when in times_of(run):
            if when is not None:
                yield f"  {_at(when)}: the bus {what}."


def _log(ride: Ride) -> Iterable[str]:
    """What the customer did and was told, in order; then who was checked in at the door."""
    pledge = ride.pledge
    happened: list[tuple[datetime, str]] = [
        (pledge.consented_at, "The customer agreed to the terms and went to pay."),
        *((move.at, f"The order became: {move.new}.") for move in ride.moves if move.old),
        *((mail.sent_at, f"We sent the mail '{mail.kind.partition('.')[2]}'.") for mail in ride.mails if mail.sent_at),
    ]  # fmt: skip
    for when, what in sorted(happened, key=lambda each: each[0]):
        yield f"{_at(when)}: {what}"
    yield from _boarding(ride)


def _boarding(ride: Ride) -> Iterable[str]:
    """Each check-in with its time and device; for whom there is none, that is said, once there can be one."""
    has_left = any(run.started_at for run in ride.runs)
    if not has_left:
        yield "Nobody has told us yet that the bus has left."
    for leg, way in _LEGS.items():
        for seat in ride.seats:
            taps = [each for each in ride.boardings if each.leg == leg and each.seat_id == seat.id]
            for each in taps:
                device = f" on the device {each.device}" if each.device else " in the driver's list"
                undone = f", taken back at {_at(each.undone_at)}" if each.undone_at else ""
                yield f"{_at(each.at)}: {seat.name} was checked in {way}{device}{undone}."
            if has_left and not any(each.undone_at is None for each in taps):
                yield f"{seat.name}: no check-in {way} on record."


def _consent(ride: Ride) -> Iterable[str]:
    pledge = ride.pledge
    yield f"Agreed to by the customer at {_at(pledge.consented_at)} (version {pledge.consent_version}), shown beside the button, word for word:"
    yield pledge.consent_text


def _policy(ride: Ride) -> Iterable[str]:
    if ride.pledge.policy:
        yield f"As agreed, whoever leaves a confirmed trip gets back: {terms.ladder_in_words(ride.pledge.policy)}."
    yield "Before the trip is confirmed leaving is free, and nothing is charged for a trip that does not run."


def _refunds(ride: Ride) -> Iterable[str]:
    """What was given back, and whether the customer ever left."""
    currency = ride.payment.currency
    for each in ride.refunds:
        state = "given back" if each.state == RefundState.SUCCEEDED else "promised, not arrived"
        yield f"{_at(each.created_at)}: {Money(each.amount_minor, currency)} {state}."
    if not ride.refunds:
        yield "Nothing was given back."
    left = [each for each in ride.moves if each.new in (PledgeState.WITHDRAWING, PledgeState.WITHDRAWN)]
    for move in left:
        yield f"{_at(move.at)}: the customer's seats were given up ({move.why or 'asked for'})."
    if not left and ride.pledge.state in FUNDED:
        yield "The customer did not cancel; the seats were kept free for them until the end."


def _at(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)
