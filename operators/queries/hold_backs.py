"""Pay of runs that staff hold back, for the desk."""

from __future__ import annotations

from django.urls import reverse

from operators.models import HoldBack
from payments.queries.hold_backs import HeldBack

_MOST = 100


def hold_backs() -> list[HeldBack]:
    """Those that nobody has lifted, the oldest first, each with the page on which that is done. One query."""
    open_ = HoldBack.objects.filter(lifted_at=None).select_related("run__trip__event", "run__operator")
    return [
        HeldBack(
            title=f"{back.run.trip} ({back.run.code})",
            payee=back.run.operator.name,
            url=reverse("admin:operators_holdback_change", args=[back.id]),
            amount=back.amount or None,
            why=back.why,
            since=back.held_at,
        )
        for back in open_.order_by("held_at")[:_MOST]
    ]
