"""Staff screens of supply: companies, papers, runs. Buttons call actions; nothing else is written here."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from operators.actions import agreements, companies, failing, holding, papers
from operators.models import Agreement, Boarding, HoldBack, Member, Operator, Paper, Run, Vehicle
from operators.queries import due
from operators.states import OperatorState
from rally import clock
from rally.errors import Refusal
from rally.ids import uuid7
from rally.models import User
from rally.money import Money
from rally.screens import ReadOnly


class OperatorForm(forms.ModelForm):
    """What staff decide about a company, with the reason."""

    penalty = forms.DecimalField(
        label=_("Charge the company"),
        min_value=Decimal("0.01"),
        max_value=Decimal(100_000),
        decimal_places=2,
        required=False,
        help_text=_("US dollars, kept from the pay that is sent next"),
    )
    why = forms.CharField(label=_("Reason, if you change something"), max_length=200, required=False)
    #: Of this form as it was opened: however often it is sent, it charges once.
    reference = forms.UUIDField(initial=uuid7, widget=forms.HiddenInput, required=False)

    class Meta:
        model = Operator
        fields = ["state"]

    def clean(self) -> dict[str, Any]:
        """A change needs a reason, and a charge a form of ours."""
        cleaned = super().clean() or {}
        if cleaned.get("penalty") and not cleaned.get("reference"):
            raise forms.ValidationError(_("Open this page again to charge the company."))
        changed = {"state", "penalty"} & set(self.changed_data)
        if changed and len((cleaned.get("why") or "").strip()) < 3:
            self.add_error("why", _("Say why."))
        return cleaned


@admin.register(Operator)
class OperatorAdmin(admin.ModelAdmin):
    """Companies: suspend or activate, with a reason."""

    form = OperatorForm
    list_display = ["name", "code", "base_name", "state", "usdot", "created_at"]
    list_filter = ["state"]
    search_fields = ["name", "code", "usdot", "email"]
    fields = [
        "name", "code", "email", "phone", "base_name", "usdot", "created_at", "state", "penalty", "why", "reference",
    ]  # fmt: skip
    readonly_fields = ["name", "code", "email", "phone", "base_name", "usdot", "created_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Companies register themselves."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: what it did stays on record."""
        return False

    def save_model(self, request: HttpRequest, obj: Operator, form: Any, change: bool) -> None:
        """Through the actions."""
        amount = form.cleaned_data.get("penalty")
        if amount:
            fresh = holding.penalise(
                operator_id=obj.id,
                amount=Money(int(amount * 100), "USD"),
                why=form.cleaned_data["why"],
                reference=str(form.cleaned_data["reference"]),
                now=clock.now(),
                by=User.asking(request),
            )
            if not fresh:
                messages.warning(request, _("The company was charged already by this form."))
        if "state" not in form.changed_data:
            return
        act = companies.suspend if obj.state == OperatorState.SUSPENDED else companies.activate
        try:
            act(operator_id=obj.id, why=form.cleaned_data["why"], now=clock.now(), by=User.asking(request))
        except Refusal as refusal:
            messages.error(request, refusal.message)


class PaperAdminForm(forms.ModelForm):
    """Whether a paper counts."""

    class Meta:
        model = Paper
        fields = ["refused", "refused_why"]

    def clean(self) -> dict[str, Any]:
        """A refusal needs a reason."""
        cleaned = super().clean() or {}
        if cleaned.get("refused") and not (cleaned.get("refused_why") or "").strip():
            self.add_error("refused_why", _("Say why: the company reads it."))
        return cleaned


@admin.register(Paper)
class PaperAdmin(admin.ModelAdmin):
    """Papers: refuse one that does not count, with a reason, or accept it again."""

    form = PaperAdminForm
    list_display = ["kind", "number", "operator", "vehicle", "member", "valid_from", "expires_on", "refused"]
    list_filter = ["kind", "refused"]
    list_select_related = ["operator", "vehicle", "member__user"]
    search_fields = ["number", "operator__name"]
    fields = [
        "operator", "kind", "number", "vehicle", "member", "valid_from", "expires_on", "refused", "refused_why",
    ]  # fmt: skip
    readonly_fields = ["operator", "kind", "number", "vehicle", "member", "valid_from", "expires_on"]
    actions = ["accept_again"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Companies hand papers in."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: runs have rested on it."""
        return False

    def save_model(self, request: HttpRequest, obj: Paper, form: Any, change: bool) -> None:
        """Through the actions."""
        try:
            if form.cleaned_data["refused"]:
                why = form.cleaned_data["refused_why"]
                papers.refuse(paper_id=obj.id, why=why, now=clock.now(), by=User.asking(request))
            else:
                papers.accept(paper_id=obj.id, now=clock.now(), by=User.asking(request))
        except Refusal as refusal:
            messages.error(request, refusal.message)

    @admin.action(description=_("Accept again"), permissions=["change"])
    def accept_again(self, request: HttpRequest, queryset: QuerySet[Paper]) -> None:
        """Take refusals back."""
        for paper in queryset:
            papers.accept(paper_id=paper.id, now=clock.now(), by=User.asking(request))


@admin.register(Member)
class MemberAdmin(ReadOnly, admin.ModelAdmin):
    """Who works where."""

    list_display = ["user", "operator", "role", "active"]
    list_filter = ["role", "active"]
    list_select_related = ["user", "operator"]
    search_fields = ["user__email", "operator__name"]


@admin.register(Vehicle)
class VehicleAdmin(ReadOnly, admin.ModelAdmin):
    """Buses."""

    list_display = ["name", "plate", "operator", "vehicle_class", "seats", "active"]
    list_filter = ["vehicle_class", "active"]
    list_select_related = ["operator"]
    search_fields = ["plate", "name", "operator__name"]


class Overdue(admin.SimpleListFilter):
    """Runs that nobody starts or ends: the office was asked, and somebody should call."""

    title = _("overdue")
    parameter_name = "overdue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Which way."""
        return [("left", _("should have left")), ("back", _("should be back"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        """Those that are so late now."""
        late = {"left": due.not_started, "back": due.not_completed}.get(self.value() or "")
        return queryset.filter(late(clock.now())) if late else queryset


@admin.register(Run)
class RunAdmin(ReadOnly, admin.ModelAdmin):
    """Runs."""

    list_display = ["code", "trip", "operator", "vehicle", "person", "state", "period"]
    list_filter = ["state", Overdue]
    list_select_related = ["trip__event", "operator", "vehicle", "person"]
    search_fields = ["code", "trip__code", "operator__name"]
    actions = ("give_up", "no_way_there", "no_way_back", "no_way_there_all", "no_way_back_all")

    @admin.action(description=_("Given up by the company: look for another bus"), permissions=["view"])
    def give_up(self, request: HttpRequest, chosen: QuerySet[Run]) -> None:
        """Before it leaves; the riders stay and are told."""
        for run in chosen:
            _tell(
                request,
                partial(
                    failing.give_up,
                    run_id=run.id,
                    why="told by our staff",
                    now=clock.now(),
                    by=_staff(request),
                ),
            )

    @admin.action(description=_("The way there was not driven: the usual share back"), permissions=["view"])
    def no_way_there(self, request: HttpRequest, chosen: QuerySet[Run]) -> None:
        """To every rider who paid."""
        _leg_failed(request, chosen, "outbound", None)

    @admin.action(description=_("The way back was not driven: the usual share back"), permissions=["view"])
    def no_way_back(self, request: HttpRequest, chosen: QuerySet[Run]) -> None:
        """To every rider who paid."""
        _leg_failed(request, chosen, "return", None)

    @admin.action(description=_("The way there was not driven: all of it back"), permissions=["view"])
    def no_way_there_all(self, request: HttpRequest, chosen: QuerySet[Run]) -> None:
        """To every rider who paid."""
        _leg_failed(request, chosen, "outbound", 100)

    @admin.action(description=_("The way back was not driven: all of it back"), permissions=["view"])
    def no_way_back_all(self, request: HttpRequest, chosen: QuerySet[Run]) -> None:
        """To every rider who paid."""
        _leg_failed(request, chosen, "return", 100)


def _leg_failed(request: HttpRequest, chosen: QuerySet[Run], leg: str, percent: int | None) -> None:
    for run in chosen:
        _tell(
            request,
            partial(
                failing.leg_failed,
                run_id=run.id,
                leg=leg,
                percent=percent,
                now=clock.now(),
                by=_staff(request),
            ),
        )


def _staff(request: HttpRequest) -> User:
    return User.asking(request)


def _tell(request: HttpRequest, work: Callable[[], object]) -> None:
    """Do it, and say what came of it."""
    try:
        done = work()
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, _("Done: %(what)s.") % {"what": done})


class AgreementForm(forms.ModelForm):
    """How a company is paid from a day on."""

    class Meta:
        model = Agreement
        fields = ["operator", "kind", "percent", "applies_from", "applies_until"]

    def clean(self) -> dict[str, Any]:
        """What the action would refuse is said here."""
        cleaned = super().clean() or {}
        start, end = cleaned.get("applies_from"), cleaned.get("applies_until")
        if start and end and end < start:
            self.add_error("applies_until", _("It cannot end before it begins."))
        return cleaned


@admin.register(Agreement)
class AgreementAdmin(ReadOnly, admin.ModelAdmin):
    """How companies are paid. New ones are added; runs keep the terms they were committed on."""

    form = AgreementForm
    list_display = ["operator", "kind", "percent", "applies_from", "applies_until"]
    list_filter = ["kind"]
    list_select_related = ["operator"]
    search_fields = ["operator__name"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Staff agree."""
        return True

    def save_model(self, request: HttpRequest, obj: Agreement, form: Any, change: bool) -> None:
        """Through the action, which makes the row."""
        given = form.cleaned_data
        made = agreements.agree(
            operator_id=given["operator"].id,
            kind=given["kind"],
            percent=given["percent"],
            applies_from=given["applies_from"],
            applies_until=given["applies_until"],
            now=clock.now(),
            by=User.asking(request),
        )
        obj.pk = made.pk


class HoldBackForm(forms.ModelForm):
    """What waits and why; later, what is kept of it."""

    amount = forms.DecimalField(
        label=_("Amount"),
        min_value=Decimal("0.01"),
        decimal_places=2,
        required=False,
        help_text=_("empty: all of it"),
    )
    kept = forms.DecimalField(
        label=_("Keep for good"),
        min_value=Decimal(0),
        decimal_places=2,
        required=False,
        help_text=_("empty: nothing"),
    )

    class Meta:
        model = HoldBack
        fields = ["run", "why"]


@admin.register(HoldBack)
class HoldBackAdmin(admin.ModelAdmin):
    """Pay that waits: add one to hold it back, save one that is open to lift it."""

    form = HoldBackForm
    list_display = ["run", "amount_minor", "why", "held_at", "held_by", "lifted_at", "kept_minor"]
    list_filter = [("lifted_at", admin.EmptyFieldListFilter)]
    list_select_related = ["run", "held_by"]
    search_fields = ["run__code", "run__operator__name"]
    raw_id_fields = ["run"]

    def get_fields(self, request: HttpRequest, obj: HoldBack | None = None) -> Any:
        """What is asked when it begins, and when it ends."""
        return ["run", "amount", "why"] if obj is None else ["run", "why", "kept"]

    def get_readonly_fields(self, request: HttpRequest, obj: HoldBack | None = None) -> Any:
        """What was held back stays as it was."""
        return [] if obj is None else ["run", "why"]

    def has_change_permission(self, request: HttpRequest, obj: HoldBack | None = None) -> bool:
        """While it is open."""
        return obj is None or obj.lifted_at is None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: it stays on record."""
        return False

    def save_model(self, request: HttpRequest, obj: HoldBack, form: Any, change: bool) -> None:
        """Through the actions."""
        given = form.cleaned_data
        amount = given.get("kept") if change else given.get("amount")
        money = Money(int(amount * 100), "USD") if amount else None
        try:
            if change:
                holding.lift(hold_back_id=obj.id, kept=money, now=clock.now(), by=User.asking(request))
            else:
                made = holding.hold_back(
                    run_id=given["run"].id,
                    amount=money,
                    why=given["why"],
                    now=clock.now(),
                    by=User.asking(request),
                )
                obj.pk = made.pk
        except Refusal as refusal:
            messages.error(request, refusal.message)


@admin.register(Boarding)
class BoardingAdmin(ReadOnly, admin.ModelAdmin):
    """Check-ins, kept as evidence."""

    list_display = ["run", "leg", "at", "received_at", "by", "device", "undone_at"]
    list_filter = ["leg"]
    list_select_related = ["run", "by"]
    search_fields = ["run__code"]
