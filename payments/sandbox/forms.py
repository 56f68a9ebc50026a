"""The form of the hosted Checkout page: what is typed becomes a card."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from payments.sandbox.checkout import Typed
from payments.sandbox.errors import ApiError

_EXPIRY: Final = re.compile(r"^(0?[1-9]|1[0-2])\s*[/.-]?\s*(\d{4}|\d{2})$")
# Which field a card error is about, by its code.
_FIELD_OF: Final = {"incorrect_number": "number", "expired_card": "expiry", "incorrect_cvc": "cvc"}


class _Secret(forms.TextInput):
    """A field that is never shown again once it was sent."""

    def format_value(self, value: Any) -> None:  # noqa: ARG002  Django's signature
        return None


def _attributes(placeholder: str, length: int) -> dict[str, str]:
    # No autofill: a browser must not offer a real card here.
    return {
        "inputmode": "numeric",
        "autocomplete": "off",
        "placeholder": placeholder,
        "maxlength": str(length),
    }


class CardForm(forms.Form):
    """A card as it is typed. `now` decides whether it has expired."""

    number = forms.CharField(
        label=_("Card number"), max_length=23, widget=_Secret(attrs=_attributes("4242 4242 4242 4242", 23))
    )
    expiry = forms.CharField(
        label=_("Expiry (MM / YY)"), max_length=9, widget=forms.TextInput(attrs=_attributes("12 / 34", 9))
    )
    cvc = forms.RegexField(
        r"^\d{3,4}$",
        label=_("Security code"),
        max_length=4,
        widget=_Secret(attrs=_attributes("123", 4)),
        error_messages={"invalid": _("The security code has three or four digits.")},
    )
    name = forms.CharField(
        label=_("Name on the card"),
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now

    def clean_expiry(self) -> tuple[int, int]:
        """Give month and year."""
        found = _EXPIRY.match(self.cleaned_data["expiry"].strip())
        if found is None:
            raise forms.ValidationError(_("Give the month and the year, such as 12 / 34."))
        month, year = int(found[1]), int(found[2])
        year += 2000 if year < 100 else 0
        if (year, month) < (self.now.year, self.now.month):
            raise forms.ValidationError(_("This date has passed."))
        return month, year

    def typed(self) -> Typed:
        """Give what was typed, once the form is valid."""
        data = self.cleaned_data
        return Typed(data["number"], data["expiry"], data["cvc"], data["name"])

    def refuse(self, no: ApiError) -> None:
        """Show the card error beside its field, or above the form when it is about none of them."""
        self.add_error(no.error.get("param") or _FIELD_OF.get(no.error.get("code", "")), str(no))
