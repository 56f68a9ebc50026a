"""What staff see of money: what is odd today, one payment with all that belongs to it, and what colleagues did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import Exists, Min, OuterRef, Q, QuerySet

from payments.models import (
    Dispute,
    InboxEvent,
    MoneyRequest,
    Operation,
    Payee,
    Payment,
    Reconciliation,
    Refund,
    Transfer,
)
from payments.queries import ageing, troubles
from payments.queries.disputes import open_disputes
from payments.queries.hold_backs import HeldBack, hold_backs
from payments.queries.shortfalls import Shortfall, Stranded, shortfalls, stranded
from payments.states import RequestState
from rally.models import StaffAction, StateChange, User

#: How many of a kind a page shows; beyond that it says that there are more.
SHOWN = 25
#: Staff are told when no full comparison has ended for so long: a day, and the two hours that one may wait for another one
#: and take (`payments.actions.reconciling`).
NIGHTLY_LATE = timedelta(hours=26)
#: Comparisons of each kind that the page lists.
_COMPARED = 3
Found = TypeVar("Found")


@dataclass(frozen=True)
class Few(Generic[Found]):
    """The first of many, and whether there are more."""

    rows: list[Found]
    more: bool

    def __bool__(self) -> bool:
        return bool(self.rows)

    @property
    def count(self) -> str:
        """`7`, or `25+`."""
        return f"{len(self.rows)}+" if self.more else str(len(self.rows))


@dataclass(frozen=True)
class Today:
    """What is odd about money now, each list bounded."""

    stuck: Few[Operation]
    owed: Few[Refund]
    transfers: Few[Transfer]
    events: Few[InboxEvent]
    disputes: Few[Dispute]
    requests: Few[MoneyRequest]
    stranded: Few[Stranded]
    shortfalls: Few[Shortfall]
    ageing: Few[ageing.Waiting]
    held_back: Few[HeldBack]
    compared: list[Reconciliation]  #: the newest of both kinds
    differing: list[Reconciliation]  #: those that left something for a person
    nightly_late: timedelta | None  #: how long no full comparison has ended, if that is too long

    @property
    def open(self) -> dict[str, str]:
        """How many of each kind are open; those of which there are none are left out."""
        kinds: dict[str, Few[Any]] = {
            "stuck": self.stuck,
            "owed": self.owed,
            "transfers": self.transfers,
            "events": self.events,
            "disputes": self.disputes,
            "requests": self.requests,
            "stranded": self.stranded,
            "shortfalls": self.shortfalls,
            "ageing": Few([each for each in self.ageing.rows if each.old], more=False),
            "held_back": Few([each for each in self.held_back.rows if each.old], more=False),
        }
        counts = {name: few.count for name, few in kinds.items() if few}
        if self.differing:
            counts["differences"] = str(len(set().union(*map(_lines, self.differing))) or 1)
        if self.nightly_late is not None:
            counts["nightly"] = str(self.nightly_late // timedelta(hours=1))
        return counts


def today(*, now: datetime) -> Today:
    """What is odd now. A dozen queries, however much there is."""
    compared = _compared()
    full, light = (
        next((row for row in compared if row.kind == kind and row.ended_at), None)
        for kind in ("full", "light")
    )
    return Today(
        stuck=_few(troubles.stuck_operations().select_related("payment")),
        owed=_few(troubles.still_owed()),
        transfers=_few(troubles.failed_transfers()),
        events=_few(troubles.unread_events()),
        disputes=_few(open_disputes()),
        requests=_few(open_requests()),
        stranded=_cut(stranded()),
        shortfalls=_cut(shortfalls()),
        ageing=_cut(ageing.all_waiting(now=now)),
        held_back=_cut(hold_backs(now=now)),
        compared=compared,
        differing=_differing(full, light),
        nightly_late=_nightly_late(full, now),
    )


def _compared() -> list[Reconciliation]:
    """The newest comparisons of both kinds, and the newest that ended: four light ones an hour must not push the nightly one
    off the page, nor must those that were killed."""
    of_kind = [
        Reconciliation.objects.filter(kind=kind).order_by("-started_at") for kind in Reconciliation.Kind
    ]
    ended = [rows.filter(ended_at__isnull=False)[:1] for rows in of_kind]
    first, *others = [*(rows[:_COMPARED] for rows in of_kind), *ended]
    return list(first.union(*others).order_by("-started_at"))


def _nightly_late(full: Reconciliation | None, now: datetime) -> timedelta | None:
    """How long ago the last full comparison ended, or the first one of any kind began; None while that is in time."""
    since = full.ended_at if full else Reconciliation.objects.aggregate(first=Min("started_at"))["first"]
    return now - since if since and now - since > NIGHTLY_LATE else None


def _differing(full: Reconciliation | None, light: Reconciliation | None) -> list[Reconciliation]:
    """Comparisons whose differences are a person's task.

    Of the newest `full` and the newest `light` one that ended, because each looks at what the other does not. And of light
    ones that saw orphans: the next light one looks only at what is newer, so theirs stand until a full one has looked at all.
    """
    found = [row for row in (full, light) if row and (row.differences or row.error)]
    known = set().union(*map(_lines, found))
    for row in _orphans_seen()[:SHOWN]:
        if not _lines(row, "orphans") <= known:
            found.append(row)
            known |= _lines(row)
    return found


def _orphans_seen() -> QuerySet[Reconciliation]:
    """Light comparisons that saw orphans, newest first, since a full one looked at all there is."""
    full = Reconciliation.objects.filter(kind=Reconciliation.Kind.FULL, ended_at__isnull=False, error="")
    later_full = full.filter(started_at__gte=OuterRef("started_at"))
    seen = Reconciliation.objects.filter(
        kind=Reconciliation.Kind.LIGHT, ended_at__isnull=False, differences__has_key="orphans"
    )
    return seen.filter(~Exists(later_full)).order_by("-started_at")


def _lines(row: Reconciliation, only: str = "") -> set[tuple[str, str]]:
    """What a comparison left: the name of each check (or of one alone) with each of its lines."""
    return {(name, line) for name, lines in row.differences.items() if only in ("", name) for line in lines}


def open_requests() -> QuerySet[MoneyRequest]:
    """Requests that wait for a second person, oldest first."""
    return (
        MoneyRequest.objects.filter(state=RequestState.ASKED).select_related("asked_by").order_by("asked_at")
    )


def _few(rows: QuerySet[Any]) -> Few[Any]:
    return _cut(list(rows[: SHOWN + 1]))


def _cut(rows: list[Any]) -> Few[Any]:
    return Few(rows[:SHOWN], more=len(rows) > SHOWN)


# ---- one payment


def timeline(payment: Payment) -> list[StateChange]:
    """Every move of the payment and of what hangs on it, oldest first."""
    subjects = [
        payment.id,
        *Refund.objects.filter(attempt__payment=payment).values_list("id", flat=True),
        *payment.transfers.values_list("id", flat=True),
        *payment.disputes.values_list("id", flat=True),
    ]
    found = StateChange.objects.filter(subject__in=subjects).select_related("by")
    return list(found.order_by("at", "id")[:200])


def payments_like(text: str) -> QuerySet[Payment]:
    """Payments of this reference, group, payer's address, or id of the provider's. Nothing for nothing."""
    said = text.strip()
    if not said:
        return Payment.objects.none()
    wanted = (
        Q(reference__iexact=said) | Q(group__iexact=said) | Q(payer__email__iexact=said)
        | Q(attempts__intent=said) | Q(attempts__charge=said) | Q(attempts__refunds__refund=said)
        | Q(disputes__dispute=said) | Q(transfers__transfer=said)
    )  # fmt: skip
    key = as_id(said)
    if key:
        wanted |= Q(id=key) | Q(reference__endswith=f":{key}") | Q(group__endswith=f":{key}")
    ids = Payment.objects.filter(wanted).values("id")
    return Payment.objects.filter(id__in=ids).select_related("payer").order_by("-created_at")


# ---- whom a request is about


def subject_of(what: str, text: str) -> UUID | None:
    """The payment, user or payee that somebody typed: by id, address, reference or name. None unless it is exactly one."""
    said = text.strip()
    if what == MoneyRequest.What.REFUND:
        found: QuerySet[Any] = payments_like(said)
    elif what == MoneyRequest.What.CREDIT:
        found = User.objects.filter(Q(email__iexact=said) | Q(id=as_id(said)))
    else:
        found = Payee.objects.filter(
            Q(email__iexact=said)
            | Q(name__iexact=said)
            | Q(account=said) & ~Q(account="")
            | Q(id=as_id(said))
        )
    ids = list(found.values_list("id", flat=True)[:2])
    return ids[0] if len(ids) == 1 else None


def subjects_of(requests: list[MoneyRequest]) -> dict[UUID, str]:
    """In words whom each request is about, by its subject. Three queries at most."""
    keys = {each.subject for each in requests}
    if not keys:
        return {}
    words: dict[UUID, str] = dict(User.objects.filter(id__in=keys).values_list("id", "email"))
    words |= dict(Payee.objects.filter(id__in=keys).values_list("id", "name"))
    words |= dict(Payment.objects.filter(id__in=keys).values_list("id", "reference"))
    return words


# ---- what staff did


def staff_actions(*, who: str = "", about: str = "") -> QuerySet[StaffAction]:
    """What colleagues did, newest first; of one person (address), or about things whose name begins so."""
    found = StaffAction.objects.select_related("by").order_by("-at", "-id")
    if who.strip():
        found = found.filter(by__email__iexact=who.strip())
    if about.strip():
        found = found.filter(Q(subject__startswith=about.strip()) | Q(what__startswith=about.strip()))
    return found


def as_id(text: str) -> UUID | None:
    """The id that somebody typed, if it is one."""
    try:
        return UUID(text.strip())
    except ValueError:
        return None
