"""Background work of money: each task is safe to repeat, and a sweep finds what nobody was told of."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import Any
from uuid import UUID

from celery import shared_task
from django.conf import settings
from django.urls import reverse

from payments import gateway
from payments.actions import (
    contributions,
    digests,
    disputes,
    earnings,
    inbox,
    operations,
    papers,
    payments,
    reconciling,
    sweeps,
)
from rally import clock

logger = logging.getLogger(__name__)


@shared_task(name="payments.run_operation", bind=True)
def run_operation(self: Any, operation_id: str) -> None:
    """Send one operation now."""
    # In place of a worker somebody may be waiting for the answer: then nobody waits for a turn.
    with nullcontext() if self.request.is_eager else gateway.patient():
        operations.run(operation_id, now=clock.now())


@shared_task(name="payments.run_operations")
def run_operations() -> None:
    """Send everything that is due, until nothing is."""
    while operations.run_due(now=clock.now()):
        pass


@shared_task(name="payments.read_event")
def read_event(event_id: str) -> None:
    """Read one event now."""
    inbox.read(event_id, now=clock.now())


@shared_task(name="payments.read_inbox")
def read_inbox() -> None:
    """Read what waits in the inbox."""
    with gateway.patient():
        inbox.read_due(now=clock.now())


@shared_task(name="payments.poll_events")
def poll_events() -> None:
    """Ask the provider what we may have missed, and read it."""
    with gateway.patient():
        if inbox.poll(now=clock.now()):
            inbox.read_due(now=clock.now())


@shared_task(name="payments.announce")
def announce() -> None:
    """Tell the app above again what it has not followed yet."""
    payments.announce_again(now=clock.now())


@shared_task(name="payments.check_holds")
def check_holds() -> None:
    """Look at holds and pages whose time is over."""
    with gateway.patient():
        sweeps.check_holds(now=clock.now())


@shared_task(name="payments.send_transfers")
def send_transfers() -> None:
    """Pay the payees what is due."""
    earnings.send_due(now=clock.now())


@shared_task(name="payments.hand_back")
def hand_back(payment_id: str) -> None:
    """Give back what is set aside for one payment and not needed any more."""
    contributions.hand_back(payment_id=UUID(payment_id), now=clock.now())


@shared_task(name="payments.hand_back_due")
def hand_back_due() -> None:
    """Give back what is set aside and not needed, wherever nobody did."""
    contributions.hand_back_due(now=clock.now())


@shared_task(name="payments.send_evidence")
def send_evidence() -> None:
    """Answer disputes that nobody answered, before the bank stops listening."""
    disputes.send_due(now=clock.now())


@shared_task(name="payments.reconcile_light")
def reconcile_light() -> None:
    """Compare what is open and new with the provider."""
    with gateway.patient():
        reconciling.reconcile(full=False, now=clock.now())


_FULL_SECONDS = int(reconciling.FULL_TAKES_AT_MOST.total_seconds())


@shared_task(
    name="payments.reconcile_full",
    bind=True,
    # The step that is at work is given up five minutes earlier, so that the rest is done and the comparison ends.
    soft_time_limit=_FULL_SECONDS - 300,
    time_limit=_FULL_SECONDS,
    max_retries=reconciling.ASKS_AGAIN,
    default_retry_delay=int(reconciling.AGAIN_AFTER.total_seconds()),
)
def reconcile_full(self: Any) -> None:
    """Compare everything with the provider. While another comparison is at work, ask again some minutes later."""
    with gateway.patient():
        row = reconciling.reconcile(full=True, now=clock.now())
    if row is None:
        raise self.retry()


@shared_task(name="payments.desk_digest")
def desk_digest() -> None:
    """Tell staff what is open, once a day."""
    digests.tell_staff(now=clock.now())


@shared_task(name="payments.correct_invoices")
def correct_invoices() -> None:
    """Cancel invoices of which something was given back since, and issue them again for what is left."""
    for payment_id in papers.standing(now=clock.now()):
        papers.correct(payment_id=payment_id, now=clock.now())


@shared_task(name="payments.pump_sandbox")
def pump_sandbox() -> None:
    """Deliver the sandbox's webhooks to our own endpoint, as Stripe would. If nobody listens, the poller hears of it."""
    if not settings.SANDBOX:
        return
    import requests

    from payments.sandbox import runtime

    address = settings.SITE_URL + reverse("payments:webhook")

    def deliver(payload: bytes, signature: str) -> int:
        headers = {"Content-Type": "application/json", "Stripe-Signature": signature}
        try:
            return requests.post(address, data=payload, headers=headers, timeout=5).status_code
        except requests.RequestException as error:
            raise OSError(str(error)) from error

    runtime.current().pump(deliver, secret=settings.STRIPE_WEBHOOK_SECRETS[0])
