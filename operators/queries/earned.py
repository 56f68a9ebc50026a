"""What runs have earned and where the money is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet, Sum

from operators.models import Operator, Run
from operators.queries.companies import with_trip
from operators.states import RunState
from payments.models import Transfer
from payments.states import TransferState
from rally.money import Money

_SENT, _WAITING = (TransferState.PAID,), (TransferState.PENDING,)
_TROUBLE = (TransferState.FAILED, TransferState.REVERSED)
_CURRENCY = "USD"


@dataclass(frozen=True, slots=True)
class Pay:
    """One run's pay: `sent` has arrived, `waiting` is on its way, due at `due_at`; `trouble` needs a person."""

    run: Run
    sent: Money
    waiting: Money
    trouble: Money
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Sums:
    """All transfers of a company together."""

    sent: Money
    waiting: Money
    trouble: Money


def completed_runs(operator: Operator) -> QuerySet[Run]:
    """Runs that are done, newest first."""
    return with_trip(operator.runs.filter(state=RunState.COMPLETED)).order_by("-completed_at", "-id")


def pay_of(operator: Operator, runs: Sequence[Run]) -> list[Pay]:
    """Where the pay of these runs is, in one query."""
    groups = {f"trip:{run.trip_id}": run for run in runs}
    by_run: dict[str, list[Transfer]] = {group: [] for group in groups}
    for transfer in Transfer.objects.filter(payee=operator.payee_id, group__in=groups):
        by_run[transfer.group].append(transfer)
    return [_pay(run, by_run[group]) for group, run in groups.items()]


def sums(operator: Operator) -> Sums:
    """Everything that was sent, waits, or went wrong, in one query."""
    states = (
        Transfer.objects.filter(payee=operator.payee_id, currency=_CURRENCY).order_by().values_list("state")
    )
    by_state = dict(states.annotate(sum=Sum("amount_minor")))

    def total(*these: str) -> Money:
        return Money(sum(by_state.get(state, 0) for state in these), _CURRENCY)

    return Sums(total(*_SENT), total(*_WAITING), total(*_TROUBLE))


def _pay(run: Run, transfers: list[Transfer]) -> Pay:
    waiting = [transfer.due_at for transfer in transfers if transfer.state == TransferState.PENDING]
    return Pay(run=run, **_by_state(transfers, run.currency), due_at=max(waiting, default=None))


def _by_state(transfers: list[Transfer], currency: str) -> dict[str, Money]:
    def total(*states: str) -> Money:
        return Money.total(
            (Money(t.amount_minor, t.currency) for t in transfers if t.state in states), currency
        )

    return {"sent": total(*_SENT), "waiting": total(*_WAITING), "trouble": total(*_TROUBLE)}
