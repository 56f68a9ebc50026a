"""Finding: events by words, place and date; trips that still take riders, nearest first.

Text is compared by trigrams, so that "bufalo", "packrs" and "greenbay" find what they mean. Nearness runs along a GiST index in the order
of distance and stops as soon as the page is full, so that it takes the same time among five thousand trips and half a million.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.postgres.search import TrigramWordSimilarity
from django.db import connection, transaction
from django.db.models import (
    BooleanField,
    Count,
    Exists,
    ExpressionWrapper,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Coalesce, Greatest, Lower
from django.db.models.lookups import LessThanOrEqual

from rally import rules
from rally.geo import Point, distance_km
from rally.money import Money
from trips.importing.names import fold
from trips.importing.regions import STATES
from trips.models import Event, Partner, Place, Stop, Trip
from trips.models.events import EventState
from trips.queries.earth import gap, gap_of, inside
from trips.queries.nearest import nearest
from trips.states import JOINABLE, Visibility

#: Words are alike from this on (pg_trgm word similarity); when nothing is, from the second on.
ALIKE, BARELY_ALIKE = 0.5, 0.3
#: Of more matches than this only the best are looked at.
MOST_MATCHES = 500
_MOST_WORDS = 8
_SMALL_WORDS = {"at", "vs", "v", "the", "to", "in", "game", "games", "and", "a", "of"}


@dataclass(frozen=True, slots=True)
class Found:
    """A trip in a list: the stop to board at, how far that is from where the reader is (if known), and its fare."""

    trip: Trip
    stop: Stop
    km: float | None

    @property
    def fare(self) -> Money:
        """One seat from that stop."""
        return Money(self.stop.fare_minor, self.trip.currency)


# Events


def events(
    *,
    now: datetime,
    words: str = "",
    near: Point | None = None,
    km: float | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
    partner: Partner | None = None,
) -> QuerySet[Event]:
    """Events that take place, with venue, `forming`, the number of public trips that take riders, and `startable`.

    Best match first for words, else nearest first for `near`, else soonest first. Without `after` only what has not begun.
    """
    found = Event.objects.filter(state=EventState.SCHEDULED).select_related("venue")
    found = found.filter(starts_at__gte=after) if after else found.filter(starts_at__gt=now)
    if before:
        found = found.filter(starts_at__lt=before)
    if partner:
        found = found.filter(partner=partner)
    if near:
        found = found.annotate(gap=gap(near, "venue__"))
        if km is not None:
            found = found.filter(_within(near, km, "venue__"))
    orders = ["gap", "starts_at", "pk"] if near else ["starts_at", "pk"]
    if words.strip():
        found = _alike(found, words)
        orders = ["-alike", *orders]
    return found.annotate(forming=_forming(now), startable=_startable(now)).order_by(*orders)


def any_events(*, now: datetime) -> QuerySet[Event]:
    """All events, past and cancelled ones too, with venue, partner and `forming`: for the page of one."""
    return Event.objects.select_related("venue", "partner").annotate(forming=_forming(now))


def _startable(now: datetime) -> ExpressionWrapper[Q]:
    """There is time to gather riders, at least from next door: the same hours as `proposals`, without the way there."""
    numbers = rules.current()
    ahead = timedelta(hours=numbers.propose_hours_before, minutes=numbers.arrive_minutes_before)
    return ExpressionWrapper(Q(starts_at__gt=now + ahead), output_field=BooleanField())


def _forming(now: datetime) -> Coalesce:
    trips = _joinable(Trip.objects.filter(event=OuterRef("pk")), now).order_by().values("event")
    return Coalesce(Subquery(trips.annotate(count=Count("pk")).values("count")), 0)


def _joinable(trips: QuerySet[Trip], now: datetime) -> QuerySet[Trip]:
    return trips.filter(state__in=JOINABLE, visibility=Visibility.PUBLIC, departs_at__gt=now)


def _alike(found: QuerySet[Event], words: str) -> QuerySet[Event]:
    """Those whose words are like all words asked for, or like the whole; `alike` says how much, 0 to 1."""
    whole = fold(words)[:200]
    asked = [word for word in whole.split() if word not in _SMALL_WORDS][:_MOST_WORDS] or whole.split()[:1]
    if not asked:
        return found.none().annotate(alike=Value(0.0))
    by_word = sum(
        (TrigramWordSimilarity(word, "search_text") for word in asked[1:]),
        TrigramWordSimilarity(asked[0], "search_text"),
    )
    scored = found.annotate(
        alike=Greatest(TrigramWordSimilarity(whole, "search_text"), by_word / Value(float(len(asked))))
    )
    matches = {}
    for least in (ALIKE, BARELY_ALIKE):
        with transaction.atomic(), connection.cursor() as cursor:
            # The operator %> compares with this setting, and only the operator can use the index.
            cursor.execute("SELECT set_config('pg_trgm.word_similarity_threshold', %s, true)", [str(least)])
            each = Q()
            for word in asked:
                each &= Q(search_text__trigram_word_similar=word)
            like = scored.filter(each | Q(search_text__trigram_word_similar=whole))
            matches = dict(like.order_by("-alike", "starts_at").values_list("pk", "alike")[:MOST_MATCHES])
        if matches:
            break
    return scored.filter(pk__in=matches)


# Trips


def trips(
    *,
    now: datetime,
    near: Point | None = None,
    km: float | None = None,
    events: Iterable[Any] | None = None,
    states: Sequence[str] = JOINABLE,
    offset: int = 0,
    limit: int = 20,
) -> list[Found]:
    """Public trips in `states`; those that take riders only while they have not left.

    Nearest boarding stop first for `near`, else soonest departure first. `events` are keys of events. As many queries for many trips as for one.
    """
    if near and events is None and set(states) <= set(JOINABLE):
        return trips_near(near, now=now, km=km, states=states, offset=offset, limit=limit)
    rows = Trip.objects.filter(state__in=states, visibility=Visibility.PUBLIC)
    if set(states) <= set(JOINABLE):
        rows = rows.filter(departs_at__gt=now)
    if events is not None:
        rows = rows.filter(event__in=list(events))
    if near:
        stops = Stop.objects.filter(trip=OuterRef("pk")).annotate(gap=gap(near)).order_by("gap")
        if km is not None:
            rows = rows.filter(Exists(stops.filter(_within(near, km)).order_by()))
        rows = rows.annotate(gap=Subquery(stops.values("gap")[:1])).order_by("gap", "departs_at", "pk")
    else:
        rows = rows.order_by("departs_at", "pk")
    rows = _with_all(rows)[offset : offset + limit]
    return [_found(trip, near) for trip in rows]


def trips_near(
    near: Point,
    *,
    now: datetime,
    km: float | None = None,
    states: Sequence[str] = JOINABLE,
    offset: int = 0,
    limit: int = 20,
) -> list[Found]:
    """Public trips that take riders, nearest boarding stop first, each once. Four statements, however many trips.

    Walks the index of findable stops outward from `near` and stops at the limit. `states` are some of `JOINABLE`.
    """
    narrowed = None if set(states) == set(JOINABLE) else states
    found = nearest(near, now=now, km=km, states=narrowed, offset=offset, limit=limit)
    shown = [Found(trip, stop, distance_km(near, stop.point)) for trip, stop in found]
    return sorted(shown, key=lambda one: (round(one.km or 0), one.trip.departs_at))


def _with_all(rows: QuerySet[Trip]) -> QuerySet[Trip]:
    return rows.select_related("event__venue", "captain").prefetch_related(
        Prefetch("stops", Stop.objects.order_by("position"))
    )


def trip(code: str) -> Trip:
    """One trip by its code, public or not: who has the code has the link. Raises `Trip.DoesNotExist`."""
    return _with_all(Trip.objects.all()).get(code=code)


def _found(trip: Trip, near: Point | None) -> Found:
    """The trip at its nearest stop; without a place to be near to, at its cheapest."""
    stops = list(trip.stops.all())
    for stop in stops:
        stop.trip = trip
    if near is None:
        return Found(trip, min(stops, key=lambda stop: (stop.fare_minor, stop.position)), None)
    km, _position, stop = min((distance_km(near, stop.point), stop.position, stop) for stop in stops)
    return Found(trip, stop, km)


def _within(near: Point, km: float, prefix: str = "") -> Q:
    """Within `km` of `near`: the box is what the index knows, the ball inside it is what was asked."""
    return Q(inside(near, km, prefix)) & Q(LessThanOrEqual(gap(near, prefix), gap_of(km)))


# Places


def places(words: str, *, limit: int = 8) -> list[Place]:
    """Towns by the beginning of their name, largest first, then by likeness: "Madison, WI", "milwakee", "st louis"."""
    name, state = _name_and_state(words)
    if not name:
        return []
    rows = Place.objects.annotate(lower=Lower("name"))
    if state:
        rows = rows.filter(state=state)
    found: list[Place] = list(rows.filter(lower__startswith=name).order_by("-population")[:limit])
    for least in (ALIKE, BARELY_ALIKE):
        if len(found) >= limit or (found and least == BARELY_ALIKE):
            break
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('pg_trgm.word_similarity_threshold', %s, true)", [str(least)])
            like = (
                rows.filter(lower__trigram_word_similar=name)
                .exclude(pk__in=[place.pk for place in found])
                .annotate(alike=TrigramWordSimilarity(name, Lower("name")))
                .order_by("-alike", "-population")
            )
            found += like[: limit - len(found)]
    return found


def place_meant(words: str) -> Place | None:
    """The town somebody means who typed this and chose nothing from the list: its slug, else the best match."""
    return Place.objects.filter(slug=words.strip().lower()[:120]).first() or next(
        iter(places(words, limit=1)), None
    )


def neighbours(place: Place, *, limit: int = 8) -> list[Place]:
    """The larger towns round a town, for links from its page: of the forty nearest the most people."""
    near: Iterable[Place] = (
        Place.objects.exclude(pk=place.pk).annotate(gap=gap(place.point)).order_by("gap")[:40]
    )
    return sorted(near, key=lambda one: -one.population)[:limit]


def _name_and_state(words: str) -> tuple[str, str]:
    """`("st louis", "MO")` of "St. Louis, Missouri" and "st louis mo"; no state if none is named."""
    name = fold(words)[:100]
    # The longest first: West Virginia is not Virginia.
    for code, state in sorted(STATES.items(), key=lambda one: -len(one[1])):
        for ending in (f" {code.lower()}", f" {state}"):
            if name.endswith(ending):
                return name.removesuffix(ending), code
    return name, ""
