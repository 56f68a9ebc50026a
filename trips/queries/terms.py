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
from trips.states import TripState

#: Changes whenever a sentence of the consent changes; kept with each pledge beside the words themselves.
CONSENT_VERSION = "2026-11"

Ladder = Sequence[Sequence[int]]


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
            steps.append(_("all of it until %(time)s before departure") % {"time": _span(hours)})
        elif share:
            steps.append(_("%(share)s%% until %(time)s before") % {"share": share, "time": _span(hours)})
        else:
            steps.append(_("nothing after that"))
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
    lines = _lines(
        instrument,
        threshold=trip.threshold,
        decides_at=trip.decides_at,
        zone=trip.event.venue.time_zone,
        price=_price(fares),
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
        _(
            "The amount is %(price)s for each seat I take, there and back, fees included. It can never become more."
        )
        % {"price": price},
        later % {"threshold": threshold, "decides": local_time_zoned(decides_at, zone)},
        *(
            [_("If the bus becomes certain while I am paying, the same amount is charged at once.")]
            if instrument != Instrument.CHARGE
            else []
        ),
        leaving % {"ladder": ladder_in_words(ladder)},
        _("I can hand a seat to somebody else until departure. My card is used for nothing but this trip."),
    )


def _price(fares: Money | Sequence[Money]) -> str:
    if isinstance(fares, Money):
        return str(fares)
    least, most = min(fares, key=lambda fare: fare.minor), max(fares, key=lambda fare: fare.minor)
    return (
        str(least)
        if least == most
        else _("the price of my stop, %(least)s to %(most)s,") % {"least": least, "most": most}
    )
