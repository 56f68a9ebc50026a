"""A pledge as an entry in the rider's own calendar."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.utils.translation import gettext as _
from icalendar import Alarm, Calendar, Event

from trips.models import Pledge
from trips.queries.leaving import ride
from trips.states import TripState


def calendar_file(pledge: Pledge, now: datetime) -> bytes:
    """One entry from getting on to being back, in UTC; the same UID for ever, so that a second import replaces it."""
    trip, stop = pledge.trip, pledge.stop
    entry = Event()
    entry.add("uid", f"pledge-{pledge.id}@rally")
    entry.add("dtstamp", now)
    entry.add("dtstart", stop.departs_at)
    entry.add("dtend", max(stop.returns_at, stop.departs_at + timedelta(minutes=1)))
    entry.add("summary", str(trip))
    entry.add("location", f"{stop.name}, {stop.address}" if stop.address else stop.name)
    entry.add("geo", (stop.latitude, stop.longitude))
    entry.add("url", f"{settings.SITE_URL}{pledge.get_absolute_url()}")
    certain = trip.state in {TripState.CONFIRMED, TripState.UNDER_WAY, TripState.COMPLETED, TripState.CLOSED}
    over = trip.state in {TripState.LAPSED, TripState.CANCELLED} or not pledge.is_live
    entry.add("status", "CANCELLED" if over else "CONFIRMED" if certain else "TENTATIVE")
    entry.add(
        "description",
        _("%(event)s at %(venue)s. Seats: %(seats)s. Be at the stop ten minutes early.")
        % {
            "event": trip.event.name,
            "venue": trip.event.venue.name,
            "seats": sum(part.seats for part in ride(pledge)),
        },
    )
    reminder = Alarm()
    reminder.add("action", "DISPLAY")
    reminder.add("description", str(trip))
    reminder.add("trigger", timedelta(hours=-3))
    entry.add_component(reminder)
    file = Calendar()
    file.add("prodid", "-//Rally//Rides//EN")
    file.add("version", "2.0")
    file.add_component(entry)
    return bytes(file.to_ical())
