"""The words of demand: states of trips and pledges, and which may follow which."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from rally.states import table


class TripState(TextChoices):
    """Where a trip stands."""

    GATHERING = "gathering", _("Gathering riders")  #: riders join; nobody has paid
    SETTLING = "settling", _("Checking the cards")  #: frozen; every card is being authorized
    CONFIRMED = "confirmed", _("It runs")  #: money really held, operator bound: the point of no return
    UNDER_WAY = "under_way", _("Under way")  #: the bus has left
    COMPLETED = "completed", _("Completed")  #: everybody is back
    CLOSED = "closed", _("Closed")  #: the operator is paid and the books are settled
    LAPSED = "lapsed", _("Did not run")  #: too few, or no bus, by the decision time; nobody was charged
    CANCELLED = "cancelled", _("Cancelled")  #: called off by a person


TRIP = table(
    "trip",
    TripState,
    TripState.GATHERING,
    {
        TripState.GATHERING: {TripState.SETTLING, TripState.LAPSED, TripState.CANCELLED},
        TripState.SETTLING: {
            TripState.GATHERING,
            TripState.CONFIRMED,
            TripState.LAPSED,
            TripState.CANCELLED,
        },
        TripState.CONFIRMED: {TripState.UNDER_WAY, TripState.CANCELLED},
        TripState.UNDER_WAY: {TripState.COMPLETED},
        TripState.COMPLETED: {TripState.CLOSED},
    },
)

#: Riders may still join: before the decision, and after it while there are seats.
JOINABLE = (TripState.GATHERING, TripState.CONFIRMED)
#: The trip is or may still become real.
ALIVE = (TripState.GATHERING, TripState.SETTLING, TripState.CONFIRMED, TripState.UNDER_WAY)


class PledgeState(TextChoices):
    """Where a rider's commitment stands. The money behind it has its own life in `payments.states`."""

    DRAFT = "draft", _("Waiting for your card")  #: seats reserved while the rider pays
    WAITING = "waiting", _("On the waiting list")  #: the coach is full; takes up no seat
    BACKED = "backed", _("Card saved")  #: a card stands behind it, nothing is held
    AUTHORIZING = "authorizing", _("Checking your card")  #: the hold was asked for
    HELD = "held", _("Money held")  #: the bank has set the money aside
    CAPTURING = "capturing", _("Paying")  #: the trip goes; the held money is being taken
    PAID = "paid", _("Paid")
    NEEDS_CARD = "needs_card", _("Your card needs you")  #: the hold was refused; grace is running
    PAYMENT_DUE = "payment_due", _("Payment due")  #: the trip goes but the money could not be taken
    WITHDRAWING = "withdrawing", _("Leaving")  #: the rider left; the money is on its way back
    EXPIRED = "expired", _("Not completed")  #: the rider never paid; seats freed
    WITHDRAWN = "withdrawn", _("Withdrawn")  #: left before paying; nothing was taken
    RELEASED = "released", _("Released")  #: the trip lapsed or the card was dropped; nothing was taken
    REFUNDED = "refunded", _("Refunded")  #: paid, then given back as agreed


PLEDGE = table(
    "pledge",
    PledgeState,
    PledgeState.DRAFT,
    {
        PledgeState.DRAFT: {
            PledgeState.BACKED,
            PledgeState.HELD,
            PledgeState.PAID,
            PledgeState.EXPIRED,
            PledgeState.WITHDRAWN,
            PledgeState.WITHDRAWING,
            PledgeState.RELEASED,
        },
        PledgeState.WAITING: {PledgeState.DRAFT, PledgeState.WITHDRAWN, PledgeState.EXPIRED},
        PledgeState.BACKED: {
            PledgeState.AUTHORIZING,
            PledgeState.HELD,
            PledgeState.WITHDRAWING,
            PledgeState.WITHDRAWN,
            PledgeState.RELEASED,
        },
        PledgeState.AUTHORIZING: {
            PledgeState.HELD,
            PledgeState.NEEDS_CARD,
            PledgeState.WITHDRAWING,
            PledgeState.RELEASED,  # the trip ended while the bank had not answered
        },
        PledgeState.HELD: {
            PledgeState.CAPTURING,
            PledgeState.BACKED,
            PledgeState.NEEDS_CARD,
            PledgeState.WITHDRAWING,
            PledgeState.RELEASED,
        },
        PledgeState.NEEDS_CARD: {
            PledgeState.AUTHORIZING,
            PledgeState.BACKED,
            PledgeState.HELD,
            PledgeState.PAID,
            PledgeState.WITHDRAWING,
            PledgeState.WITHDRAWN,
            PledgeState.RELEASED,
        },
        PledgeState.CAPTURING: {PledgeState.PAID, PledgeState.PAYMENT_DUE},
        PledgeState.PAYMENT_DUE: {PledgeState.PAID, PledgeState.WITHDRAWING, PledgeState.RELEASED},
        PledgeState.PAID: {PledgeState.WITHDRAWING, PledgeState.REFUNDED},
        PledgeState.WITHDRAWING: {PledgeState.WITHDRAWN, PledgeState.REFUNDED},
    },
)

#: States in which the pledge takes up its seats.
OCCUPYING = (
    PledgeState.DRAFT,
    PledgeState.BACKED,
    PledgeState.AUTHORIZING,
    PledgeState.HELD,
    PledgeState.CAPTURING,
    PledgeState.PAID,
    PledgeState.NEEDS_CARD,
    PledgeState.PAYMENT_DUE,
)
#: The rider has done their part: counts as pledged.
PLEDGED = OCCUPYING[1:]
#: Money is really held or taken.
FUNDED = (PledgeState.HELD, PledgeState.CAPTURING, PledgeState.PAID)
#: Whose seats are on the bus once the trip is certain: money held or taken, or still owed. The door is no cash desk.
RIDING = (*FUNDED, PledgeState.PAYMENT_DUE)


#: The two ways of a trip, as refunds name them.
LEGS = ("outbound", "return")


class VehicleClass(TextChoices):
    """Kinds of bus, with the seats that riders can take."""

    COACH = "coach", _("Coach, 56 seats")
    MINI = "mini", _("Mini-coach, 28 seats")
    VAN = "van", _("Van, 14 seats")


SEATS = {VehicleClass.COACH: 56, VehicleClass.MINI: 28, VehicleClass.VAN: 14}
THRESHOLDS = {VehicleClass.COACH: 25, VehicleClass.MINI: 14, VehicleClass.VAN: 9}


class Visibility(TextChoices):
    """Who finds a trip."""

    PUBLIC = "public", _("Everybody finds it")
    LINK = "link", _("Only who has the link")


class Need(TextChoices):
    """What a passenger needs."""

    WHEELCHAIR = "wheelchair", _("Space for a wheelchair")
    STEP_FREE = "step_free", _("Step-free boarding")
    COMPANION = "companion", _("A seat beside a companion")
    GUIDE_DOG = "guide_dog", _("Room for a guide dog")
    CHILD_SEAT = "child_seat", _("A child seat")
