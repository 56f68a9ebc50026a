"""Who is paid out: opening them, leading them through the provider's onboarding, and whether they can be paid."""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import UUID

from django.db import transaction

from payments import gateway, locks
from payments.actions import journal, operations, sightings
from payments.errors import AccountRefused, AddressRefused, ProviderUnavailable
from payments.gateway import words
from payments.models import Operation, Payee
from payments.states import OperationState
from rally.errors import Refusal

logger = logging.getLogger(__name__)


@transaction.atomic
def open(*, name: str, email: str, now: datetime) -> Payee:  # noqa: A001 - read as payees.open(…)
    """A new payee, unknown to the provider until `onboard`. Not idempotent: the caller keeps the row's id."""
    return Payee.objects.create(name=name[:120], email=email, provider=gateway.provider(), created_at=now)


@transaction.atomic
def correct(*, payee_id: UUID, name: str, email: str) -> Payee:
    """Let a payee be called this from now on. Nothing once the provider has an account: there they say themselves who
    they are. Twice is once."""
    payee = locks.locked_payee(payee_id)
    if not payee.account:
        payee.name, payee.email = name[:120], email
        payee.save(update_fields=["name", "email"])
    return payee


def onboard(*, payee_id: UUID, return_url: str, refresh_url: str = "", now: datetime) -> str:
    """The address at which a payee tells the provider who they are; makes the account first. Outside action.

    Each call gives a fresh address that works for a few minutes; the account is made once. Who is done comes back to
    `return_url`, who comes with an address that is over to `refresh_url`. Raises `ProviderUnavailable`, and when the
    account was refused `AddressRefused` or `AccountRefused`: then the next call asks afresh.
    """
    operation = _account(payee_id, now)
    if operation is not None:
        operations.run(operation.id, now=now)
    payee = Payee.objects.get(id=payee_id)
    if not payee.account:
        raise _why_not(payee)
    try:
        return gateway.onboarding_page(
            payee.account, return_url=return_url, refresh_url=refresh_url or return_url
        )
    except words.ProviderTrouble as trouble:
        logger.warning("onboarding.no_page payee=%s error=%s", payee_id, trouble)
        raise ProviderUnavailable from trouble


def _why_not(payee: Payee) -> Refusal:
    """Why a payee has no account after it was asked for."""
    asked = Operation.objects.filter(kind=Operation.Kind.ACCOUNT, subject=payee.id).order_by("n").last()
    if asked is None or asked.state != OperationState.FAILED:
        return ProviderUnavailable()
    return AddressRefused(email=payee.email) if asked.error == words.NO_ADDRESS else AccountRefused()


@transaction.atomic
def _account(payee_id: UUID, now: datetime) -> Operation | None:
    payee = locks.locked_payee(payee_id)
    if payee.account:
        return None
    return journal.write(
        kind=Operation.Kind.ACCOUNT, subject=payee.id, payment=None, params={}, now=now, run=False
    )


def refresh(*, payee_id: UUID, now: datetime) -> None:
    """Look right now whether a payee can be paid. Harmless to repeat; never raises for trouble of the provider."""
    account = Payee.objects.values_list("account", flat=True).get(id=payee_id)
    if not account:
        return
    try:
        sightings.look("account", account, now=now)
    except words.ProviderTrouble as trouble:
        logger.warning("account.not_seen payee=%s error=%s", payee_id, trouble)
