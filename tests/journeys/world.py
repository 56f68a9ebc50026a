"""What is there before a story begins, and how its time passes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core.management import call_command

from operators.actions import people
from operators.models import Member, Operator, Vehicle
from operators.states import Role
from rally import clock
from rally.demo import clock as moving
from rally.demo import fleet
from rally.demo.fleet import Company
from rally.models import User
from tests.factories.people import person
from trips.actions import places
from trips.importing import gazetteer
from trips.models import Event

_SHIPPED = settings.BASE_DIR / "trips" / "data"
#: Whole states, so that a search has something to choose from; all 3,407 towns take half a second.
_NEAR = re.compile(",(WI|IL|MN|MI|IA),")


@dataclass
class World:
    """The game everybody wants to see, and a company with buses, a dispatcher and a driver."""

    game: Event
    company: Operator
    coach: Vehicle
    otto: User
    dee: User
    driver: Member

    @classmethod
    def make(cls) -> World:
        """The schedule as shipped, the towns around the game, a company in Milwaukee."""
        head, *towns = (_SHIPPED / "us-places.csv").read_text().splitlines()
        near, _problems = gazetteer.read("\n".join([head, *(row for row in towns if _NEAR.search(row))]))
        places.load(found=near)
        call_command(
            "import_events", str(_SHIPPED / "nfl-2026-late-season.csv"), venues=_SHIPPED / "nfl-venues.csv"
        )
        now = clock.now()
        otto, dee = person("otto"), person("dee")
        company = fleet.make(
            Company("lakes", "Lakeshore Coaches", "Milwaukee, WI", (2, 0, 0), ("Walt Jurgens",)), 1, now
        )
        owner = company.members.get(role=Role.OWNER).user
        people.add(operator_id=company.id, email=otto.email, role=Role.DISPATCHER, now=now, by=owner)
        driver = fleet.employ_driver(company, dee.name, dee.email, number="CDL-P 9", by=owner, now=now)
        return cls(
            game=Event.objects.select_related("venue").get(home="Green Bay Packers", away="Buffalo Bills"),
            company=company,
            coach=Vehicle.objects.filter(operator=company).earliest("created_at", "name"),
            otto=otto,
            dee=dee,
            driver=driver,
        )

    def pass_time(self, **step: float) -> list[str]:
        """Let so much time go by; what falls due in it is done."""
        return moving.forward(to=clock.now() + timedelta(**step))
