"""The ground on which every story begins, made once by the real actions; and copies of the whole database."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from operators.actions import companies, fleet, papers, people
from operators.states import PaperKind, Role
from payments.actions import payees
from payments.models import Payee
from payments.sandbox import runtime
from rally import rules
from rally.later import load_tasks
from rally.models import User
from rally.proof.swaps import StoryClock, repeatable, swapped
from trips.actions import proposals
from trips.actions.proposals import NewStop
from trips.models import Event, Place, Promotion, Trip, Venue
from trips.states import VehicleClass, Visibility

#: A Saturday three weeks before the game.
START = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
_KICK_OFF = datetime(2026, 12, 13, 18, 0, tzinfo=UTC)
_MILWAUKEE = (43.0389, -87.90647)
RIDERS = 8
#: Codes with few uses: what each takes off, how often in all and by one rider, and for how many days from the beginning.
CODES: dict[str, dict[str, int]] = {
    "TEN": {"amount_minor": 1_000, "max_uses": 3, "max_uses_per_rider": 1, "days": 30},
    "HALF": {"percent": 50, "max_uses": 2, "max_uses_per_rider": 2, "days": 30},
    "FREE": {"percent": 100, "max_uses": 2, "max_uses_per_rider": 1, "days": 30},
    "EARLY": {"percent": 20, "max_uses": 9, "max_uses_per_rider": 2, "days": 9},
}
_BASE, _BACKUP = "proof_base", "proof_backup"
_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of ours is made in it

#: Tables of a schema made like those of the application, without their constraints.
_MAKE_COPY = """
DO $$ DECLARE one text; BEGIN
    DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema};
    FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public'
        AND tablename NOT IN ('django_migrations', 'django_content_type', 'auth_permission', 'django_site')
    LOOP EXECUTE format('CREATE TABLE {schema}.%I (LIKE public.%I)', one, one); END LOOP;
END $$
"""
#: Every table as it is in another schema. No triggers run: what they would count is among what is copied.
_COPY = """
DO $$ DECLARE one text; filled boolean; BEGIN
    SET LOCAL session_replication_role = replica;
    FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = '{source}' OR schemaname = '{target}'
        GROUP BY tablename HAVING count(*) = 2
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM {target}.%I)', one) INTO filled;
        IF filled THEN EXECUTE format('DELETE FROM {target}.%I', one); END IF;
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM {source}.%I)', one) INTO filled;
        IF filled THEN EXECUTE format('INSERT INTO {target}.%I SELECT * FROM {source}.%I', one, one); END IF;
    END LOOP;
END $$
"""


@dataclass(frozen=True)
class Crew:
    """A company that can take the trip: whose it is, one van, one driver."""

    operator: UUID
    owner: User
    vehicle: UUID
    driver: UUID


@dataclass(frozen=True)
class Cast:
    """Who is there when a story begins."""

    trip: UUID
    stop: UUID
    captain: User
    staff: tuple[User, User]
    riders: tuple[User, ...]
    crews: tuple[Crew, ...]


class Ground:
    """The database and the provider as every story finds them."""

    def __init__(self, cast: Cast, folder: Path) -> None:
        self.cast = cast
        self._folder = folder

    def reset(self) -> None:
        """Back to the beginning: our rows and the provider's memory."""
        _copy(_BASE, "public")
        live = Path(settings.SANDBOX_PATH)
        for name in (live, live.with_name(f"{live.name}-wal"), live.with_name(f"{live.name}-shm")):
            name.unlink(missing_ok=True)
        shutil.copyfile(self._folder / "base.sqlite3", live)
        rules.forget()

    def back_up(self) -> None:
        """Keep a copy of our rows, as a nightly backup would."""
        _copy("public", _BACKUP)

    def restore(self) -> None:
        """Our rows as they were when they were last backed up. The provider forgets nothing."""
        _copy(_BACKUP, "public")

    def tidy(self) -> None:
        """Let the database take back the room of rows that are gone."""
        _run("VACUUM")


@contextmanager
def prepared() -> Iterator[Ground]:
    """Make the ground in the database at hand, which must be migrated and is emptied of everything else."""
    load_tasks()  # here, so that the first story of a process is like any other
    where = _IN_MEMORY if _IN_MEMORY.is_dir() else None
    with TemporaryDirectory(prefix="rally-proof-", dir=where) as name:
        folder = Path(name)
        with swapped(settings, "SANDBOX_PATH", folder / "live.sqlite3"):
            for schema in (_BASE, _BACKUP):
                _run(_MAKE_COPY.format(schema=schema))
            _copy(_BASE, "public")  # of nothing: empties
            cast = _made()
            _copy("public", _BASE)
            with sqlite3.connect(settings.SANDBOX_PATH) as memory:
                memory.execute("VACUUM INTO ?", (str(folder / "base.sqlite3"),))
            try:
                yield Ground(cast, folder)
            finally:
                for schema in (_BASE, _BACKUP):
                    _run(f"DROP SCHEMA {schema} CASCADE")


def _run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def _copy(source: str, target: str) -> None:
    _run(_COPY.format(source=source, target=target))


# ---- the people and things


def _made() -> Cast:
    moment = StoryClock(START)
    with repeatable(0, moment):
        captain = _person("captain")
        trip = _trip(captain)
        _codes()
        return Cast(
            trip=trip.id,
            stop=trip.stops.get(position=1).id,
            captain=captain,
            staff=(_staff("staff"), _staff("second")),
            riders=tuple(_person(f"rider{number}") for number in range(RIDERS)),
            crews=(_crew("lakeshore", 14), _crew("prairie", 7)),
        )


def _person(name: str, **more: Any) -> User:
    address = f"{name}@proof.example"
    return User.objects.create_user(address, name=name.capitalize(), proven_address=address, **more)


def _staff(name: str) -> User:
    return _person(name, is_staff=True, is_superuser=True)


def _codes() -> None:
    for code, facts in CODES.items():
        more = {name: value for name, value in facts.items() if name != "days"}
        until = START + timedelta(days=facts["days"])
        Promotion.objects.create(code=code, name=code, valid_from=START, valid_until=until, **more)


def _trip(captain: User) -> Trip:
    venue = Venue.objects.create(
        name="Lambeau Field",
        city="Green Bay",
        state="Wisconsin",
        latitude=44.501389,
        longitude=-88.062222,
        time_zone="America/Chicago",
    )
    Place.objects.create(
        id=1,
        name="Milwaukee",
        state="WI",
        slug="milwaukee-wi",
        latitude=_MILWAUKEE[0],
        longitude=_MILWAUKEE[1],
        population=577_222,
        time_zone="America/Chicago",
    )
    event = Event.objects.create(
        name="Buffalo Bills at Green Bay Packers",
        starts_at=_KICK_OFF,
        ends_at=_KICK_OFF + timedelta(minutes=195),
        venue=venue,
        slug="buffalo-bills-at-green-bay-packers",
        home="Green Bay Packers",
        away="Buffalo Bills",
        source="proof",
        source_id="1",
        search_text="buffalo bills at green bay packers",
    )
    return proposals.propose(
        event_id=event.pk,
        captain=captain,
        vehicle_class=VehicleClass.VAN,
        stops=[NewStop("Milwaukee Intermodal Station", *_MILWAUKEE, "")],
        threshold=None,
        visibility=Visibility.PUBLIC,
        now=START,
    )


def _crew(name: str, seats: int) -> Crew:
    owner = _person(f"owner-{name}")
    operator = companies.register(
        by=owner,
        name=f"{name.capitalize()} Coaches",
        email=f"office@{name}.example",
        phone="+1 414 555 0100",
        base_name="Milwaukee, WI",
        now=START,
    )

    def paper(kind: PaperKind, **whose: Any) -> None:
        papers.add(
            operator_id=operator.id,
            kind=kind,
            number=f"{name}-{kind}",
            valid_from=(START - timedelta(days=90)).date(),
            expires_on=(START + timedelta(days=420)).date(),
            now=START,
            by=owner,
            **whose,
        )

    van = fleet.add(
        operator_id=operator.id,
        name="Van One",
        plate=f"{name[:3].upper()} 101",
        vehicle_class=VehicleClass.VAN,
        seats=seats,
        wheelchair_spaces=1,
        now=START,
        by=owner,
    )
    driver = people.add(
        operator_id=operator.id,
        email=f"driver@{name}.example",
        role=Role.DRIVER,
        name="Dee",
        now=START,
        by=owner,
    )
    paper(PaperKind.LICENCE)
    paper(PaperKind.INSURANCE, vehicle_id=van.id)
    paper(PaperKind.DRIVING, member_id=driver.id)
    _let_be_paid(operator.payee_id)
    return Crew(operator.id, owner, van.id, driver.id)


def _let_be_paid(payee_id: UUID) -> None:
    """What an owner does on the provider's pages."""
    payees.onboard(payee_id=payee_id, return_url="http://testserver/operator/", now=START)
    runtime.current().finish_onboarding(Payee.objects.get(id=payee_id).account)
    payees.refresh(payee_id=payee_id, now=START)
