"""Staff screens of the ground floor: people, notices that did not go out, the rules in force."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from rally import clock, outbox, rules
from rally.errors import BadInput
from rally.models import Notice, RuleValue, StateChange, User
from rally.screens import ReadOnly


class PersonForm(UserChangeForm):
    """What staff change of an account."""

    def clean(self) -> dict[str, Any]:
        """Nobody is let in here by an address that anybody may have typed."""
        given = super().clean() or self.cleaned_data
        more = {"is_staff", "is_superuser", "groups", "user_permissions"} & set(self.changed_data)
        if any(given.get(name) for name in more) and given.get("email") != self.instance.proven_address:
            raise forms.ValidationError(
                _("This address has not been shown to be theirs. Let them sign in by a code first.")
            )
        return given


@admin.register(User)
class People(UserAdmin):
    """Accounts: found by address or name; passwords are set by their owners."""

    form = PersonForm
    list_display = ("email", "name", "is_staff", "is_active", "date_joined")
    search_fields = ("email", "name")
    ordering = ("email",)
    fieldsets = (
        (None, {"fields": ("email", "password", "name", "phone")}),
        (
            _("Permissions"),
            {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")},
        ),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "password1", "password2")}),)


@admin.register(Notice)
class Notices(ReadOnly, admin.ModelAdmin):
    """The outbox; what failed or is doubtful can be sent again by a person."""

    list_display = ("kind", "subject", "recipient", "state", "due_at", "sent_at", "tries", "error")
    list_filter = ("state", "kind")
    list_select_related = ("recipient",)
    actions = ("send_again",)

    @admin.action(description=_("Send again (failed and doubtful ones)"), permissions=["view"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Notice]) -> None:
        """Put the chosen ones back into the outbox."""
        sent = outbox.send_again([notice.id for notice in queryset], now=clock.now())
        self.log_change(request, queryset.first(), f"sent again: {sent}")
        messages.success(request, _("%(count)s notices go out again.") % {"count": sent})


@admin.register(StateChange)
class Journal(ReadOnly, admin.ModelAdmin):
    """Every move of everything."""

    list_display = ("at", "noun", "old", "new", "by", "why")
    list_filter = ("noun", "new")
    list_select_related = ("by",)
    search_fields = ("subject",)


class RuleForm(forms.ModelForm):
    """A rule by its name; the value is a whole number."""

    name = forms.ChoiceField(
        choices=[(one.name, f"{one.name} ({one.default})") for one in fields(rules.Rules)]
    )
    value = forms.IntegerField(min_value=0)

    class Meta:
        model = RuleValue
        fields = ("name", "value")


@admin.register(RuleValue)
class RuleValues(admin.ModelAdmin):
    """Numbers that differ from their defaults. Deleting one returns to the default."""

    form = RuleForm
    list_display = ("name", "value", "changed_at", "changed_by")

    def save_model(self, request: HttpRequest, obj: RuleValue, form: Any, change: bool) -> None:
        """Through the one door."""
        try:
            rules.change(obj.name, obj.value, now=clock.now(), by=User.asking(request))
        except BadInput as refusal:
            messages.error(request, refusal.message)

    def delete_model(self, request: HttpRequest, obj: RuleValue) -> None:
        """Through the one door."""
        rules.reset(obj.name, now=clock.now(), by=User.asking(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[RuleValue]) -> None:
        """One by one, so that each is written down."""
        for row in queryset:
            self.delete_model(request, row)
