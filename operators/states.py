"""The words of supply: states of operators and runs, roles, papers, legs."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from rally.states import table


class OperatorState(TextChoices):
    """Whether a company may take trips."""

    ACTIVE = "active", _("Active")
    SUSPENDED = "suspended", _("Suspended")


OPERATOR = table(
    "operator",
    OperatorState,
    OperatorState.ACTIVE,
    {
        OperatorState.ACTIVE: {OperatorState.SUSPENDED},
        OperatorState.SUSPENDED: {OperatorState.ACTIVE},
    },
)


class Role(TextChoices):
    """What a member does in the company."""

    OWNER = "owner", _("Owner")
    DISPATCHER = "dispatcher", _("Dispatcher")
    DRIVER = "driver", _("Driver")


#: They decide for the company; drivers drive.
OFFICE = (Role.OWNER, Role.DISPATCHER)


class PaperKind(TextChoices):
    """Documents that must be valid on the day."""

    INSURANCE = "insurance", _("Insurance of the vehicle")
    LICENCE = "licence", _("Passenger carrier licence of the company")
    DRIVING = "driving", _("Driving licence with passenger endorsement")


class RunState(TextChoices):
    """Where an operator's commitment to a trip stands."""

    COMMITTED = "committed", _("Committed")  #: vehicle and driver are bound; the trip is not decided yet
    CONFIRMED = "confirmed", _("Confirmed")  #: the trip runs
    BOARDING = "boarding", _("Boarding")
    OUTBOUND = "outbound", _("On the way there")
    AT_EVENT = "at_event", _("At the event")
    RETURNING = "returning", _("On the way back")
    COMPLETED = "completed", _("Completed")
    WITHDRAWN = "withdrawn", _("Withdrawn")  #: given back before the trip was confirmed, or the trip lapsed
    FAILED = "failed", _("Failed")
    REPLACED = "replaced", _("Replaced")


RUN = table(
    "run",
    RunState,
    RunState.COMMITTED,
    {
        RunState.COMMITTED: {RunState.CONFIRMED, RunState.WITHDRAWN},
        RunState.CONFIRMED: {RunState.BOARDING, RunState.WITHDRAWN, RunState.FAILED, RunState.REPLACED},
        RunState.BOARDING: {RunState.OUTBOUND, RunState.FAILED, RunState.REPLACED},
        RunState.OUTBOUND: {RunState.AT_EVENT, RunState.FAILED, RunState.REPLACED},
        RunState.AT_EVENT: {RunState.RETURNING, RunState.FAILED, RunState.REPLACED},
        RunState.RETURNING: {RunState.COMPLETED, RunState.FAILED, RunState.REPLACED},
    },
)

#: The vehicle and the driver are taken.
BUSY = (
    RunState.COMMITTED,
    RunState.CONFIRMED,
    RunState.BOARDING,
    RunState.OUTBOUND,
    RunState.AT_EVENT,
    RunState.RETURNING,
    RunState.COMPLETED,
)


#: Still ahead of it or on the road: what an operator plans with.
UPCOMING = BUSY[:-1]


class Leg(TextChoices):
    """Which way the bus goes."""

    OUTBOUND = "outbound", _("Outbound")
    RETURN = "return", _("Return")


class AgreementKind(TextChoices):
    """How an operator is paid for a run."""

    SHARE = "share", _("A share of what riders pay")
    FIXED = "fixed", _("A fixed price for the bus")
    GUARANTEE = "guarantee", _("A share, and at least a part of the price of the bus")
    RESELLER = "reseller", _("A net price for each seat sold")
