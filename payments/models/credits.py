"""Money of riders that came from no card: what they have to their credit, and what pays a part of a payment."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from payments.models.ledger import Account
from payments.states import ContributionState
from rally.models import Row
from rally.money import Money


class Wallet(Row):
    """What one user has to their credit with us in one currency. The ledger says the same (`rider:credit`)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3)
    balance_minor = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "currency"], name="wallet_once"),
            models.CheckConstraint(name="wallet_not_overdrawn", condition=Q(balance_minor__gte=0)),
        ]

    def __str__(self) -> str:
        return str(self.balance)

    @property
    def balance(self) -> Money:
        """What can be spent."""
        return Money(self.balance_minor, self.currency)


class Contribution(Row):
    """A part of a payment that no card pays: the rider's own credit, or a promotion that we bear.

    Set aside when the payment is opened, so that it is not spent twice; spent when the card is charged; given back when
    nothing comes of it.
    """

    #: Where a contribution may come from.
    SOURCES = (Account.RIDER_CREDIT, Account.PROMOTION)

    payment = models.ForeignKey("payments.Payment", on_delete=models.PROTECT, related_name="contributions")
    source = models.CharField(max_length=30, choices=[(each.value, each.label) for each in SOURCES])
    amount_minor = models.PositiveIntegerField()
    returned_minor = models.PositiveIntegerField(
        default=0, help_text="given back after it was spent, as refunds are"
    )
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=9, choices=ContributionState, default=ContributionState.SET_ASIDE)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["payment", "source"], name="contribution_once"),
            models.CheckConstraint(name="contribution_positive", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(
                name="contribution_return_fits", condition=Q(returned_minor__lte=F("amount_minor"))
            ),
            models.CheckConstraint(
                name="contribution_state_known", condition=Q(state__in=ContributionState.values)
            ),
            models.CheckConstraint(
                name="contribution_source_known",
                condition=Q(source__in=[Account.RIDER_CREDIT, Account.PROMOTION]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.state}"
