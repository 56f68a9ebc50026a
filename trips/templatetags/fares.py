"""What a seat costs now and what it may fall to, for pages."""

from __future__ import annotations

from django import template

from rally.money import Money
from trips.models import Stop, Trip
from trips.queries import fares
from trips.queries.fares import Step

register = template.Library()


@register.filter
def price_now(stop: Stop) -> Money:
    """One seat from this stop (with its trip) as things stand."""
    return fares.price(stop, fares.percent_now(stop.trip))


@register.filter
def price_next(stop: Stop) -> Money | None:
    """The same once the next step is reached; None where there is none."""
    step = fares.next_step(stop.trip)
    return fares.price(stop, step.percent) if step else None


@register.filter
def price_to_agree(stop: Stop, seats: int) -> Money:
    """The most somebody pays for a seat from this stop who takes so many now."""
    return fares.to_agree(stop, seats)


@register.filter
def next_step(trip: Trip) -> Step | None:
    """How many seats are missing until everybody pays less."""
    return fares.next_step(trip)


@register.filter
def falls_to(trip: Trip, fare: Money) -> Money | None:
    """What this fare becomes with every seat taken, where that is less than it is now."""
    least, now = fares.lowest_percent(trip), fares.percent_now(trip)
    return fares.of(fare, least) if least < now else None


@register.filter
def now_for(trip: Trip, fare: Money) -> Money:
    """What this fare is as things stand."""
    return fares.of(fare, fares.percent_now(trip))
