"""What staff need to watch over money: reports of comparisons with the provider, and what takes two of them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from payments.states import REQUEST, RequestState
from rally.models import Row, codes_constraint
from rally.money import Money


class Reconciliation(Row):
    """One comparison of our books with the provider's, and what came of it."""

    class Kind(models.TextChoices):
        """How much was looked at."""

        LIGHT = "light"  #: what is open, and the last three days
        FULL = "full"  #: everything, and the invariants of the ledger

    kind = models.CharField(max_length=5, choices=Kind)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    looked_at = models.PositiveIntegerField(default=0, help_text="objects fetched from the provider")
    mended = models.PositiveIntegerField(default=0, help_text="taken over, adopted, released or sent again")
    differences = models.JSONField(default=dict, help_text="what is left for a person, by name of the check")
    error = models.CharField(max_length=200, blank=True, help_text="why it could not be finished")

    class Meta:
        indexes = [models.Index(fields=["-started_at"], name="reconciliation_newest")]
        constraints = [
            models.CheckConstraint(name="reconciliation_kind_known", condition=Q(kind__in=["light", "full"]))
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.started_at:%Y-%m-%d %H:%M}"


class MoneyRequest(Row):
    """Money that shall go out by hand: one of the staff asks, another one agrees, then it is done."""

    class What(models.TextChoices):
        """What shall be done."""

        REFUND = "refund"  #: give a payer back `amount` of the payment `subject`
        CREDIT = "credit"  #: give the user `subject` credit
        PAY = "pay"  #: send the payee `subject` an amount that no trip says
        WRITE_OFF = "write_off"  #: give up what the payee `subject` owes us

    what = models.CharField(max_length=9, choices=What)
    subject = models.UUIDField(help_text="payment, user or payee")
    amount_minor = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    why = models.CharField(max_length=200)
    state = models.CharField(max_length=8, choices=RequestState, default=RequestState.ASKED)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            codes_constraint(REQUEST, "moneyrequest"),
            models.CheckConstraint(name="moneyrequest_positive", condition=Q(amount_minor__gt=0)),
            # Two open ones of the same would each find their second person, and it would go out twice.
            models.UniqueConstraint(
                name="moneyrequest_open_once",
                fields=["what", "subject", "amount_minor", "currency"],
                condition=Q(state="asked"),
            ),
            models.CheckConstraint(
                name="moneyrequest_two_persons",
                condition=Q(decided_by=None) | ~Q(decided_by=F("asked_by")) | Q(state="refused"),
            ),
            models.CheckConstraint(
                name="moneyrequest_decided_by_somebody",
                condition=Q(state="asked", decided_by=None, decided_at=None)
                | ~Q(state="asked") & Q(decided_by__isnull=False, decided_at__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["asked_at"], name="moneyrequest_open", condition=Q(state="asked"))]

    def __str__(self) -> str:
        return f"{self.what} {self.amount}: {self.state}"

    @property
    def amount(self) -> Money:
        """What shall go out."""
        return Money(self.amount_minor, self.currency)
