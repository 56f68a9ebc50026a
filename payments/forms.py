"""What staff type at the money desk."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from payments.models import MoneyRequest, Payment
from payments.queries import desk
from rally.errors import Refusal
from rally.money import MINOR_PER_MAJOR, Money


class WhyForm(forms.Form):
    """Why something is done; it is kept."""

    why = forms.CharField(label=_("Why"), max_length=200)


class WordsForm(forms.Form):
    """What staff add to the evidence."""

    text = forms.CharField(
        label=_("In your words"),
        required=False,
        help_text=_("What happened, plainly. The bank reads this beside the facts below. Only what is true."),
        widget=forms.Textarea(attrs={"rows": 6}),
    )


class RequestForm(forms.Form):
    """Money that shall go out by hand."""

    what = forms.ChoiceField(
        label=_("What"),
        choices=[
            (MoneyRequest.What.REFUND, _("Give a payer money back, to the card")),
            (MoneyRequest.What.CREDIT, _("Give a rider credit")),
            (MoneyRequest.What.PAY, _("Pay a bus company or partner")),
            (MoneyRequest.What.WRITE_OFF, _("Give up what a bus company owes us")),
        ],
        widget=forms.RadioSelect,
    )
    about = forms.CharField(
        label=_("Whom or what"),
        max_length=120,
        help_text=_(
            "Payment: its reference or id. Rider: the e-mail address. Company: its name, address or id."
        ),
    )
    amount = forms.DecimalField(label=_("How much"), min_value=0, max_digits=9, decimal_places=2)
    why = forms.CharField(
        label=_("Why"), max_length=200, help_text=_("Kept for ever, without names, please.")
    )

    def clean(self) -> dict[str, Any]:
        """Find whom it is about, and make the amount whole minor units of their currency."""
        given = super().clean() or {}
        if {"what", "about", "amount"} <= given.keys():
            subject = desk.subject_of(given["what"], given["about"])
            if subject is None:
                self.add_error("about", str(_("Nothing, or more than one thing, goes by this.")))
            else:
                given["subject"] = subject
                given["money"] = _money(given["what"], subject, given["amount"])
        return given


def _money(what: str, subject: UUID, amount: Any) -> Money:
    """The amount in the currency of the payment; everything else is in US dollars."""
    currency = "USD"
    if what == MoneyRequest.What.REFUND:
        currency = Payment.objects.values_list("currency", flat=True).get(id=subject)
    return Money(int(amount * MINOR_PER_MAJOR[currency]), currency)


def blame(form: forms.Form, refusal: Refusal) -> None:
    """Show a refusal beside the field that it is about, or over the form."""
    field = refusal.field if refusal.field in form.fields else {"subject": "about"}.get(refusal.field or "")
    form.add_error(field, refusal.message)
