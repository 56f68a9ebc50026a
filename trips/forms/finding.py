"""What people look for: words, a place, dates."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from rally.geo import Point
from trips.queries import finding

#: Whose midnight a date begins at, when we do not know where somebody is.
USUAL_ZONE = "America/Chicago"


@dataclass(frozen=True, slots=True)
class Here:
    """Where somebody starts from: a town of the gazetteer or a point."""

    latitude: float
    longitude: float
    label: str
    slug: str = ""
    time_zone: str = USUAL_ZONE

    @property
    def point(self) -> Point:
        """Where it is."""
        return Point(self.latitude, self.longitude)

    def kept(self) -> dict[str, Any]:
        """For the session."""
        return asdict(self)

    @classmethod
    def from_kept(cls, kept: Any) -> Here | None:
        """From the session; None if there is nothing, or nothing that can be used."""
        try:
            here = cls(**kept)
            Point(here.latitude, here.longitude)
            ZoneInfo(here.time_zone)
            return here
        except (TypeError, ValueError, KeyError, OSError):
            return None


def here_of(written: str) -> Here:
    """The place somebody wrote: a town, its slug, or `latitude,longitude`. Raises `ValidationError`."""
    numbers = written.split(",")
    if len(numbers) == 2:
        try:
            point = Point(float(numbers[0]), float(numbers[1]))
        except ValueError:
            if any(sign.isdigit() for sign in written) and not any(sign.isalpha() for sign in written):
                raise ValidationError(_("This is no place on the earth.")) from None
        else:
            return Here(point.latitude, point.longitude, f"{point.latitude:.3f}, {point.longitude:.3f}")
    place = finding.place_meant(written)
    if place is None:
        raise ValidationError(
            _("We do not know a town called “%(name)s”. Try a larger one nearby.") % {"name": written[:60]}
        )
    return Here(place.latitude, place.longitude, str(place), place.slug, place.time_zone)


class SearchForm(forms.Form):
    """The search box: what, from where, when. Everything may be left empty."""

    q = forms.CharField(
        label=gettext_lazy("Team, event or city"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": gettext_lazy("Packers, Buffalo …")}),
    )
    near = forms.CharField(
        label=gettext_lazy("Where do you start?"),
        max_length=100,
        required=False,
        widget=forms.TextInput(
            attrs={"placeholder": gettext_lazy("Your town"), "autocomplete": "address-level2"}
        ),
    )
    after = forms.DateField(
        label=gettext_lazy("From"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    before = forms.DateField(
        label=gettext_lazy("Until"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def clean_near(self) -> Here | None:
        """The place, if one was written."""
        written = self.cleaned_data["near"]
        return here_of(written) if written else None

    def clean(self) -> dict[str, Any]:
        """The last day is not before the first."""
        data = super().clean() or {}
        if data.get("after") and data.get("before") and data["before"] < data["after"]:
            self.add_error("before", _("This is before the first day."))
        return data

    def span(self, here: Here | None) -> tuple[datetime | None, datetime | None]:
        """The chosen days as moments: from the beginning of the first to the end of the last, by the clocks there."""
        zone = here.time_zone if here else USUAL_ZONE
        first, last = self.cleaned_data.get("after"), self.cleaned_data.get("before")
        return (
            midnight(first, zone) if first else None,
            midnight(last + timedelta(days=1), zone) if last and last < date.max else None,
        )


def midnight(day: date, zone: str) -> datetime:
    """When a day begins by the clocks of a zone; far off the calendar's ends it is UTC's."""
    begins = datetime.combine(day, time())
    try:
        return begins.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except OverflowError:
        return begins.replace(tzinfo=UTC)
