"""The bus companies of the demo: made up, with depots in real towns, buses, people and papers in order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from operators.actions import agreements, companies, fleet, papers, people
from operators.models import Member, Operator
from operators.states import AgreementKind, PaperKind, Role
from payments.actions import payees
from payments.models import Payee
from payments.sandbox import runtime
from rally.demo import cast
from rally.models import User
from trips.states import VehicleClass


@dataclass(frozen=True)
class Company:
    """One company to make: its name, the town of its depot, how many buses of each kind, and its people."""

    key: str
    name: str
    town: str
    buses: tuple[int, int, int]  #: coaches, mini-coaches, vans
    drivers: tuple[str, ...]
    dispatcher: str = ""
    guarantee: int = 0  #: percent of the price of the bus that it is promised at least; 0: the usual share


COMPANIES = (
    Company(
        "lakeshore",
        "Lakeshore Coaches",
        "Milwaukee, WI",
        (4, 1, 1),
        ("Dee Okafor", "Walt Jurgens", "Marisol Vega", "Ed Lindgren"),
        "Otto Brandt",
    ),
    Company(
        "prairie",
        "Prairie State Motorcoach",
        "Chicago, IL",
        (3, 1, 0),
        ("Lonnie Webb", "Ruth Ostrowski", "Sal Marchetti"),
    ),
    Company(
        "northstar",
        "North Star Lines",
        "Duluth, MN",
        (2, 1, 1),
        ("Inga Solberg", "Pete Maki", "Roy Beaulieu"),
        guarantee=90,
    ),
    Company("maumee", "Maumee Valley Coach", "Toledo, OH", (2, 1, 0), ("Denise Haller", "Omar Saleh")),
    Company("hoosier", "Hoosier Charter", "Indianapolis, IN", (2, 1, 0), ("Tammy Klein", "Darnell Price")),
    Company("buckeye", "Buckeye Charter", "Columbus, OH", (2, 1, 0), ("Gene Hadley", "Opal Simmons")),
    Company("empire", "Empire Coach Works", "Syracuse, NY", (2, 1, 1), ("Vince Caruso", "Dawn Pulaski")),
    Company(
        "liberty",
        "Liberty Coachways",
        "Philadelphia, PA",
        (3, 1, 1),
        ("Tyrell Banks", "Maureen Daly", "Luis Ortiz"),
    ),
    Company("palmetto", "Palmetto Motor Tours", "Orlando, FL", (2, 1, 1), ("Celia Fuentes", "Hank Purcell")),
    Company("lonestar", "Lone Star Charters", "Waco, TX", (2, 1, 0), ("Buck Tillman", "Rosa Garza")),
    Company(
        "frontrange", "Front Range Coaches", "Colorado Springs, CO", (2, 1, 2), ("Kim Yazzie", "Todd Bergman")
    ),
    Company("cascadia", "Cascadia Lines", "Portland, OR", (2, 1, 1), ("June Nakagawa", "Cal Whitaker")),
    Company("goldenstate", "Golden State Tours", "Sacramento, CA", (2, 1, 0), ("Arjun Gill", "Tess Moreno")),
)

_NUMBERS = ("One", "Two", "Three", "Four")
_CLASSES = (
    (VehicleClass.COACH, "Coach", 56, 2, "Toilet, Wi-Fi, sockets"),
    (VehicleClass.MINI, "Mini", 28, 1, "Wi-Fi, sockets"),
    (VehicleClass.VAN, "Van", 14, 1, "Sockets"),
)


def ensure(*, now: datetime) -> dict[str, Operator]:
    """All companies by key, made through the same actions as by hand; the ones that are there stay as they are."""
    known = {
        operator.name: operator
        for operator in Operator.objects.filter(name__in=[one.name for one in COMPANIES])
    }
    return {
        company.key: known.get(company.name) or make(company, number, now)
        for number, company in enumerate(COMPANIES, start=1)
    }


def drivers(operator: Operator) -> list[Member]:
    """Who drives for it, in the order in which they were taken on."""
    return list(
        operator.members.filter(role=Role.DRIVER, active=True)
        .select_related("user")
        .order_by("created_at", "id")
    )


def make(company: Company, number: int, now: datetime) -> Operator:
    """One company with everything it needs to take trips and to be paid. `number` tells its numbers from others'."""
    owner = _person(f"owner.{company.key}", "Owner of " + company.name)
    operator = companies.register(
        by=owner,
        name=company.name,
        email=f"dispatch@{company.key}.example",
        phone=f"+1 555 01{number:02d} 00",
        base_name=company.town,
        usdot=str(2_100_000 + 37 * number),
        now=now,
    )
    first, last = (now - timedelta(days=90)).date(), (now + timedelta(days=420)).date()
    papers.add(
        operator_id=operator.id,
        kind=PaperKind.LICENCE,
        number=f"MC-{700_000 + number}",
        valid_from=first,
        expires_on=last,
        now=now,
        by=owner,
    )
    _buses(company, number, operator, owner, now)
    if company.dispatcher:
        people.add(
            operator_id=operator.id,
            email=_known(_address_of(company.dispatcher), company.dispatcher).email,
            role=Role.DISPATCHER,
            name=company.dispatcher,
            now=now,
            by=owner,
        )
    for place, name in enumerate(company.drivers, start=1):
        employ_driver(
            operator, name, _address_of(name), number=f"CDL-P {number:02d}{place:02d}", by=owner, now=now
        )
    _let_be_paid(operator, now)
    if company.guarantee:
        agreements.agree(
            operator_id=operator.id,
            kind=AgreementKind.GUARANTEE,
            percent=company.guarantee,
            applies_from=first,
            now=now,
            by=User.objects.get(email=cast.BY_KEY["sam"].email),
        )
    return operator


def _buses(company: Company, number: int, operator: Operator, owner: User, now: datetime) -> None:
    first, last = (now - timedelta(days=90)).date(), (now + timedelta(days=420)).date()
    plate = 100
    for (kind, word, seats, wheelchairs, comfort), count in zip(_CLASSES, company.buses, strict=True):
        for which in range(count):
            plate += 1
            bus = fleet.add(
                operator_id=operator.id,
                name=f"{word} {_NUMBERS[which]}",
                plate=f"{company.key[:3].upper()} {plate}",
                vehicle_class=kind,
                seats=seats,
                wheelchair_spaces=wheelchairs,
                amenities=comfort,
                now=now,
                by=owner,
            )
            papers.add(
                operator_id=operator.id,
                kind=PaperKind.INSURANCE,
                number=f"POL-{number:02d}-{plate}",
                valid_from=first,
                expires_on=last,
                vehicle_id=bus.id,
                now=now,
                by=owner,
            )


def employ_driver(
    operator: Operator, name: str, email: str, *, number: str, by: User, now: datetime
) -> Member:
    """Take on a driver, with a driving licence of this number that holds for a year and more."""
    known = _known(email, name)
    driver = people.add(
        operator_id=operator.id, email=known.email, role=Role.DRIVER, name=name, now=now, by=by
    )
    papers.add(
        operator_id=operator.id,
        kind=PaperKind.DRIVING,
        number=number,
        valid_from=(now - timedelta(days=90)).date(),
        expires_on=(now + timedelta(days=420)).date(),
        member_id=driver.id,
        now=now,
        by=by,
    )
    return driver


def _address_of(name: str) -> str:
    """The cast keeps its addresses; everybody else lives where the fellow riders do."""
    known = cast.BY_KEY.get(name.split(" ", 1)[0].lower())
    return known.email if known and known.name == name else _address(name.lower().replace(" ", "."))


def _person(key: str, name: str) -> User:
    return _known(_address(key), name)


def _known(email: str, name: str) -> User:
    """Somebody who works in a company has shown the address to be theirs, or could not act for it."""
    return User.objects.filter(email=email).first() or User.objects.create_user(
        email, name=name, proven_address=email
    )


def _address(key: str) -> str:
    return f"{key}@{cast.FELLOW_DOMAIN}"


def _let_be_paid(operator: Operator, now: datetime) -> None:
    """Do what an owner does on the provider's pages, so that the company's share can be sent."""
    payees.onboard(payee_id=operator.payee_id, return_url="http://127.0.0.1/operator/money/", now=now)
    account = Payee.objects.get(id=operator.payee_id).account
    runtime.current().finish_onboarding(account)
    payees.refresh(payee_id=operator.payee_id, now=now)
