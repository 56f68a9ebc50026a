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
from trips.models import Stop
from trips.states import Need

#: A form never grows beyond this many lines, whatever is sent; the rule for riders is lower.
MOST_LINES = 20


class PassengerForm(forms.Form):
    """One seat: who sits on it and what they need."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=400,
        widget=forms.TextInput(attrs={"autocomplete": "off", "dir": "auto"}),
    )
    needs = forms.MultipleChoiceField(
        label=gettext_lazy("Needs"), choices=Need, required=False, widget=forms.CheckboxSelectMultiple
    )
    seat = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def clean_name(self) -> str:
        """A name as it is kept."""
        try:
            return clean_name(self.cleaned_data["name"])
        except BadInput as refusal:
            raise ValidationError(refusal.message) from refusal

    @property
    def passenger(self) -> Passenger:
        """What was typed, once it is valid."""
        data = self.cleaned_data
        return Passenger(name=data["name"], needs=tuple(data["needs"]), seat=data["seat"])


class PassengerForms:
    """As many passenger lines as there are seats, with buttons to add and remove one that work without scripts."""

    def __init__(
        self, data: Mapping[str, Any] | None, *, most: int, initial: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self.most = most
        if data is None:
            self.forms = [
                PassengerForm(prefix=f"p{n}", initial=dict(given)) for n, given in enumerate(initial or [{}])
            ]
            return
        self.forms = [PassengerForm(data, prefix=f"p{n}") for n in range(_count(data, "lines"))]

    def is_valid(self) -> bool:
        """Every line is; all of them are looked at."""
        return not [form for form in self.forms if not form.is_valid()]

    @property
    def passengers(self) -> list[Passenger]:
        """The passengers in order."""
        return [form.passenger for form in self.forms]

    @property
    def may_add(self) -> bool:
        """Whether another line fits."""
        return len(self.forms) < self.most

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


def _count(data: Mapping[str, Any], name: str) -> int:
    try:
        return max(1, min(MOST_LINES, int(data.get(name, "1"))))
    except (TypeError, ValueError):
        return 1


class PledgeForm(forms.Form):
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
    rider = forms.CharField(
        label=gettext_lazy("Your name"),
        max_length=400,
        help_text=gettext_lazy("Fellow riders see your first name."),
        widget=forms.TextInput(attrs={"autocomplete": "name", "dir": "auto"}),
    )
    promotion = forms.CharField(
        label=gettext_lazy("Promotion code"),
        max_length=40,
        required=False,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
    )
    use_credit = forms.BooleanField(required=False)
    consent = forms.BooleanField(label=gettext_lazy("I agree"), required=True)

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

    def clean_rider(self) -> str:
        """A name as it is kept."""
        try:
            return clean_name(self.cleaned_data["rider"])
        except BadInput as refusal:
            raise ValidationError(refusal.message) from refusal

    def clean_email(self) -> str:
        """In lower case, as accounts are kept."""
        return str(self.cleaned_data["email"]).lower()


class HandOverForm(forms.Form):
    """Who takes the seat."""

    name = forms.CharField(
        label=gettext_lazy("Their name"),
        max_length=400,
        widget=forms.TextInput(attrs={"autocomplete": "off", "dir": "auto"}),
    )
    email = forms.EmailField(
        label=gettext_lazy("Their e-mail address"), widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )

    clean_email = PledgeForm.clean_email

    def clean_name(self) -> str:
        """A name as it is kept."""
        try:
            return clean_name(self.cleaned_data["name"])
        except BadInput as refusal:
            raise ValidationError(refusal.message) from refusal
