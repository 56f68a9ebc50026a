"""How supply says no."""

from django.utils.translation import gettext_lazy as _

from rally.errors import Refusal


class VehicleTooSmall(Refusal):
    """Fewer seats than riders."""

    code = "vehicle_too_small"
    field = "vehicle"
    text = _("%(vehicle)s has %(seats)s seats; this trip needs %(needed)s.")


class TooFewWheelchairSpaces(Refusal):
    """Fewer wheelchair spaces than riders who need one."""

    code = "too_few_wheelchair_spaces"
    field = "vehicle"
    text = _("%(vehicle)s has %(spaces)s wheelchair spaces; this trip needs %(needed)s.")


class VehicleNotYours(Refusal):
    """The vehicle is not in the company's fleet, or was retired."""

    code = "vehicle_not_in_fleet"
    field = "vehicle"
    text = _("That vehicle is not in service in your fleet.")


class DriverNotYours(Refusal):
    """The person does not work for the company any more, or never did."""

    code = "driver_not_in_company"
    field = "driver"
    text = _("That person does not drive for your company.")


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
    text = _(
        "That makes %(hours)s of %(what)s for %(driver)s without a rest of 8 hours; at most %(most)s are allowed."
    )


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
    text = _("%(name)s is already on board: checked in at %(at)s by %(by)s.")


class OperatorSuspended(Refusal):
    """The company may not take trips."""

    code = "operator_suspended"
    text = _("This company is suspended and cannot take trips.")


class PlateTaken(Refusal):
    """The company has a vehicle with this plate."""

    code = "plate_taken"
    field = "plate"
    text = _("You already have a vehicle with the plate %(plate)s.")


class VehicleHasRuns(Refusal):
    """The vehicle is promised to trips to come."""

    code = "vehicle_has_runs"
    text = _("%(vehicle)s is promised to upcoming runs (%(runs)s). Give those another vehicle first.")


class MemberHasRuns(Refusal):
    """The driver is promised to trips to come."""

    code = "member_has_runs"
    text = _("%(member)s drives upcoming runs (%(runs)s). Give those another driver first.")


class AlreadyMember(Refusal):
    """The person works there already."""

    code = "already_member"
    field = "email"
    text = _("%(email)s already works for this company.")


class LastOwner(Refusal):
    """Without an owner nobody could run the company's account."""

    code = "last_owner"
    text = _("A company needs at least one owner. Make somebody else an owner first.")


class DayTaken(Refusal):
    """Another agreement applies from the same day."""

    code = "agreement_day_taken"
    field = "applies_from"
    text = _("Another agreement applies from that day. Choose the day after.")


class NothingWaits(Refusal):
    """Less of the pay waits than is to be held back or kept."""

    code = "nothing_waits"
    field = "amount"
    text = _("That much of the pay does not wait here: it was sent, or is not booked yet.")
