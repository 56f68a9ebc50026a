"""What a captain types: stops in order, the kind of bus, the minimum, who finds the trip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trips.actions.proposals import NewStop
from trips.forms.finding import here_of
from trips.forms.lines import Lines
from trips.pricing.quotes import threshold_range
from trips.states import SEATS, THRESHOLDS, VehicleClass, Visibility

_LONG = 400


class StopForm(forms.Form):
    """One stop: a town or address people know, the exact spot in words, and where it is on the earth."""

    where = forms.CharField(
        label=gettext_lazy("Town"),
        max_length=_LONG,
        error_messages={"required": gettext_lazy("Where does the bus stop? Type a town.")},
        widget=forms.TextInput(attrs={"autocomplete": "off", "dir": "auto"}),
    )
    spot = forms.CharField(
        label=gettext_lazy("Where exactly"),
        max_length=_LONG,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "dir": "auto"}),
    )
    latitude = forms.FloatField(required=False, widget=forms.HiddenInput)
    longitude = forms.FloatField(required=False, widget=forms.HiddenInput)
    #: The town, and the coordinates that were found for it: without scripts somebody may change the one and not the others.
    settled = forms.CharField(max_length=_LONG * 2, required=False, widget=forms.HiddenInput)

    @property
    def is_blank(self) -> bool:
        """Nothing was typed."""
        return not any(str(self[name].value() or "").strip() for name in ("where", "spot"))

    def clean(self) -> dict[str, Any]:
        """A stop needs coordinates: those chosen from the list or on the map, else those of the town that was typed."""
        data = super().clean() or {}
        if "where" in self.errors:
            return data
        if None in {data.get("latitude"), data.get("longitude")} or self._town_alone_changed(data):
            try:
                here = here_of(data["where"])
            except ValidationError as problem:
                self.add_error("where", problem)
                return data
            data["latitude"], data["longitude"] = here.latitude, here.longitude
            data["where"] = here.label
        data["settled"] = _settled(data["where"], data["latitude"], data["longitude"])
        self._show(data)
        return data

    def _town_alone_changed(self, data: dict[str, Any]) -> bool:
        """Another town stands there beside the coordinates of the one before."""
        town, _bar, at = str(data.get("settled", "")).rpartition("|")
        return bool(at) and at == _at(data["latitude"], data["longitude"]) and town != data["where"]

    def _show(self, data: dict[str, Any]) -> None:
        """Let the page show what was understood, not what was typed."""
        names = ("where", "latitude", "longitude", "settled")
        self.data = {**dict(self.data.items()), **{self.add_prefix(name): str(data[name]) for name in names}}

    @property
    def stop(self) -> NewStop:
        """What was typed, once it is valid: the spot names the stop, the town is its address."""
        data = self.cleaned_data
        where, spot = data.get("where", ""), data.get("spot", "")
        return NewStop(spot or where, data["latitude"], data["longitude"], where if spot else "")

    def typed(self) -> dict[str, Any]:
        """The answers as they stand, for the same line in another place."""
        found = getattr(self, "cleaned_data", {})
        return {name: found.get(name) or self[name].value() or "" for name in self.fields}


class StopForms(Lines[StopForm]):
    """The stops in order, with buttons that add, remove and move one and work without scripts."""

    kind, letter, counted_by = StopForm, "s", "stops"

    @property
    def is_blank(self) -> bool:
        """Nobody has typed a stop yet."""
        return all(form.is_blank for form in self.forms)

    @property
    def stops(self) -> list[NewStop]:
        """The stops in order, once they are valid."""
        return [form.stop for form in self.forms]

    def reordered(self, order: Sequence[int]) -> StopForms:
        """The same lines in another order; those that are not named are gone."""
        lines = [self.forms[old].typed() for old in order if 0 <= old < len(self.forms)]
        return self._again(lines)

    def with_another(self, **given: Any) -> StopForms:
        """One line more at the end; it takes the place of a blank one."""
        lines = [form.typed() for form in self.forms if not (given and form.is_blank)]
        if given:
            given["settled"] = _settled(given["where"], given["latitude"], given["longitude"])
        return self._again([*lines, given] if len(lines) < self.most else lines)

    def done(self, what: str) -> StopForms | None:
        """What a button asked for: `add-stop`, `remove-stop-2`, `up-1`, `down-0`; None for any other button."""
        if what == "add-stop":
            return self.with_another()
        verb, _dash, number = what.rpartition("-")
        if not number.isdigit() or not (at := int(number)) < len(self.forms):
            return None
        order = list(range(len(self.forms)))
        if verb == "remove-stop":
            order.remove(at)
        elif verb in {"up", "down"}:
            to = at - 1 if verb == "up" else at + 1
            if 0 <= to < len(order):
                order[at], order[to] = order[to], order[at]
        else:
            return None
        return self.reordered(order)

    def _again(self, lines: Sequence[Mapping[str, Any]]) -> StopForms:
        return StopForms(None, most=self.most, initial=lines or [{}])


def _settled(where: str, latitude: float, longitude: float) -> str:
    return f"{where}|{_at(latitude, longitude)}"


def _at(latitude: float, longitude: float) -> str:
    return f"{latitude},{longitude}"


class BusForm(forms.Form):
    """Which bus, how many riders it takes to go, and who finds the trip."""

    vehicle_class = forms.ChoiceField(
        label=gettext_lazy("Which bus?"),
        choices=VehicleClass,
        initial=VehicleClass.COACH,
        widget=forms.RadioSelect,
    )
    threshold = forms.IntegerField(
        label=gettext_lazy("Riders it takes to go"),
        required=False,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
        help_text=gettext_lazy("More riders make a lower price. Leave it empty for the usual number."),
    )
    visibility = forms.ChoiceField(
        label=gettext_lazy("Who finds it?"),
        choices=Visibility,
        initial=Visibility.PUBLIC,
        widget=forms.RadioSelect,
    )

    falling_fares = forms.BooleanField(
        label=gettext_lazy("The price falls as the coach fills"),
        required=False,
        help_text=gettext_lazy(
            "Riders agree to a highest price. The more of you there are, the less everybody pays; the bus is paid all the"
            " same. Otherwise the price stands."
        ),
    )

    def clean_threshold(self) -> int | None:
        """A number that could be one of seats; whether it is allowed depends on the bus."""
        threshold: int | None = self.cleaned_data["threshold"]
        if threshold is not None and not 0 <= threshold <= 1000:
            raise ValidationError(_("That many seats no bus has."))
        return threshold


class PointForm(forms.Form):
    """A stop set on the map or by its coordinates. Asked for only by its own button."""

    point_name = forms.CharField(
        label=gettext_lazy("Name of the stop"),
        max_length=_LONG,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "dir": "auto",
                "placeholder": gettext_lazy("Fan bar, park & ride …"),
            }
        ),
    )
    point_latitude = forms.FloatField(
        label=gettext_lazy("Latitude"),
        min_value=-90,
        max_value=90,
        widget=forms.NumberInput(attrs={"step": "any"}),
    )
    point_longitude = forms.FloatField(
        label=gettext_lazy("Longitude"),
        min_value=-180,
        max_value=180,
        widget=forms.NumberInput(attrs={"step": "any"}),
    )


def bus_facts(rules: Any) -> list[dict[str, Any]]:
    """What tells the kinds of bus apart, for those who choose."""
    facts = []
    for kind in VehicleClass:
        least, most = threshold_range(SEATS[kind], rules)
        facts.append(
            {"kind": kind, "seats": SEATS[kind], "usual": THRESHOLDS[kind], "least": least, "most": most}
        )
    return facts
