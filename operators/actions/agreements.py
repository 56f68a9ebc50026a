"""Agreements with companies on how they are paid."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from operators import permissions
from operators.errors import DayTaken
from operators.locks import locked_operator
from operators.models import Agreement
from operators.states import AgreementKind
from rally import audit
from rally.errors import BadInput
from rally.models import User

#: Of what an agreement takes a percentage of.
LEAST, MOST = 1, 200


@transaction.atomic
def agree(
    *,
    operator_id: Any,
    kind: str,
    percent: int,
    applies_from: date,
    applies_until: date | None = None,
    now: datetime,
    by: User,
) -> Agreement:
    """Pay a company in this way for the runs that it commits from a day on, in place of what was agreed before.

    Runs that are committed keep their terms. Staff only. The same again is the agreement that is there. Raises
    `NotAllowed`, `BadInput`, `DayTaken` for another agreement from the same day.
    """
    operator = locked_operator(operator_id)
    permissions.check_is_staff(by)
    if kind not in AgreementKind.values:
        raise BadInput(_("There is no such kind of agreement."), field="kind")
    if not LEAST <= percent <= MOST:
        raise BadInput(
            _("Between %(least)s and %(most)s %%, please.") % {"least": LEAST, "most": MOST}, field="percent"
        )
    if applies_until is not None and applies_until < applies_from:
        raise BadInput(_("It cannot end before it begins."), field="applies_until")

    there = Agreement.objects.filter(operator=operator, applies_from=applies_from).first()
    if there is not None:
        if (there.kind, there.percent, there.applies_until) != (kind, percent, applies_until):
            raise DayTaken
        return there
    made = Agreement.objects.create(
        operator=operator,
        kind=kind,
        percent=percent,
        applies_from=applies_from,
        applies_until=applies_until,
        created_at=now,
    )
    audit.note(
        by=by,
        what="agreement.agree",
        subject=f"operator:{operator.id}",
        now=now,
        kind=kind,
        percent=percent,
        applies_from=applies_from.isoformat(),
    )
    return made
