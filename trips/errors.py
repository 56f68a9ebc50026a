"""How demand says no."""

from django.utils.translation import gettext_lazy as _

from rally.errors import Refusal


class TripFull(Refusal):
    """Fewer seats are left than were asked for."""

    code = "trip_full"
    hints = {"waiting": True}
    text = _("Only %(left)s seats are left on this bus.")


class SeatsThere(Refusal):
    """Nobody waits for seats that are free."""

    code = "seats_there"
    text = _("There are %(left)s free seats; you need not wait. Take yours now.")


class PledgesClosed(Refusal):
    """Nobody can join any more."""

    code = "pledges_closed"
    text = _("This trip takes no more riders: %(why)s.")


class AlreadyPledged(Refusal):
    """The rider has a live pledge on this trip."""

    code = "already_pledged"
    text = _("You already have seats on this trip or wait for some. Change them on your pledge page.")


class ConsentMissing(Refusal):
    """The rider has not agreed to what may be taken from the card."""

    code = "consent_missing"
    field = "consent"
    text = _("Please agree to how your card is used. Without it we cannot reserve seats.")


class TooManySeats(Refusal):
    """One rider wants more seats than one rider may take."""

    code = "too_many_seats"
    field = "passengers"
    text = _("One rider can take at most %(most)s seats.")


class EventBegun(Refusal):
    """The event is past or has begun."""

    code = "event_begun"
    text = _("This event has already begun.")


class EventCancelled(Refusal):
    """The event does not take place."""

    code = "event_cancelled"
    text = _("This event was cancelled.")


class TooLate(Refusal):
    """There is not enough time to gather riders and a bus."""

    code = "too_late"
    text = _(
        "A trip needs %(hours)s hours to gather riders before it leaves; this one would leave %(departs)s."
    )


class TooFar(Refusal):
    """The way is longer than one driver may drive."""

    code = "too_far"
    field = "stops"
    text = _(
        "There and back is %(hours)s hours of driving; a driver may drive %(most)s. Choose a stop that is nearer."
    )


class TooLongOnDuty(TooFar):
    """The whole day, with the event, is longer than one driver may be on duty."""

    text = _(
        "With the event the driver would be on duty for %(hours)s hours; at most %(most)s are allowed."
        " Choose a stop that is nearer."
    )


class StopAtVenue(Refusal):
    """A stop is where the event is."""

    code = "stop_at_venue"
    field = "stops"
    text = _("%(stop)s is at the venue itself. Choose a stop at least %(distance)s away.")


class StopsOutOfOrder(Refusal):
    """The stops lead back and forth. `facts["better"]` is the order to offer, as old positions from 0."""

    code = "stops_out_of_order"
    field = "stops"
    text = _("In this order the bus drives %(extra)s too far. Better: %(names)s.")


class AlreadyProposed(Refusal):
    """The captain has the same trip already, and it still has seats."""

    code = "already_proposed"
    text = _("You have proposed this very trip already: %(trip)s. Invite riders to that one.")


class ThresholdOutOfRange(Refusal):
    """The minimum is too low to pay the bus or more than its seats."""

    code = "threshold_out_of_range"
    field = "threshold"
    text = _("The minimum is between %(least)s and %(most)s seats for this bus.")


class FaresCannotFall(Refusal):
    """Nearly every seat is needed to pay the bus, so that nothing is left by which the price could fall."""

    code = "fares_cannot_fall"
    field = "falling_fares"
    text = _(
        "With a minimum of %(threshold)s of %(seats)s seats the price cannot fall: nearly everybody is needed to pay the"
        " bus. Lower the minimum, or let the price stand."
    )


class NotChangeable(Refusal):
    """The pledge is in a state in which this cannot be done."""

    code = "not_changeable"
    text = _("That is not possible any more: %(why)s.")


class TooMuchAlone(Refusal):
    """One of the staff would give the riders of a trip more than one person may."""

    code = "too_much_alone"
    text = _(
        "One person gives the riders of a trip at most %(most)s beyond the usual share. Give a smaller share, or the usual "
        "one, and ask for the rest for each rider at the money desk, where a second person agrees."
    )


class AmountChanged(Refusal):
    """What comes back is less than the rider was shown, or more of what was paid stays."""

    code = "amount_changed"
    text = _(
        "Time has passed: you would now get back %(amount)s, and %(kept)s would stay with the trip. Please look again"
        " before you agree."
    )


class SeatsMadeThePrice(Refusal):
    """Fewer seats would not have reached the step whose price was agreed to."""

    code = "seats_made_the_price"
    field = "passengers"
    text = _(
        "%(price)s a seat is the price of all %(seats)s seats together; with %(fewer)s it is %(now)s. Keep them all, or"
        " give them all up and take fewer at that price."
    )


class BusTooSmall(Refusal):
    """The vehicle has fewer seats than are taken or needed."""

    code = "bus_too_small"
    field = "vehicle"
    text = _("This vehicle has %(seats)s seats for riders; the trip needs %(needed)s.")


class UnknownCode(Refusal):
    """There is no such promotion."""

    code = "promotion_unknown"
    field = "promotion"
    text = _("We do not know this code. Please look at it again.")


class CodeNotValid(Refusal):
    """The promotion is over, or has not begun."""

    code = "promotion_not_valid"
    field = "promotion"
    text = _("This code %(why)s.")


class CodeUsedUp(Refusal):
    """As many riders as may have used the promotion."""

    code = "promotion_used_up"
    field = "promotion"
    text = _("This code was used as often as it may be.")


class CodeUsedByYou(Refusal):
    """The rider has used the promotion as often as one rider may."""

    code = "promotion_used_by_you"
    field = "promotion"
    text = _("You have used this code already.")


class CodeElsewhere(Refusal):
    """The promotion is for another event, or another partner's events."""

    code = "promotion_elsewhere"
    field = "promotion"
    text = _("This code is for %(what)s, not for this event.")


class TooManyGuesses(Refusal):
    """Several codes that do not exist were tried."""

    code = "promotion_guessed"
    field = "promotion"
    text = _(
        "Too many codes that do not exist. Please try again in %(minutes)s minutes, or go on without one."
    )


class CreditChanged(Refusal):
    """There is less credit than the rider was shown."""

    code = "credit_changed"
    text = _("Your credit is %(credit)s by now. Please look at the sum again.")
