"""Complaints of payers at their banks."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from payments.states import DISPUTE, DisputeState
from rally.models import Row, codes_constraint
from rally.money import Money


class Dispute(Row):
    """A payer told the bank that a charge was wrong. The bank has taken the money until it is decided."""

    payment = models.ForeignKey("payments.Payment", on_delete=models.PROTECT, related_name="disputes")
    attempt = models.ForeignKey("payments.Attempt", on_delete=models.PROTECT, related_name="disputes")
    dispute = models.CharField(max_length=80, unique=True, help_text="provider id")
    state = models.CharField(max_length=14, choices=DisputeState, default=DisputeState.NEEDS_RESPONSE)
    reason = models.CharField(max_length=60, help_text="in the bank's words, such as product_not_received")
    amount_minor = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    refundable = models.BooleanField(
        default=False, help_text="a refund would still settle it, as the provider says"
    )
    respond_by = models.DateTimeField(null=True, help_text="after this the bank takes no evidence")
    evidence = models.JSONField(default=dict, help_text="what was or will be sent, in the provider's names")
    advice = models.CharField(
        max_length=200,
        blank=True,
        help_text="why our own books say that the payer is right; empty: answer it",
    )
    submitted_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            codes_constraint(DISPUTE, "dispute"),
            models.CheckConstraint(
                name="dispute_ended_has_time",
                condition=Q(state__in=[DisputeState.WON, DisputeState.LOST], ended_at__isnull=False)
                | Q(
                    state__in=[DisputeState.NEEDS_RESPONSE, DisputeState.UNDER_REVIEW],
                    ended_at__isnull=True,
                ),
            ),
        ]
        indexes = [
            models.Index(
                fields=["respond_by"],
                name="dispute_unanswered",
                condition=Q(state=DisputeState.NEEDS_RESPONSE),
            )
        ]

    def __str__(self) -> str:
        return f"dispute: {self.state}"

    @property
    def amount(self) -> Money:
        """What the bank took."""
        return Money(self.amount_minor, self.currency)

    @property
    def open(self) -> bool:
        """The bank has not decided yet."""
        return self.state in (DisputeState.NEEDS_RESPONSE, DisputeState.UNDER_REVIEW)
