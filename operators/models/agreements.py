"""How operators are paid, and what is held back from it."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q

from operators.models.companies import Operator
from operators.models.runs import Run
from operators.states import AgreementKind
from rally.models import Row
from rally.money import Money


class Agreement(Row):
    """How one operator is paid from a day on. Without one: the usual share. A run keeps the terms it was committed on."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="agreements")
    kind = models.CharField(max_length=9, choices=AgreementKind)
    percent = models.PositiveSmallIntegerField(
        default=100,
        validators=[MaxValueValidator(200)],
        help_text="fixed, guarantee: of the price of the bus; share: of the usual share; reseller: of the fare",
    )
    applies_from = models.DateField()
    applies_until = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["operator", "applies_from"], name="agreement_once_a_day"),
            models.CheckConstraint(name="agreement_kind_known", condition=Q(kind__in=AgreementKind.values)),
            models.CheckConstraint(
                name="agreement_percent_fits", condition=Q(percent__gte=1, percent__lte=200)
            ),
            models.CheckConstraint(
                name="agreement_ends_after_it_began",
                condition=Q(applies_until=None) | Q(applies_until__gte=F("applies_from")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.operator}: {self.get_kind_display()}"


class HoldBack(Row):
    """Pay of a run that waits because something about it is open."""

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="hold_backs")
    amount_minor = models.PositiveIntegerField(help_text="in the run's currency; 0: all of it")
    why = models.CharField(max_length=200)
    held_at = models.DateTimeField()
    held_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    kept_minor = models.PositiveIntegerField(default=0, help_text="what the operator does not get in the end")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run"], name="holdback_one_open", condition=Q(lifted_at=None)),
            models.CheckConstraint(
                name="holdback_lifted_by_somebody",
                condition=Q(lifted_at=None, lifted_by=None)
                | Q(lifted_at__isnull=False, lifted_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run}: {self.why}"

    @property
    def amount(self) -> Money:
        """What waits; zero is all of it."""
        return Money(self.amount_minor, self.run.currency)
