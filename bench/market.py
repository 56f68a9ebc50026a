"""Rows to measure on, made in bulk: riders with tokens, a hot trip, half a million trips in three thousand cities."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from django.contrib.auth.hashers import make_password
from django.core.management import call_command
from django.db import connection
from rest_framework.authtoken.models import Token

from rally import clock
from rally.models import User
from trips.models import Event, Place, Stop, Trip, Venue
from trips.states import TripState, VehicleClass


def places() -> None:
    """The shipped gazetteer."""
    if not Place.objects.exists():
        call_command("load_places", verbosity=0)


def event(now: datetime) -> Event:
    """One game in thirty days."""
    venue, _made = Venue.objects.get_or_create(
        name="Lambeau Field",
        city="Green Bay",
        defaults={
            "state": "Wisconsin",
            "latitude": 44.5013,
            "longitude": -88.0622,
            "time_zone": "America/Chicago",
        },
    )
    starts = now + timedelta(days=30)
    found, _made = Event.objects.get_or_create(
        source="bench",
        source_id="1",
        defaults={
            "slug": "bench",
            "name": "Bench Game",
            "starts_at": starts,
            "ends_at": starts + timedelta(hours=3),
            "venue": venue,
            "search_text": "bench game",
        },
    )
    return found


def riders(count: int) -> list[str]:
    """Tokens of `count` riders."""
    have = User.objects.filter(email__endswith="@bench.example").count()
    password = make_password("bench")
    made = [
        User(email=f"rider{n}@bench.example", name=f"Rider {n}", password=password)
        for n in range(have, count)
    ]
    User.objects.bulk_create(made, batch_size=2000)
    Token.objects.bulk_create([Token(user=user, key=Token.generate_key()) for user in made], batch_size=2000)
    return list(
        Token.objects.filter(user__email__endswith="@bench.example").values_list("key", flat=True)[:count]
    )


def trip(now: datetime, *, capacity: int, captain: User | None = None) -> Trip:
    """One gathering trip with one stop, as large as asked."""
    game = event(now)
    made = _trip(game, captain or User.objects.filter(email__endswith="@bench.example")[0], now, capacity)
    made.save()
    _stop(made, 43.0389, -87.9065, "Milwaukee").save()
    return made


def country(trips: int, seed: int = 1) -> None:
    """Exactly `trips` findable trips, spread over the 3,000 largest cities by chance alone."""
    with connection.cursor() as cursor:  # the database is the bench's own
        cursor.execute("TRUNCATE trips_trip CASCADE")
    rng, now = random.Random(seed), clock.now()
    game, captain = event(now), User.objects.filter(email__endswith="@bench.example")[0]
    cities = list(Place.objects.order_by("-population").values_list("name", "latitude", "longitude")[:3000])
    with connection.cursor() as cursor:  # the index is built once, not half a million times
        cursor.execute("DROP INDEX IF EXISTS stop_earth_findable")
    for begin in range(0, trips, 10_000):
        batch, stops = [], []
        for number in range(begin, min(begin + 10_000, trips)):
            name, latitude, longitude = rng.choice(cities)
            made = _trip(game, captain, now, 56, origin=name)
            made.code = f"B{number:07}"  # of half a million codes drawn by chance, some are drawn twice
            made.departs_at += timedelta(minutes=rng.randrange(0, 60))
            batch.append(made)
            stops.append(
                _stop(made, latitude + rng.uniform(-0.05, 0.05), longitude + rng.uniform(-0.05, 0.05), name)
            )
        Trip.objects.bulk_create(batch, batch_size=5000)
        Stop.objects.bulk_create(stops, batch_size=5000)
    with connection.schema_editor() as editor:
        index = next(one for one in Stop._meta.indexes if one.name == "stop_earth_findable")
        editor.add_index(Stop, index)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE trips_trip")
        cursor.execute("VACUUM ANALYZE trips_stop")


def _trip(game: Event, captain: User, now: datetime, capacity: int, origin: str = "Milwaukee") -> Trip:
    departs = game.starts_at - timedelta(hours=4)
    return Trip(
        event=game,
        captain=captain,
        vehicle_class=VehicleClass.COACH,
        state=TripState.GATHERING,
        capacity=capacity,
        threshold=25,
        origin=origin,
        decides_at=departs - timedelta(days=7),
        departs_at=departs,
        arrives_at=game.starts_at - timedelta(minutes=90),
        leaves_at=game.ends_at + timedelta(minutes=45),
        returns_at=game.ends_at + timedelta(hours=4),
        distance_km=200,
        drive_minutes=150,
        cost_minor=100_000,
        cost_parts={"call_out": 25_000, "distance": 40_000, "duty": 35_000, "platform": 12_000},
        platform_percent=12,
        created_at=now,
    )


def _stop(made: Trip, latitude: float, longitude: float, name: str) -> Stop:
    return Stop(
        trip=made,
        position=1,
        name=name,
        latitude=latitude,
        longitude=longitude,
        time_zone="America/Chicago",
        departs_at=made.departs_at,
        returns_at=made.returns_at,
        km_to_venue=made.distance_km,
        fare_minor=4500,
    )
