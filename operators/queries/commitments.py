"""What stands between a trip and a vehicle: every reason at once, for the checklist and for the refusal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Q
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from operators.duty import plans
from operators.duty.plans import Duty, Shift
from operators.errors import (
    DriverBusy,
    DriverNotYours,
    HoursExceeded,
    OperatorSuspended,
    PaperMissing,
    TooFewWheelchairSpaces,
    TripNotOpen,
    VehicleBusy,
    VehicleNotYours,
    VehicleTooSmall,
)
from operators.models import Member, Operator, Paper, Run, Vehicle
from operators.states import BUSY, OperatorState, PaperKind, Role
from rally.errors import Refusal
from rally.rules import Rules
from trips.models import Seat, Trip
from trips.states import OCCUPYING, Need, TripState

#: More than two full stretches of work either way: runs farther off cannot weigh on a driver's hours.
_WIDEST = timedelta(days=3)


def duty_of(trip: Trip, operator: Operator, rules: Rules) -> Duty:
    """The plan of the trip for a bus from this company's depot."""
    first = trip.stops.get(position=1)
    return plans.plan(
        depot=operator.point,
        first_stop=first.point,
        departs_at=trip.departs_at,
        returns_at=trip.returns_at,
        distance_km=trip.distance_km,
        rules=rules,
    )


def period_of(duty: Duty) -> DateTimeTZRange:
    """The time for which vehicle and driver are bound."""
    return DateTimeTZRange(duty.leaves_depot_at, duty.back_at, "[)")


def seats_needed(trip: Trip) -> int:
    """Enough for everybody who has a seat or is just paying for one, and for the threshold."""
    return max(trip.seats_taken, trip.threshold)


def wheelchairs_needed(trip: Trip) -> int:
    """Wheelchair spaces that riders on board now have asked for."""
    return Seat.objects.filter(
        pledge__trip=trip, pledge__state__in=OCCUPYING, needs__contains=[Need.WHEELCHAIR]
    ).count()


def needs_of(trip: Trip) -> list[tuple[str, int]]:
    """What passengers need, in words and numbers, most frequent first."""
    counts: dict[str, int] = {}
    rows = Seat.objects.filter(pledge__trip=trip, pledge__state__in=OCCUPYING).exclude(needs=[])
    for needs in rows.values_list("needs", flat=True):
        for need in needs:
            counts[need] = counts.get(need, 0) + 1
    return sorted(
        ((str(Need(need).label), n) for need, n in counts.items()), key=lambda pair: (-pair[1], pair[0])
    )


def why_not_open(trip: Trip, now: datetime) -> Refusal | None:
    """Why no bus can be committed to this trip now; None if it looks for one."""
    if trip.state == TripState.GATHERING:
        if now >= trip.decides_at:
            return TripNotOpen(why=_("it is being decided right now"))
        return None
    if trip.state == TripState.CONFIRMED and not trip.has_bus:
        if now >= trip.departs_at:
            return TripNotOpen(why=_("it should have left already"))
        return None
    if trip.state == TripState.CONFIRMED:
        return TripNotOpen(why=_("it has its bus"))
    return TripNotOpen(why=trip.get_state_display().lower())


@dataclass(frozen=True)
class Situation:
    """All that is looked at to judge vehicles and drivers of one company for one trip, read at once."""

    trip: Trip
    operator: Operator
    duty: Duty
    rules: Rules
    days: list[date]
    licences: list[Paper]
    wheelchairs: int
    busy_vehicles: set[UUID]
    busy_people: set[UUID]
    shifts: dict[UUID, list[Shift]]


def situation(
    *, trip: Trip, operator: Operator, duty: Duty, rules: Rules, except_run: UUID | None = None
) -> Situation:
    """Read what stands for and against the company's vehicles and people, in three queries.

    `except_run` is the run that is being changed.
    """
    near = DateTimeTZRange(duty.leaves_depot_at - _WIDEST, duty.back_at + _WIDEST, "[)")
    runs = Run.objects.filter(state__in=BUSY, period__overlap=near).filter(
        # People by their accounts: somebody who also drives for another company is busy there too.
        Q(operator=operator) | Q(person__in=operator.members.values("user_id"))
    )
    if except_run:
        runs = runs.exclude(id=except_run)
    busy_vehicles, busy_people = set(), set()
    shifts: dict[UUID, list[Shift]] = {}
    for vehicle_id, person_id, period, minutes in runs.values_list(
        "vehicle_id", "person_id", "period", "drive_minutes"
    ):
        if period.lower < duty.back_at and period.upper > duty.leaves_depot_at:
            busy_vehicles.add(vehicle_id)
            busy_people.add(person_id)
        shifts.setdefault(person_id, []).append(Shift(period.lower, period.upper, minutes))
    return Situation(
        trip=trip,
        operator=operator,
        duty=duty,
        rules=rules,
        days=_days(duty, operator),
        licences=list(operator.papers.filter(kind=PaperKind.LICENCE)),
        wheelchairs=wheelchairs_needed(trip),
        busy_vehicles=busy_vehicles,
        busy_people=busy_people,
        shifts=shifts,
    )


def against_company(case: Situation) -> list[Refusal]:
    """Why the company as a whole cannot take the trip; empty: it can."""
    found: list[Refusal] = [OperatorSuspended()] if case.operator.state == OperatorState.SUSPENDED else []
    return found + _lacking(PaperKind.LICENCE, case.licences, case.days, case.operator.name, None)


def against_vehicle(case: Situation, vehicle: Vehicle) -> list[Refusal]:
    """Why this vehicle cannot take the trip; empty: it can. Reads the vehicle's papers."""
    if vehicle.operator_id != case.operator.id or not vehicle.active:
        return [VehicleNotYours()]
    found: list[Refusal] = []
    needed = seats_needed(case.trip)
    if vehicle.seats < needed:
        found.append(VehicleTooSmall(vehicle=vehicle.name, seats=vehicle.seats, needed=needed))
    if vehicle.wheelchair_spaces < case.wheelchairs:
        found.append(
            TooFewWheelchairSpaces(
                vehicle=vehicle.name, spaces=vehicle.wheelchair_spaces, needed=case.wheelchairs
            )
        )
    found += _lacking(PaperKind.INSURANCE, vehicle.papers.all(), case.days, vehicle.name, "vehicle")
    if vehicle.id in case.busy_vehicles:
        found.append(VehicleBusy(vehicle=vehicle.name))
    return found


def against_driver(case: Situation, driver: Member) -> list[Refusal]:
    """Why this person cannot drive the trip; empty: they can. Reads the person's papers.

    An owner or dispatcher drives too once their own driving licence is on file: the paper decides, not the title.
    """
    if driver.operator_id != case.operator.id or not driver.active or not driver.user.is_active:
        return [DriverNotYours()]
    papers = list(driver.papers.all())
    if driver.role != Role.DRIVER and not papers:
        return [DriverNotYours()]
    name = str(driver.user)
    found = _lacking(PaperKind.DRIVING, papers, case.days, name, "driver")
    if driver.user_id in case.busy_people:
        return [*found, DriverBusy(driver=name)]
    stretch = plans.load(case.duty, case.shifts.get(driver.user_id, []))
    if stretch.driving_minutes > case.rules.max_driving_minutes:
        found.append(_hours(_("driving"), stretch.driving_minutes, case.rules.max_driving_minutes, name))
    elif stretch.duty_minutes > case.rules.max_duty_minutes:
        found.append(_hours(_("duty"), stretch.duty_minutes, case.rules.max_duty_minutes, name))
    return found


def obstacles(case: Situation, vehicle: Vehicle, driver: Member) -> list[Refusal]:
    """Every reason why this vehicle and this driver cannot be bound to the trip; empty: they can.

    Whether the trip looks for a bus at all is `why_not_open`'s business.
    """
    return [*against_company(case), *against_vehicle(case, vehicle), *against_driver(case, driver)]


def paper_words(kind: PaperKind | str, whose: str) -> str:
    """A paper and whose it is: `Insurance of the vehicle (Big Blue)`."""
    return f"{PaperKind(kind).label} ({whose})"


def _hours(what: str, minutes: int, most: int, driver: str) -> Refusal:
    def words(length: int) -> str:
        return f"{length // 60} h {length % 60:02d} min" if length % 60 else f"{length // 60} h"

    return HoursExceeded(hours=words(minutes), what=what, most=words(most), driver=driver)


def _days(duty: Duty, operator: Operator) -> list[date]:
    """The dates at the depot on which the run takes place."""
    zone = ZoneInfo(operator.time_zone)
    first, last = duty.leaves_depot_at.astimezone(zone).date(), duty.back_at.astimezone(zone).date()
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _lacking(
    kind: PaperKind, papers: Iterable[Paper], days: list[date], whose: str, field: str | None
) -> list[Refusal]:
    """A refusal for the first day on which no paper holds. One paper may take over from another overnight."""
    held = list(papers)
    for day in days:
        if not any(paper.holds_on(day) for paper in held):
            return [PaperMissing(field=field, paper=paper_words(kind, whose), day=date_format(day, "j F Y"))]
    return []
