"""Writing down what we are going to ask of the provider, before it is asked."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from django.conf import settings

from payments.models import Operation, Payment
from payments.states import OperationState
from rally.later import later


def write(
    *,
    kind: Operation.Kind,
    subject: UUID,
    payment: Payment | None,
    params: dict[str, Any],
    now: datetime,
    target: str = "",
    run: bool = True,
    afresh: bool = False,
) -> Operation:
    """The operation of this kind for this subject: the one that is there unless it failed, else a fresh one.

    With `afresh` also one that is done is followed by a fresh one, because what it did came undone.

    Called inside the transaction that decided on it, with the subject locked. `params` are frozen now. With `run`, a
    worker is told at once; without it the caller runs it itself, and a sweep finds it if the caller dies.
    """
    last = Operation.objects.filter(kind=kind, subject=subject).order_by("-n").first()
    over = {OperationState.FAILED, OperationState.DONE} if afresh else {OperationState.FAILED}
    if last is not None and last.state not in over:
        return last
    operation = Operation.objects.create(
        kind=kind,
        subject=subject,
        n=last.n + 1 if last else 1,
        payment=payment,
        params=params,
        target=target,
        due_at=now,
        created_at=now,
    )
    if run:
        later("payments.run_operation", operation_id=operation.id)
    return operation


def tags(operation: Operation, **more: str) -> dict[str, str]:
    """What is written on each object that the operation makes: enough to find it again, and nobody's data."""
    payment = {"payment": str(operation.payment_id)} if operation.payment_id else {}
    return {"install": settings.INSTALL, "op": str(operation.id), **payment, **more}


def subject_of(provider_id: str) -> UUID:
    """A stable subject for something of the provider's that we have no row for."""
    return uuid5(NAMESPACE_URL, f"provider:{provider_id}")


def part_of(whole: UUID, part: UUID) -> UUID:
    """A stable subject for the part of one thing that concerns another."""
    return uuid5(whole, str(part))


def id_in(text: str) -> UUID:
    """The id that we wrote on something; one that nothing has if there is none."""
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)
