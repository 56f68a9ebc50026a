"""The ledger: immutable transfers between two accounts, each balanced by itself."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from rally.models import Row


class Account(models.TextChoices):
    """The chart of accounts (docs/money.md)."""

    STRIPE_BALANCE = "stripe:balance"  #: asset, clearing: what the provider keeps for us
    BANK = "bank"  #: asset: paid out to our own bank
    RIDER_DEPOSIT = "rider:deposit"  #: liability: taken for a trip that has not run yet
    RIDER_REFUND_DUE = "rider:refund_due"  #: liability: promised back, not there yet
    RIDER_CREDIT = "rider:credit"  #: liability: what riders have to their credit
    CREDIT_SET_ASIDE = (
        "credit:set_aside"  #: liability: credit and promotions meant for a payment not made yet
    )
    OPERATOR_PAYABLE = "operator:payable"  #: liability: earned by the operator, not sent yet
    OPERATOR_RECEIVABLE = "operator:receivable"  #: asset: the operator owes us
    PARTNER_PAYABLE = "partner:payable"  #: liability: a partner's part of our fee, not sent yet
    TAX_PAYABLE = "tax:payable"  #: liability: taxes in fares of trips that ran
    PLATFORM_FEE = "platform:fee"  #: income
    PLATFORM_RETAINED = "platform:retained"  #: income: kept when a rider left late
    STRIPE_FEE = "expense:stripe_fee"
    DISPUTE_FEE = "expense:dispute_fee"
    GOODWILL = "expense:goodwill"
    PROMOTION = "expense:promotion"  #: what promotion codes took off
    REWARD = "expense:reward"  #: credit for captains and for who brought a friend
    GUARANTEE = "expense:guarantee"  #: what an operator was promised beyond what riders paid
    LOSS_PAYMENT = "loss:payment"
    LOSS_DISPUTE = "loss:dispute"
    DISPUTE_OPEN = "dispute:open"
    HOLD_RIDER = "hold:rider"  #: memo, outside the balance: what banks have set aside
    HOLD_CONTRA = "hold:contra"  #: memo


class LedgerTransfer(Row):
    """`amount_minor` moved from the credit account to the debit account, because of one event. Never changed."""

    event_key = models.CharField(max_length=150, help_text="what happened, such as capture:<attempt>")
    leg = models.PositiveSmallIntegerField(default=1)
    debit = models.CharField(max_length=30, choices=Account)
    credit = models.CharField(max_length=30, choices=Account)
    amount_minor = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    payment = models.ForeignKey(
        "payments.Payment", null=True, on_delete=models.PROTECT, related_name="ledger"
    )
    payee = models.ForeignKey("payments.Payee", null=True, on_delete=models.PROTECT, related_name="ledger")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="whose credit moved",
    )
    group = models.CharField(max_length=60, blank=True)
    operation = models.ForeignKey("payments.Operation", null=True, on_delete=models.PROTECT, related_name="+")
    transaction = models.CharField(
        max_length=80,
        blank=True,
        help_text="the provider's balance transaction that this mirrors, if there is one",
    )
    occurred_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event_key", "leg"], name="ledger_once"),
            models.CheckConstraint(name="ledger_positive", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(name="ledger_two_accounts", condition=~Q(debit=F("credit"))),
            models.CheckConstraint(
                name="ledger_accounts_known",
                condition=Q(debit__in=Account.values) & Q(credit__in=Account.values),
            ),
        ]
        indexes = [
            models.Index(fields=["group"], name="ledger_group"),
            models.Index(fields=["debit"], name="ledger_debit"),
            models.Index(fields=["credit"], name="ledger_credit"),
            models.Index(fields=["transaction"], name="ledger_transaction", condition=~Q(transaction="")),
        ]
        triggers = [
            pgtrigger.Protect(name="ledger_append_only", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        return f"{self.debit} ← {self.credit}: {self.amount_minor} {self.currency}"
