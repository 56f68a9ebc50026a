"""How people sign up and in: allauth with our words, and what the first proof of an address ends."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.account.signals import (
    authentication_step_completed,
    email_changed,
    email_confirmed,
    password_changed,
    password_reset,
    password_set,
    user_signed_up,
)
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from rest_framework.authtoken.models import Token

from rally.models import User

#: In the session: by which print one knows the password that was set in it.
_OWN_PASSWORD = "own_password"  # noqa: S105 - the name of a place


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


@transaction.atomic
def prove(user: User, *, keep_password: bool) -> bool:
    """Whoever is here has shown to read the mail of this account's address. Twice is once.

    An account can be opened for anybody's address and be kept open by a session, a password, a token, a passkey. The
    first time that an owner of the address shows up all that was there before ends; rides and their payments stay.
    `keep_password` is for one that the same person set. `user` is as it is kept then: the caller signs the present
    session in again. Answers whether a password ended.
    """
    row = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    first = not row.proven_address
    user.email = user.proven_address = row.email
    if not first:
        user.save(update_fields=["proven_address"])
        return False
    ended = row.has_usable_password() and not keep_password
    if not keep_password:
        user.set_unusable_password()  # a new one each time, so that every session ends
    user.save(update_fields=["proven_address", "password"])
    Token.objects.filter(user=user).delete()
    Authenticator.objects.filter(user=user).delete()
    EmailAddress.objects.filter(user=user).exclude(email=row.email).delete()
    EmailAddress.objects.update_or_create(
        user=user, email=row.email, defaults={"verified": True, "primary": True}
    )
    return ended


@receiver([user_signed_up, password_set, password_changed], dispatch_uid="rally.own_password")
def own_password(request: HttpRequest, user: User, **_more: Any) -> None:
    """The password was set in this session."""
    if user.has_usable_password():
        request.session[_OWN_PASSWORD] = user.get_session_auth_hash()


@receiver(authentication_step_completed, dispatch_uid="rally.proven_by_code")
def proven_by_code(request: HttpRequest, user: User, method: str, **more: Any) -> None:
    """Somebody typed the code that was sent to an address; before any second step, which a stranger may have set up."""
    if method == "code" and more.get("email", "").lower() == user.email:
        _proven(request, user)


@receiver([email_confirmed, email_changed], dispatch_uid="rally.proven_by_link")
def proven_by_link(request: HttpRequest, **more: Any) -> None:
    """Somebody opened the link that was sent to an address, or made a proven address the one of the account."""
    address: EmailAddress = more.get("to_email_address") or more["email_address"]
    if address.verified and address.email == address.user.email:
        _proven(request, address.user)


@receiver(password_reset, dispatch_uid="rally.proven_by_reset")
def proven_by_reset(user: User, **_more: Any) -> None:
    """Somebody set a password by the link that was sent to an address: to the account's, where there is no other."""
    if not EmailAddress.objects.filter(user=user).exclude(email=user.email).exists():
        prove(user, keep_password=True)


def _proven(request: HttpRequest, user: User) -> None:
    here = request.user.pk == user.pk  # asked before the proof ends what this session stands on
    own = request.session.get(_OWN_PASSWORD) == user.get_session_auth_hash()
    if prove(user, keep_password=own):
        messages.info(
            request,
            gettext(
                "Your address is confirmed. The password that was set before counts no more, and other devices are signed "
                "out. You sign in by a code sent to your address, or set a new password."
            ),
        )
    if here:
        update_session_auth_hash(request, user)
