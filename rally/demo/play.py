"""Playing one scene of the market: each deed is a real action, done at its own moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from operators.actions import runs
from operators.models import Operator, Run, Vehicle
from operators.states import Leg, Role
from payments.actions import checkouts
from payments.models import Checkout
from payments.sandbox import runtime
from payments.sandbox.checkout import Typed
from rally import clock
from rally.demo import drivers, fleet
from rally.demo.scenes import MEETING_POINTS, End, Scene
from rally.models import User
from trips.actions import pledges, proposals, trips
from trips.actions.pledges import Passenger
from trips.actions.proposals import NewStop
from trips.models import Event, Place, Pledge, Stop, Trip
from trips.queries import fares, terms
from trips.states import Need, Visibility

GOOD_CARDS = (
    "4242424242424242",
    "5555555555554444",
    "4000056655665556",
    "6011111111111117",
    "378282246310005",
)
CARD_REFUSED_LATER = "4000000000000341"
_PARTIES = (1, 2, 3, 4, 4, 6)  #: how many seats people take at once
_PRESENT = timedelta(minutes=25)  #: the last deeds lie so far back
#: The cards are being mended since a while; nobody joins what was called off.
_BEFORE = {End.SETTLING: timedelta(hours=2), End.CANCELLED: timedelta(hours=26)}

Deed = Callable[[], None]


@dataclass(frozen=True)
class Cue:
    """One deed and its moment."""

    at: datetime
    deed: Deed


@dataclass
class Performance:
    """One scene, its event, the people in it, and the trip once it is proposed."""

    scene: Scene
    event: Event
    stops: list[NewStop]
    captain: User
    riders: Iterator[User]
    guest: User | None
    company: Operator | None
    chance: Random
    trip: Trip = field(init=False)

    def cues(self, now: datetime) -> list[Cue]:
        """All deeds of the scene that lie before `now`, in their order."""
        begun = min(
            now - timedelta(days=self.scene.since), self.event.starts_at - timedelta(days=9, hours=12)
        )
        found = [Cue(begun, self._propose)]
        found += self._joining(begun, self._all_in_by(begun, now))
        if self.scene.bus:
            found.append(Cue(begun + timedelta(hours=30), self._commit))
        if self.scene.end is End.CANCELLED:
            found.append(Cue(now - timedelta(days=1), self._call_off))
        if self.scene.end in {End.UNDER_WAY, End.COMPLETED}:
            found += self._day()
        return [cue for cue in found if cue.at <= now]

    def _all_in_by(self, begun: datetime, now: datetime) -> datetime:
        """When the last rider joins: before the decision, and before what comes after."""
        decided = self.event.starts_at - timedelta(days=8)
        last = min(now - _BEFORE.get(self.scene.end, _PRESENT), decided)
        return max(last, begun + timedelta(days=1))

    def _joining(self, begun: datetime, until: datetime) -> list[Cue]:
        """The captain first, then parties of one to four at uneven intervals, exactly as many seats as wanted."""
        parties = [1] if self.guest else []
        while sum(parties) < self.scene.seats - 1:
            parties.append(min(self.chance.choice(_PARTIES), self.scene.seats - 1 - sum(parties)))
        cards = [CARD_REFUSED_LATER] * self.scene.refused
        found = [Cue(begun + timedelta(minutes=4), lambda: self._join(self.captain, 1, self._card()))]
        span = until - begun - timedelta(hours=1)
        for place, seats in enumerate(parties, start=1):
            rider = self.guest if self.guest and place == 1 else next(self.riders)
            at = begun + timedelta(hours=1) + span * (place / len(parties)) ** 1.2
            card = cards.pop() if cards and place >= len(parties) - self.scene.refused else self._card()
            found.append(Cue(at, self._joins(rider, seats, card)))
        return found

    def _joins(self, rider: User, seats: int, card: str) -> Deed:
        return lambda: self._join(rider, seats, card)

    def _card(self) -> str:
        return self.chance.choice(GOOD_CARDS)

    def _propose(self) -> None:
        self.trip = proposals.propose(
            event_id=self.event.id,
            captain=self.captain,
            vehicle_class=self.scene.kind,
            stops=self.stops,
            threshold=None,
            visibility=Visibility.PUBLIC,
            falling_fares=self.scene.falls,
            now=clock.now(),
        )

    def _join(self, rider: User, seats: int, card: str) -> None:
        stops = list(Stop.objects.filter(trip=self.trip).order_by("position"))
        stop = stops[0] if len(stops) == 1 or self.chance.random() < 0.7 else self.chance.choice(stops[1:])
        family = rider.name.rsplit(" ", 1)[-1]
        names = [rider.name, *(f"{first} {family}" for first in self.chance.sample(_COMPANIONS, seats - 1))]
        needs: tuple[str, ...] = (self.chance.choice(_NEEDS),) if self.chance.random() < 0.06 else ()
        join(
            self.trip,
            stop,
            rider,
            [Passenger(name, needs if place == 0 else ()) for place, name in enumerate(names)],
            card=card,
        )

    def _commit(self) -> None:
        assert self.company is not None  # noqa: S101 - a scene with a bus has its company
        by = self.company.members.get(role=Role.OWNER).user
        bus = (
            Vehicle.objects.filter(operator=self.company, active=True, vehicle_class=self.scene.kind)
            .exclude(runs__trip__in=Trip.objects.filter(event__starts_at__date=self.event.starts_at.date()))
            .first()
        )
        driver = fleet.drivers(self.company)[self.scene.driver]
        assert bus is not None  # noqa: S101 - the companies are large enough for their scenes
        runs.commit(
            trip_id=self.trip.id,
            operator_id=self.company.id,
            vehicle_id=bus.id,
            driver_id=driver.id,
            now=clock.now(),
            by=by,
        )

    def _call_off(self) -> None:
        trips.cancel(trip_id=self.trip.id, now=clock.now(), by=self.captain)

    def _day(self) -> list[Cue]:
        """The day of the trip: boarding, leaving, arriving, heading back, being home. Its times are known beforehand."""
        times = proposals.plan(
            event=self.event,
            vehicle_class=self.scene.kind,
            stops=self.stops,
            threshold=None,
            now=self.event.starts_at - timedelta(days=9),
        ).quote.schedule
        few = timedelta(minutes=2)
        return [
            Cue(times.departs_at - 10 * few, lambda: self._board(Leg.OUTBOUND)),
            Cue(times.departs_at + few, lambda: self._step("start")),
            Cue(times.arrives_at, lambda: self._step("arrive")),
            Cue(times.leaves_at - 5 * few, lambda: self._board(Leg.RETURN)),
            Cue(times.leaves_at, lambda: self._step("head_back")),
            Cue(times.returns_at, lambda: self._step("complete")),
        ]

    def _board(self, leg: Leg) -> None:
        drivers.board(self._run(), leg, now=clock.now())

    def _step(self, verb: str) -> None:
        drivers.step(self._run(), verb, now=clock.now())

    def _run(self) -> Run:
        return Run.objects.live().select_related("person").get(trip=self.trip)


def join(trip: Trip, stop: Stop, rider: User, passengers: list[Passenger], *, card: str) -> Pledge:
    """Take seats and go through the hosted checkout with this card, as a rider does in the browser."""
    now = clock.now()
    trip.refresh_from_db()
    stop.trip = trip
    words = terms.terms(trip, fares.to_agree(stop, len(passengers)), now)
    pledge = pledges.make(
        trip_id=trip.id,
        rider=rider,
        stop_id=stop.id,
        passengers=passengers,
        consent_text=words.text,
        consent_version=words.version,
        consented=True,
        now=now,
    )
    to_pay = pledges.open_payment(pledge_id=pledge.id, now=now)
    address = "http://127.0.0.1" + pledge.get_absolute_url()
    checkouts.go(
        payment_id=to_pay.payment_id, mode=to_pay.mode, success_url=address, cancel_url=address, now=now
    )
    session = Checkout.objects.filter(payment_id=to_pay.payment_id).latest("created_at").session
    runtime.current().pay(session, Typed(number=card, expires=(12, now.year + 3), cvc="123", name=rider.name))
    checkouts.come_back(payment_id=to_pay.payment_id, now=now)
    return pledge


def stops_of(route: tuple[str, ...]) -> list[NewStop]:
    """The stops of a route: its towns, with the meeting point where there is one."""
    return [_stop(town) for town in route]


def _stop(town: str) -> NewStop:
    if town in MEETING_POINTS:
        name, latitude, longitude, address = MEETING_POINTS[town]
        return NewStop(name, latitude, longitude, address)
    name, state = town.split(", ")
    place = Place.objects.filter(name=name, state=state).order_by("-population").first()
    if place is None:
        raise LookupError(f"There is no place {town} in the gazetteer.")
    return NewStop(place.name, place.latitude, place.longitude)


_COMPANIONS = (
    "Alex Bo Casey Drew Eli Finn Gabi Hal Indy Jess Kit Lee Mika Nat Ozzie Pip Remy Sky Toni Val".split()
)
_NEEDS = (Need.STEP_FREE, Need.COMPANION, Need.CHILD_SEAT)
