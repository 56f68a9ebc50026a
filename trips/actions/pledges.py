"""What a rider does with a pledge, from joining to leaving. Each verb has its own room; callers need only this one."""

from trips.actions.changing import change_seats, hand_over
from trips.actions.joining import check_bus, check_open, join, make
from trips.actions.leaving import Leaving, leaving, withdraw
from trips.actions.passengers import Passenger, clean_name
from trips.actions.paying import ToPay, open_payment, pay_link

__all__ = [
    "Leaving",
    "Passenger",
    "ToPay",
    "change_seats",
    "check_bus",
    "check_open",
    "clean_name",
    "hand_over",
    "join",
    "leaving",
    "make",
    "open_payment",
    "pay_link",
    "withdraw",
]
