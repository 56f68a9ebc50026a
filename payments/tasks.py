"""Background work of money: each task is safe to repeat, and a sweep finds what nobody was told of."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import Any

from celery import shared_task
from django.conf import settings
from django.urls import reverse

from payments import gateway
from payments.actions import earnings, inbox, operations, payments, sweeps
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
