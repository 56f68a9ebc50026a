"""What people of bus companies type, turned into values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from operators.models import Member, Operator, Vehicle
from operators.queries.board import NEAR_KM, ORDERS, Wanted
from operators.states import PaperKind, Role
from rally.errors import NotAllowed, Refusal
from trips.states import VehicleClass


@contextmanager
def blaming(form: forms.Form) -> Iterator[None]:
    """Show a refusal in the form: at the field it is about, if the form has it. Permission is no form error."""
    try:
        yield
    except NotAllowed:
        raise
    except Refusal as refusal:
        form.add_error(refusal.field if refusal.field in form.fields else None, refusal.message)


class DateInput(forms.DateInput):
    """A date by the browser's own picker."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class CompanyForm(forms.Form):
    """What a bus company says of itself."""

    name = forms.CharField(
        label=_("Name of the company"),
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    email = forms.EmailField(
        label=_("E-mail for bookings and statements"),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    phone = forms.CharField(
        label=_("Phone answered on the day"),
        max_length=32,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
    )
    base_name = forms.CharField(
        label=_("Town of the depot"),
        max_length=120,
        help_text=_("Such as “Green Bay, WI”. Distances on the board count from here."),
    )
    latitude = forms.FloatField(label=_("Latitude"), required=False, min_value=-90, max_value=90)
    longitude = forms.FloatField(label=_("Longitude"), required=False, min_value=-180, max_value=180)
    usdot = forms.CharField(
        label=_("USDOT number"),
        max_length=20,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
    )

    @staticmethod
    def initial_of(operator: Operator) -> dict[str, Any]:
        """What the company says now. Coordinates stay empty: an unchanged town keeps its depot."""
        return {
            "name": operator.name,
            "email": operator.email,
            "phone": operator.phone,
            "base_name": operator.base_name,
            "usdot": operator.usdot,
        }


class PersonForm(forms.Form):
    """Somebody who is to work for the company."""

    email = forms.EmailField(
        label=_("E-mail address"), widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    role = forms.ChoiceField(
        label=_("Role"), choices=Role.choices, widget=forms.RadioSelect, initial=Role.DRIVER
    )
    name = forms.CharField(
        label=_("Name"), max_length=100, required=False, help_text=_("Needed if they have no account yet.")
    )
    phone = forms.CharField(
        label=_("Phone"), max_length=32, required=False, widget=forms.TextInput(attrs={"type": "tel"})
    )


class RoleForm(forms.Form):
    """Another role for a member."""

    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, widget=forms.RadioSelect)


class VehicleForm(forms.Form):
    """A bus."""

    name = forms.CharField(label=_("What you call it"), max_length=60)
    plate = forms.CharField(
        label=_("Plate"), max_length=20, widget=forms.TextInput(attrs={"autocapitalize": "characters"})
    )
    vehicle_class = forms.ChoiceField(label=_("Kind"), choices=VehicleClass.choices, widget=forms.RadioSelect)
    seats = forms.IntegerField(label=_("Seats for riders"), min_value=4, max_value=90)
    wheelchair_spaces = forms.IntegerField(label=_("Wheelchair spaces"), min_value=0, max_value=90, initial=0)
    amenities = forms.CharField(
        label=_("On board"),
        max_length=200,
        required=False,
        help_text=_("Toilet, Wi-Fi, sockets: riders like to know."),
    )

    @staticmethod
    def initial_of(vehicle: Vehicle) -> dict[str, Any]:
        """What is said of the vehicle now."""
        names = ("name", "plate", "vehicle_class", "seats", "wheelchair_spaces", "amenities")
        return {name: getattr(vehicle, name) for name in names}


class PaperForm(forms.Form):
    """A document with an expiry. `about` chooses what it is for: `licence`, `insurance:<id>` or `driving:<id>`."""

    about = forms.ChoiceField()  # each company has its own
    number = forms.CharField(label=_("Number"), max_length=60)
    valid_from = forms.DateField(label=_("Holds from"), widget=DateInput())
    expires_on = forms.DateField(label=_("Last day"), widget=DateInput())

    def __init__(self, *args: Any, vehicles: list[Vehicle], members: list[Member], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices: list[tuple[str, str]] = [(PaperKind.LICENCE, str(PaperKind.LICENCE.label))]
        choices += [
            (f"{PaperKind.INSURANCE}:{vehicle.id}", str(_("Insurance of %(vehicle)s") % {"vehicle": vehicle}))
            for vehicle in vehicles
        ]
        choices += [
            (f"{PaperKind.DRIVING}:{member.id}", str(_("Driving licence of %(member)s") % {"member": member}))
            for member in members
        ]
        self.fields["about"] = forms.ChoiceField(label=_("What is it?"), choices=choices)

    def paper(self) -> dict[str, Any]:
        """The arguments of `papers.add`."""
        kind, _colon, whose = self.cleaned_data["about"].partition(":")
        return {
            "kind": kind,
            "vehicle_id": whose if kind == PaperKind.INSURANCE else None,
            "member_id": whose if kind == PaperKind.DRIVING else None,
            "number": self.cleaned_data["number"],
            "valid_from": self.cleaned_data["valid_from"],
            "expires_on": self.cleaned_data["expires_on"],
        }


class BoardForm(forms.Form):
    """What the board is narrowed to."""

    DISTANCES = (
        (48, _("30 miles")),
        (97, _("60 miles")),
        (NEAR_KM, _("150 miles")),
        (483, _("300 miles")),
        ("", _("Anywhere")),
    )

    within_km = forms.TypedChoiceField(
        label=_("From your depot"), choices=DISTANCES, coerce=int, empty_value=None, required=False
    )
    vehicle_class = forms.ChoiceField(
        label=_("Kind of bus"), choices=[("", _("Any")), *VehicleClass.choices], required=False
    )
    after = forms.DateField(label=_("Leaving from"), widget=DateInput(), required=False)
    before = forms.DateField(label=_("until"), widget=DateInput(), required=False)
    order = forms.ChoiceField(
        label=_("Sorted by"),
        choices=list(
            zip(ORDERS, (_("Nearest first"), _("Soonest first"), _("Most riders first")), strict=True)
        ),
        required=False,
    )

    def wanted(self) -> Wanted:
        """The narrowing; the usual one for fields that are wrong or were not sent."""
        given = self.cleaned_data if self.is_bound and self.is_valid() else {}
        asked = "within_km" in self.data
        return Wanted(
            vehicle_class=given.get("vehicle_class") or "",
            after=_day(given.get("after")),
            before=_day(given.get("before")),
            within_km=given.get("within_km") if asked and given else NEAR_KM,
            order=given.get("order") or ORDERS[0],
        )


def _day(value: date | None) -> date | None:
    """A day whose neighbours are days too, so that it can be counted on from."""
    return value if value and date(1970, 1, 1) <= value <= date(2200, 1, 1) else None


class PairForm(forms.Form):
    """A vehicle and a driver of the company, by their ids."""

    vehicle = forms.UUIDField(label=_("Vehicle"), error_messages={"required": _("Choose a vehicle.")})
    driver = forms.UUIDField(label=_("Driver"), error_messages={"required": _("Choose a driver.")})


class CodeForm(forms.Form):
    """A boarding code, scanned or typed."""

    code = forms.CharField(
        label=_("Boarding code"),
        max_length=300,
        widget=forms.TextInput(
            attrs={
                "class": "input-code",
                "autocomplete": "off",
                "autocapitalize": "characters",
                "spellcheck": "false",
                "enterkeyhint": "go",
            }
        ),
    )
