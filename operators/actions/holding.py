"""Holding back a run's pay while something about it is open, and what companies owe us for what went wrong."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from operators import permissions
from operators.actions.companies import one_line
from operators.actions.pay import group_of, pay_left
from operators.errors import NothingWaits
from operators.locks import locked_trip_and_run
from operators.models import HoldBack, Operator
from payments.actions import holding
from rally import audit
from rally.errors import BadInput
from rally.ids import uuid7
from rally.models import User
from rally.money import Money


@transaction.atomic
def hold_back(*, run_id: Any, amount: Money | None, why: str, now: datetime, by: User) -> HoldBack:
    """Let a run's pay wait: all of it, or `amount` of it; before it is booked or after, as far as it was not sent.

    Staff only; the company reads why. While one is open it is the one that counts: the same again is that one. Raises
    `NotAllowed`, `BadInput`, `NothingWaits` when everything was sent already.
    """
    _trip, run = locked_trip_and_run(run_id)
    permissions.check_is_staff(by)
    reason = one_line(why, most=200, what="why", least=3)
    if amount is not None and amount.minor <= 0:
        raise BadInput(_("More than nothing, please, or all of it."), field="amount")

    there = HoldBack.objects.filter(run=run, lifted_at=None).first()
    if there is not None:
        return there
    made = HoldBack.objects.create(
        run=run, amount_minor=amount.minor if amount else 0, why=reason, held_at=now, held_by=by
    )
    if run.booked_at is not None:
        holding.hold(
            group=group_of(run),
            payee_id=run.operator.payee_id,
            amount=amount,
            reference=str(made.id),
            now=now,
        )
        if not pay_left(run):
            raise NothingWaits
    audit.note(
        by=by, what="holdback.hold", subject=f"run:{run.id}", now=now, why=reason, amount=made.amount_minor
    )
    return made


@transaction.atomic
def lift(*, hold_back_id: Any, kept: Money | None, now: datetime, by: User) -> HoldBack:
    """Let the pay go out; what is `kept` the company does not get. Staff only. Twice is once.

    Raises `NotAllowed`, `NothingWaits` when more is to be kept than waits: before the pay is booked nothing can be kept.
    """
    found = HoldBack.objects.get(id=hold_back_id)
    _trip, run = locked_trip_and_run(found.run_id)
    found = HoldBack.objects.get(id=hold_back_id)
    permissions.check_is_staff(by)
    if found.lifted_at is not None:
        return found
    keep = kept or Money.zero(run.currency)
    waits = pay_left(run)
    if keep.minor < 0 or keep > waits:
        raise NothingWaits

    found.lifted_at, found.lifted_by, found.kept_minor = now, by, keep.minor
    found.save(update_fields=["lifted_at", "lifted_by", "kept_minor"])
    if run.booked_at is not None:
        holding.lift(
            group=group_of(run),
            payee_id=run.operator.payee_id,
            kept=keep,
            reference=str(found.id),
            now=now,
        )
    audit.note(by=by, what="holdback.lift", subject=f"run:{run.id}", now=now, why=found.why, kept=keep.minor)
    return found


@transaction.atomic
def penalise(
    *, operator_id: Any, amount: Money, why: str, reference: str = "", now: datetime, by: User | None
) -> bool:
    """Let a company owe us for something that went wrong; it is kept from the pay that is sent next.

    Once per `reference`, such as `late:<run code>`; without one each call is one. `by` staff, or None when the rules say
    so. Answers whether it is new. Raises `NotAllowed`, `BadInput`.
    """
    operator = Operator.objects.get(id=operator_id)
    if by is not None:
        permissions.check_is_staff(by)
    reason = one_line(why, most=200, what="why", least=3)
    if amount.minor <= 0:
        raise BadInput(_("More than nothing, please."), field="amount")

    name = reference or str(uuid7())
    fresh = holding.penalise(payee_id=operator.payee_id, amount=amount, reference=name, now=now)
    if fresh and by is not None:
        audit.note(
            by=by,
            what="operator.penalise",
            subject=f"operator:{operator.id}",
            now=now,
            why=reason,
            amount=amount.minor,
            reference=name,
        )
    return fresh
