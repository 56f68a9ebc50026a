"""What programs may ask for: coordinates, distances, dates, words and stops, each checked and named when it is wrong."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, date, datetime, time
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from rally import clock
from rally.geo import Point


class Degrees(serializers.FloatField):
    """A finite number of degrees."""

    def to_internal_value(self, data: Any) -> float:
        """Numbers only: no NaN, no infinity, no `true`."""
        if isinstance(data, bool):
            self.fail("invalid")
        try:
            value = super().to_internal_value(data)
        except OverflowError:
            self.fail("invalid")
        if not math.isfinite(value):
            self.fail("invalid")
        return value


class Kilometres(Degrees):
    """A distance along the ground, above zero."""

    def to_internal_value(self, data: Any) -> float:
        """At most half round the earth."""
        value = super().to_internal_value(data)
        if not 0 < value <= 20_050:
            raise serializers.ValidationError(_("A distance is more than 0 and at most 20,050 km."))
        return value


@extend_schema_field({"type": "string", "example": "43.0389,-87.9065"})
class PointField(serializers.CharField):
    """`latitude,longitude` in degrees."""

    def to_internal_value(self, data: Any) -> Point:  # type: ignore[override]
        """Two numbers on the earth."""
        parts = _short(super().to_internal_value(data)).split(",")
        if len(parts) != 2:
            raise serializers.ValidationError(
                _("Give latitude,longitude in degrees, such as 43.0389,-87.9065.")
            )
        try:
            return Point(float(parts[0]), float(parts[1]))
        except ValueError as problem:
            raise serializers.ValidationError(
                _("This is no place on the earth: %(why)s") % {"why": problem}
                if "degrees" in str(problem)
                else _("Give latitude,longitude in degrees, such as 43.0389,-87.9065.")
            ) from None


@extend_schema_field({"type": "string", "example": "2026-12-13T00:00:00-06:00"})
class MomentField(serializers.CharField):
    """An ISO 8601 time with its offset, or a date (its beginning in UTC)."""

    def to_internal_value(self, data: Any) -> datetime:  # type: ignore[override]
        """As UTC."""
        text = _short(super().to_internal_value(data)).replace(" ", "+")  # a plus sign that nobody escaped
        try:
            if len(text) == 10:
                return datetime.combine(date.fromisoformat(text), time(), tzinfo=UTC)
            return clock.parse(text)
        except (ValueError, OverflowError):
            raise serializers.ValidationError(
                _("Give a date, or a time with its offset, such as 2026-12-13T19:20:00-06:00.")
            ) from None


class Nearby(serializers.Serializer[Any]):
    """Near what, and how far at most."""

    near = PointField(required=False, help_text="latitude,longitude: nearest first")
    radius_km = Kilometres(required=False, help_text="only with near")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A radius is a radius round something."""
        if "radius_km" in attrs and "near" not in attrs:
            raise serializers.ValidationError({"radius_km": _("A radius needs near=latitude,longitude.")})
        return attrs


def _short(text: str) -> str:
    """The text, unless it is longer than any coordinates or time could be."""
    if len(text) > 60:
        raise serializers.ValidationError(_("This is too long."))
    return text


@extend_schema_field(
    {"oneOf": [{"type": "integer", "description": "position"}, {"type": "string", "format": "uuid"}]}
)
class StopField(serializers.Field[Any, Any, Any, Any]):
    """A stop by its position on the trip or by its id."""

    def to_internal_value(self, data: Any) -> int | uuid.UUID:
        """An int is a position, anything else must be an id."""
        if isinstance(data, int) and not isinstance(data, bool):
            return data
        try:
            return uuid.UUID(str(data))
        except ValueError:
            raise serializers.ValidationError(_("Give the position or the id of a stop.")) from None

    def to_representation(self, value: Any) -> Any:
        """As it is."""
        return value
