"""Moving the demo's clock: it stops wherever something is due, does the due work, and says what happened."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from celery import current_app
from django.conf import settings
from django.db.models import Max, Min, QuerySet, Sum
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from operators.models import Run
from operators.states import RunState
from payments.models import InboxEvent, LedgerTransfer, Operation, Payment, Transfer
from payments.models.ledger import Account
from payments.states import InboxState, OperationState, PaymentState, TransferState
from rally import clock, codes, rules
from rally.demo import drivers
from rally.errors import BadInput
from rally.later import load_tasks
from rally.models import Notice, StateChange
from rally.models.notices import NoticeState
from rally.money import Money
from trips.models import Pledge, Trip
from trips.queries import stranded
from trips.states import PledgeState, TripState

#: What beat would send, in the order in which one thing leads to the next. Both may run at once: each is repeatable.
DUE_WORK = (
    "trips.expire_drafts",
    "payments.check_holds",
    "trips.settle_due",
    "trips.close_fares",
    "payments.run_operations",
    "payments.poll_events",
    "payments.read_inbox",
    "payments.announce",
    "operators.sweep_runs",
    "payments.send_transfers",
    "payments.hand_back_due",
    "trips.remind",
    "rally.deliver_notices",
)
ZONE = "America/Chicago"  #: where most of the cast lives, when no trip says otherwise
_FURTHEST = timedelta(days=400)
_ROUNDS = 25
_PATIENCE = 20.0  # seconds of real time for the work of one moment
_STOPS = 60  # moments on the way at which work is done
_TOGETHER = timedelta(minutes=5)  # what is due so close together is done in one go
_LINES = 12
_RUNNING = (TripState.CONFIRMED, TripState.UNDER_WAY)
_OF_THE_DAY = ("departs_at", "arrives_at", "leaves_at", "returns_at")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_STEP = re.compile(r"^\+(\d{1,5})([mhdw])$")


@dataclass(frozen=True)
class Mark:
    """A place in the books, to tell later what is new since."""

    at: datetime
    journal: int


class NothingAhead(BadInput):
    """There is no trip to whose decision or departure one could move."""

    code = "nothing_ahead"


def forward(*, to: datetime) -> list[str]:
    """Move the clock to this moment, doing what is due on the way; answers what happened, in sentences.

    Raises `BadInput` for a moment that is past or more than 400 days ahead.
    """
    start = clock.now()
    if to < start:
        raise BadInput(_("The clock only moves forward: holds and deadlines know no way back."), "move")
    if to > start + _FURTHEST:
        raise BadInput(_("That is too far: at most 400 days at once."), "move")
    mark = place_in_books()
    for _stop in range(_STOPS):
        moment = next_due(clock.now(), to)
        if moment is None:
            break
        _move_to(min(to, moment + _TOGETHER))
        drivers.drive(clock.now())
        work()
    _move_to(to)
    drivers.drive(clock.now())
    work()
    return [_now_is(clock.now()), *news_since(mark)]


def when(text: str, *, trip: str = "") -> datetime:
    """The moment that `+7d`, `+2h`, `+90m`, `hour`, `day`, `decision`, `departure` or an ISO time with zone means now.

    `trip` is the code of the trip whose decision or departure is meant; without it, the next one ahead. Raises
    `BadInput`.
    """
    now = clock.now()
    text = {"hour": "+1h", "day": "+1d"}.get(text, text.strip())
    step = _STEP.match(text)
    if step:
        return now + timedelta(**{_UNITS[step[2]]: int(step[1])})
    if text == "decision":
        return _ahead("decides_at", now, trip, (TripState.GATHERING, TripState.SETTLING))
    if text == "departure":
        return _ahead("departs_at", now, trip, (TripState.CONFIRMED, TripState.GATHERING, TripState.SETTLING))
    try:
        return clock.parse(text)
    except ValueError:
        raise BadInput(
            _(
                "Say how far: +7d, +2h, +90m, decision, departure, or a time such as 2026-12-13T19:20:00-06:00."
            ),
            "move",
        ) from None


def work(tasks: tuple[str, ...] = DUE_WORK) -> None:
    """Do what is due now, again and again until nothing changes any more."""
    if not set(tasks) <= set(current_app.tasks):
        load_tasks()
    patience = time.monotonic() + _PATIENCE
    before = _pulse()
    for _round in range(_ROUNDS):
        for name in tasks:
            current_app.tasks[name].apply(throw=True)
        after = _pulse()
        if after == before and not _outstanding():
            return
        if time.monotonic() > patience:
            return  # the worker and the sweeps go on; the page need not wait
        before = after


def next_due(after: datetime, until: datetime) -> datetime | None:
    """The first moment in (after, until] at which something is due, or None."""
    times = (
        _first(Trip.objects.filter(state__in=[TripState.GATHERING, TripState.SETTLING]), "decides_at", after),
        _first(Trip.objects.filter(state=TripState.SETTLING), "grace_ends_at", after),
        *(_first(Trip.objects.filter(state__in=_RUNNING), moment, after) for moment in _OF_THE_DAY),
        *_before_departure(after),
        _first(Pledge.objects.filter(state=PledgeState.DRAFT), "reserved_until", after),
        _first(Pledge.objects.filter(state=PledgeState.NEEDS_CARD), "card_due_at", after),
        _first(Payment.objects.filter(state=PaymentState.HELD), "hold_expires_at", after),
        _first(Transfer.objects.filter(state=TransferState.PENDING), "due_at", after),
        _first(Notice.objects.filter(state=NoticeState.WAITING), "due_at", after),
    )
    ahead = [moment for moment in times if moment is not None and moment <= until]
    return min(ahead) if ahead else None


def place_in_books() -> Mark:
    """Where the journal ends now."""
    return Mark(at=clock.now(), journal=StateChange.objects.aggregate(last=Max("id"))["last"] or 0)


def news_since(mark: Mark) -> list[str]:
    """What changed since then, in sentences, trips first."""
    changes = StateChange.objects.filter(id__gt=mark.journal).order_by("id")
    last = {(noun, subject): new for noun, subject, new in changes.values_list("noun", "subject", "new")}
    lines = [
        *_about_trips(last),
        *_about_runs(last),
        *_about_pledges(last),
        *_about_pay(mark),
        *_about_mail(mark),
    ]
    if len(lines) > _LINES:
        rest = len(lines) - _LINES
        lines = [*lines[:_LINES], ngettext("and %(n)s more", "and %(n)s more", rest) % {"n": rest}]
    return lines or [_("Nothing was due.")]


@contextmanager
def played_from(moment: datetime) -> Iterator[None]:
    """Let this process live at `moment`, until it catches up with the demo's clock; other processes notice nothing.

    For telling the market's past: its deeds are done by the real actions, at the times at which they were done.
    """
    real = settings.CLOCK_FILE
    behind = moment - timezone.now()
    private = settings.STATE_DIR / "clock-of-the-past.json"
    try:
        private.write_text(json.dumps({"offset_seconds": behind.total_seconds()}))
        settings.CLOCK_FILE = str(private)
        yield
    finally:
        settings.CLOCK_FILE = real
        private.unlink(missing_ok=True)


def _move_to(moment: datetime) -> None:
    clock.move(max(timedelta(0), moment - clock.now()))


def _ahead(field: str, now: datetime, trip: str, states: tuple[TripState, ...]) -> datetime:
    ahead = Trip.objects.filter(**{f"{field}__gt": now})
    ahead = ahead.filter(code=codes.clean(trip)) if trip else ahead.filter(state__in=states)
    moment: datetime | None = ahead.aggregate(first=Min(field))["first"]
    if moment is None and trip:
        raise NothingAhead(_("That moment of this trip is behind us."), "move")
    if moment is None:
        raise NothingAhead(_("No trip is ahead of us. Propose one first."), "move")
    return moment


def _first(rows: QuerySet[Any], field: str, after: datetime) -> datetime | None:
    found: datetime | None = rows.filter(**{f"{field}__gt": after}).aggregate(first=Min(field))["first"]
    return found


def _before_departure(after: datetime) -> list[datetime | None]:
    """When the next boarding passes go out, and when the next trip that lost its bus is called off."""
    numbers = rules.current()
    going = Trip.objects.filter(state=TripState.CONFIRMED, seats_supplied__gt=0, told_passes_at=None)
    moments: list[datetime | None] = []
    for trips, hours in (
        (going, numbers.boarding_pass_hours_before),
        (stranded.without_bus(), numbers.another_bus_hours_before),
    ):
        ahead = timedelta(hours=hours)
        departure = _first(trips, "departs_at", after + ahead)
        moments.append(departure - ahead if departure else None)
    return moments


def _pulse() -> tuple[int | None, int, int]:
    """Changes whenever anything was done."""
    return (
        StateChange.objects.aggregate(last=Max("id"))["last"],
        Notice.objects.exclude(state=NoticeState.WAITING).count(),
        InboxEvent.objects.filter(state=InboxState.WAITING).count(),
    )


def _outstanding() -> bool:
    """Something is due that nobody has finished: perhaps the worker is at it right now."""
    now = clock.now()
    return (
        Operation.objects.filter(state=OperationState.PENDING, due_at__lte=now).exists()
        or Payment.objects.filter(followed=False).exists()
        or InboxEvent.objects.filter(state=InboxState.WAITING, due_at__lte=now).exists()
        or Notice.objects.filter(state=NoticeState.WAITING, due_at__lte=now).exists()
    )


# --- in words


def _now_is(now: datetime) -> str:
    local = now.astimezone(ZoneInfo(ZONE))
    return _("It is now %(when)s.") % {"when": date_format(local, _("l j F Y, H:i")) + local.strftime(" %Z")}


def title(trip: Trip) -> str:
    """`Milwaukee → Packers – Bills`."""
    return f"{trip.origin} → {trip.event.short_title}"


def _about_trips(last: dict[tuple[str, UUID], str]) -> Iterator[str]:
    moved = {subject: new for (noun, subject), new in last.items() if noun == "trip"}
    for trip in Trip.objects.select_related("event").filter(id__in=moved).order_by("departs_at"):
        words = {
            TripState.GATHERING: _("%(trip)s gathers riders: %(seats)s of %(threshold)s seats."),
            TripState.SETTLING: _("%(trip)s is checking the cards behind %(seats)s seats."),
            TripState.CONFIRMED: _("%(trip)s confirmed with %(seats)s riders."),
            TripState.UNDER_WAY: _("%(trip)s has left."),
            TripState.COMPLETED: _("%(trip)s is back; everybody is home."),
            TripState.CLOSED: _("%(trip)s is closed: the operator is paid."),
            TripState.LAPSED: _("%(trip)s did not get together. Nobody was charged."),
            TripState.CANCELLED: _("%(trip)s was called off. Nobody pays."),
        }[TripState(moved[trip.id])]
        yield words % {"trip": title(trip), "seats": trip.seats_pledged, "threshold": trip.threshold}


def _about_runs(last: dict[tuple[str, UUID], str]) -> Iterator[str]:
    moved = {subject: new for (noun, subject), new in last.items() if noun == "run"}
    told = {
        RunState.BOARDING: _("%(operator)s is boarding %(trip)s."),
        RunState.AT_EVENT: _("%(operator)s has reached the venue with %(trip)s."),
        RunState.RETURNING: _("%(operator)s is on the way back with %(trip)s."),
    }
    for run in Run.objects.select_related("operator", "trip__event").filter(id__in=moved):
        if moved[run.id] in told:
            yield told[RunState(moved[run.id])] % {"operator": run.operator.name, "trip": title(run.trip)}


def _about_pledges(last: dict[tuple[str, UUID], str]) -> Iterator[str]:
    counts = Counter(new for (noun, _subject), new in last.items() if noun == "pledge")
    for state, one, many in (
        (PledgeState.HELD, "The money of %(n)s pledge is held.", "The money of %(n)s pledges is held."),
        (PledgeState.PAID, "%(n)s pledge was paid.", "%(n)s pledges were paid."),
        (
            PledgeState.NEEDS_CARD,
            "%(n)s card was refused and needs its rider.",
            "%(n)s cards were refused and need their riders.",
        ),
        (PledgeState.PAYMENT_DUE, "%(n)s payment is due.", "%(n)s payments are due."),
        (
            PledgeState.RELEASED,
            "%(n)s pledge was let go; nothing was taken.",
            "%(n)s pledges were let go; nothing was taken.",
        ),
        (PledgeState.REFUNDED, "%(n)s pledge was paid back.", "%(n)s pledges were paid back."),
        (PledgeState.EXPIRED, "%(n)s reservation ran out.", "%(n)s reservations ran out."),
    ):
        if counts[state]:
            yield ngettext(one, many, counts[state]) % {"n": counts[state]}


def _about_pay(mark: Mark) -> Iterator[str]:
    sent = (
        LedgerTransfer.objects.filter(
            occurred_at__gte=mark.at, debit=Account.OPERATOR_PAYABLE, credit=Account.STRIPE_BALANCE
        )
        .values("payee__name", "currency")
        .annotate(sum=Sum("amount_minor"))
        .order_by("payee__name")
    )
    for row in sent:
        yield _("%(operator)s was paid %(sum)s.") % {
            "operator": row["payee__name"],
            "sum": Money(row["sum"], row["currency"]),
        }


def _about_mail(mark: Mark) -> Iterator[str]:
    mails = Notice.objects.filter(state=NoticeState.SENT, sent_at__gte=mark.at).count()
    if mails:
        yield ngettext("%(n)s mail was sent.", "%(n)s mails were sent.", mails) % {"n": mails}
