"""Documents with an expiry: handed in, refused by staff, announced before they run out."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from operators import notices, permissions
from operators.actions.companies import one_line
from operators.models import Member, Operator, Paper, Vehicle
from operators.queries.companies import WARN_DAYS, papers_running_out, today_at
from operators.states import PaperKind
from rally import audit
from rally.errors import BadInput
from rally.models import User

#: Nobody issues a paper for longer; a longer one is a slip of the finger.
LONGEST = timedelta(days=3660)


@transaction.atomic
def add(
    *,
    operator_id: Any,
    kind: str,
    number: str,
    valid_from: date,
    expires_on: date,
    vehicle_id: Any = None,
    member_id: Any = None,
    now: datetime,
    by: User,
) -> Paper:
    """Hand in a paper: insurance of a vehicle, licence of the company, driving licence of a member.

    It holds from `valid_from` to `expires_on`, both days included. The same number and dates again are the paper that
    is there. Owners and dispatchers. Raises `NotAllowed`, `BadInput` (also for a vehicle or member of somebody else).
    """
    operator = Operator.objects.get(id=operator_id)
    permissions.check_can_dispatch(by, operator)

    vehicle, member = _whose(operator, kind, vehicle_id, member_id)
    checked_number = one_line(number, most=60, what="number")
    if expires_on < valid_from:
        raise BadInput(_("The last day comes after the first."), field="expires_on")
    if expires_on - valid_from > LONGEST:
        raise BadInput(
            _("Nobody issues a paper for more than ten years. Check the dates."), field="expires_on"
        )
    if expires_on < today_at(operator, now):
        raise BadInput(_("This paper has already run out."), field="expires_on")

    paper, _fresh = Paper.objects.get_or_create(
        operator=operator,
        kind=kind,
        vehicle=vehicle,
        member=member,
        number=checked_number,
        valid_from=valid_from,
        expires_on=expires_on,
        defaults={"created_at": now},
    )
    return paper


@transaction.atomic
def refuse(*, paper_id: Any, why: str, now: datetime, by: User) -> Paper:
    """Staff looked at the paper and it does not count. The company's office is told why. Twice is once.

    Runs that already rest on it stay; the desk decides about them. Raises `NotAllowed`, `BadInput` without a reason.
    """
    paper = Paper.objects.select_for_update().get(id=paper_id)
    permissions.check_is_staff(by)

    if paper.refused:
        return paper
    paper.refused, paper.refused_why = True, one_line(why, most=200, what="refused_why")
    paper.save(update_fields=["refused", "refused_why"])

    notices.paper_refused(paper, now)
    audit.note(by=by, what="paper.refuse", subject=f"paper:{paper.id}", now=now, why=paper.refused_why)
    return paper


@transaction.atomic
def accept(*, paper_id: Any, now: datetime, by: User) -> Paper:
    """Take a refusal back. Staff only. Twice is once. Raises `NotAllowed`."""
    paper = Paper.objects.select_for_update().get(id=paper_id)
    permissions.check_is_staff(by)

    if not paper.refused:
        return paper
    paper.refused, paper.refused_why = False, ""
    paper.save(update_fields=["refused", "refused_why"])
    audit.note(by=by, what="paper.accept", subject=f"paper:{paper.id}", now=now)
    return paper


@transaction.atomic
def warn(*, operator_id: Any, now: datetime) -> int:
    """Tell a company's office which papers run out within 30 days; answers how many. Each paper is announced once.

    A paper that has a successor, or whose vehicle or member left, is ticked off without a word.
    """
    operator = Operator.objects.get(id=operator_id)
    today = today_at(operator, now)
    due = Paper.objects.select_for_update(skip_locked=True).filter(
        operator=operator, warned_at=None, refused=False, expires_on__lt=today + timedelta(days=WARN_DAYS)
    )
    ids = set(due.values_list("id", flat=True))
    to_tell = [paper for paper in papers_running_out(operator, today) if paper.id in ids]

    Paper.objects.filter(id__in=ids).update(warned_at=now)

    for paper in to_tell:
        notices.paper_runs_out(paper, now)
    return len(to_tell)


def _whose(
    operator: Operator, kind: str, vehicle_id: Any, member_id: Any
) -> tuple[Vehicle | None, Member | None]:
    if kind == PaperKind.LICENCE:
        return None, None
    if kind == PaperKind.INSURANCE:
        vehicle = Vehicle.objects.filter(id=vehicle_id, operator=operator).first()
        if vehicle is None:
            raise BadInput(_("Which of your vehicles is insured?"), field="vehicle")
        return vehicle, None
    if kind == PaperKind.DRIVING:
        member = Member.objects.active().filter(id=member_id, operator=operator).first()
        if member is None:
            raise BadInput(_("Whose driving licence is it?"), field="member")
        return None, member
    raise BadInput(_("Choose one of: insurance, licence, driving."), field="kind")
