"""Staff screens of supply: companies, papers, runs. Buttons call actions; nothing else is written here."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from operators.actions import companies, papers
from operators.models import Boarding, Member, Operator, Paper, Run, Vehicle
from operators.queries import due
from operators.states import OperatorState
from rally import clock
from rally.errors import Refusal
from rally.models import User


class LookOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """A screen to look at: rows are added, changed and deleted by actions elsewhere."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never here."""
        return False


class OperatorForm(forms.ModelForm):  # type: ignore[type-arg]
    """The one thing staff decide about a company, with its reason."""

    why = forms.CharField(label=_("Reason, if you change the state"), max_length=200, required=False)

    class Meta:
        model = Operator
        fields = ["state"]

    def clean(self) -> dict[str, Any]:
        """A change needs a reason."""
        cleaned = super().clean() or {}
        if "state" in self.changed_data and not (cleaned.get("why") or "").strip():
            self.add_error("why", _("Say why."))
        return cleaned


@admin.register(Operator)
class OperatorAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Companies: suspend or activate, with a reason."""

    form = OperatorForm
    list_display = ["name", "code", "base_name", "state", "usdot", "created_at"]
    list_filter = ["state"]
    search_fields = ["name", "code", "usdot", "email"]
    fields = ["name", "code", "email", "phone", "base_name", "usdot", "created_at", "state", "why"]
    readonly_fields = ["name", "code", "email", "phone", "base_name", "usdot", "created_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Companies register themselves."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: what it did stays on record."""
        return False

    def save_model(self, request: HttpRequest, obj: Operator, form: Any, change: bool) -> None:
        """Through the actions."""
        if "state" not in form.changed_data:
            return
        act = companies.suspend if obj.state == OperatorState.SUSPENDED else companies.activate
        try:
            act(operator_id=obj.id, why=form.cleaned_data["why"], now=clock.now(), by=User.asking(request))
        except Refusal as refusal:
            messages.error(request, refusal.message)


class PaperAdminForm(forms.ModelForm):  # type: ignore[type-arg]
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
class PaperAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
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
                papers.accept(paper_id=obj.id, by=User.asking(request))
        except Refusal as refusal:
            messages.error(request, refusal.message)

    @admin.action(description=_("Accept again"), permissions=["change"])
    def accept_again(self, request: HttpRequest, queryset: QuerySet[Paper]) -> None:
        """Take refusals back."""
        for paper in queryset:
            papers.accept(paper_id=paper.id, by=User.asking(request))


@admin.register(Member)
class MemberAdmin(LookOnly):
    """Who works where."""

    list_display = ["user", "operator", "role", "active"]
    list_filter = ["role", "active"]
    list_select_related = ["user", "operator"]
    search_fields = ["user__email", "operator__name"]


@admin.register(Vehicle)
class VehicleAdmin(LookOnly):
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
class RunAdmin(LookOnly):
    """Runs."""

    list_display = ["code", "trip", "operator", "vehicle", "person", "state", "period"]
    list_filter = ["state", Overdue]
    list_select_related = ["trip__event", "operator", "vehicle", "person"]
    search_fields = ["code", "trip__code", "operator__name"]


@admin.register(Boarding)
class BoardingAdmin(LookOnly):
    """Check-ins, kept as evidence."""

    list_display = ["run", "leg", "at", "received_at", "by", "device", "undone_at"]
    list_filter = ["leg"]
    list_select_related = ["run", "by"]
    search_fields = ["run__code"]
