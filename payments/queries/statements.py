"""What the ledger says about one payee over a time: what came to them, what went, and where it stood before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q, Sum

from payments.models import Account, LedgerTransfer
from rally.money import Money

#: We owe it to payees; they owe it to us.
_DUE = (Account.OPERATOR_PAYABLE, Account.PARTNER_PAYABLE)
_DEBT = Account.OPERATOR_RECEIVABLE
#: Where what is given back to payers goes (credit and codes by way of what is set aside), and who bears it.
_TO_PAYERS = (Account.RIDER_REFUND_DUE, Account.CREDIT_SET_ASIDE)
_BEARERS = (Account.RIDER_DEPOSIT, *_DUE, _DEBT, Account.TAX_PAYABLE, Account.PLATFORM_FEE)
#: Where pay goes that was not earned after all: back to where it came from.
_LOWERED_TO = (Account.GUARANTEE, Account.PLATFORM_FEE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a payee's account: `kind` is a name of `Moves`; `key` is the event in the ledger."""

    at: datetime
    group: str
    kind: str
    minor: int
    key: str

    @property
    def change(self) -> int:
        """By how much more we owe them: netting moves nothing."""
        return self.minor * _SIGNS[self.kind]

    @property
    def booking(self) -> bool:
        """Whether a trip that has run was shared out by it, once. Other things bring a payee money, too, and later."""
        return self.key.startswith(("earned:", "firm:"))


@dataclass(slots=True)
class Moves:
    """What happened to a payee, added up, in minor units.

    `earned` was booked, of which `given_back` went to payers again, `lowered` was not earned after all and `kept` was kept
    by us. `charged` they owe us for what went wrong, of which `given_up` was forgiven, or paid back to them. `netted` was
    kept against debts; `sent` was sent, of which `returned` came back.
    """

    earned: int = 0
    given_back: int = 0
    lowered: int = 0
    kept: int = 0
    charged: int = 0
    given_up: int = 0
    netted: int = 0
    sent: int = 0
    returned: int = 0

    def add(self, entry: Entry) -> None:
        """Take one line in."""
        setattr(self, entry.kind, getattr(self, entry.kind) + entry.minor)

    @property
    def pay(self) -> int:
        """What of it is theirs: what was booked, less what went to payers again and what was not earned after all."""
        return self.earned - self.given_back - self.lowered


_SIGNS = {
    "earned": 1, "given_back": -1, "lowered": -1, "kept": -1, "charged": -1, "given_up": 1, "netted": 0, "sent": -1,
    "returned": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standing:
    """What we owe a payee, and what they owe us."""

    due: int
    debt: int

    @property
    def net(self) -> int:
        """What they have coming."""
        return self.due - self.debt


@dataclass(frozen=True, slots=True)
class Extract:
    """One payee's account from a moment to before another, line by line."""

    opening: Standing
    entries: list[Entry]
    closing: Standing
    currency: str
    by_group: dict[str, Moves] = field(default_factory=dict)
    sums: Moves = field(default_factory=Moves)

    @property
    def opening_balance(self) -> Money:
        """What the payee had coming before; below zero, what it owed."""
        return Money(self.opening.net, self.currency)

    @property
    def closing_balance(self) -> Money:
        """What it has coming afterwards."""
        return Money(self.closing.net, self.currency)


def standing(payee_id: UUID, *, before: datetime | None = None, currency: str = "USD") -> Standing:
    """Where a payee stood before a moment; without one, where they stand."""
    rows = LedgerTransfer.objects.filter(payee_id=payee_id, currency=currency)
    if before is not None:
        rows = rows.filter(occurred_at__lt=before)
    sums = rows.aggregate(
        plus=Sum("amount_minor", filter=Q(credit__in=_DUE)),
        minus=Sum("amount_minor", filter=Q(debit__in=_DUE)),
        owes=Sum("amount_minor", filter=Q(debit=_DEBT)),
        paid=Sum("amount_minor", filter=Q(credit=_DEBT)),
    )
    return Standing((sums["plus"] or 0) - (sums["minus"] or 0), (sums["owes"] or 0) - (sums["paid"] or 0))


def extract_of(payee_id: UUID, *, since: datetime, until: datetime, currency: str = "USD") -> Extract:
    """A payee's account over a time, from the ledger alone. Three queries."""
    rows = LedgerTransfer.objects.filter(
        Q(debit__in=(*_DUE, _DEBT)) | Q(credit__in=(*_DUE, _DEBT)),
        payee_id=payee_id,
        currency=currency,
        occurred_at__gte=since,
        occurred_at__lt=until,
    )
    found = Extract(
        opening=standing(payee_id, before=since, currency=currency),
        entries=[_entry(row) for row in rows.order_by("occurred_at", "id")],
        closing=standing(payee_id, before=until, currency=currency),
        currency=currency,
    )
    for entry in found.entries:
        found.by_group.setdefault(entry.group, Moves()).add(entry)
        found.sums.add(entry)
    return found


def _entry(row: LedgerTransfer) -> Entry:
    """One line as the payee sees it. What was taken back beyond their debt is due again: netting the other way round."""
    back = row.credit in _DUE and row.debit == _DEBT
    minor = -row.amount_minor if back else row.amount_minor
    return Entry(row.occurred_at, row.group, "netted" if back else _kind(row), minor, row.event_key)


def _kind(row: LedgerTransfer) -> str:
    """What one line of the ledger means to the payee."""
    if row.credit in _DUE:
        # A lost dispute that is won after all: whoever was blamed for it is paid back what was kept for it.
        return "given_up" if row.debit == Account.LOSS_DISPUTE else "earned"
    if row.credit == _DEBT:
        return {Account.STRIPE_BALANCE: "returned"}.get(
            Account(row.debit), "netted" if row.debit in _DUE else "given_up"
        )
    if row.credit == Account.STRIPE_BALANCE:
        return "sent"
    if row.credit in _TO_PAYERS:
        return "given_back"
    if row.credit in _LOWERED_TO:
        return "lowered"
    return "charged" if row.debit == _DEBT else "kept"


def moves_of(payee_id: UUID, groups: Iterable[str]) -> dict[str, Moves]:
    """What ever happened to a payee in these groups, in one query; those in which nothing did are left out."""
    rows = LedgerTransfer.objects.filter(
        Q(debit__in=(*_DUE, _DEBT)) | Q(credit__in=(*_DUE, _DEBT)), payee_id=payee_id, group__in=list(groups)
    )
    found: dict[str, Moves] = {}
    for row in rows:
        found.setdefault(row.group, Moves()).add(_entry(row))
    return found


def first_and_last(payee_id: UUID) -> tuple[datetime, datetime] | None:
    """When the first and the last thing happened to a payee's account; None if nothing ever did."""
    rows = LedgerTransfer.objects.filter(payee_id=payee_id).order_by("occurred_at", "id")
    times = rows.values_list("occurred_at", flat=True)
    first, last = times.first(), times.last()
    return (first, last) if first and last else None


# ---- months


def month_bounds(month: date, zone: str) -> tuple[datetime, datetime]:
    """From the first moment of a month to the first of the next, by the clock of a place."""
    there = ZoneInfo(zone)
    after = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return (
        datetime(month.year, month.month, 1, tzinfo=there),
        datetime(after.year, after.month, 1, tzinfo=there),
    )


def months_of(payee_id: UUID, zone: str, now: datetime) -> list[date]:
    """The months for which there is a statement: from the first thing that ever happened to now, the newest first."""
    ever = first_and_last(payee_id)
    if ever is None:
        return []
    first, last = (moment.astimezone(ZoneInfo(zone)) for moment in (ever[0], max(now, ever[1])))
    count = (last.year - first.year) * 12 + last.month - first.month
    steps = (divmod(first.year * 12 + first.month - 1 + n, 12) for n in range(count, -1, -1))
    return [date(year, month + 1, 1) for year, month in steps]


# ---- where the money of a trip went


@dataclass(frozen=True, slots=True)
class GroupMoney:
    """Where the money of one group of payments went, in minor units: `gross` came in, `refunds` went back, `waiting` is
    in deposits still, `earned` is for operators, the rest as named; `added` is what we put in besides.

    Always: gross - refunds + added = earned + partner + tax + fee + waiting. Once it is shared out, nothing waits.
    """

    gross: int = 0
    refunds: int = 0
    waiting: int = 0
    earned: int = 0
    partner: int = 0
    tax: int = 0
    fee: int = 0
    added: int = 0

    def __sub__(self, before: GroupMoney) -> GroupMoney:
        """What has moved since."""
        moved = {each.name: getattr(self, each.name) - getattr(before, each.name) for each in fields(self)}
        return GroupMoney(**moved)

    def __bool__(self) -> bool:
        """Whether anything moved."""
        return self != GroupMoney()


#: Whose shares are whose; where shares come from.
_PARTS: dict[str, tuple[str, ...]] = {
    "earned": (Account.OPERATOR_PAYABLE, _DEBT),
    "partner": (Account.PARTNER_PAYABLE,),
    "tax": (Account.TAX_PAYABLE,),
    "fee": (Account.PLATFORM_FEE,),
}
_SHARED = (Account.RIDER_DEPOSIT, Account.PLATFORM_FEE, Account.GUARANTEE)


def group_money(groups: Iterable[str], *, before: datetime) -> dict[str, GroupMoney]:
    """Where the money of these groups had gone by a moment, in one query."""
    sums: dict[str, Counter[str]] = {group: Counter() for group in groups}
    rows = LedgerTransfer.objects.filter(group__in=list(sums), occurred_at__lt=before)
    ways = rows.order_by().values_list("group", "debit", "credit").annotate(amount=Sum("amount_minor"))
    for group, debit, credit, amount in ways:
        found, given_back = sums[group], credit in _TO_PAYERS and debit in _BEARERS
        found["gross"] += amount if credit == Account.RIDER_DEPOSIT else 0
        found["waiting"] += amount if credit == Account.RIDER_DEPOSIT else 0
        found["waiting"] -= amount if debit == Account.RIDER_DEPOSIT else 0
        found["refunds"] += amount if given_back else 0
        found["added"] += amount if debit == Account.GUARANTEE else 0
        lowered = debit in _PARTS["earned"] and credit in _LOWERED_TO
        found["added"] -= amount if lowered and credit == Account.GUARANTEE else 0
        found["fee"] += amount if lowered and credit == Account.PLATFORM_FEE else 0
        for name, accounts in _PARTS.items():
            passed_on = debit == Account.PLATFORM_FEE and credit == Account.OPERATOR_PAYABLE
            found[name] += amount if credit in accounts and debit in _SHARED else 0
            found[name] -= amount if debit in accounts and (given_back or passed_on or lowered) else 0
    names = [each.name for each in fields(GroupMoney)]
    return {group: GroupMoney(**{name: found[name] for name in names}) for group, found in sums.items()}
