"""How people sign up and in: allauth with our words."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from rally.models import User


class NameForm(forms.Form):
    """What we ask besides the address: the name fellow riders and the driver see."""

    name = forms.CharField(
        label=_("Your name"), max_length=100, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )

    def signup(self, _request: HttpRequest, user: User) -> None:
        """Keep the name with the new account."""
        user.name = self.cleaned_data["name"]
        user.save(update_fields=["name"])


class Adapter(DefaultAccountAdapter):
    """E-mail is the login; there are no user names."""

    def populate_username(self, request: HttpRequest, user: Any) -> None:
        """Nothing to do: the account has no user name."""
