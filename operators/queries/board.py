"""The board: trips that look for a bus, with the money behind them and what the run would pay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import F, IntegerField, Min, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, Least

from operators.duty import plans
from operators.duty.plans import Duty
from operators.models import Operator
from operators.queries.agreements import in_words, pay_for
from rally.geo import distance_km
from rally.money import Money
from rally.rules import Rules
from trips.models import Pledge, Stop, Trip
from trips.models.events import EventState
from trips.queries import fares
from trips.queries.earth import gap, inside
from trips.states import FUNDED, PLEDGED, TripState, Visibility

#: How the board can be sorted; the first is the usual way.
ORDERS = ("distance", "date", "riders")
NEAR_KM = 241  #: 150 miles


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the board is narrowed to. Dates are days at the depot; `within_km` None is everywhere."""

    vehicle_class: str = ""
    after: date | None = None
    before: date | None = None
    within_km: int | None = NEAR_KM
    order: str = ORDERS[0]


@dataclass(frozen=True, slots=True)
class Offer:
    """One trip as the board shows it to one company.

    `pledged` is what riders have put a card behind, `held` the part that banks have set aside or that is paid.
    `pay_at_least` is the pay if the trip runs with just its threshold, from the cheapest stop; `pay_today` with the
    riders there are now; both by the terms that `paid` puts into words.
    """

    trip: Trip
    first_stop: Stop
    away_km: int
    duty: Duty
    pledged: Money
    held: Money
    pay_at_least: Money
    pay_today: Money
    too_long: bool
    paid: str


def open_stops(operator: Operator, wanted: Wanted, now: datetime) -> QuerySet[Stop]:
    """First stops of the trips that look for a bus, sorted as wanted, each with its trip and sums of money."""
    stops = Stop.objects.filter(_looking_for_a_bus(now), position=1)
    if wanted.within_km is not None:
        stops = stops.filter(pk__in=_near(operator, wanted.within_km))
    if wanted.vehicle_class:
        stops = stops.filter(trip__vehicle_class=wanted.vehicle_class)
    zone = ZoneInfo(operator.time_zone)
    if wanted.after:
        stops = stops.filter(trip__departs_at__gte=datetime.combine(wanted.after, time(), zone))
    if wanted.before:
        stops = stops.filter(
            trip__departs_at__lt=datetime.combine(wanted.before + timedelta(days=1), time(), zone)
        )
    return with_money(stops).annotate(gap=gap(operator.point)).order_by(*_ordering(wanted.order))


def with_money(stops: QuerySet[Stop]) -> QuerySet[Stop]:
    """First stops with their trip and what an offer is made of, in one query."""
    return stops.select_related("trip__event__venue").annotate(
        pledged_minor=_sum_of(PLEDGED), held_minor=_sum_of(FUNDED), lowest_fare=_lowest_fare()
    )


def offers(operator: Operator, stops: Sequence[Stop], rules: Rules, *, terms: dict[str, Any]) -> list[Offer]:
    """What the board shows for these stops of `open_stops`, on the terms that a run would have. No query."""
    return [offer(operator, stop, rules, terms=terms) for stop in stops]


def offer(operator: Operator, stop: Any, rules: Rules, *, terms: dict[str, Any]) -> Offer:
    """What one trip means for one company; `stop` is its first, from `with_money`."""
    trip: Trip = stop.trip
    duty = plans.plan(
        depot=operator.point,
        first_stop=stop.point,
        departs_at=trip.departs_at,
        returns_at=trip.returns_at,
        distance_km=trip.distance_km,
        rules=rules,
    )
    pledged = Money(stop.pledged_minor, trip.currency)
    return Offer(
        trip=trip,
        first_stop=stop,
        away_km=round(distance_km(operator.point, stop.point)),
        duty=duty,
        pledged=pledged,
        held=Money(stop.held_minor, trip.currency),
        pay_at_least=pay_for(terms, trip, Money(stop.lowest_fare * trip.threshold, trip.currency)),
        pay_today=pay_for(terms, trip, _with_todays_riders(trip, pledged)),
        too_long=duty.driving_minutes > rules.max_driving_minutes
        or duty.duty_minutes > rules.max_duty_minutes,
        paid=in_words(terms, trip),
    )


def _with_todays_riders(trip: Trip, pledged: Money) -> Money:
    """What they will pay at least: a price that falls is not locked yet, and would be by the seats there are."""
    return pledged if trip.locked_percent is not None else pledged.percent(fares.percent_now(trip))


def offer_of(operator: Operator, trip: Trip, rules: Rules, *, terms: dict[str, Any]) -> Offer:
    """What this trip means for this company on these terms, whatever its state."""
    stop = with_money(Stop.objects.filter(trip=trip, position=1)).get()
    return offer(operator, stop, rules, terms=terms)


def _looking_for_a_bus(now: datetime) -> Q:
    gathering = Q(trip__state=TripState.GATHERING, trip__decides_at__gt=now, trip__seats_supplied=0)
    without_bus = Q(trip__state=TripState.CONFIRMED, trip__departs_at__gt=now, trip__seats_supplied=0)
    return (gathering | without_bus) & Q(trip__event__state=EventState.SCHEDULED)


def _near(operator: Operator, km: int) -> Any:
    """Ids of first stops within the distance, in two halves: the index holds what everybody finds.

    A trip known only by its link wants a bus as much as any other; there are few of them.
    """
    first = Stop.objects.filter(inside(operator.point, km), position=1)
    public = first.filter(findable=True)
    private = first.filter(
        findable=False,
        trip__visibility=Visibility.LINK,
        trip__state__in=[TripState.GATHERING, TripState.CONFIRMED],
    )
    return public.values("pk").union(private.values("pk"), all=True)


def _sum_of(states: Sequence[str]) -> Coalesce:
    rows = (
        Pledge.objects.filter(trip=OuterRef("trip_id"), state__in=states)
        .order_by()
        .values("trip")
        .annotate(sum=Sum(F("seats") * _price_in_force()))
        .values("sum")
    )
    return Coalesce(Subquery(rows, output_field=IntegerField()), 0)


def _price_in_force() -> Least:
    """The agreed price of a seat; once it is locked, the one to which it has fallen by now."""
    fallen = (F("stop__fare_minor") * Coalesce(F("trip__locked_percent"), 100) + 99) / 100
    return Least(Coalesce(F("price_minor"), F("fare_minor")), fallen)


def _lowest_fare() -> Subquery:
    rows = (
        Stop.objects.filter(trip=OuterRef("trip_id"))
        .order_by()
        .values("trip")
        .annotate(lowest=Min("fare_minor"))
        .values("lowest")
    )
    return Subquery(rows, output_field=IntegerField())


def _ordering(order: str) -> tuple[str, ...]:
    return {
        "date": ("trip__departs_at", "gap", "pk"),
        "riders": ("-trip__seats_pledged", "gap", "pk"),
    }.get(order, ("gap", "trip__departs_at", "pk"))
