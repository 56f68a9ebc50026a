"""A company's statement of one month: what each run earned and how, what was sent, and where the account stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from operators.models import HoldBack, Operator, Run
from operators.queries.companies import with_trip
from payments.queries import statements as books
from payments.queries.statements import Entry, Extract, GroupMoney, Moves
from rally.models import StaffAction
from rally.money import Money

CURRENCY = "USD"


@dataclass(frozen=True, slots=True)
class Line:
    """One run in the statement. `money` says where the whole trip's money went: in the month in which it was booked all of
    it until then, later what has moved since. `moves` is what happened to the company's part of it in this month, `sent_on`
    on which days it was sent.

    Always: paid - given back = tax + partner + our part + others + pay; over all months that is the whole trip.
    """

    run: Run
    money: GroupMoney
    moves: Moves
    booked: bool
    sent_on: list[date]
    held: HoldBack | None

    @property
    def told(self) -> bool:
        """Whether money of the trip was shared out in this month, or went from one part to another."""
        return self.booked or bool(self.money)

    @property
    def paid(self) -> Money:
        """What riders paid; not what is still theirs."""
        return Money(self.money.gross - self.money.waiting, CURRENCY)

    @property
    def given_back(self) -> Money:
        """What went to riders again, whoever bore it."""
        return Money(self.money.refunds, CURRENCY)

    @property
    def tax(self) -> Money:
        """What is for the tax office."""
        return Money(self.money.tax, CURRENCY)

    @property
    def partner(self) -> Money:
        """What is for the event's partner."""
        return Money(self.money.partner, CURRENCY)

    @property
    def our_part(self) -> Money:
        """What was left for us; below zero, what we put in."""
        return Money(self.money.fee - self.money.added, CURRENCY)

    @property
    def others(self) -> Money:
        """What is for other companies that drove."""
        return Money(self.money.earned - self.moves.pay, CURRENCY)

    @property
    def pay(self) -> Money:
        """What is for the company: booked, less what it bore of what was given back, and what was not earned after all."""
        return Money(self.moves.pay, CURRENCY)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the account, in words: what came to the company or went, and where that left it."""

    day: date
    what: str
    change: Money
    balance: Money
    netted: Money


@dataclass(frozen=True, slots=True)
class Statement:
    """One month of one company. Every number comes from the ledger."""

    operator: Operator
    month: date
    extract: Extract
    lines: list[Line]
    events: list[Event]

    @property
    def due_then(self) -> Money:
        """What was booked and not sent afterwards."""
        return Money(self.extract.closing.due, CURRENCY)

    @property
    def debt_then(self) -> Money:
        """What the company owed afterwards."""
        return Money(self.extract.closing.debt, CURRENCY)

    @property
    def number(self) -> str:
        """What the document is called."""
        return f"{self.operator.code}-{self.month:%Y-%m}"

    def total(self, name: str) -> Money:
        """The sum of one of the `Moves` over the month."""
        return Money(getattr(self.extract.sums, name), CURRENCY)

    @property
    def shared(self) -> bool:
        """Whether other companies had a part of what these trips brought."""
        return any(line.others for line in self.lines)


def statement(operator: Operator, month: date) -> Statement:
    """The statement of a month (its first day), by the clock at the depot. A fixed number of queries."""
    since, until = books.month_bounds(month, operator.time_zone)
    extract = books.extract_of(operator.payee_id, since=since, until=until, currency=CURRENCY)
    runs = _runs(operator, extract)
    booked = {entry.group for entry in extract.entries if entry.booking}
    money = books.group_money(runs, before=until)
    earlier = books.group_money(runs.keys() - booked, before=since)
    zone = ZoneInfo(operator.time_zone)
    return Statement(
        operator=operator,
        month=month,
        extract=extract,
        lines=[
            _line(run, extract, money[group] - earlier.get(group, GroupMoney()), group in booked, zone)
            for group, run in runs.items()
        ],
        events=_events(extract, runs, _reasons(operator), zone),
    )


def _runs(operator: Operator, extract: Extract) -> dict[str, Run]:
    """The runs that the month is about, by the group of their payments; those that were booked first."""
    trips = [UUID(group.removeprefix("trip:")) for group in extract.by_group if group.startswith("trip:")]
    rows = with_trip(operator.runs.filter(trip__in=trips)).prefetch_related("hold_backs")
    found = {f"trip:{run.trip_id}": run for run in rows.order_by("booked_at", "-committed_at").reverse()}
    ordered = [group for group in extract.by_group if group in found]
    return {group: found[group] for group in ordered}


def _line(run: Run, extract: Extract, money: GroupMoney, booked: bool, zone: ZoneInfo) -> Line:
    group = f"trip:{run.trip_id}"
    own = [entry for entry in extract.entries if entry.group == group]
    sent = {entry.at.astimezone(zone).date() for entry in own if entry.kind == "sent"}
    open_ = [back for back in run.hold_backs.all() if back.lifted_at is None]
    return Line(
        run=run,
        money=money,
        moves=extract.by_group[group],
        booked=booked,
        sent_on=sorted(sent),
        held=open_[0] if open_ else None,
    )


def _events(extract: Extract, runs: dict[str, Run], reasons: dict[str, str], zone: ZoneInfo) -> list[Event]:
    """The account line by line: what happened on one day for one run in one way is one line."""
    together: dict[tuple[date, str, str], list[Entry]] = {}
    for entry in extract.entries:
        what = _in_words(entry, runs, reasons)
        together.setdefault((entry.at.astimezone(zone).date(), entry.kind, what), []).append(entry)
    events, balance = [], extract.opening.net
    for (day, kind, what), entries in together.items():
        change = sum(entry.change for entry in entries)
        balance += change
        netted = sum(entry.minor for entry in entries) if kind == "netted" else 0
        events.append(Event(day, what, *(Money(each, CURRENCY) for each in (change, balance, netted))))
    return events


def _in_words(entry: Entry, runs: dict[str, Run], reasons: dict[str, str]) -> str:
    words = {
        "earned": _("Pay"),
        "given_back": _("Given back to riders"),
        "lowered": _("Less pay, for a way that was not driven"),
        "kept": _("Kept back for good"),
        "charged": _("Charged to you"),
        "given_up": _("Debt forgiven"),
        "netted": _("Kept from a payment against what you owed"),
        "sent": _("Sent to you"),
        "returned": _("Taken back by the payment service"),
    }[entry.kind]
    run = runs.get(entry.group)
    if entry.key.startswith("cleared:"):
        words = _("Not owed after all: a bank gave back what was lost")
    if entry.key.startswith("due_again:"):
        words = _("Taken back without a debt of yours, and due to you again")
    if run is not None:
        return f"{words}: {run.trip} ({run.code})"
    kind, _colon, reference = entry.key.partition(":")
    if reference.startswith("given_up:"):
        given_up = _("run %(code)s was given up late") % {"code": reference.removeprefix("given_up:")}
        return f"{words}: {given_up}"
    return f"{words}: {reasons.get(reference, reference)}" if kind == "penalty" else words


def _reasons(operator: Operator) -> dict[str, str]:
    """Why staff charged the company something, by the reference of it."""
    notes = StaffAction.objects.filter(what="operator.penalise", subject=f"operator:{operator.id}")
    return {str(note.facts.get("reference")): note.why for note in notes}
