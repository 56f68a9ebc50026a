"""Checking seats in at the door, and undoing a slip of the finger."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _

from operators import permissions
from operators.actions.driving import boarding_opens_at
from operators.errors import AlreadyBoarded, RunNotChangeable, UnknownBoardingCode
from operators.locks import locked_run, locked_trip_and_run
from operators.models import Boarding, Run
from operators.queries.manifests import seats_of
from operators.states import RUN, Leg, RunState
from rally import codes, journal
from rally.errors import BadInput
from rally.later import later
from rally.models import User
from trips.actions import rewards
from trips.models import Seat, Trip

#: A phone's clock may be fast by this much.
CLOCK_SLACK = timedelta(minutes=5)
#: A boarding pass shows an address such as https://…/pass/CODE/ ; the code is its last part.
_ADDRESS = re.compile(r"/pass/([^/?#\s]+)", re.IGNORECASE)


def code_in(scanned: str) -> str:
    """The boarding code in what was scanned or typed: the address on a pass, or the code itself."""
    found = _ADDRESS.search(scanned)
    return codes.clean(found[1] if found else scanned)


@transaction.atomic
def board(
    *, run_id: Any, code: str, leg: str, at: datetime, device: str = "", now: datetime, by: User
) -> Boarding:
    """Check a seat in by its boarding code (or the address on the pass), on one leg.

    `at` is when it happened by the device's clock: a phone without network delivers later, and what happened before the
    bus arrived still counts afterwards, also once the bus is back: then whoever is owed something for the ride gets it. The
    same device repeating the same `at` gets the same row, even if the check-in was undone since. The first check-in opens
    the boarding of the run.

    Raises `NotAllowed`, `UnknownBoardingCode` (not a seat of this run), `AlreadyBoarded` (with who and when),
    `RunNotChangeable` when this leg does not board now, `BadInput` for a leg or a time that cannot be.
    """
    trip, run = locked_trip_and_run(run_id)
    permissions.check_can_drive(by, run)
    typed = code_in(code)
    # What is not made of our letters is no code; the database would stumble over some of it.
    seat = seats_of(run).filter(code=typed).first() if typed and set(typed) <= set(codes.ALPHABET) else None
    if seat is None:
        raise UnknownBoardingCode
    return _board(trip, run, seat, leg=leg, at=at, device=device, now=now, by=by)


@transaction.atomic
def board_seat(*, run_id: Any, seat_id: Any, leg: str, at: datetime, now: datetime, by: User) -> Boarding:
    """Check a seat in by tapping its name in the manifest. Otherwise as `board`."""
    trip, run = locked_trip_and_run(run_id)
    permissions.check_can_drive(by, run)
    seat = seats_of(run).filter(id=seat_id).first()
    if seat is None:
        raise UnknownBoardingCode
    return _board(trip, run, seat, leg=leg, at=at, device="", now=now, by=by)


@transaction.atomic
def undo(*, run_id: Any, seat_id: Any, leg: str, now: datetime, by: User) -> Boarding | None:
    """Take a check-in back; it stays on record as undone. Twice is once; None if there was none.

    Raises `NotAllowed`, `RunNotChangeable` once the run is completed, `BadInput` for a leg that is none.
    """
    run = locked_run(run_id)
    permissions.check_can_drive(by, run)
    if leg not in Leg.values:
        raise BadInput(_("A leg is outbound or return."), field="leg")
    if run.state == RunState.COMPLETED or not run.is_live:
        raise RunNotChangeable(why=_("the run has ended; its list stays as it is"))

    boarding = Boarding.objects.filter(run=run, seat=seat_id, leg=leg, undone_at=None).first()
    if boarding is not None:
        boarding.undone_at, boarding.undone_by = now, by
        boarding.save(update_fields=["undone_at", "undone_by"])
    return boarding


def _board(
    trip: Trip, run: Run, seat: Seat, *, leg: str, at: datetime, device: str, now: datetime, by: User
) -> Boarding:
    if leg not in Leg.values:
        raise BadInput(_("A leg is outbound or return."), field="leg")
    if len(device) > 60:
        raise BadInput(_("At most %(most)s characters, please.") % {"most": 60}, field="device")
    if at > now + CLOCK_SLACK:
        raise BadInput(_("This time is still to come. Check the device’s clock."), field="at")
    same = Boarding.objects.filter(seat=seat, leg=leg, at=at, device=device, run=run).first()
    if same is not None:
        return same
    standing = Boarding.objects.filter(seat=seat, leg=leg, undone_at=None).select_related("by").first()
    if standing is not None:
        raise _already(seat, standing)
    _check_leg_boards(run, leg, at)

    boarding = Boarding.objects.create(
        run=run, seat=seat, leg=leg, at=at, received_at=now, by=by, device=device
    )
    if run.state == RunState.CONFIRMED:
        journal.move(run, RUN, RunState.BOARDING, now=now, by=by)
    if trip.state in rewards.RAN:
        # Captain and friends were thanked by the list as it was; the message may be lost, the sweep finds the trip.
        rewards.thank_again(trip)
        later("operators.thank", trip_id=trip.id)
    return boarding


def _already(seat: Seat, standing: Boarding) -> AlreadyBoarded:
    there = standing.at.astimezone(ZoneInfo(seat.pledge.stop.time_zone))
    return AlreadyBoarded(name=seat.name, at=f"{there:%H:%M}", by=standing.by.short_name)


def _check_leg_boards(run: Run, leg: str, at: datetime) -> None:
    """Refuse a leg whose turn it is not, judged by when the check-in happened."""
    if run.state == RunState.COMMITTED:
        raise RunNotChangeable(why=_("the trip is not confirmed yet"))
    if leg == Leg.OUTBOUND:
        if at < boarding_opens_at(run.trip):
            raise RunNotChangeable(why=_("boarding has not opened yet"))
        if run.arrived_at and at > run.arrived_at:
            raise RunNotChangeable(why=_("the bus has arrived; check riders in for the way back"))
        return
    if run.arrived_at is None or at < run.arrived_at:
        raise RunNotChangeable(why=_("the way back boards once the bus has arrived"))
    if run.completed_at and at > run.completed_at:
        raise RunNotChangeable(why=_("the run is completed"))
