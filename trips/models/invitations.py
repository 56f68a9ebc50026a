"""Who brought whom: a rider's personal link, and the friends who signed up through it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from rally import codes
from rally.models import Row


class Invitation(Row):
    """One rider's personal link. Made when the rider first asks for it."""

    inviter = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="invitation"
    )
    code = models.CharField(max_length=12, unique=True, default=codes.long)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.code


class Friend(Row):
    """Somebody who signed up through a link. `ridden_at` is the first ride on a seat that they paid for, after which
    nothing more can come of it."""

    class Outcome(models.TextChoices):
        """What came of it."""

        WAITING = "waiting"  #: has not ridden on a seat of their own yet
        REWARDED = "rewarded"
        SAME_CARD = "same_card"  #: paid with a card of whoever invited

    friend = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="brought")
    inviter = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="friends")
    came_at = models.DateTimeField()
    outcome = models.CharField(max_length=9, choices=Outcome, default=Outcome.WAITING)
    ridden_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="friend_is_somebody_else", condition=~Q(friend=F("inviter"))),
            models.CheckConstraint(
                name="friend_outcome_known", condition=Q(outcome__in=["waiting", "rewarded", "same_card"])
            ),
            models.CheckConstraint(
                name="friend_ridden_has_outcome",
                condition=Q(outcome="waiting", ridden_at=None)
                | ~Q(outcome="waiting") & Q(ridden_at__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["inviter", "-came_at"], name="friend_inviter")]

    def __str__(self) -> str:
        return str(self.outcome)
