"""What a seat costs now and what it may fall to, for pages."""

from __future__ import annotations

from django import template
from django.utils.translation import gettext, ngettext

from rally.money import Money
from trips.models import Pledge, Stop, Trip
from trips.queries import fares
from trips.queries.fares import Rung

register = template.Library()


@register.filter
def price_now(stop: Stop) -> Money:
    """One seat from this stop (with its trip) as things stand."""
    return fares.price(stop, fares.percent_now(stop.trip))


@register.filter
def price_to_agree(stop: Stop, seats: int) -> Money:
    """The most somebody pays for a seat from this stop who takes so many now."""
    return fares.to_agree(stop, seats)


@register.simple_tag
def price_falls(stop: Stop) -> str:
    """What everybody from this stop pays now and at the next step, in one line; of a trip whose fare falls."""
    now, step = price_now(stop), fares.next_step(stop.trip)
    if step is None:
        return gettext("%(now)s now, and that is final") % {"now": now}
    return ngettext(
        "%(now)s now, %(then)s when %(seats)s are in: %(missing)s more",
        "%(now)s now, %(then)s when %(seats)s are in: %(missing)s more",
        step.missing,
    ) % {"now": now, "then": fares.price(stop, step.percent), "seats": step.seats, "missing": step.missing}


@register.simple_tag
def fare_steps(stop: Stop) -> list[Rung]:
    """The steps by which this stop's fare falls."""
    return fares.steps(stop.trip, stop)


@register.filter
def falls_to(trip: Trip, fare: Money) -> Money | None:
    """What this fare becomes with every seat taken, where that is less than it is now."""
    least, now = fares.lowest_percent(trip), fares.percent_now(trip)
    return fares.of(fare, least) if least < now else None


@register.filter
def now_for(trip: Trip, fare: Money) -> Money:
    """What this fare is as things stand."""
    return fares.of(fare, fares.percent_now(trip))


@register.simple_tag
def price_of_pledge(pledge: Pledge) -> str:
    """Where the price of somebody's seats stands, in sentences; nothing where the fare stands."""
    trip = pledge.trip
    if not trip.ladder:
        return ""
    if trip.fares_closed_at is not None:
        return gettext("The price is final: %(price)s a seat.") % {"price": pledge.price}
    step = fares.next_step(trip)
    ahead = ""
    if step is not None:
        fare = Money(pledge.stop.fare_minor, pledge.currency)
        ahead = gettext("It falls to %(then)s when %(seats)s are in: %(missing)s more.") % {
            "then": fares.of(fare, step.percent),
            "seats": step.seats,
            "missing": step.missing,
        }
    if pledge.price_minor is None:
        first = gettext("You agreed to at most %(fare)s a seat; the price is locked when the bus is certain.")
        return " ".join(filter(None, [first % {"fare": pledge.fare}, ahead]))
    first = gettext("The price was locked at %(price)s a seat and can only fall.") % {"price": pledge.price}
    owed = fares.accrued(pledge)
    back = gettext("Others joined since: %(back)s comes back to you before departure.") % {"back": owed}
    return " ".join(filter(None, [first, back if owed else "", ahead]))
