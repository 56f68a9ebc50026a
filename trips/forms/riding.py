"""What riders type: stop, passengers and consent, their own name and address, a new holder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from rally.errors import BadInput
from trips.actions.pledges import Passenger, clean_name
from trips.forms.lines import Lines
from trips.models import Stop
from trips.states import Need


class NameField(forms.CharField):
    """Somebody's name, as it is kept."""

    def clean(self, value: Any) -> str:
        """Without what does not belong into a name. Raises `ValidationError`."""
        name = super().clean(value)
        try:
            return clean_name(name)
        except BadInput as refusal:
            raise ValidationError(refusal.message) from refusal


class PassengerForm(forms.Form):
    """One seat: who sits on it and what they need."""

    name = NameField(
        label=gettext_lazy("Name"),
        max_length=400,
        widget=forms.TextInput(attrs={"autocomplete": "off", "dir": "auto"}),
    )
    needs = forms.MultipleChoiceField(
        label=gettext_lazy("Needs"), choices=Need, required=False, widget=forms.CheckboxSelectMultiple
    )
    seat = forms.UUIDField(required=False, widget=forms.HiddenInput)

    @property
    def passenger(self) -> Passenger:
        """What was typed, once it is valid."""
        data = self.cleaned_data
        return Passenger(name=data["name"], needs=tuple(data["needs"]), seat=data["seat"])


class PassengerForms(Lines[PassengerForm]):
    """As many passenger lines as there are seats, with buttons to add and remove one that work without scripts."""

    kind, letter, counted_by = PassengerForm, "p", "lines"

    @property
    def passengers(self) -> list[Passenger]:
        """The passengers in order."""
        return [form.passenger for form in self.forms]

    def pressed(self, do: str) -> PassengerForms:
        """The lines, as typed, after one of the form's small buttons: a line more ("add"), one less ("remove-2"), or as they
        are."""
        if do == "add":
            return self.again(add=1)
        if do.startswith("remove-") and do[7:].isdigit():
            return self.again(without=int(do[7:]))
        return self.again()

    def again(self, *, add: int = 0, without: int | None = None) -> PassengerForms:
        """The same lines, as typed, with some more at the end or one less."""
        lines = [
            {
                "name": form["name"].value() or "",
                "needs": form["needs"].value() or [],
                "seat": form["seat"].value() or None,
            }
            for n, form in enumerate(self.forms)
            if n != without
        ]
        lines += [{} for _line in range(min(add, self.most - len(lines)))]
        return PassengerForms(None, most=self.most, initial=lines or [{}])


class CoveringForm(forms.Form):
    """What may pay a part of seats beside the card."""

    promotion = forms.CharField(
        label=gettext_lazy("Promotion code"),
        max_length=40,
        required=False,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
    )
    use_credit = forms.BooleanField(required=False)

    @classmethod
    def as_typed(cls, given: Mapping[str, Any]) -> CoveringForm:
        """What was typed, not judged yet. Credit is used unless the rider saw it (`credit`) and ticked it off."""
        use_credit = "use_credit" in given or "credit" not in given
        return cls(initial={"promotion": given.get("promotion"), "use_credit": use_credit})


class PledgeForm(CoveringForm):
    """Where to get on, and the consent; for somebody we do not know, who they are."""

    stop = forms.TypedChoiceField(
        label=gettext_lazy("Where do you get on?"), coerce=int, widget=forms.RadioSelect
    )
    email = forms.EmailField(
        label=gettext_lazy("Your e-mail address"),
        help_text=gettext_lazy(
            "Your boarding pass goes there. A new address gets an account; you sign in by a code."
        ),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    rider = NameField(
        label=gettext_lazy("Your name"),
        max_length=400,
        help_text=gettext_lazy("Fellow riders see your first name."),
        widget=forms.TextInput(attrs={"autocomplete": "name", "dir": "auto"}),
    )
    consent = forms.BooleanField(label=gettext_lazy("I agree"), required=True)
    field_order = ("stop", "email", "rider", "promotion", "use_credit", "consent")

    def __init__(self, *args: Any, stops: Sequence[Stop], known: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stop_field = self.fields["stop"]
        assert isinstance(stop_field, forms.TypedChoiceField)  # noqa: S101 - for the type checker
        stop_field.choices = [(stop.position, stop.name) for stop in stops]
        self.fields["consent"].error_messages["required"] = _(
            "Please agree to how your card is used. Without it we cannot reserve seats."
        )
        if known:
            del self.fields["email"], self.fields["rider"]

    def clean_email(self) -> str:
        """In lower case, as accounts are kept."""
        return str(self.cleaned_data["email"]).lower()


class HandOverForm(forms.Form):
    """Who takes the seat."""

    name = NameField(
        label=gettext_lazy("Their name"),
        max_length=400,
        widget=forms.TextInput(attrs={"autocomplete": "off", "dir": "auto"}),
    )
    email = forms.EmailField(
        label=gettext_lazy("Their e-mail address"), widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )

    clean_email = PledgeForm.clean_email
