"""Bringing friends: the personal link, who came through it, and the credit once they have ridden.

Whoever opens a personal link is not followed about: the code waits in the visitor's own session and is written down only
if an account is made there. One friend counts for one inviter, once, with the first ride on a seat of their own: who sits
on one that was handed over has paid nothing, and it may be the inviter who paid.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from payments.actions import credits as credit
from payments.models import Account, Payment
from rally import codes, rules
from rally.models import User
from rally.money import Money
from trips import notices
from trips.models import Friend, Invitation


def code_of(*, inviter: User, now: datetime) -> str:
    """The code of the user's personal link; made at the first asking."""
    found, _fresh = Invitation.objects.get_or_create(inviter=inviter, defaults={"created_at": now})
    return found.code


@transaction.atomic
def accept(*, code: str, friend: User, now: datetime) -> Friend | None:
    """Write down that a new account came through a personal link. None for a code that is nobody's, or one's own.

    The first link counts: twice is once, and a second inviter has no part in it.
    """
    found = Invitation.objects.select_related("inviter").filter(code=codes.clean(code)[:12]).first()
    if found is None or found.inviter_id == friend.id:
        return None
    row, _fresh = Friend.objects.get_or_create(
        friend=friend, defaults={"inviter": found.inviter, "came_at": now}
    )
    return row


@transaction.atomic
def has_ridden(*, rider_id: Any, now: datetime) -> bool:
    """The rider was on a bus, on a seat that they paid for: whoever brought them gets `rules.referral` as credit, and both
    are told.

    With the first such ride only; later ones change nothing. Nobody gets credit for a friend who pays with the inviter's own
    card. In a transaction of its own: it waits for the inviter's wallet. Answers whether credit was given.
    """
    # Two trips of one friend that are completed at the same moment would each be the first.
    row = (
        Friend.objects.select_for_update(of=("self",))
        .select_related("friend", "inviter")
        .filter(friend_id=rider_id, outcome=Friend.Outcome.WAITING)
        .first()
    )
    reward = Money(rules.current().referral, "USD")
    if row is None:
        return False

    same = _same_card(row)
    row.outcome = Friend.Outcome.SAME_CARD if same else Friend.Outcome.REWARDED
    row.ridden_at = now
    row.save(update_fields=["outcome", "ridden_at"])
    if same or not reward:
        return False
    given = credit.give(
        user_id=row.inviter_id,
        amount=reward,
        source=Account.REWARD,
        reference=f"friend:{row.friend_id}",
        now=now,
        by=None,
    )
    notices.friend_rode(row, reward, now)
    return given


def _same_card(row: Friend) -> bool:
    """Whether both have paid with one and the same card, as far as the provider tells."""
    known = Payment.objects.exclude(card_fingerprint="")
    theirs = known.filter(payer_id=row.inviter_id).values("card_fingerprint")
    return known.filter(payer_id=row.friend_id, card_fingerprint__in=theirs).exists()
