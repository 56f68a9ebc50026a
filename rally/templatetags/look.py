"""How facts are shown in pages and mails: the coach, money, times, colours and addresses of static files."""

from __future__ import annotations

import zlib
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django import template
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext

from rally import clock
from rally.coach import Coach, Look, Seat, plan
from rally.money import Money

register = template.Library()

#: How many event colours there are: the classes `hue-0` to `hue-23` in `static/css/tokens.css`.
HUES = 24

KM_PER_MILE = 1.609344

#: How long the usual coach of 56 seats is drawn.
_COACH_LENGTH = plan(capacity=56, threshold=1, taken=0).length

#: States in which the bus goes or went.
_GOING = {"confirmed", "under_way", "completed", "closed"}
#: States in which it will not.
_OFF = {"lapsed", "cancelled"}


class Fillable(Protocol):
    """What a trip must tell so that its coach can be drawn."""

    code: str
    state: str
    capacity: int
    threshold: int
    seats_pledged: int


class Priced(Protocol):
    """Anything that carries an exact amount."""

    minor: int
    currency: str


# The coach


@register.simple_tag
def coach(
    trip: Fillable, *, taken: int | None = None, mine: int = 0, fresh: int = 0, size: str = "full"
) -> SafeString:
    """The trip's bus from above as inline SVG. `taken` defaults to the seats pledged; the rest as in `coach_of`."""
    return coach_of(
        trip.capacity,
        trip.threshold,
        trip.seats_pledged if taken is None else taken,
        mine=mine,
        fresh=fresh,
        state=trip.state,
        size=size,
        key=trip.code,
    )


@register.simple_tag
def coach_of(
    capacity: int,
    threshold: int,
    taken: int,
    *,
    mine: int = 0,
    fresh: int = 0,
    state: str = "gathering",
    size: str = "full",
    key: str = "",
) -> SafeString:
    """A bus from above as inline SVG, from plain numbers of seats.

    `size` is `full` (trip page: seat by seat, with its mark in words), `card` (lists) or `mini` (beside a line of
    text). `state` is a trip's, or `empty` for a bus that only decorates. `key` names the trip, so that seats taken
    since the last look light up when the drawing is replaced.
    """
    drawn = plan(capacity=capacity, threshold=threshold, taken=taken, mine=mine, fresh=fresh)
    marked = state not in _GOING and state != "empty"
    labelled = size == "full" and marked
    parts = [_body(drawn), _seats_one_by_one(drawn) if size == "full" else _seats_together(drawn)]
    if marked:
        parts.append(_mark(drawn, threshold, state in _OFF, labelled=labelled))
    short = drawn.length < _COACH_LENGTH * 2 // 3
    return format_html(
        '<svg class="coach coach-{}{}{}" viewBox="-8 -12 {} {}" role="img" focusable="false"'
        ' data-coach="{}" data-taken="{}"><title>{}</title>{}</svg>',
        size,
        " coach-short" if short else "",
        " coach-going" if state in _GOING else " coach-off" if state in _OFF else "",
        # In a list all buses are drawn to one scale, so that a van looks smaller than a coach.
        (drawn.length if size == "full" else max(drawn.length, _COACH_LENGTH)) + 14,
        drawn.width + (54 if labelled else 24),
        key,
        taken,
        coach_text(capacity, threshold, taken, state),
        mark_safe("".join(parts)),  # noqa: S308 - each part was escaped when it was made
    )


@register.simple_tag
def coach_text(capacity: int, threshold: int, taken: int, state: str = "gathering") -> str:
    """The same in words: `18 of 25 seats needed`. For screen readers, mails and sharing."""
    if state in _GOING:
        return gettext("%(taken)s of %(capacity)s seats taken, and it goes") % {
            "taken": taken,
            "capacity": capacity,
        }
    if state in _OFF:
        return gettext("Did not run: it needed %(threshold)s seats") % {"threshold": threshold}
    if taken > threshold:
        return gettext("%(taken)s seats taken, %(threshold)s needed") % {
            "taken": taken,
            "threshold": threshold,
        }
    return gettext("%(taken)s of %(threshold)s seats needed") % {"taken": taken, "threshold": threshold}


@register.simple_tag
def coach_lines(capacity: int, threshold: int, taken: int, mine: int = 0) -> list[list[Seat | None]]:
    """The bus as lines of seats from front to back, for drawings made of table cells (mails)."""
    return plan(capacity=capacity, threshold=threshold, taken=taken, mine=mine).rows()


def _body(drawn: Coach) -> SafeString:
    """Wheels, mirrors, body, windscreen and the driver's place."""
    length, width = drawn.length, drawn.width
    rear = length - 110
    return format_html(
        '<path class="wheel" d="M84 -5h44M84 {below}h44M{rear} -5h44M{rear} {below}h44"/>'
        '<path class="mirror" d="M22 0l-9 -8M22 {width}l-9 8"/>'
        '<rect class="body" width="{length}" height="{width}" rx="24"/>'
        '<path class="screen" d="M16 22q-7 {half} 0 {glass}"/>'
        '<path class="wheelhouse" d="M35 {driver}v26m13 -23h3a6 6 0 0 1 6 6v8a6 6 0 0 1 -6 6h-3"/>',
        below=width + 5,
        rear=rear,
        width=width,
        length=length,
        half=(width - 44) // 2,
        glass=width - 44,
        driver=width - 48,
    )


def _cushion(seat: Seat) -> str:
    return f"M{seat.x + 6} {seat.y}h15a6 6 0 0 1 6 6v9a6 6 0 0 1-6 6h-15a6 6 0 0 1-6-6v-9a6 6 0 0 1 6-6z"


def _outline(seat: Seat) -> str:
    """A seat facing forward (left): a cushion, and its back as a line once somebody leans on it."""
    return _cushion(seat) + (f"M{seat.x + 21} {seat.y + 5}v11" if seat.look.startswith("on") else "")


def _seats_one_by_one(drawn: Coach) -> SafeString:
    """Each seat on its own, so that one can light up."""
    return format_html_join(
        "", '<path class="seat {}" d="{}"/>', ((s.look, _outline(s)) for s in drawn.seats)
    )


def _seats_together(drawn: Coach) -> SafeString:
    """All seats of a look in one path: a list of trips stays light."""
    paths = (
        (look, "".join(_cushion(s) for s in drawn.seats if s.look == look))
        for look in Look
        if any(s.look == look for s in drawn.seats)
    )
    return format_html_join("", '<path class="seat {}" d="{}"/>', paths)


def _mark(drawn: Coach, threshold: int, off: bool, *, labelled: bool) -> SafeString:
    """Where it starts to go: a line across the bus on a row boundary, else only a tick below the last needed row."""
    x = drawn.mark_x
    line = f"M{x} -10V{drawn.width + 10}" if drawn.mark_is_line else f"M{x - 20} {drawn.width + 3}v8"
    label = ""
    if labelled:
        words = gettext("needed %(threshold)s") if off else gettext("goes at %(threshold)s")
        label = format_html(
            '<text class="goes-at" x="{}" y="{}">{}</text>',
            max(70, min(x if drawn.mark_is_line else x - 20, drawn.length - 70)),
            drawn.width + 34,
            words % {"threshold": threshold},
        )
    return format_html('<path class="mark{}" d="{}"/>{}', "" if drawn.mark_is_line else " tick", line, label)


# Money


@register.filter
def money(amount: Priced | int | str | None, currency: str = "USD") -> str:
    """`$42` or `$42.50`: exact, cents only when there are some. Takes `Money`, or minor units and a currency."""
    if amount is None or isinstance(amount, str):  # Django gives "" for a name the context lacks
        return ""
    if isinstance(amount, int):
        return str(Money(amount, currency))
    return str(Money(amount.minor, amount.currency))


# Times


def _zone(zone: Any) -> tzinfo:
    """A zone from its name, itself, or something that has a `time_zone` (a stop, a venue)."""
    if isinstance(zone, tzinfo):
        return zone
    return ZoneInfo(str(getattr(zone, "time_zone", zone)))


def _there(moment: Any, zone: Any) -> datetime | None:
    """The moment by the wall clock of that place; `None` for what is no time, as template filters must not raise."""
    try:
        return moment.astimezone(_zone(zone)) if isinstance(moment, datetime) and moment.tzinfo else None
    except (ZoneInfoNotFoundError, ValueError):
        return None


def _day(there: date, pattern: str) -> str:
    """The date, with its year when that is not the year we are in."""
    year = clock.now().year
    return date_format(there, pattern if there.year == year else f"{pattern} Y")


@register.filter
def local_time(moment: datetime | None, zone: Any) -> str:
    """`Sunday 13 December, 19:20` in the zone of the place (a zone name, a stop or a venue)."""
    there = _there(moment, zone)
    return f"{_day(there, 'l j F')}, {there:%H:%M}" if there else ""


@register.filter
def local_time_zoned(moment: datetime | None, zone: Any) -> str:
    """The same with its zone, `Sunday 13 December, 19:20 CST`: where the reader may be somewhere else."""
    there = _there(moment, zone)
    if there is None:
        return ""
    name = there.tzname() or ""
    return f"{local_time(moment, zone)} {name if name.isalpha() else 'UTC' + name}".strip()


@register.filter
def local_day(moment: datetime | None, zone: Any) -> str:
    """`Sunday 13 December`."""
    there = _there(moment, zone)
    return _day(there, "l j F") if there else ""


@register.filter
def local_short(moment: datetime | None, zone: Any) -> str:
    """`Sun 13 Dec, 19:20`, for lists and tables."""
    there = _there(moment, zone)
    return f"{_day(there, 'D j M')}, {there:%H:%M}" if there else ""


@register.filter
def local_clock(moment: datetime | None, zone: Any) -> str:
    """`19:20`."""
    there = _there(moment, zone)
    return f"{there:%H:%M}" if there else ""


@register.filter
def local_weekday(moment: datetime | None, zone: Any) -> str:
    """`Sunday`, where the date is near and given elsewhere."""
    there = _there(moment, zone)
    return date_format(there, "l") if there else ""


@register.filter
def local_date(moment: datetime | None, zone: Any) -> date | None:
    """The date there, for Django's own `date` filter: `{{ event.starts_at|local_date:event.venue|date:"D" }}`."""
    there = _there(moment, zone)
    return there.date() if there else None


@register.simple_tag
def when(moment: datetime | None, zone: Any, style: str = "full") -> SafeString:
    """A `<time>` element that machines read too. `style`: full, zoned, day, short, clock or weekday."""
    shown = {
        "full": local_time,
        "zoned": local_time_zoned,
        "day": local_day,
        "short": local_short,
        "clock": local_clock,
        "weekday": local_weekday,
    }[style](moment, zone)
    there = _there(moment, zone)
    return format_html('<time datetime="{}">{}</time>', there.isoformat(), shown) if there else SafeString("")


@register.filter
def duration(length: timedelta | int | None) -> str:
    """`3 h 15 min`, `45 min`, `2 days`: from a timedelta or whole minutes, rounded down to the minute."""
    if length is None:
        return ""
    minutes = int(length.total_seconds() // 60) if isinstance(length, timedelta) else int(length)
    if minutes >= 48 * 60:
        days = minutes // (24 * 60)
        return ngettext("%(count)d day", "%(count)d days", days) % {"count": days}
    hours, minutes = divmod(max(0, minutes), 60)
    if hours and minutes:
        return gettext("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
    if hours:
        return gettext("%(hours)d h") % {"hours": hours}
    return gettext("%(minutes)d min") % {"minutes": minutes}


# Distances


@register.filter
def miles(km: float) -> str:
    """`253 miles`. We measure in kilometres, and so does the API; people read miles."""
    count = round(km / KM_PER_MILE)
    return ngettext("%(count)d mile", "%(count)d miles", count) % {"count": count}


# Colours


@register.filter
def hue(name: object) -> int:
    """The number of an event's colour, 0 to 23, the same for a name for ever: `class="hue-{{ event.name|hue }}"`."""
    return zlib.crc32(" ".join(str(name).casefold().split()).encode()) % HUES
