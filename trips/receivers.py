"""News from the money side that concerns pledges."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from payments.signals import payment_changed
from rally import clock


@receiver(payment_changed, dispatch_uid="trips.follow_payment")
def follow_payment(payment_id: Any, **_more: Any) -> None:
    """A payment moved: its pledge follows. The sweep `payments.announce` repeats what got lost."""
    from trips.actions import backing

    backing.follow(payment_id=payment_id, now=clock.now())
