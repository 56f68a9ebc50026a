"""News from the money side that concerns pledges, and of new accounts."""

from __future__ import annotations

from typing import Any

from allauth.account.signals import user_signed_up
from django.dispatch import receiver
from django.http import HttpRequest

from payments.queries.shortfalls import Shortfall, Stranded
from payments.signals import hold_ends_soon, payment_changed, shortfalls_asked, stranded_asked
from rally import clock
from rally.models import User


@receiver(payment_changed, dispatch_uid="trips.follow_payment")
def follow_payment(payment_id: Any, **_more: Any) -> None:
    """A payment moved: its pledge follows. The sweep `payments.announce` repeats what got lost."""
    from trips.actions import backing

    backing.follow(payment_id=payment_id, now=clock.now())


@receiver(hold_ends_soon, dispatch_uid="trips.decide_or_let_go")
def decide_or_let_go(payment_id: Any, **_more: Any) -> None:
    """What a bank holds lapses within hours: its trip is decided now, or the hold is let go and the card kept."""
    from trips.actions import lapsing

    lapsing.decide_or_let_go(payment_id=payment_id, now=clock.now())


@receiver(shortfalls_asked, dispatch_uid="trips.shortfalls")
def shortfalls(**_more: Any) -> list[Shortfall]:
    """Trips that go with fewer paid seats than they need, for the desk."""
    from trips.queries import shortfalls as found

    return found.shortfalls()


@receiver(stranded_asked, dispatch_uid="trips.stranded")
def stranded(**_more: Any) -> list[Stranded]:
    """Confirmed trips that lost their bus and have no other yet, for the desk."""
    from trips.queries import stranded as found

    return found.stranded()


@receiver(user_signed_up, dispatch_uid="trips.friend_signed_up")
def friend_signed_up(request: HttpRequest, user: User, **_more: Any) -> None:
    """Somebody made an account, perhaps after opening a friend's link."""
    from trips.actions import invitations
    from trips.queries.inviting import PARAMETER

    if code := request.session.pop(PARAMETER, ""):
        invitations.accept(code=code, friend=user, now=clock.now())
