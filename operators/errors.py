"""How supply says no."""

from django.utils.translation import gettext_lazy as _

from rally.errors import Refusal


class VehicleTooSmall(Refusal):
    """Fewer seats than riders."""

    code = "vehicle_too_small"
    field = "vehicle"
    text = _("%(vehicle)s has %(seats)s seats; this trip needs %(needed)s.")


class PaperMissing(Refusal):
    """A paper is not valid on the day."""

    code = "paper_missing"
    text = _("%(paper)s is missing or not valid on %(day)s. Add it under Fleet or People.")


class VehicleBusy(Refusal):
    """The vehicle is on another run at that time."""

    code = "vehicle_busy"
    field = "vehicle"
    text = _("%(vehicle)s is on another run at that time.")


class DriverBusy(Refusal):
    """The driver is on another run at that time."""

    code = "driver_busy"
    field = "driver"
    text = _("%(driver)s drives another run at that time.")


class HoursExceeded(Refusal):
    """More than a driver may drive."""

    code = "hours_exceeded"
    field = "driver"
    text = _("This run takes %(hours)s hours; %(driver)s may do %(most)s.")


class TripTaken(Refusal):
    """Another operator has the trip."""

    code = "trip_taken"
    text = _("Another operator has taken this trip.")


class TripNotOpen(Refusal):
    """The trip is not looking for a bus."""

    code = "trip_not_open"
    text = _("This trip is not looking for a bus: %(why)s.")


class RunNotChangeable(Refusal):
    """The run is in a state in which this cannot be done."""

    code = "run_not_changeable"
    text = _("That is not possible now: %(why)s.")


class UnknownBoardingCode(Refusal):
    """No seat of this run has that code."""

    code = "unknown_boarding_code"
    field = "seat"
    text = _("This code is not for this bus.")


class AlreadyBoarded(Refusal):
    """The seat is already checked in on this leg."""

    code = "already_boarded"
    field = "seat"
    text = _("%(name)s is already on board, checked in at %(at)s.")


class OperatorSuspended(Refusal):
    """The company may not take trips."""

    code = "operator_suspended"
    text = _("This company is suspended and cannot take trips.")
