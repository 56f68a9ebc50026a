"""What runs have earned and where the money is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, QuerySet, Sum

from operators.models import HoldBack, Operator, Run
from operators.queries.companies import with_trip
from payments.models import Transfer
from payments.queries.statements import standing
from payments.states import TransferState
from rally.money import Money

_CURRENCY = "USD"


@dataclass(frozen=True, slots=True)
class Pay:
    """One run's pay: `sent` has left, `kept` was kept against a debt, `waiting` is on its way, due at `due_at`; `held`
    waits until somebody lifts what holds it back (`hold_back`); `trouble` needs a person."""

    run: Run
    sent: Money
    kept: Money
    waiting: Money
    held: Money
    trouble: Money
    due_at: datetime | None
    hold_back: HoldBack | None


@dataclass(frozen=True, slots=True)
class Sums:
    """All transfers of a company together, and what it owes us."""

    sent: Money
    waiting: Money
    held: Money
    trouble: Money
    debt: Money


def completed_runs(operator: Operator) -> QuerySet[Run]:
    """Runs that are done or were paid for a part of the way, newest first."""
    done = operator.runs.filter(completed_at__isnull=False) | operator.runs.filter(booked_at__isnull=False)
    return with_trip(done).order_by("-completed_at", "-id")


def pay_of(operator: Operator, runs: Sequence[Run]) -> list[Pay]:
    """Where the pay of these runs is, in two queries."""
    groups = {f"trip:{run.trip_id}": run for run in runs}
    by_run: dict[str, list[Transfer]] = {group: [] for group in groups}
    for transfer in Transfer.objects.filter(payee=operator.payee_id, group__in=groups):
        by_run[transfer.group].append(transfer)
    open_ = {back.run_id: back for back in HoldBack.objects.filter(run__in=list(runs), lifted_at=None)}
    return [_pay(run, by_run[group], open_.get(run.id)) for group, run in groups.items()]


def pay_of_run(run: Run) -> Pay:
    """Where the pay of one run is."""
    return pay_of(run.operator, [run])[0]


def sums(operator: Operator) -> Sums:
    """Everything that was sent, waits, or went wrong, and what is owed, in two queries."""
    rows = Transfer.objects.filter(payee=operator.payee_id, currency=_CURRENCY).order_by()
    left = F("amount_minor") - F("netted_minor") - F("reversed_minor")
    by_state = {
        (state, held): minor
        for state, held, minor in rows.values_list("state", "held").annotate(sum=Sum(left))
    }

    def total(state: str, *, held: bool) -> Money:
        return Money(by_state.get((state, held), 0), _CURRENCY)

    return Sums(
        sent=total(TransferState.PAID, held=False) + total(TransferState.PAID, held=True),
        waiting=total(TransferState.PENDING, held=False),
        held=total(TransferState.PENDING, held=True) + total(TransferState.FAILED, held=True),
        trouble=total(TransferState.FAILED, held=False),
        debt=Money(standing(operator.payee_id).debt, _CURRENCY),
    )


def _pay(run: Run, transfers: list[Transfer], hold_back: HoldBack | None) -> Pay:
    def total(*, held: bool | None, state: str) -> Money:
        chosen = (t for t in transfers if t.state == state and held in (None, t.held))
        return Money(sum(t.to_send_minor - t.reversed_minor for t in chosen), run.currency)

    waits = [t.due_at for t in transfers if t.state == TransferState.PENDING and not t.held]
    return Pay(
        run=run,
        sent=total(held=None, state=TransferState.PAID),
        kept=Money(sum(t.netted_minor for t in transfers), run.currency),
        waiting=total(held=False, state=TransferState.PENDING),
        held=total(held=True, state=TransferState.PENDING) + total(held=True, state=TransferState.FAILED),
        trouble=total(held=False, state=TransferState.FAILED),
        due_at=max(waits, default=None),
        hold_back=hold_back,
    )
