"""Proposing a trip: worked out and judged first, then saved."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from rally import codes, journal, rules
from rally.errors import BadInput
from rally.geo import Point, distance_km
from rally.models import User
from rally.rules import Rules
from rally.templatetags.look import miles
from trips.errors import (
    AlreadyProposed,
    EventBegun,
    EventCancelled,
    FaresCannotFall,
    StopAtVenue,
    StopsOutOfOrder,
    ThresholdOutOfRange,
    TooFar,
    TooLate,
    TooLongOnDuty,
)
from trips.models import Event, Stop, Trip
from trips.models.events import EventState
from trips.pricing import ladders, quotes
from trips.pricing.quotes import Quote
from trips.queries import places
from trips.states import ALIVE, SEATS, THRESHOLDS, TRIP, VehicleClass, Visibility

CURRENCY = "USD"
#: Two stops nearer to each other than this are one.
SAME_STOP_KM = 0.2
_NAME, _ADDRESS = 120, 200


@dataclass(frozen=True, slots=True)
class NewStop:
    """A stop as somebody wants it. Degrees, WGS 84."""

    name: str
    latitude: float
    longitude: float
    address: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A trip that may be proposed as it stands: checked stops, their zones, and the quote."""

    stops: tuple[NewStop, ...]
    zones: tuple[str, ...]
    origin: str
    vehicle_class: VehicleClass
    quote: Quote
    #: How the fare falls as the coach fills; empty where it stands.
    ladder: list[list[int]]


def plan(
    *,
    event: Event,
    vehicle_class: str,
    stops: Sequence[NewStop],
    threshold: int | None,
    falling_fares: bool = False,
    now: datetime,
) -> Plan:
    """Work out a trip without saving anything; `event` comes with its venue. `threshold=None` takes the usual one.

    Raises what `propose` raises, in this order: BadInput, EventCancelled, EventBegun, ThresholdOutOfRange,
    FaresCannotFall, StopAtVenue, StopsOutOfOrder (with `facts["better"]`), TooFar, TooLongOnDuty, TooLate.
    """
    law = rules.current()
    kind = _vehicle_class(vehicle_class)
    clean = tuple(_clean(stop) for stop in _counted(stops, law))
    _refuse_doubles(clean)
    minimum = THRESHOLDS[kind] if threshold is None else threshold
    _check_event(event, now)
    _check_threshold(minimum, SEATS[kind], law)
    ladder = _ladder(minimum, SEATS[kind], law) if falling_fares else []

    points = [Point(stop.latitude, stop.longitude) for stop in clean]
    _check_distance(clean, points, event, law)
    quote = quotes.quote(
        vehicle_class=kind,
        seats=SEATS[kind],
        threshold=minimum,
        points=points,
        venue=event.venue.point,
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        now=now,
        rules=law,
        currency=CURRENCY,
    )
    _check_order(clean, quote)
    _check_hours(quote, law)
    found = [
        places.zone_and_town(point, stop.name, otherwise_zone=event.venue.time_zone)
        for point, stop in zip(points, clean, strict=True)
    ]
    _check_time(quote, found[0][0], now, law)
    return Plan(
        stops=clean,
        zones=tuple(zone for zone, _town in found),
        origin=found[0][1],
        vehicle_class=kind,
        quote=quote,
        ladder=ladder,
    )


@transaction.atomic
def propose(
    *,
    event_id: uuid.UUID,
    captain: User,
    vehicle_class: str,
    stops: Sequence[NewStop],
    threshold: int | None,
    visibility: str,
    falling_fares: bool = False,
    now: datetime,
) -> Trip:
    """Open a trip to an event: times, cost and fares are those of `plan` and stay as they are from then on.

    With `falling_fares` riders agree to the fare as the most they pay, and pay less the fuller the coach is.

    The same captain proposing the same trip twice (event, bus and stops alike) is refused while the first one lives and
    has seats left, so that a double press makes one trip. Raises `Event.DoesNotExist`, BadInput, EventCancelled,
    EventBegun, TooLate, TooFar, TooLongOnDuty, StopAtVenue, StopsOutOfOrder, ThresholdOutOfRange, FaresCannotFall,
    AlreadyProposed.
    """
    _one_at_a_time(captain, event_id)
    event = Event.objects.select_related("venue").get(pk=event_id)

    if visibility not in Visibility.values:
        raise BadInput(_("A trip is either public or for those with the link."), field="visibility")
    worked_out = plan(
        event=event,
        vehicle_class=vehicle_class,
        stops=stops,
        threshold=threshold,
        falling_fares=falling_fares,
        now=now,
    )
    _refuse_twin(event, captain, worked_out)

    trip = _save(event, captain, worked_out, visibility, now)

    journal.begin(trip, TRIP, now=now, by=captain, why="proposed")
    return trip


def draft(*, event: Event, worked_out: Plan, visibility: str, now: datetime) -> tuple[Trip, list[Stop]]:
    """The trip and its stops as they would be saved, unsaved and without a captain: what a preview shows."""
    quote = worked_out.quote
    times = quote.schedule
    trip = Trip(
        code="",
        event=event,
        visibility=visibility,
        vehicle_class=worked_out.vehicle_class,
        capacity=quote.seats,
        threshold=quote.threshold,
        origin=worked_out.origin,
        decides_at=quote.decides_at,
        departs_at=times.departs_at,
        arrives_at=times.arrives_at,
        leaves_at=times.leaves_at,
        returns_at=times.returns_at,
        distance_km=times.distance_km,
        drive_minutes=times.drive_minutes,
        currency=CURRENCY,
        cost_minor=quote.cost.bus.minor,
        cost_parts=quote.cost.parts(),
        platform_percent=quote.platform_percent,
        ladder=worked_out.ladder,
        created_at=now,
    )
    rows = zip(worked_out.stops, worked_out.zones, times.stops, quote.fares, strict=True)
    stops = [
        Stop(
            trip=trip,
            position=position,
            name=stop.name,
            address=stop.address,
            latitude=stop.latitude,
            longitude=stop.longitude,
            time_zone=zone,
            departs_at=at.departs_at,
            returns_at=at.returns_at,
            km_to_venue=at.km_to_venue,
            fare_minor=fare.minor,
            # The trigger keeps this when the trip changes; a new trip is gathering.
            findable=visibility == Visibility.PUBLIC,
        )
        for position, (stop, zone, at, fare) in enumerate(rows, start=1)
    ]
    return trip, stops


def _save(event: Event, captain: User, worked_out: Plan, visibility: str, now: datetime) -> Trip:
    trip, stops = draft(event=event, worked_out=worked_out, visibility=visibility, now=now)
    trip.code, trip.captain = _free_code(), captain
    trip.save(force_insert=True)
    Stop.objects.bulk_create(stops)
    return trip


def _free_code() -> str:
    """A code that no trip has: among half a million trips one in six hundred would be taken already."""
    while Trip.objects.filter(code=(code := codes.short())).exists():
        pass
    return code


# What is refused


def _vehicle_class(word: str) -> VehicleClass:
    if word not in VehicleClass.values:
        known = ", ".join(VehicleClass.values)
        raise BadInput(
            _("There is no such kind of bus. Choose one of: %(known)s.") % {"known": known},
            field="vehicle_class",
        )
    return VehicleClass(word)


def _counted(stops: Sequence[NewStop], law: Rules) -> Sequence[NewStop]:
    if not stops:
        raise BadInput(_("A trip needs at least one stop."), field="stops")
    if len(stops) > law.max_stops:
        raise BadInput(
            _("A trip has at most %(most)s stops; these are %(count)s.")
            % {"most": law.max_stops, "count": len(stops)},
            field="stops",
        )
    return stops


def _clean(stop: NewStop) -> NewStop:
    """The stop with tidy words. Raises `BadInput` for what is no name and no place on the earth."""
    name, address = _words(stop.name), _words(stop.address)
    if not name:
        raise BadInput(_("Each stop needs a name that riders will recognise."), field="stops")
    if len(name) > _NAME or len(address) > _ADDRESS:
        raise BadInput(
            _("The name of a stop has at most %(name)s characters, its address at most %(address)s.")
            % {"name": _NAME, "address": _ADDRESS},
            field="stops",
        )
    try:
        latitude, longitude = float(stop.latitude), float(stop.longitude)
        Point(latitude, longitude)
    except (TypeError, ValueError, OverflowError):
        raise BadInput(
            _("The coordinates of “%(stop)s” are not on the earth.") % {"stop": name}, field="stops"
        ) from None
    # Micro-degrees: a tenth of a metre is more than a bus needs.
    return NewStop(name, round(latitude, 6), round(longitude, 6), address)


def _words(text: str) -> str:
    """One line without control characters; directional marks of right-to-left scripts stay."""
    shown = "".join(
        " " if unicodedata.category(sign) in {"Cc", "Zl", "Zp", "Cs"} else sign for sign in str(text)
    )
    return " ".join(shown.split())


def _refuse_doubles(stops: Sequence[NewStop]) -> None:
    for later, stop in enumerate(stops):
        for other in stops[:later]:
            if distance_km(_point(stop), _point(other)) < SAME_STOP_KM:
                raise BadInput(
                    _("“%(one)s” and “%(other)s” are the same place. Remove one of them.")
                    % {"one": other.name, "other": stop.name},
                    field="stops",
                )


def _point(stop: NewStop) -> Point:
    return Point(stop.latitude, stop.longitude)


def _check_event(event: Event, now: datetime) -> None:
    if event.state == EventState.CANCELLED:
        raise EventCancelled
    if event.starts_at <= now:
        raise EventBegun


def _check_threshold(threshold: int, seats: int, law: Rules) -> None:
    least, most = quotes.threshold_range(seats, law)
    if not least <= threshold <= most:
        raise ThresholdOutOfRange(least=least, most=most)


def _ladder(threshold: int, seats: int, law: Rules) -> list[list[int]]:
    steps = ladders.build(threshold=threshold, capacity=seats, least_percent=law.ladder_least_percent)
    if not steps:
        raise FaresCannotFall(threshold=threshold, seats=seats)
    return steps


def _check_distance(stops: Sequence[NewStop], points: Sequence[Point], event: Event, law: Rules) -> None:
    for stop, point in zip(stops, points, strict=True):
        if distance_km(point, event.venue.point) < law.min_stop_km_from_venue:
            raise StopAtVenue(stop=stop.name, distance=miles(law.min_stop_km_from_venue))


def _check_order(stops: Sequence[NewStop], quote: Quote) -> None:
    if quote.order.is_nonsense:
        better = quote.order.best
        raise StopsOutOfOrder(
            extra=miles(quote.order.extra_km),
            names=", ".join(stops[old].name for old in better),
            better=list(better),
        )


def _check_hours(quote: Quote, law: Rules) -> None:
    times = quote.schedule
    if quote.too_much_driving:
        raise TooFar(hours=_hours(times.driving_minutes), most=_hours(law.max_driving_minutes))
    if quote.too_long_on_duty:
        raise TooLongOnDuty(hours=_hours(times.duty_minutes), most=_hours(law.max_duty_minutes))


def _hours(minutes: int) -> str:
    return f"{minutes / 60:.1f}".removesuffix(".0")


def _check_time(quote: Quote, zone: str, now: datetime, law: Rules) -> None:
    departs_at = quote.schedule.departs_at
    if departs_at - now < timedelta(hours=law.propose_hours_before):
        there = departs_at.astimezone(ZoneInfo(zone))
        raise TooLate(hours=law.propose_hours_before, departs=date_format(there, "l j F, H:i T"))


def _one_at_a_time(captain: User, event_id: uuid.UUID) -> None:
    """Put a captain's proposals to one event in line: two presses at once must not both find no twin."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"propose:{captain.pk}:{event_id}"]
        )


def _refuse_twin(event: Event, captain: User, worked_out: Plan) -> None:
    wanted = [(stop.latitude, stop.longitude) for stop in worked_out.stops]
    trips = Trip.objects.filter(
        event=event, captain=captain, vehicle_class=worked_out.vehicle_class, state__in=ALIVE
    ).prefetch_related("stops")
    for trip in trips:
        if trip.seats_left and [(stop.latitude, stop.longitude) for stop in trip.stops.all()] == wanted:
            raise AlreadyProposed(trip=trip.code)
