"""What tax offices and bookkeepers ask for: rates as data, and invoices with numbers that have no gaps."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from rally.models import Row
from rally.money import Money


class TaxRate(Row):
    """What part of a fare is tax where a trip starts, from a day on. Fares include it; no row means no tax."""

    jurisdiction = models.CharField(max_length=20, help_text="ISO 3166-2 such as US-WI, or US for all states")
    name = models.CharField(max_length=60, help_text="as it stands on the receipt")
    basis_points = models.PositiveIntegerField(help_text="hundredths of a percent on the net price")
    applies_from = models.DateField()
    applies_until = models.DateField(null=True, blank=True, help_text="the last day, if it has ended")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["jurisdiction", "applies_from"], name="taxrate_once_a_day"),
            models.CheckConstraint(name="taxrate_below_all", condition=Q(basis_points__lt=10_000)),
            models.CheckConstraint(
                name="taxrate_ends_after_it_began",
                condition=Q(applies_until=None) | Q(applies_until__gte=F("applies_from")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.jurisdiction} {self.name} {self.basis_points / 100:g} %"


class Series(models.Model):
    """The last number given in a series of documents. Numbers have no gaps: the row is locked while one is given."""

    name = models.CharField(max_length=20, primary_key=True, help_text="such as invoice-2026")
    last = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}: {self.last}"


class Invoice(Row):
    """A receipt made out to a company, frozen as it was issued."""

    number = models.CharField(max_length=30, unique=True)
    payment = models.ForeignKey("payments.Payment", on_delete=models.PROTECT, related_name="invoices")
    billed_to = models.CharField(max_length=120)
    address = models.TextField()
    tax_number = models.CharField(max_length=40, blank=True)
    lines = models.JSONField(help_text="[{text, quantity, unit_minor, total_minor}, …]")
    total_minor = models.PositiveIntegerField()
    tax_name = models.CharField(max_length=60, blank=True)
    tax_basis_points = models.PositiveIntegerField(default=0)
    tax_minor = models.PositiveIntegerField(help_text="part of the total")
    currency = models.CharField(max_length=3)
    issued_at = models.DateTimeField()
    cancels = models.OneToOneField(
        "self", null=True, on_delete=models.PROTECT, related_name="cancelled_by", help_text="a credit note"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(name="invoice_tax_fits", condition=Q(tax_minor__lte=F("total_minor")))
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def total(self) -> Money:
        """What it comes to, tax included."""
        return Money(self.total_minor, self.currency)
