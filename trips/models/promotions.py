"""Promotion codes, and who used them."""

from __future__ import annotations

import pgtrigger
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from rally.models import Row
from rally.money import Money
from trips.models.events import Event, Partner
from trips.models.pledges import Pledge

#: Uses that count are counted by the database itself, so that a limit holds whoever comes at the same moment.
_COUNT_USES = """
    DECLARE more integer := 0; which uuid;
    BEGIN
        IF TG_OP <> 'INSERT' THEN
            which := OLD.promotion_id;
            IF OLD.given_back_at IS NULL THEN more := more - 1; END IF;
        END IF;
        IF TG_OP <> 'DELETE' THEN
            which := NEW.promotion_id;
            IF NEW.given_back_at IS NULL THEN more := more + 1; END IF;
        END IF;
        IF more <> 0 THEN
            UPDATE trips_promotion SET uses = uses + more WHERE id = which;
        END IF;
        RETURN NULL;
    END;
"""


class Promotion(Row):
    """A code that takes something off the price. We bear it; the operator is paid as if it were not there."""

    code = models.CharField(max_length=30, unique=True, help_text="in capitals, as it is typed")
    name = models.CharField(max_length=80)
    percent = models.PositiveSmallIntegerField(
        default=0, validators=[MaxValueValidator(100)], help_text="off the price; or an amount"
    )
    amount_minor = models.PositiveIntegerField(default=0, help_text="off each pledge")
    currency = models.CharField(max_length=3, default="USD")
    event = models.ForeignKey(
        Event, null=True, blank=True, on_delete=models.PROTECT, related_name="promotions"
    )
    partner = models.ForeignKey(
        Partner, null=True, blank=True, on_delete=models.PROTECT, related_name="promotions"
    )
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField()
    max_uses = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    max_uses_per_rider = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1)])
    uses = models.PositiveIntegerField(default=0, editable=False, help_text="kept by a trigger")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="promotion_percent_or_amount",
                condition=Q(percent__gt=0, percent__lte=100, amount_minor=0)
                | Q(percent=0, amount_minor__gt=0),
            ),
            models.CheckConstraint(name="promotion_never_overused", condition=Q(uses__lte=F("max_uses"))),
            models.CheckConstraint(
                name="promotion_times_in_order", condition=Q(valid_from__lt=F("valid_until"))
            ),
            models.CheckConstraint(
                name="promotion_code_in_capitals", condition=Q(code=models.functions.Upper("code"))
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def amount(self) -> Money:
        """What each pledge saves, when it is an amount."""
        return Money(self.amount_minor, self.currency)


class PromotionUse(Row):
    """One pledge for which a code was used. Given back when nothing came of the pledge."""

    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, related_name="used_for")
    pledge = models.OneToOneField(Pledge, on_delete=models.PROTECT, related_name="promotion_use")
    n = models.PositiveSmallIntegerField(help_text="which of the rider's uses of this code")
    rider = models.ForeignKey("rally.User", on_delete=models.PROTECT, related_name="+")
    saved_minor = models.PositiveIntegerField(help_text="what it takes off at most")
    used_at = models.DateTimeField()
    given_back_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["promotion", "rider", "n"],
                name="promotionuse_numbered",
                condition=Q(given_back_at=None),
            )
        ]
        triggers = [
            pgtrigger.Trigger(
                name="promotionuse_counts",
                when=pgtrigger.After,
                operation=pgtrigger.Insert | pgtrigger.Delete | pgtrigger.Update,
                func=_COUNT_USES,
            )
        ]

    def __str__(self) -> str:
        return f"{self.promotion}: {self.pledge}"
