"""Background work of the ground floor: sending notices, showing that a worker lives, forgetting old answers."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.core.cache import cache

from rally import clock, outbox
from rally.models import GivenAnswer

HEARTBEAT = "rally:worker-seen"


@shared_task(name="rally.deliver_notice")
def deliver_notice(notice_id: str) -> None:
    """Send one notice now."""
    outbox.deliver(notice_id, clock.now())


@shared_task(name="rally.deliver_notices")
def deliver_notices() -> None:
    """Send what is due, including what nobody was told of."""
    now = clock.now()
    outbox.doubt_stuck(now)
    for notice_id in outbox.due(now):
        outbox.deliver(notice_id, now)


@shared_task(name="rally.heartbeat")
def heartbeat() -> None:
    """Show `/readyz` that beat, broker and worker are alive."""
    cache.set(HEARTBEAT, clock.now().isoformat(), timeout=60)


@shared_task(name="rally.forget_old_answers")
def forget_old_answers() -> None:
    """Idempotency keys are kept for two days."""
    GivenAnswer.objects.filter(created_at__lt=clock.now() - timedelta(days=2)).delete()
