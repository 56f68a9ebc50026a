"""Tables of demand: events and where they are, trips, pledges and seats."""

from trips.models.events import Event, Partner, Venue
from trips.models.places import Place
from trips.models.pledges import Pledge, Seat
from trips.models.trips import Stop, Trip

__all__ = ["Event", "Partner", "Place", "Pledge", "Seat", "Stop", "Trip", "Venue"]
