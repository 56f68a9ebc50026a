"""What a rider agrees to: by which instrument, until when, with what refund, in which words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from rally import clock, rules
from rally.money import Money
from rally.rules import Rules
from rally.templatetags.look import local_time_zoned
from trips.models import Trip
from trips.models.pledges import Instrument
from trips.pricing import ladders
from trips.states import TripState

#: Changes whenever a sentence of the consent changes; kept with each pledge beside the words themselves.
CONSENT_VERSION = "2026-11-22"

Ladder = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Falling:
    """How the price of a trip may fall, as far as the words need it: the steps ahead, and whether it is locked."""

    steps: tuple[tuple[int, int], ...]
    locked: bool
    closes_hours: int


@dataclass(frozen=True)
class Terms:
    """What is shown beside the button, and kept with the pledge word for word."""

    instrument: Instrument
    policy: list[list[int]]
    version: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The sentences as one text."""
        return "\n".join(self.lines)


def grace(moment: datetime, departs_at: datetime, numbers: Rules) -> timedelta:
    """How long a refused card may be mended: `grace_hours` (72), at most a quarter of the time to departure.

    Visa's off-session holds live 4 days 18 hours, so longer would lose the holds of those who were quick.
    """
    return max(timedelta(0), min(timedelta(hours=numbers.grace_hours), (departs_at - moment) / 4))


def card_due(moment: datetime, *, grace_ends_at: datetime, decides_at: datetime, numbers: Rules) -> datetime:
    """Until when a card that is refused at `moment`, while its trip settles, keeps its seats for sure.

    That is the end of the grace. Where the end decides the trip, those who wait are left the time to take the seats: for
    an offer and the way through the checkout, at most half of what there is.
    """
    if grace_ends_at < decides_at:
        return grace_ends_at  # the trip gathers again; then they are offered the seats
    theirs = timedelta(hours=numbers.waiting_offer_hours, minutes=numbers.reserve_minutes)
    return grace_ends_at - min(theirs, (grace_ends_at - moment) / 2)


def slack(moment: datetime, departs_at: datetime, numbers: Rules) -> timedelta:
    """How long after the grace an unanswered question to a bank may hold up the decision."""
    return max(timedelta(0), min(timedelta(hours=numbers.settle_slack_hours), (departs_at - moment) / 4))


def instrument_for(trip: Trip, now: datetime, numbers: Rules | None = None) -> Instrument:
    """Saved card, hold or charge for somebody who joins now.

    A hold lives 7 days with the rider present, less a day of caution (`hold_window_days`): it must outlast the
    decision, the grace for refused cards and the slack. Otherwise the card is saved and held at the decision.
    """
    numbers = numbers or rules.current()
    if trip.state == TripState.CONFIRMED:
        return Instrument.CHARGE
    if trip.state == TripState.SETTLING:
        return Instrument.HOLD
    settle_by = (
        trip.decides_at
        + grace(trip.decides_at, trip.departs_at, numbers)
        + timedelta(hours=numbers.settle_slack_hours)
    )
    return (
        Instrument.HOLD
        if settle_by <= now + timedelta(days=numbers.hold_window_days)
        else Instrument.SAVED_CARD
    )


def policy(numbers: Rules | None = None) -> list[list[int]]:
    """The refund ladder after confirmation, as kept with a pledge: `[[hours before departure, percent], …]`."""
    numbers = numbers or rules.current()
    return [
        [numbers.full_refund_hours, 100],
        [numbers.high_refund_hours, numbers.high_refund_percent],
        [numbers.low_refund_hours, numbers.low_refund_percent],
        [0, 0],
    ]


def refund_percent(ladder: Ladder, departs_at: datetime, now: datetime) -> int:
    """The share given back to somebody who leaves a confirmed trip now, in percent."""
    ahead = departs_at - now
    return next((share for hours, share in ladder if ahead >= timedelta(hours=hours)), 0)


def refund_of(paid: Money, percent: int) -> Money:
    """That share of what was paid; the odd cent goes to the rider."""
    return paid - paid.percent(100 - percent)


def ladder_in_words(ladder: Ladder) -> str:
    """`all of it until 7 days before departure, 75 % until 3 days before, …`."""
    steps = []
    for hours, share in ladder:
        if share == 100:
            steps.append(
                _("all of it until %(time)s before departure as long as the other riders still pay the bus")
                % {"time": _span(hours)}
            )
        elif share:
            steps.append(_("%(share)s%% until %(time)s before") % {"share": share, "time": _span(hours)})
        else:
            steps.append(_("nothing after that; and the rest as soon as somebody else pays for the seat"))
    return ", ".join(steps)


def _span(hours: int) -> str:
    if hours % 24 == 0 and hours > 24:
        return _("%(days)s days") % {"days": hours // 24}
    return _("%(hours)s hours") % {"hours": hours}


def terms(trip: Trip, fares: Money | Sequence[Money], now: datetime) -> Terms:
    """The words for this trip. `fares`: one seat's price, or the range of prices of its stops.

    They say what may be charged, when, how the amount is found, and what leaving costs, as card schemes ask of
    whoever keeps a card for later.
    """
    numbers = rules.current()
    instrument = instrument_for(trip, now, numbers)
    ladder = policy(numbers)
    alone = fares if isinstance(fares, Money) else fares[0] if len(set(fares)) == 1 else None
    lines = _lines(
        instrument,
        threshold=trip.threshold,
        decides_at=trip.decides_at,
        zone=trip.event.venue.time_zone,
        price=_price(fares),
        alone=alone,
        falling=_falling(trip, numbers),
        ladder=tuple(tuple(step) for step in ladder),
        read_in=(get_language(), clock.now().year),
    )
    return Terms(instrument=instrument, policy=ladder, version=CONSENT_VERSION, lines=lines)


@lru_cache(maxsize=512)
def _lines(
    instrument: Instrument,
    *,
    threshold: int,
    decides_at: datetime,
    zone: str,
    price: str,
    alone: Money | None,
    falling: Falling | None,
    ladder: Ladder,
    read_in: tuple[str | None, int],  # noqa: ARG001 - the language, and the year that a date need not name
) -> tuple[str, ...]:
    """The sentences. On a hot on-sale they are the same for everybody, so they are kept."""
    later = {
        Instrument.SAVED_CARD: _(
            "Rally keeps my card and charges nothing today. When %(threshold)s seats are in and a bus is bound, at the"
            " latest on %(decides)s, my bank is asked to hold the amount. Only if the bus is certain is it charged."
            " If it does not run, the hold is let go and I pay nothing."
        ),
        Instrument.HOLD: _(
            "My bank sets the amount aside now; nothing is charged yet. It is charged only when %(threshold)s seats are"
            " held and a bus is bound, at the latest soon after %(decides)s. If the bus does not run, the hold is let"
            " go and I pay nothing."
        ),
        Instrument.CHARGE: _(
            "The bus is certain, so my card is charged now. If it is called off I get all of it back."
        ),
    }[instrument]
    leaving = (
        _("If I leave I get back: %(ladder)s.")
        if instrument == Instrument.CHARGE
        else _("I can leave free of charge until the bus is certain. After that I get back: %(ladder)s.")
    )
    return (
        *_amount(price, alone, falling),
        later % {"threshold": threshold, "decides": local_time_zoned(decides_at, zone)},
        *_while_it_is_decided(instrument, falling),
        leaving % {"ladder": ladder_in_words(ladder)},
        _("I can hand a seat to somebody else until departure. My card is used for nothing but this trip."),
    )


def _while_it_is_decided(instrument: Instrument, falling: Falling | None) -> tuple[str, ...]:
    if instrument == Instrument.CHARGE:
        return ()
    if falling is None:
        return (_("If the bus becomes certain while I am paying, the same amount is charged at once."),)
    return (
        _("My bank sets the highest amount aside; only the locked price is charged, and the rest is let go."),
        _("If the bus becomes certain while I am paying, the locked price is charged at once."),
    )


def _falling(trip: Trip, numbers: Rules) -> Falling | None:
    """Nothing for a fare that stands, and for one that cannot fall any more: then it is the amount, and that is all."""
    if not trip.ladder or trip.fares_closed_at is not None:
        return None
    locked = trip.locked_percent is not None
    now = 100 if trip.locked_percent is None else trip.locked_percent
    steps = tuple(
        (seats, percent) for seats, percent in trip.ladder if percent < now and seats <= trip.capacity
    )
    return Falling(steps, locked, numbers.fares_close_hours_before) if steps else None


def _amount(price: str, alone: Money | None, falling: Falling | None) -> tuple[str, ...]:
    """How the amount is found."""
    if falling is None or falling.locked:
        first = _(
            "The amount is %(price)s for each seat I take, there and back, fees included. It can never become more."
        ) % {"price": price}
    else:
        first = _(
            "The amount is at most %(price)s for each seat I take, there and back, fees included. It can never become"
            " more, and it falls as the coach fills: to %(steps)s."
        ) % {"price": price, "steps": steps_in_words(falling.steps, alone)}
    if falling is None:
        return (first,)
    if falling.locked:
        then = _(
            "When later riders make the price fall for everybody, I get the difference back once, %(hours)s hours before"
            " departure."
        )
    else:
        then = _(
            "The price is locked by the seats whose money is held when the bus becomes certain, for everybody by the"
            " same share of their fare. From then on it can only fall: what later riders save me comes back once,"
            " %(hours)s hours before departure."
        )
    return (first, then % {"hours": falling.closes_hours})


def steps_in_words(steps: Ladder, fare: Money | None) -> str:
    """`$38 from 33 seats, $30.50 from 41 seats`; in percent of the fare where there are several fares."""
    shown = []
    for seats, percent in steps:
        if fare is None:
            shown.append(
                _("%(percent)s%% of that from %(seats)s seats") % {"percent": percent, "seats": seats}
            )
        else:
            cost = Money(ladders.price(fare.minor, percent), fare.currency)
            shown.append(_("%(price)s from %(seats)s seats") % {"price": cost, "seats": seats})
    return ", ".join(shown)


def _price(fares: Money | Sequence[Money]) -> str:
    if isinstance(fares, Money):
        return str(fares)
    least, most = min(fares, key=lambda fare: fare.minor), max(fares, key=lambda fare: fare.minor)
    return (
        str(least)
        if least == most
        else _("the price of my stop, %(least)s to %(most)s,") % {"least": least, "most": most}
    )
