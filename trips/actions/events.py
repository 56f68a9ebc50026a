"""Taking in what leagues publish: venues and events, again and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils.text import slugify

from rally import codes, rules
from trips.actions import moving
from trips.actions.moving import Was
from trips.importing.names import fold
from trips.importing.rows import FoundEvent, FoundVenue, Schedule
from trips.models import Event, Partner, Trip, Venue
from trips.models.events import EventState
from trips.states import ALIVE

#: A change of one of these makes the times of a trip wrong, or the trip pointless.
_MATTERS = ("starts_at", "ends_at", "venue_id", "state")


@dataclass(frozen=True, slots=True)
class Change:
    """What a feed changed about an event, the codes of the living trips that this concerns, and which moved along with it."""

    event: str
    columns: tuple[str, ...]
    trips: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()


@dataclass(slots=True)
class Taken:
    """What taking in a schedule did, or with `save=False` would do."""

    source: str = ""
    new: int = 0
    same: int = 0
    changes: list[Change] = field(default_factory=list)
    venues_new: int = 0
    venues_changed: int = 0


def known_venues() -> list[FoundVenue]:
    """The venues we have, as a reader of schedules needs them."""
    return [
        FoundVenue(
            venue.name,
            venue.city,
            venue.state,
            venue.latitude,
            venue.longitude,
            venue.time_zone,
            venue.capacity,
        )
        for venue in Venue.objects.order_by("name", "city")
    ]


@transaction.atomic
def take_in(
    *,
    schedule: Schedule,
    venues: Sequence[FoundVenue],
    partner: Partner | None,
    feed: str,
    save: bool,
    now: datetime,
) -> Taken:
    """Make our events say what a schedule says; `venues` are those of its own file of venues.

    A feed is known again by its content (the numbers and teams of most of its rows, or its UIDs), whatever the file is called; a
    new one gets the name `feed`. Events that the schedule no longer lists stay as they are. Trips follow an event that moves
    (`moving.follow`). Twice: everything is as before. With `save=False` nothing is written and the answer is the same.
    """
    with connection.cursor() as cursor:
        # Two imports at once would both find an event missing.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('trips.take_in', 0))")

    taken = Taken()
    places = _take_in_venues(venues, taken)
    taken.source = _source(schedule, partner, feed)
    before = {event.source_id: event for event in Event.objects.filter(source=taken.source)}
    fresh = []
    for found in schedule.events:
        columns = _columns(found, places[found.venue.key], partner)
        event = before.get(found.number)
        if event is None:
            fresh.append(Event(code=codes.short(), source=taken.source, source_id=found.number, **columns))
            continue
        different = tuple(name for name, value in columns.items() if getattr(event, name) != value)
        if not different:
            taken.same += 1
            continue
        was = Was.of(event)
        for name in different:
            setattr(event, name, columns[name])
        event.save()
        moved = moving.follow(event=event, was=was, now=now)
        taken.changes.append(Change(event.name, different, _trips_of(event, different), tuple(moved)))
    taken.new = len(fresh)
    _free_codes(fresh)
    Event.objects.bulk_create(fresh, batch_size=500)
    if not save:
        transaction.set_rollback(True)
    return taken


@transaction.atomic
def save(*, event: Event, now: datetime) -> None:
    """Save an event that a person edited, with the words it is found by; its trips follow. Twice: the same."""
    before = Event.objects.filter(pk=event.pk).first()
    event.slug = slugify(event.name)[:140].strip("-") or "event"
    event.search_text = fold(
        event.name, event.home, event.away, event.venue.name, event.venue.city, event.venue.state
    )
    event.save()
    if before is not None:
        moving.follow(event=event, was=Was.of(before), now=now)


def _take_in_venues(found: Iterable[FoundVenue], taken: Taken) -> dict[str, Venue]:
    by_key = {_key(venue): venue for venue in Venue.objects.all()}
    for one in found:
        columns: dict[str, Any] = {
            "state": one.state,
            "latitude": one.latitude,
            "longitude": one.longitude,
            "time_zone": one.time_zone,
        }
        if one.capacity is not None:
            columns["capacity"] = one.capacity
        venue = by_key.get(one.key)
        if venue is None:
            by_key[one.key] = Venue.objects.create(name=one.name, city=one.city, **columns)
            taken.venues_new += 1
        elif any(getattr(venue, name) != value for name, value in columns.items()):
            for name, value in columns.items():
                setattr(venue, name, value)
            venue.save(update_fields=list(columns))
            taken.venues_changed += 1
    return by_key


def _key(venue: Venue) -> str:
    return f"{fold(venue.name)}|{fold(venue.city)}"


def _columns(found: FoundEvent, venue: Venue, partner: Partner | None) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "name": found.name,
        "slug": slugify(found.name)[:140].strip("-") or "event",
        "home": found.home,
        "away": found.away,
        "category": "sport" if found.home else "event",
        "starts_at": found.starts_at,
        "ends_at": found.ends_at or found.starts_at + timedelta(minutes=rules.current().game_minutes),
        "venue_id": venue.pk,
        "state": EventState.CANCELLED if found.cancelled else EventState.SCHEDULED,
        "search_text": fold(found.name, venue.name, venue.city, venue.state),
    }
    # A feed imported without its partner does not take the events away from the partner.
    return columns if partner is None else {**columns, "partner_id": partner.pk}


def _source(schedule: Schedule, partner: Partner | None, feed: str) -> str:
    """The feed this is: the one in which most numbers that both know mean the same game; else a new one."""
    numbers = {found.number: found for found in schedule.events}
    known = Event.objects.filter(source_id__in=numbers)
    # Nobody's file changes the events of another partner.
    known = known.filter(partner=None) | (known.filter(partner=partner) if partner else known.none())
    shared: Counter[str] = Counter()
    alike: Counter[str] = Counter()
    for event in known:
        found = numbers[event.source_id]
        shared[event.source] += 1
        teams_agree = (fold(event.home), fold(event.away)) == (fold(found.home), fold(found.away))
        alike[event.source] += schedule.global_numbers or (teams_agree and bool(found.home))
    for source, count in alike.most_common():
        if count * 2 >= shared[source]:
            return source
    return _free_source(feed)


def _free_source(feed: str) -> str:
    plain = slugify(feed)[:50] or "feed"
    taken = set(Event.objects.filter(source__startswith=plain).values_list("source", flat=True).distinct())
    names = [plain, *(f"{plain}-{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


def _trips_of(event: Event, different: Sequence[str]) -> tuple[str, ...]:
    if not set(different) & set(_MATTERS):
        return ()
    return tuple(
        Trip.objects.filter(event=event, state__in=ALIVE).order_by("code").values_list("code", flat=True)
    )


def _free_codes(events: Sequence[Event]) -> None:
    """Give another code to events whose code is taken, by an event that we have or by another new one."""
    while clashing := _clashing(events):
        for event in clashing:
            event.code = codes.short()


def _clashing(events: Sequence[Event]) -> list[Event]:
    taken = set(
        Event.objects.filter(code__in=[event.code for event in events]).values_list("code", flat=True)
    )
    clashing = []
    for event in events:
        if event.code in taken:
            clashing.append(event)
        taken.add(event.code)
    return clashing
