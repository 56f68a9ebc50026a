"""Staff screens of money: everything can be read, nothing edited; what a person may do calls an action."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from payments.actions import earnings, operations, payments
from payments.models import (
    Attempt,
    Checkout,
    Contribution,
    InboxEvent,
    LedgerTransfer,
    Operation,
    Payee,
    Payment,
    Refund,
    TaxRate,
    Transfer,
    Wallet,
)
from rally import clock
from rally.models import User
from rally.screens import ReadOnly


class AttemptsInline(ReadOnly, admin.TabularInline):
    """The attempts of a payment."""

    model = Attempt
    extra = 0
    fields = (
        "n",
        "state",
        "amount_minor",
        "captured_minor",
        "unwanted",
        "decline_code",
        "intent",
        "capture_before",
    )
    readonly_fields = fields


class CheckoutsInline(ReadOnly, admin.TabularInline):
    """The pages of a payment."""

    model = Checkout
    extra = 0
    fields = ("mode", "state", "amount_minor", "session", "expires_at")
    readonly_fields = fields


class ContributionsInline(ReadOnly, admin.TabularInline):
    """What credit and a promotion pay of a payment."""

    model = Contribution
    extra = 0
    fields = ("source", "state", "amount_minor", "percent", "aside_minor", "returned_minor")
    readonly_fields = fields


@admin.register(Wallet)
class WalletAdmin(ReadOnly, admin.ModelAdmin):
    """What riders have to their credit."""

    list_display = ("user", "balance", "currency")
    list_select_related = ("user",)
    search_fields = ("user__email",)
    ordering = ("-balance_minor",)


@admin.register(Payment)
class PaymentAdmin(ReadOnly, admin.ModelAdmin):
    """Payments and where they stand."""

    list_display = ("reference", "state", "amount", "captured", "refunded_minor", "provider", "changed_at")
    list_filter = ("state", "provider")
    search_fields = ("reference", "group", "attempts__intent")
    ordering = ("-changed_at",)
    inlines = (ContributionsInline, AttemptsInline, CheckoutsInline)


@admin.register(Operation)
class OperationAdmin(ReadOnly, admin.ModelAdmin):
    """The journal. Stuck operations can be run again."""

    list_display = ("kind", "state", "payment", "tries", "generation", "due_at", "error", "result")
    list_filter = ("state", "kind")
    search_fields = ("id", "target", "result", "payment__reference")
    list_select_related = ("payment",)
    ordering = ("-created_at",)
    actions = ("run_again",)

    @admin.action(description=_("Run again (only stuck ones)"))
    def run_again(self, request: HttpRequest, chosen: QuerySet[Operation]) -> None:
        """Let stuck operations be tried again."""
        _each(request, chosen, lambda row, by: operations.run_again(row.id, now=clock.now(), by=by))


@admin.register(Refund)
class RefundAdmin(ReadOnly, admin.ModelAdmin):
    """Refunds. What failed is still owed and can be sent again."""

    list_display = ("id", "state", "amount_minor", "reason", "refund", "created_at")
    list_filter = ("state",)
    search_fields = ("refund", "attempt__payment__reference")
    ordering = ("-created_at",)
    actions = ("send_again",)

    @admin.action(description=_("Send again (only failed ones)"))
    def send_again(self, request: HttpRequest, chosen: QuerySet[Refund]) -> None:
        """Send failed refunds once more."""
        _each(
            request, chosen, lambda row, by: payments.refund_again(refund_id=row.id, now=clock.now(), by=by)
        )


@admin.register(Transfer)
class TransferAdmin(ReadOnly, admin.ModelAdmin):
    """Transfers to payees. What was refused can be sent again."""

    list_display = ("id", "state", "payee", "amount_minor", "reversed_minor", "due_at", "transfer")
    list_filter = ("state",)
    search_fields = ("transfer", "payee__name", "payment__reference")
    list_select_related = ("payee",)
    ordering = ("-due_at",)
    actions = ("send_again",)

    @admin.action(description=_("Send again (only failed ones)"))
    def send_again(self, request: HttpRequest, chosen: QuerySet[Transfer]) -> None:
        """Try refused transfers once more."""
        _each(
            request, chosen, lambda row, by: earnings.send_again(transfer_id=row.id, now=clock.now(), by=by)
        )


@admin.register(Payee)
class PayeeAdmin(ReadOnly, admin.ModelAdmin):
    """Who is paid out."""

    list_display = ("name", "account", "can_be_paid", "provider")
    search_fields = ("name", "account")


@admin.register(InboxEvent)
class InboxAdmin(ReadOnly, admin.ModelAdmin):
    """What the provider told us."""

    list_display = ("id", "type", "state", "source", "tries", "received_at", "error")
    list_filter = ("state", "source")
    search_fields = ("id", "object_id", "type")
    ordering = ("-received_at",)


@admin.register(LedgerTransfer)
class LedgerAdmin(ReadOnly, admin.ModelAdmin):
    """The ledger."""

    list_display = ("occurred_at", "debit", "credit", "amount_minor", "currency", "event_key", "payment")
    list_filter = ("debit", "credit")
    search_fields = ("event_key", "transaction", "payment__reference", "group")
    list_select_related = ("payment",)
    ordering = ("-id",)


def _each(request: HttpRequest, chosen: QuerySet[Any], act: Callable[[Any, User], Any]) -> None:
    """Do the action for each row and say for how many."""
    for row in chosen:
        act(row, cast("User", request.user))
    count = len(chosen)
    done = ngettext("Asked for %(count)d row.", "Asked for %(count)d rows.", count) % {"count": count}
    messages.success(request, done if count else gettext("Nothing was chosen."))


class TaxRateForm(forms.ModelForm):
    """A tax that begins, or ends, with a day to come: what receipts of past rides say never changes."""

    class Meta:
        model = TaxRate
        fields = ("jurisdiction", "name", "basis_points", "applies_from", "applies_until")

    def clean_applies_from(self) -> date:
        """Tomorrow at the earliest: buses leave today by the rate there is."""
        day: date = self.cleaned_data["applies_from"]
        if day <= clock.now().date():
            raise forms.ValidationError(
                _("A rate begins tomorrow at the earliest: receipts of today and before stay as they are.")
            )
        return day

    def clean_applies_until(self) -> date | None:
        """Today at the earliest, or open."""
        day: date | None = self.cleaned_data["applies_until"]
        if day is not None and day < clock.now().date():
            raise forms.ValidationError(_("A rate ends today at the earliest: rides of before had it."))
        return day


@admin.register(TaxRate)
class TaxRateAdmin(admin.ModelAdmin):
    """Taxes in fares, by where a trip starts. A rate that ends gets a last day and is never deleted."""

    form = TaxRateForm
    list_display = ("jurisdiction", "name", "basis_points", "applies_from", "applies_until")
    list_filter = ("jurisdiction",)
    ordering = ("jurisdiction", "-applies_from")

    def get_readonly_fields(self, _request: HttpRequest, obj: TaxRate | None = None) -> tuple[str, ...]:
        """What has begun can only end, and what has ended stays."""
        today = clock.now().date()
        if obj is None or obj.applies_from > today:
            return ()
        ended = obj.applies_until is not None and obj.applies_until < today
        return TaxRateForm.Meta.fields if ended else TaxRateForm.Meta.fields[:-1]

    def has_delete_permission(self, *_args: Any) -> bool:
        """Receipts of the past must be printable again."""
        return False
