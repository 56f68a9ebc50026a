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
    amount_minor = models.PositiveIntegerField(help_text="what it pays of the payment")
    percent = models.PositiveSmallIntegerField(
        default=0, help_text="a share of the whole: it pays more or less as the whole does"
    )
    at_most_minor = models.PositiveIntegerField(default=0, help_text="it never pays more; 0 for a share")
    aside_minor = models.PositiveIntegerField(
        default=0, help_text="what is set aside of it; more than it needs goes back by itself"
    )
    returned_minor = models.PositiveIntegerField(
        default=0, help_text="given back after it was spent, as refunds are"
    )
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=9, choices=ContributionState, default=ContributionState.SET_ASIDE)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["payment", "source"], name="contribution_once"),
            models.CheckConstraint(
                name="contribution_of_something",
                condition=Q(percent__gt=0, percent__lte=100, at_most_minor=0)
                | Q(percent=0, at_most_minor__gt=0, amount_minor__lte=F("at_most_minor")),
            ),
            models.CheckConstraint(
                name="contribution_is_there",
                condition=~Q(state=ContributionState.SET_ASIDE) | Q(aside_minor__gte=F("amount_minor")),
            ),
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
        indexes = [
            models.Index(fields=["payment"], name="contribution_too_much", condition=Q(aside_minor__gt=0))
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.state}"

    @property
    def amount(self) -> Money:
        """What it pays of the payment."""
        return Money(self.amount_minor, self.currency)

    @property
    def kept_minor(self) -> int:
        """What was spent of it and not given back."""
        spent = self.state == ContributionState.SPENT
        return self.amount_minor - self.returned_minor if spent else 0

    @property
    def too_much_minor(self) -> int:
        """What is set aside of it and not needed: on its way back to where it came from."""
        needed = self.amount_minor if self.state == ContributionState.SET_ASIDE else 0
        return self.aside_minor - needed
