"""Cities and towns, where riders come from."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex, GistIndex, OpClass
from django.db import models
from django.db.models.functions import Lower

from rally.geo import Point
from trips.models.fields import Earth, on_earth


class Place(models.Model):
    """A city or town of the GeoNames gazetteer (CC BY 4.0)."""

    id = models.PositiveIntegerField(primary_key=True, help_text="GeoNames id")
    name = models.CharField(max_length=100)
    state = models.CharField(max_length=2, help_text="US state, two letters")
    slug = models.SlugField(max_length=120, unique=True)
    latitude = models.FloatField()
    longitude = models.FloatField()
    population = models.PositiveIntegerField()
    time_zone = models.CharField(max_length=64)

    class Meta:
        constraints = [on_earth("place")]
        indexes = [
            GistIndex(Earth("latitude", "longitude"), name="place_earth"),
            GinIndex(OpClass(Lower("name"), "gin_trgm_ops"), name="place_name_trgm"),
        ]

    def __str__(self) -> str:
        return f"{self.name}, {self.state}"

    @property
    def point(self) -> Point:
        """Where it is."""
        return Point(self.latitude, self.longitude)
