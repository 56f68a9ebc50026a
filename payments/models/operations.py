"""The operation journal: every change we ask of the provider, written down before it is asked."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from payments.states import OperationState
from rally.models import Row


class Operation(Row):
    """One call to the provider with frozen parameters and one stable idempotency key.

    The key is `<install>:<kind>:<id>:<generation>`; the same row is sent again with the same key until its
    outcome is known. A new generation only when a look-up showed that the old one had no effect.
    """

    class Kind(models.TextChoices):
        """What is asked of the provider."""

        CUSTOMER = "customer"
        CHECKOUT = "checkout"
        EXPIRE_CHECKOUT = "expire_checkout"
        AUTHORIZE = "authorize"
        CHARGE = "charge"
        CAPTURE = "capture"
        CANCEL = "cancel"
        REFUND = "refund"
        ACCOUNT = "account"
        TRANSFER = "transfer"
        REVERSE = "reverse"
        EVIDENCE = "evidence"
        ACCEPT = "accept"

    kind = models.CharField(max_length=20, choices=Kind)
    subject = models.UUIDField(
        help_text="the row it is about: checkout, attempt, refund, payee, transfer, dispute"
    )
    n = models.PositiveSmallIntegerField(default=1, help_text="numbered within kind and subject")
    payment = models.ForeignKey(
        "payments.Payment", null=True, on_delete=models.PROTECT, related_name="operations"
    )
    params = models.JSONField(help_text="frozen when written")
    target = models.CharField(max_length=120, blank=True, help_text="provider id acted on")
    generation = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=8, choices=OperationState, default=OperationState.PENDING)
    tries = models.PositiveSmallIntegerField(default=0)
    server_errors = models.PositiveSmallIntegerField(
        default=0, help_text="stored 5xx answers seen for this key"
    )
    due_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True, help_text="some worker is at it until then")
    first_sent_at = models.DateTimeField(null=True, help_text="a key is safe to replay for 23 h from here")
    last_sent_at = models.DateTimeField(null=True)
    result = models.CharField(max_length=120, blank=True, help_text="provider id that came of it")
    error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "subject", "n"], name="operation_once"),
            models.CheckConstraint(
                name="operation_state_known", condition=Q(state__in=OperationState.values)
            ),
            models.CheckConstraint(
                name="operation_ended_has_time",
                condition=Q(state__in=["done", "failed"], ended_at__isnull=False)
                | Q(state__in=["pending", "stuck"], ended_at__isnull=True),
            ),
        ]
        indexes = [models.Index(fields=["due_at"], name="operation_due", condition=Q(state="pending"))]

    def __str__(self) -> str:
        return f"{self.kind}: {self.state}"

    def key(self, install: str) -> str:
        """The idempotency key: the same for each send of this generation."""
        return f"{install}:{self.kind}:{self.id}:{self.generation}"


class Pace(models.Model):
    """When the next call to the provider may begin, so that all workers together keep below its limits."""

    name = models.CharField(max_length=20, primary_key=True)
    next_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
