"""What happens to a whole trip: its bus comes and goes, it sets off, is completed, closed, or called off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from payments.actions import payments
from payments.queries import Back
from rally import audit, journal
from rally.later import later
from rally.models import User
from trips import notices
from trips.actions import backing, failures, fares, resale
from trips.actions.settlement import announce
from trips.errors import BusTooSmall, NotChangeable
from trips.locks import locked_pledges, locked_trip
from trips.models import Pledge, Trip
from trips.permissions import check_can_cancel
from trips.queries import stranded
from trips.queries.handed import held
from trips.queries.riding import by_ride
from trips.signals import trip_changed, trip_lapsed
from trips.states import OCCUPYING, RIDING, SEATS, TRIP, PledgeState, TripState, VehicleClass

_BINDABLE = (TripState.GATHERING, TripState.SETTLING, TripState.CONFIRMED)


@transaction.atomic
def bind_bus(
    *,
    trip_id: Any,
    seats: int,
    operator_name: str,
    now: datetime,
    by: User | None,  # noqa: ARG001 - the run's own journal says who
) -> Trip:
    """An operator committed a vehicle with `seats` for riders. The trip settles as soon as enough riders are in.

    A smaller vehicle than the trip was made for lowers its capacity, so that no seat is sold that is not there.
    Again with the same bus: nothing changes. Another bus on a confirmed trip: its riders are told. Raises
    `BusTooSmall`, and `NotChangeable` when the trip is over.
    """
    trip = locked_trip(trip_id)

    if trip.state not in _BINDABLE:
        raise NotChangeable(why=_("the trip takes no bus any more"))
    needed = max(trip.seats_taken, trip.threshold)
    if seats < needed:
        raise BusTooSmall(seats=seats, needed=needed)
    if (trip.seats_supplied, trip.operator_name) == (seats, operator_name):
        return trip

    trip.seats_supplied, trip.operator_name = seats, operator_name
    trip.capacity = min(SEATS[VehicleClass(trip.vehicle_class)], seats)
    trip.save(update_fields=["seats_supplied", "operator_name", "capacity"])

    if trip.state == TripState.CONFIRMED:
        run_changed(trip=trip, now=now)
    backing.wake(trip, now)
    later("trips.offer_seats", trip_id=trip.id)  # a larger bus has seats for those who wait
    announce(trip_changed, trip)
    return trip


@transaction.atomic
def unbind_bus(
    *,
    trip_id: Any,
    now: datetime,
    by: User | None,  # noqa: ARG001 - the run's own journal says who
) -> Trip:
    """The operator left. A trip that is being settled finds no bus when it is decided. Twice is once.

    Raises `NotChangeable` once the bus has left.
    """
    trip = locked_trip(trip_id)

    if trip.state in {TripState.UNDER_WAY, TripState.COMPLETED, TripState.CLOSED}:
        raise NotChangeable(why=_("the bus has left"))
    if not trip.has_bus:
        return trip

    trip.seats_supplied, trip.operator_name = 0, ""
    trip.capacity = SEATS[VehicleClass(trip.vehicle_class)]
    # Whoever pays before another bus is found gets the passes with that one; nobody gets theirs twice.
    trip.told_passes_at = None
    trip.save(update_fields=["seats_supplied", "operator_name", "capacity", "told_passes_at"])

    backing.wake(trip, now)
    announce(trip_changed, trip)
    return trip


@transaction.atomic
def lose_bus(*, trip_id: Any, now: datetime, by: User | None) -> Trip:
    """The operator of a confirmed trip gave up: the riders stay and are told that another bus is looked for. Who is at the
    checkout does not pay before one is found.

    Twice is once. Raises `NotChangeable` once the bus has left.
    """
    trip = locked_trip(trip_id)

    had_bus = trip.has_bus
    trip = unbind_bus(trip_id=trip_id, now=now, by=by)
    if had_bus and trip.state == TripState.CONFIRMED:
        live = locked_pledges(trip, OCCUPYING)
        for pledge in live:
            if pledge.state == PledgeState.DRAFT and pledge.payment_id is not None:
                payments.close_pages(payment_id=pledge.payment_id, now=now)
        notices.bus_lost(trip, live, now)
    return trip


def run_changed(*, trip: Trip, now: datetime) -> None:
    """Tell the riders of a locked, confirmed trip, and those who hold seats of theirs, that another bus comes."""
    notices.run_changed(locked_pledges(trip, OCCUPYING), now)


@transaction.atomic
def cancel(
    *, trip_id: Any, now: datetime, by: User | None, why: str = "called_off", sorry: bool = False
) -> Trip:
    """Call the trip off: holds are let go, cards forgotten, what was paid is given back in full, everybody is told.

    What was kept of those who left before goes back too. With `sorry` (an operator left them standing) riders who had
    paid get credit on top. Twice is once. Raises `NotTheCaptain`, and `NotChangeable` once the bus has left or the trip is over.
    """
    trip = locked_trip(trip_id)

    if trip.state == TripState.CANCELLED:
        return trip
    check_can_cancel(trip, by)
    if not TRIP.allows(trip.state, TripState.CANCELLED):
        raise NotChangeable(why=_("the bus has left or the trip is over"))

    live = [pledge for pledge, _payment in backing.of_trip(trip, now)]
    trip.decided_at, trip.why_ended = now, why[:40]
    journal.move(trip, TRIP, TripState.CANCELLED, now=now, by=by, why=why, also=("decided_at", "why_ended"))
    had_paid = [pledge for pledge in live if pledge.state == PledgeState.PAID]
    told = [pledge for pledge in live if pledge.state != PledgeState.DRAFT]
    back = {pledge.id: backing.let_go(trip=trip, pledge=pledge, now=now, why="cancelled") for pledge in live}
    for parts in by_ride(told):
        whole = sum((back[part.id] for part in parts), Back.nothing(trip.currency))
        notices.cancelled(parts, whole, now)
    notices.cancelled_holders(trip, told, now)
    resale.keep_nothing(trip_id=trip.id, now=now)
    if sorry:
        failures.say_sorry(trip=trip, pledges=had_paid, now=now, by=by)
    if by is not None and by.is_staff:
        audit.note(
            by=by,
            what="trip.call_off",
            subject=f"trip:{trip.id}",
            now=now,
            why=why,
            sorry=sorry,
            had_paid=len(had_paid),
        )
    later("trips.offer_seats", trip_id=trip.id)  # the waiting list ends
    announce(trip_lapsed, trip)
    return trip


@transaction.atomic
def give_up_without_bus(*, trip_id: Any, now: datetime) -> Trip:
    """Nobody took over a confirmed trip whose bus was lost: it is called off, as `cancel` does with `sorry`.

    Twice is once. A trip that has found a bus since, or still has time for one, is left alone.
    """
    trip = locked_trip(trip_id)

    if not stranded.out_of_time(now).filter(id=trip.id).exists():
        return trip
    return cancel(trip_id=trip.id, now=now, by=None, why="bus_failed", sorry=True)


@transaction.atomic
def set_off(*, trip_id: Any, now: datetime, by: User | None) -> Trip:
    """The bus has left: confirmed → under way. Twice is once. Raises `IllegalMove` from any other state.

    Who is not on the driver's list by now, at whichever stop, does not ride and is not charged: their seats and cards are
    let go, and money that comes in after this is given back by itself.
    """
    trip = locked_trip(trip_id)
    if trip.state == TripState.CONFIRMED:
        backing.of_trip(trip, now)  # who had all of it back before this does not ride
    trip = _move(trip_id, TripState.UNDER_WAY, now=now, by=by)
    later("trips.offer_seats", trip_id=trip_id)  # the waiting list ends
    notices.seats_gone(held(_leave_behind(trip, RIDING, now)), now)
    return trip


@transaction.atomic
def complete(*, trip_id: Any, now: datetime, by: User | None) -> Trip:
    """Everybody is back: under way → completed. Twice is once. Raises `IllegalMove` from any other state.

    Who had not paid by then was not on the bus: their seats and cards are let go. Fares that fall are final.
    """
    trip = _move(trip_id, TripState.COMPLETED, now=now, by=by)
    fares.close_of(trip=trip, now=now)  # before the operator's part is reckoned from what is kept
    _leave_behind(trip, backing.RODE, now)
    return trip


def _leave_behind(trip: Trip, riding: Sequence[str], now: datetime) -> list[Pledge]:
    """Let go all of a locked trip who are not `riding`, and tell whoever had given a card; answers who they are."""
    left = [pledge for pledge, _payment in backing.of_trip(trip, now) if pledge.state not in riding]
    for pledge in left:
        told = pledge.state != PledgeState.DRAFT
        backing.let_go(trip=trip, pledge=pledge, now=now, why=trip.state)
        if told:
            notices.dropped(pledge, now)
    return left


@transaction.atomic
def close(*, trip_id: Any, now: datetime, by: User | None) -> Trip:
    """The operator is paid: completed → closed. Twice is once. Raises `IllegalMove` from any other state."""
    return _move(trip_id, TripState.CLOSED, now=now, by=by)


def _move(trip_id: Any, to: TripState, *, now: datetime, by: User | None) -> Trip:
    trip = locked_trip(trip_id)
    if trip.state != to:
        journal.move(trip, TRIP, to, now=now, by=by)
        announce(trip_changed, trip)
    return trip
