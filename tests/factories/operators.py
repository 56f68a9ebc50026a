"""Bus companies to test with, made by their own actions; and riders put straight onto a trip where money is not the matter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from operators.actions import companies, driving, fleet, papers, pay, people, runs
from operators.models import Member, Operator, Paper, Run, Vehicle
from operators.states import PaperKind, Role, RunState
from payments.models import Payment
from payments.states import PaymentState
from rally import clock, journal
from rally.ids import uuid7
from rally.models import User
from tests.factories.events import SHEBOYGAN, place
from tests.factories.people import person
from tests.factories.trips import proposed, stop
from trips.models import Place, Pledge, Seat, Stop, Trip
from trips.models.pledges import Instrument
from trips.states import TRIP, PledgeState, TripState, VehicleClass

NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
_number = count(1)


@dataclass
class Company:
    """A company that can take a trip: every paper in order."""

    operator: Operator
    owner: User
    vehicle: Vehicle
    driver: Member

    def commits(self, trip: Trip, *, now: datetime = NOW, **instead: Any) -> Run:
        """Bind the vehicle and the driver to the trip."""
        return runs.commit(
            **{
                "trip_id": trip.id,
                "operator_id": self.operator.id,
                "vehicle_id": self.vehicle.id,
                "driver_id": self.driver.id,
                "now": now,
                "by": self.owner,
                **instead,
            }
        )


def company(*, owner: User | None = None, name: str = "", now: datetime = NOW, **fields: Any) -> Operator:
    """A company with a depot in Milwaukee and nothing else."""
    if not Place.objects.filter(name="Milwaukee").exists():
        place()
    number = next(_number)
    return companies.register(
        by=owner or person(f"owner{number}"),
        **{
            "name": name or f"Lakeland Coaches {number}",
            "email": "office@lakeland.example",
            "phone": "+1 414 555 0100",
            "base_name": "Milwaukee, WI",
            "now": now,
            **fields,
        },
    )


def owner_of(operator: Operator) -> User:
    """The first owner."""
    return operator.members.filter(role=Role.OWNER).earliest("created_at").user


def paper(
    operator: Operator,
    kind: str,
    *,
    last_day: date = date(2027, 11, 30),
    by: User | None = None,
    **whose: Any,
) -> Paper:
    """A paper that holds from this autumn on."""
    return papers.add(
        operator_id=operator.id,
        kind=kind,
        number=f"P-{next(_number)}",
        valid_from=date(2026, 9, 1),
        expires_on=last_day,
        now=NOW,
        by=by or owner_of(operator),
        **whose,
    )


def bus(operator: Operator, *, insured: bool = True, by: User | None = None, **fields: Any) -> Vehicle:
    """A coach with 56 seats and two wheelchair spaces."""
    number, by = next(_number), by or owner_of(operator)
    vehicle = fleet.add(
        operator_id=operator.id,
        **{
            "name": f"Coach {number}",
            "plate": f"WI {number:04d}",
            "vehicle_class": VehicleClass.COACH,
            "seats": 56,
            "wheelchair_spaces": 2,
            "now": NOW,
            "by": by,
            **fields,
        },
    )
    if insured:
        paper(operator, PaperKind.INSURANCE, vehicle_id=vehicle.id, by=by)
    return vehicle


def member(
    operator: Operator,
    user: User | None = None,
    *,
    role: str = Role.DRIVER,
    licensed: bool = True,
    by: User | None = None,
) -> Member:
    """Somebody who works there; a driver with a driving licence unless told otherwise."""
    user, by = user or person(f"driver{next(_number)}"), by or owner_of(operator)
    one = people.add(operator_id=operator.id, email=user.email, role=role, now=NOW, by=by)
    if licensed and role == Role.DRIVER:
        paper(operator, PaperKind.DRIVING, member_id=one.id, by=by)
    return one


def ready(*, owner: User | None = None, driver: User | None = None, **fields: Any) -> Company:
    """A company that can take a trip."""
    operator = company(owner=owner, **fields)
    by = owner_of(operator)
    paper(operator, PaperKind.LICENCE, by=by)
    return Company(operator, by, bus(operator, by=by), member(operator, driver, by=by))


def van_trip(**fields: Any) -> Trip:
    """A trip by van from Milwaukee by way of Sheboygan to Green Bay; goes at six."""
    stops = [stop(), stop("Sheboygan Park & Ride", SHEBOYGAN)]
    return proposed(**{"vehicle_class": VehicleClass.VAN, "threshold": 6, "stops": stops, **fields})


def riders(
    trip: Trip,
    *names: str,
    at: int = 1,
    state: str = PledgeState.PAID,
    needs: tuple[str, ...] = (),
    rider: User | None = None,
) -> list[Seat]:
    """Put one rider's seats straight onto the trip, without the checkout; `needs` are the first passenger's."""
    where = Stop.objects.get(trip=trip, position=at)
    payer = rider or person(f"rider{next(_number)}")
    paid = state == PledgeState.PAID
    amount = where.fare_minor * len(names)
    pledge_id = uuid7()
    payment = Payment.objects.create(
        payer=payer,
        reference=f"pledge:{pledge_id}",
        group=f"trip:{trip.id}",
        description="seats",
        provider="sandbox",
        state=PaymentState.PAID if paid else PaymentState.CARD_SAVED,
        amount_minor=amount,
        captured_minor=amount if paid else 0,
        currency=trip.currency,
        created_at=NOW,
        changed_at=NOW,
    )
    pledge = Pledge.objects.create(
        id=pledge_id,
        trip=trip,
        stop=where,
        rider=payer,
        state=state,
        seats=len(names),
        fare_minor=where.fare_minor,
        instrument=Instrument.SAVED_CARD,
        payment=payment,
        consent_text="I agree.",
        consent_version="1",
        consented_at=NOW,
        policy=[],
        reserved_until=NOW,
        created_at=NOW,
    )
    return [
        Seat.objects.create(pledge=pledge, position=n, name=name, needs=list(needs) if n == 1 else [])
        for n, name in enumerate(names, start=1)
    ]


def decided(trip: Trip, state: str = TripState.CONFIRMED, *, now: datetime = NOW) -> Trip:
    """The trip after its decision, as the settlement leaves it, without the banks; its news is not sent."""
    trip.refresh_from_db()
    trip.decided_at = trip.settling_since = now
    trip.grace_ends_at = now + timedelta(hours=1)
    if state != TripState.CANCELLED:
        journal.move(
            trip,
            TRIP,
            TripState.SETTLING,
            now=now,
            by=None,
            also=("decided_at", "settling_since", "grace_ends_at"),
        )
    journal.move(trip, TRIP, state, now=now, by=None, also=("decided_at",))
    return trip


def confirmed_run(crew: Company | None = None, *, trip: Trip | None = None) -> Run:
    """A run of a confirmed trip: four riders board in Milwaukee, two in Sheboygan."""
    crew = crew or ready()
    trip = trip or van_trip()
    run = crew.commits(trip)
    if not trip.pledges.exists():
        riders(trip, "Ana Lund", "Ben Ito", "Cy Roe", "Di Fox")
        riders(trip, "Ed Kaya", "Flo Diaz", at=2)
    decided(trip)
    runs.confirm(trip_id=trip.id, now=NOW)
    run.refresh_from_db()
    return run


def drive(run: Run, by: User) -> None:
    """There and back, all at the moment that the clock shows."""
    for step in (driving.start, driving.arrive, driving.head_back, driving.complete):
        step(run_id=run.id, now=clock.now(), by=by)
    run.refresh_from_db()


def booked(run: Run, *, now: datetime) -> Run:
    """The run with pay that was booked; no rider paid, its price is fixed."""
    Run.objects.filter(id=run.id).update(
        state=RunState.COMPLETED, started_at=now, completed_at=now, terms={"kind": "fixed", "percent": 100}
    )
    for pledge in run.trip.pledges.all():
        type(pledge.payment).objects.filter(id=pledge.payment_id).update(
            state="refunded", refunded_minor=pledge.payment.captured_minor
        )
    type(run.trip).objects.filter(id=run.trip_id).update(state=TripState.COMPLETED)
    return pay.book(run_id=run.id, now=now)
