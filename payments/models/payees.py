"""Who is paid out, and the transfers to them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from payments.models.ledger import Account
from payments.models.payments import Provider
from payments.states import TransferState
from rally.models import Row
from rally.money import Money


class Payee(Row):
    """An account at the provider that receives money. It does not know whose it is."""

    class Stage(models.TextChoices):
        """How far the provider knows whom to pay."""

        NOTHING = "nothing", _("Not begun")
        MORE = "more", _("More is needed")
        READY = "ready", _("Ready")

    name = models.CharField(max_length=120)
    provider = models.CharField(max_length=7, choices=Provider)
    email = models.EmailField()
    account = models.CharField(max_length=80, blank=True, help_text="provider id")
    can_be_paid = models.BooleanField(default=False, help_text="payouts enabled, as last seen")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(name="payee_provider_known", condition=Q(provider__in=Provider.values))
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def stage(self) -> Stage:
        """How far the payment service knows whom to pay."""
        if self.can_be_paid:
            return self.Stage.READY
        return self.Stage.MORE if self.account else self.Stage.NOTHING


class Transfer(Row):
    """Money for one payee: their part of one payment, tied to its charge; or, without a payment, from our balance."""

    class Purpose(models.TextChoices):
        """What it is for."""

        SHARE = "share"  #: a part of one payment
        TOP_UP = "top_up"  #: what is owed for a trip beyond what cards paid: credit, promotions, guarantees
        PARTNER = "partner"  #: a partner's part of our fee for a trip
        BY_HAND = "by_hand"  #: two of the staff decided

    payee = models.ForeignKey(Payee, on_delete=models.PROTECT, related_name="transfers")
    payment = models.ForeignKey(
        "payments.Payment", null=True, on_delete=models.PROTECT, related_name="transfers"
    )
    out_of = models.ForeignKey(
        "payments.Payment",
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="whose money this is, where that must be known and no charge is named: it waits while a bank has it",
    )
    purpose = models.CharField(max_length=7, choices=Purpose, default=Purpose.SHARE)
    reference = models.CharField(
        max_length=80, blank=True, help_text="what it is for when no payment says it; once per payee"
    )
    group = models.CharField(max_length=60, blank=True, help_text="such as trip:<id>")
    netted_minor = models.PositiveIntegerField(
        default=0, help_text="part of the amount that is kept against what the payee owes us"
    )
    held = models.BooleanField(default=False, help_text="waits until somebody lifts what is held back")
    amount_minor = models.PositiveIntegerField()
    reversed_minor = models.PositiveIntegerField(default=0, help_text="taken back since")
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=10, choices=TransferState, default=TransferState.PENDING)
    transfer = models.CharField(max_length=80, blank=True, help_text="provider id")
    due_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["payee", "payment"], name="transfer_once_per_payment"),
            models.UniqueConstraint(fields=["transfer"], name="transfer_id_once", condition=~Q(transfer="")),
            models.UniqueConstraint(
                fields=["payee", "reference"], name="transfer_once_per_reference", condition=~Q(reference="")
            ),
            models.CheckConstraint(
                name="transfer_for_something",
                condition=Q(purpose="share", payment__isnull=False) | ~Q(purpose="share") & ~Q(reference=""),
            ),
            models.CheckConstraint(
                name="transfer_netting_fits", condition=Q(netted_minor__lte=models.F("amount_minor"))
            ),
            models.CheckConstraint(name="transfer_positive", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(
                name="transfer_reversal_fits", condition=Q(reversed_minor__lte=models.F("amount_minor"))
            ),
            models.CheckConstraint(name="transfer_state_known", condition=Q(state__in=TransferState.values)),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="transfer_due", condition=Q(state="pending")),
            models.Index(fields=["group"], name="transfer_group", condition=~Q(group="")),
        ]

    def __str__(self) -> str:
        return f"transfer: {self.state}"

    @property
    def account(self) -> Account:
        """The account of the ledger in which it waits."""
        return Account.PARTNER_PAYABLE if self.purpose == self.Purpose.PARTNER else Account.OPERATOR_PAYABLE

    @property
    def amount(self) -> Money:
        """What is due."""
        return Money(self.amount_minor, self.currency)

    @property
    def to_send_minor(self) -> int:
        """What is sent: what is due, less what is kept against what the payee owes us."""
        return self.amount_minor - self.netted_minor
