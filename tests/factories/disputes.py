"""Riders who complain at their banks, and banks that decide."""

from __future__ import annotations

from datetime import datetime

from payments.actions import disputes, operations, sightings
from payments.models import Attempt, Dispute
from payments.sandbox import runtime
from trips.models import Pledge


def complain(pledge: Pledge, now: datetime) -> str:
    """The rider goes to the bank, which takes all of the money, and we hear of it. Answers the provider's id."""
    dispute: str = runtime.current().open_dispute(Attempt.objects.get(payment=pledge.payment).charge)["id"]
    sightings.look("dispute", dispute, now=now)
    return dispute


def decide(dispute: str, now: datetime, *, won: bool) -> None:
    """The bank decides, and we hear of it; it looks at what we sent only if it may decide for us."""
    if won:
        row = Dispute.objects.get(dispute=dispute)
        disputes.put_together(
            dispute_id=row.id, evidence={"product_description": "A seat."}, advice="", now=now
        )
        disputes.submit(dispute_id=row.id, now=now, by=None)
        for each in operations.due(now=now):
            operations.run(each, now=now)
    runtime.current().decide_dispute(dispute, won=won)
    sightings.look("dispute", dispute, now=now)
