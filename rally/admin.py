"""Staff screens of the ground floor: people, notices that did not go out, the rules in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from rest_framework.authtoken.models import TokenProxy

from rally import clock, outbox, rules
from rally.errors import BadInput
from rally.models import Notice, RuleValue, StateChange, User
from rally.screens import Audited, ReadOnly


class PersonForm(UserChangeForm):
    """What staff change of an account."""

    def clean(self) -> dict[str, Any]:
        """Nobody is let in here by an address that anybody may have typed."""
        given = super().clean() or self.cleaned_data
        more = {"is_staff", "is_superuser", "groups", "user_permissions"} & set(self.changed_data)
        if any(given.get(name) for name in more) and not self.instance.is_proven:
            raise forms.ValidationError(
                _("This address has not been shown to be theirs. Let them sign in by a code first.")
            )
        return given


class NewPersonForm(forms.ModelForm):
    """An account for somebody who signs in by a code sent to the address."""

    class Meta:
        model = User
        fields = ("email", "name")

    def clean_email(self) -> str:
        """As it is kept, so that one that is there is seen."""
        return str(self.cleaned_data["email"]).lower()

    def save(self, commit: bool = True) -> Any:
        """Without a password."""
        self.instance.set_unusable_password()
        return super().save(commit)


# Money by hand wants two persons: nobody may get into a colleague's account by these screens.


@admin.register(User)
class People(Audited, UserAdmin):
    """Accounts: found by address or name; passwords are set by their owners, and so is the address of one that is there."""

    form = PersonForm
    add_form = NewPersonForm
    add_form_template = None  # Django's own is about passwords
    audited_as = "person"
    audited: ClassVar[Mapping[str, str]] = {
        "is_active": "",
        "is_staff": "",
        "is_superuser": "",
        "groups": "name",
        "user_permissions": "codename",
    }
    list_display = ("email", "name", "is_staff", "is_active", "date_joined")
    search_fields = ("email", "name")
    ordering = ("email",)
    fieldsets = (
        (None, {"fields": ("email", "name", "phone")}),
        (
            _("Permissions"),
            {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")},
        ),
    )
    add_fieldsets = ((None, {"fields": ("email", "name")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Codes to sign in by are sent to the address."""
        return ("email",) if obj is not None else ()

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002 - Django's word
        """There is no such page."""
        raise Http404


# Theirs are registered when this is read, because their apps stand before us in INSTALLED_APPS.
admin.site.unregister([EmailAddress, Authenticator, Group, TokenProxy])  # a token is as good as a password


@admin.register(Group)
class Groups(Audited, GroupAdmin):
    """Rights that several people have."""

    audited_as = "group"
    audited: ClassVar[Mapping[str, str]] = {"name": "", "permissions": "codename"}


@admin.register(EmailAddress)
class Addresses(ReadOnly, admin.ModelAdmin):
    """Addresses that people typed, and whether they have shown that they are theirs."""

    list_display = ("email", "user", "primary", "verified")
    list_filter = ("primary", "verified")
    list_select_related = ("user",)
    search_fields = ("email", "user__email", "user__name")


@admin.register(Authenticator)
class SecondFactors(ReadOnly, admin.ModelAdmin):
    """Who signs in with more than a code or a password. The secrets are on no screen."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    list_select_related = ("user",)
    fields = list_display

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Nor can a secret be guessed letter by letter, by filters typed into the address."""
        return not lookup.startswith("data") and super().lookup_allowed(lookup, value, request)


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
