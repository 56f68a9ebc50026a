"""Who may do what with trips, pledges and seats."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from rally.errors import NotAllowed
from rally.models import User
from trips.models import Pledge, Seat, Trip
from trips.states import TripState


class NotYours(NotAllowed):
    """Somebody else's."""

    code = "not_yours"
    text = _("Only the rider who took these seats may do this.")


class NotTheCaptain(NotAllowed):
    """Only the captain, and only until the cards are checked."""

    code = "not_the_captain"
    text = _("Only the captain may call the trip off, and only until the cards are being checked.")


class NotTheStaff(NotAllowed):
    """Only staff."""

    code = "not_the_staff"
    text = _("Only our staff may do this.")


def check_is_staff(by: User | None) -> None:
    """Staff and the system. Raises `NotTheStaff`."""
    if by is not None and not by.is_staff:
        raise NotTheStaff


def may_captain(trip: Trip, user: User) -> bool:
    """Sees who joined: the captain and staff."""
    return trip.captain_id == user.id or user.is_staff


def check_can_cancel(trip: Trip, by: User | None) -> None:
    """The captain while riders gather; staff, and the system, until the bus leaves. Raises `NotTheCaptain`."""
    if by is None or by.is_staff:
        return
    if trip.captain_id != by.id or trip.state != TripState.GATHERING:
        raise NotTheCaptain


def check_can_change(pledge: Pledge, by: User | None) -> None:
    """The rider, staff, and the system. Raises `NotYours`."""
    if by is not None and by.id != pledge.rider_id and not by.is_staff:
        raise NotYours


def check_can_hand_over(seat: Seat, pledge: Pledge, by: User | None) -> None:
    """The rider who pays, whoever holds the seat now and has proven the address, and staff. Raises `NotYours`."""
    if by is not None and by.is_proven and seat.holder_id == by.id:
        return
    check_can_change(pledge, by)
