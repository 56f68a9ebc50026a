"""What to try in the demo, in which order: the sights of the two-minute tour, as the market stands now."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import F
from django.urls import reverse
from django.utils.translation import gettext as _

from operators.models import Run
from operators.states import RunState
from payments.sandbox.cards import BY_NUMBER
from rally.demo import cast
from rally.demo.clock import title
from trips.models import Pledge, Trip
from trips.states import PledgeState, TripState


@dataclass(frozen=True)
class Step:
    """One thing to try: as whom, where, and the words of its button."""

    title: str
    text: str
    action: str
    url: str
    persona: str = ""


@dataclass(frozen=True)
class TestCard:
    """A card to pay with, and what comes of it."""

    spaced: str
    does: str


def cards() -> list[TestCard]:
    """The cards worth trying."""
    known = (
        ("4242424242424242", _("works")),
        ("4000002500003155", _("asks once for your bank's word (3-D Secure), then works")),
        (
            "4000000000000341",
            _("can be saved, and is refused when the trip is decided: the rider gets time for another card"),
        ),
        ("4000000000009995", _("is refused at once: not enough money")),
    )
    return [TestCard(BY_NUMBER[number].spaced, does) for number, does in known]


def sights() -> list[Step]:
    """The steps of the tour."""
    trip = nearly_there()
    address = trip.get_absolute_url() if trip else reverse("trips:home")
    name = title(trip) if trip else _("a trip near you")
    seats = trip.seats_to_go if trip else 0
    return [
        Step(
            _("Take the missing seat"),
            _(
                "%(trip)s lacks %(seats)s. Be Ana, join, agree to how your card is used, and pay with 4242 4242 4242 4242. Nothing is taken yet."
            )
            % {"trip": name, "seats": _("one seat") if seats == 1 else _("%(n)s seats") % {"n": seats}},
            _("Look at the trip as Ana"),
            address,
            "ana",
        ),
        Step(
            _("Send the bus"),
            _(
                "Be Otto, find the trip on the board and commit a coach and Dee as its driver. Now every card is asked, and if the money is really there, the trip is confirmed."
            ),
            _("See the board as Otto"),
            reverse("operators:board"),
            "otto",
        ),
        Step(
            _("See what the riders are told"),
            _("Everybody gets a mail, and Ana has a boarding pass now. Cleo, the captain, sees who comes."),
            _("Read the mails"),
            reverse("demo_mails"),
        ),
        Step(
            _("Drive"),
            _(
                "On the trip's page press “to departure” in the bar. Then be Dee: check riders in by name, by code or with the camera, leave, arrive, and bring everybody home."
            ),
            _("See Dee's day"),
            reverse("driving:today"),
            "dee",
        ),
        Step(
            _("Get paid"),
            _(
                "Move the clock on by three days. The operator's share is transferred; Otto sees it under Money."
            ),
            _("See the money as Otto"),
            reverse("operators:money"),
            "otto",
        ),
        Step(
            _("Then let one fail"),
            _(
                "Take a trip that lacks many seats and press “to the decision”. It does not run: every card is let go, nobody is charged, everybody is told."
            ),
            _("Find one"),
            _far_from_there(),
        ),
    ]


def nearly_there() -> Trip | None:
    """The gathering trip that lacks the fewest seats; one of Cleo's if there is one."""
    gathering = Trip.objects.select_related("event").filter(state=TripState.GATHERING, visibility="public")
    nearest = gathering.annotate(lacks=F("threshold") - F("seats_pledged")).order_by("lacks", "departs_at")
    return nearest.filter(captain__email=cast.BY_KEY["cleo"].email).first() or nearest.first()


def _far_from_there() -> str:
    trip = (
        Trip.objects.filter(state=TripState.GATHERING, visibility="public")
        .annotate(lacks=F("threshold") - F("seats_pledged"))
        .order_by("-lacks", "decides_at")
        .first()
    )
    return trip.get_absolute_url() if trip else reverse("trips:home")


def some_pass(of: str) -> str:
    """The address of a boarding pass of this person of the cast, or an empty word."""
    pledge = (
        Pledge.objects.filter(
            rider__email=cast.BY_KEY[of].email, state=PledgeState.PAID, trip__state=TripState.CONFIRMED
        )
        .order_by("trip__departs_at")
        .first()
    )
    seat = pledge.passengers.first() if pledge else None
    return seat.get_absolute_url() if seat else ""


def next_run(of: str) -> Run | None:
    """The next run that this driver of the cast has before them."""
    return (
        Run.objects.select_related("trip")
        .filter(driver__user__email=cast.BY_KEY[of].email, state=RunState.CONFIRMED)
        .order_by("trip__departs_at")
        .first()
    )
