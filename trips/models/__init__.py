"""Tables of demand: events and where they are, trips, pledges and seats, promotion codes, invitations."""

from trips.models.events import Event, Partner, Venue
from trips.models.invitations import Friend, Invitation
from trips.models.places import Place
from trips.models.pledges import FreedSeat, Pledge, Seat
from trips.models.promotions import Promotion, PromotionUse
from trips.models.trips import FailedLeg, Stop, Trip

__all__ = [
    "Event",
    "FailedLeg",
    "FreedSeat",
    "Friend",
    "Invitation",
    "Partner",
    "Place",
    "Pledge",
    "Promotion",
    "PromotionUse",
    "Seat",
    "Stop",
    "Trip",
    "Venue",
]
