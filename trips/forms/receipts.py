"""Who an invoice is made out to."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _


class CompanyForm(forms.Form):
    """The company that is billed."""

    billed_to = forms.CharField(
        label=_("Company"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "organization"})
    )
    address = forms.CharField(
        label=_("Address"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "street-address"}),
    )
    tax_number = forms.CharField(label=_("Tax number, if there is one"), max_length=40, required=False)
