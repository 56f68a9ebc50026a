"""Who works where, and what a company has to look after."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from operators.models import Member, Operator, Paper, Run, Vehicle
from operators.queries.commitments import paper_words
from operators.states import OFFICE, UPCOMING, PaperKind, Role
from rally.models import StateChange, User
from trips.models import Stop, Trip
from trips.states import PLEDGED

#: A paper is announced to run out so many days ahead.
WARN_DAYS = 30


def offices_of(user: User) -> list[Member]:
    """The person's places in the offices of companies, in the order they were taken up."""
    return list(
        Member.objects.of(user).in_office().select_related("operator__payee").order_by("created_at", "id")
    )


def office_people(operator: Operator) -> list[User]:
    """Everybody who decides for the company: whom its messages go to."""
    return list(
        User.objects.filter(
            is_active=True,
            memberships__operator=operator,
            memberships__active=True,
            memberships__role__in=OFFICE,
        ).distinct()
    )


def today_at(operator: Operator, now: datetime) -> date:
    """The date at the depot."""
    return now.astimezone(ZoneInfo(operator.time_zone)).date()


def fleet(operator: Operator) -> QuerySet[Vehicle]:
    """The vehicles with their papers, those in service first."""
    return operator.vehicles.prefetch_related("papers").order_by("-active", "name", "id")


def drivers(operator: Operator) -> QuerySet[Member]:
    """Who may be given the wheel: everybody active with a driving licence on file, whatever the role; and drivers."""
    licensed = Paper.objects.filter(member=OuterRef("pk"), kind=PaperKind.DRIVING, refused=False)
    found = operator.members.active().filter(Exists(licensed) | Q(role=Role.DRIVER), user__is_active=True)
    return found.select_related("user").prefetch_related("papers").order_by("user__name", "id")


def people(operator: Operator) -> QuerySet[Member]:
    """Everybody who works or worked there, with their papers."""
    return (
        operator.members.select_related("user")
        .prefetch_related("papers")
        .order_by("-active", "user__name", "id")
    )


def papers_running_out(operator: Operator, today: date) -> list[Paper]:
    """Papers that are needed, are past or run out within 30 days, and have nothing newer in their place."""
    newer = Paper.objects.filter(
        operator=OuterRef("operator"),
        kind=OuterRef("kind"),
        refused=False,
        expires_on__gt=OuterRef("expires_on"),
    )
    return list(
        Paper.objects.filter(
            operator=operator, refused=False, expires_on__lt=today + timedelta(days=WARN_DAYS)
        )
        .exclude(vehicle__active=False)
        .exclude(member__active=False)
        .exclude(
            Exists(newer.filter(vehicle=OuterRef("vehicle")))
            | Exists(newer.filter(member=OuterRef("member")))
            | Exists(newer.filter(vehicle=None, member=None, kind=PaperKind.LICENCE))
        )
        .select_related("vehicle", "member__user")
        .order_by("expires_on", "id")
    )


def companies_to_warn(now: datetime) -> list[UUID]:
    """Companies with papers that run out within 30 days and were not announced yet."""
    soon = (now + timedelta(days=WARN_DAYS)).date()
    due = Paper.objects.filter(warned_at=None, refused=False, expires_on__lt=soon)
    return list(due.order_by().values_list("operator_id", flat=True).distinct())


def papers_missing(operator: Operator, today: date) -> list[str]:
    """What nobody has ever handed in or what no longer holds, in words: reasons why nothing can be committed."""
    lacking = []
    papers = list(operator.papers.all())
    if not any(p.kind == PaperKind.LICENCE and p.holds_on(today) for p in papers):
        lacking.append(paper_words(PaperKind.LICENCE, operator.name))
    lacking += [
        paper_words(PaperKind.INSURANCE, vehicle.name)
        for vehicle in fleet(operator)
        if vehicle.active and not any(paper.holds_on(today) for paper in vehicle.papers.all())
    ]
    lacking += [
        paper_words(PaperKind.DRIVING, str(member))
        for member in drivers(operator)
        if not any(paper.holds_on(today) for paper in member.papers.all())
    ]
    return lacking


def upcoming_runs(operator: Operator) -> QuerySet[Run]:
    """Runs ahead or on the road, soonest first, with what a list shows."""
    return with_trip(operator.runs.filter(state__in=UPCOMING)).order_by("period", "id")


def past_runs(operator: Operator) -> QuerySet[Run]:
    """Runs that are over, completed or not, newest first."""
    return with_trip(operator.runs.exclude(state__in=UPCOMING)).order_by("-period", "-id")


def papers_on_file(operator: Operator) -> QuerySet[Paper]:
    """Every paper, what runs out first at the top; those of retired vehicles and former members are left out."""
    papers = operator.papers.exclude(vehicle__active=False).exclude(member__active=False)
    return papers.select_related("vehicle", "member__user").order_by("expires_on", "id")


def holding(papers: Iterable[Paper], day: date) -> Paper | None:
    """The paper that holds longest from this day on; None if none holds on it. No query for papers at hand."""
    return max((p for p in papers if p.holds_on(day)), key=lambda paper: paper.expires_on, default=None)


def stops_with_riders(trip: Trip) -> list[Stop]:
    """The stops in order, each with `riders`: pledged seats that get on there. One query."""
    pledged = Sum("pledges__seats", filter=Q(pledges__state__in=PLEDGED), default=0)
    return list(trip.stops.annotate(riders=pledged).order_by("position"))


def with_trip(runs: QuerySet[Run]) -> QuerySet[Run]:
    """With all that a run is described by, in one query."""
    return runs.select_related("trip__event__venue", "operator", "vehicle", "driver__user", "next_stop")


def journal_of(run: Run) -> QuerySet[StateChange]:
    """What happened to a run, in order, with who did it."""
    return StateChange.objects.filter(noun="run", subject=run.id).select_related("by").order_by("at", "id")
