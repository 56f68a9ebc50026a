"""Where allauth's own forms would let one person speak for another's address."""

from __future__ import annotations

from typing import Any, cast

from allauth.account.forms import AddEmailForm, RequestLoginCodeForm
from allauth.account.models import EmailAddress
from django import forms
from django.utils.translation import gettext as _

from rally.models import User


class AddressForm(AddEmailForm):  # type: ignore[misc] # allauth has no types
    """Another address for this account.

    Only once the present one is proven: what others sent to that address would move along with the account. Never one
    that has an account of its own.
    """

    def clean_email(self) -> str:
        """The new address in lower case."""
        user = cast(User, self.user)
        if not user.is_proven:
            raise forms.ValidationError(
                _("First confirm the address you have: we send a mail to %(email)s.") % {"email": user.email}
            )
        address = str(super().clean_email())
        if User.objects.filter(email=address).exclude(pk=user.pk).exists():
            raise forms.ValidationError(
                _("This address has an account. Sign in there, or give another address.")
            )
        return address


class CodeForm(RequestLoginCodeForm):  # type: ignore[misc] # allauth has no types
    """Sign in by a code. Of an address that nobody has proven, the account is the one that bears it.

    What somebody else only typed into an account as a second address opens nothing there.
    """

    _user: Any

    def clean_email(self) -> str:
        """The address as typed."""
        address = str(super().clean_email() or "")
        if address and not EmailAddress.objects.is_verified(address):
            self._user = User.objects.filter(email=address.lower(), is_active=True).first()
        return address
