"""Where things are and how far apart: points on the globe, great-circle distance."""

from __future__ import annotations

import math
from dataclasses import dataclass

EARTH_RADIUS_KM = 6371.0088  #: mean radius, IUGG


@dataclass(frozen=True, slots=True)
class Point:
    """Latitude and longitude in degrees, WGS 84. Raises `ValueError` off the earth."""

    latitude: float
    longitude: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.latitude) and -90 <= self.latitude <= 90):
            raise ValueError("Latitude is between -90 and 90 degrees.")
        if not (math.isfinite(self.longitude) and -180 <= self.longitude <= 180):
            raise ValueError("Longitude is between -180 and 180 degrees.")


def distance_km(a: Point, b: Point) -> float:
    """Great-circle distance in kilometres (haversine formula)."""
    lat_a, lat_b = math.radians(a.latitude), math.radians(b.latitude)
    half_lat = math.sin((lat_b - lat_a) / 2)
    half_lon = math.sin(math.radians(b.longitude - a.longitude) / 2)
    square = half_lat**2 + math.cos(lat_a) * math.cos(lat_b) * half_lon**2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, square)))
