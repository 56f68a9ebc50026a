"""Messages of supply, one function each: to a company's office, to drivers, to people who are invited."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.formats import date_format

from operators.models import Member, Paper, Run
from operators.queries.board import offer_of
from operators.queries.companies import office_people
from rally import outbox, rules
from rally.models import User
from rally.templatetags.look import local_time_zoned
from trips.models import Trip


def invited(member: Member, now: datetime) -> None:
    """To somebody who was added to a company: what it is, and how to sign in with a code."""
    outbox.put(
        to=member.user,
        kind="operators.invited",
        subject=f"member:{member.id}:{member.role}:{now:%Y%m%d%H%M%S}",
        facts={
            "company": member.operator.name,
            "role": str(member.get_role_display()).lower(),
            "url": _url("account_request_login_code"),
            "email": member.user.email,
        },
        now=now,
    )


def paper_runs_out(paper: Paper, now: datetime) -> None:
    """To the office, 30 days ahead: a paper runs out."""
    facts = {**_paper_facts(paper), "url": _url("operators:papers")}
    for person in office_people(paper.operator):
        outbox.put(
            to=person, kind="operators.paper_runs_out", subject=f"paper:{paper.id}", facts=facts, now=now
        )


def paper_refused(paper: Paper, now: datetime) -> None:
    """To the office: staff refused a paper, and why."""
    facts = {**_paper_facts(paper), "why": paper.refused_why, "url": _url("operators:papers")}
    for person in office_people(paper.operator):
        outbox.put(
            to=person,
            kind="operators.paper_refused",
            subject=f"paper:{paper.id}:{now:%Y%m%d%H%M%S}",
            facts=facts,
            now=now,
        )


def run_committed(run: Run, now: datetime) -> None:
    """To the office: the bus is bound, and what it pays at least."""
    offer = offer_of(run.operator, run.trip, rules.current(), terms=run.terms)
    facts = {
        **_run_facts(run),
        "pay_at_least": str(offer.pay_at_least),
        "paid": offer.paid,
        "decides": local_time_zoned(run.trip.decides_at, offer.first_stop.time_zone),
    }
    _to_office(run, "operators.run_committed", facts, now)


def driver_assigned(run: Run, now: datetime) -> None:
    """To the driver: this run is yours, if the trip goes."""
    _to_driver(
        run, run.person, "operators.driver_assigned", {**_run_facts(run), "certain": run.names_riders}, now
    )


def driver_relieved(run: Run, person: User, now: datetime) -> None:
    """To the one who drove before: somebody else drives."""
    _to_driver(run, person, "operators.driver_relieved", _run_facts(run), now)


def run_confirmed(run: Run, now: datetime) -> None:
    """To the office and the driver: it goes."""
    facts = _run_facts(run)
    _to_office(run, "operators.run_confirmed", facts, now)
    _to_driver(run, run.person, "operators.you_drive", {**facts, "url": _url("driving:run", run.code)}, now)


def run_withdrawn(run: Run, now: datetime) -> None:
    """To the office and the driver: the trip was given back."""
    _free_again(run, "withdrawn", now)


def bus_free(run: Run, trip: Trip, now: datetime) -> None:
    """To the office and the driver: the trip lapsed or was called off; the bus is free again."""
    _free_again(run, trip.state, now)


def run_not_started(run: Run, now: datetime) -> None:
    """To the office: it should have left, and nobody has pressed "start"."""
    _to_office(run, "operators.run_not_started", _run_facts(run), now)


def run_not_completed(run: Run, now: datetime) -> None:
    """To the office: it should be back, and nobody has completed it."""
    _to_office(run, "operators.run_not_completed", _run_facts(run), now)


def paid_out(run: Run, now: datetime) -> None:
    """To the office: the pay has been sent."""
    facts = {**_run_facts(run), "pay": str(run.pay), "money_url": _url("operators:money")}
    _to_office(run, "operators.paid_out", facts, now)


def _free_again(run: Run, why: str, now: datetime) -> None:
    facts = {**_run_facts(run), "ended": why, "board_url": _url("operators:board")}
    _to_office(run, "operators.bus_free", facts, now)
    _to_driver(run, run.person, "operators.driver_free", facts, now)


def _to_office(run: Run, kind: str, facts: dict[str, Any], now: datetime) -> None:
    for person in office_people(run.operator):
        outbox.put(to=person, kind=kind, subject=f"run:{run.id}", facts=facts, now=now)


def _to_driver(run: Run, person: User, kind: str, facts: dict[str, Any], now: datetime) -> None:
    # Somebody may be given a run, relieved of it, and given it again: each time is news.
    outbox.put(to=person, kind=kind, subject=f"run:{run.id}:{now:%Y%m%d%H%M%S}", facts=facts, now=now)


def _run_facts(run: Run) -> dict[str, Any]:
    trip = Trip.objects.select_related("event__venue").get(id=run.trip_id)
    first = trip.stops.get(position=1)
    return {
        "code": run.code,
        "trip": str(trip),
        "event": trip.event.name,
        "venue": f"{trip.event.venue.name}, {trip.event.venue.city}",
        "first_stop": first.name,
        "departs": local_time_zoned(trip.departs_at, first.time_zone),
        "depot": run.operator.base_name,
        "leaves_depot": local_time_zoned(run.period.lower, run.operator.time_zone),
        "back": local_time_zoned(run.period.upper, run.operator.time_zone),
        "company": run.operator.name,
        "company_phone": run.operator.phone,
        "vehicle": str(run.vehicle),
        "driver": str(run.person),
        "seats": trip.seats_pledged,
        "url": _url("operators:run", run.code),
        "drive_url": _url("driving:today"),
    }


def _paper_facts(paper: Paper) -> dict[str, Any]:
    whose = paper.vehicle or paper.member or paper.operator
    return {
        "paper": str(paper.get_kind_display()),
        "number": paper.number,
        "whose": str(whose),
        "company": paper.operator.name,
        "expires": date_format(paper.expires_on, "l j F Y"),
    }


def _url(name: str, *args: str) -> str:
    return settings.SITE_URL + reverse(name, args=args)
