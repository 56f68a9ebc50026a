"""The provider's books line by line against ours (L2, L3, L8): what is missing here is fetched, what still differs is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from django.db.models import F, Func, Q, Sum, Value

from payments import gateway, queries
from payments.actions import journal, ledger, sightings
from payments.gateway import words
from payments.models import Account, Attempt, FeedCursor, LedgerTransfer

#: Whatever is younger may be on its way to us.
_YOUNG = timedelta(minutes=10)
#: The first comparison begins this far back, and a line that nobody can explain is asked about no longer than this.
_BACK = timedelta(days=3)
#: The nightly one looks at this much: holds live for a month at most, and what is older was compared before.
_NIGHTLY = timedelta(days=40)
_FEED = "bookings"
_PART = 500
#: Payments go on while sums are compared: so often they are read again before they count as different.
_TRIES = 5
_Thing = TypeVar("_Thing")


@dataclass
class Outcome:
    """What a comparison of the books came to."""

    looked_at: int = 0
    mended: int = 0
    differences: dict[str, list[str]] = field(default_factory=dict)


def compare_new(*, now: datetime) -> Outcome:
    """The lines since the last comparison. It goes on from the oldest line that has no event of ours yet.

    Outside action. Raises `words.ProviderTrouble`; then nothing is skipped.
    """
    read_to = FeedCursor.objects.filter(feed=_FEED).values_list("read_to", flat=True).first()
    since = max(read_to or now - _BACK, now - _BACK)
    outcome = Outcome()
    open_ = []
    for some in _parts(gateway.bookings_since(since)):
        open_ += _mend(some, outcome, now)
    wrong = [(line, text) for line, text in open_ if line.created <= now - _YOUNG]
    if wrong:
        outcome.differences["L3"] = sorted(text for _line, text in wrong)
    oldest = min((line.created for line, _text in open_), default=now - _YOUNG)
    FeedCursor.objects.update_or_create(feed=_FEED, defaults={"read_to": min(oldest, now - _YOUNG)})
    return outcome


def compare_all(*, now: datetime) -> Outcome:
    """The balance, every line of forty days both ways, and what banks hold. Changes nothing but what it fetches.

    Payments go on meanwhile, and what moves is no difference. Outside action. Raises `words.ProviderTrouble`.
    """
    outcome = Outcome()
    # What is fetched for holds may bring lines, and those change the balance.
    holds = _holds(now)
    lines = _lines(outcome, now)
    checks = {"L2": _balance(now), "L3": lines, "L8": holds}
    outcome.differences = {name: differences for name, differences in checks.items() if differences}
    return outcome


# ---- the nightly checks


def _lines(outcome: Outcome, now: datetime) -> list[str]:
    """Lines of the provider's that differ from ours after a look, and those that only we have."""
    since, until = now - _NIGHTLY, now - _YOUNG
    theirs: set[str] = set()
    wrong = []
    for some in _parts(gateway.bookings_since(since)):
        theirs.update(line.id for line in some)
        wrong += [text for line, text in _mend(some, outcome, now) if line.created <= until]
    rows = LedgerTransfer.objects.exclude(transaction="").filter(
        occurred_at__gt=since + _BACK, occurred_at__lte=until
    )
    ours = rows.order_by().values_list("transaction", flat=True).distinct()
    return sorted(wrong + [f"{key}: only in our books" for key in ours.iterator() if key not in theirs])


def _balance(now: datetime) -> list[str]:
    """Our clearing account against the provider's balance, at a moment when neither moved; if none comes, as it is."""
    sums = _both_sums()
    for _again in range(_TRIES):
        before, coming, sums = sums, _coming(now), _both_sums()
        if sums == before:
            break
    ours, theirs = sums[0], sums[1] - coming
    return [] if ours == theirs else [f"stripe:balance is {ours}, the provider says {theirs}"]


def _both_sums() -> tuple[int, int]:
    return -queries.balance(Account.STRIPE_BALANCE), gateway.balance()


def _coming(now: datetime) -> int:
    """What the provider's balance holds already of the last minutes and we have not heard of."""
    lines = [line for line in gateway.bookings_since(now - _YOUNG) if line.created > now - _YOUNG]
    return sum(line.net for line, _text in _differing(lines))


def _holds(now: datetime) -> list[str]:
    """What banks hold against our memo of it, intent by intent. The list takes its time, and holds come and go while it is
    read: what differs is fetched one by one before it counts."""
    listed = gateway.intents_since(now - _NIGHTLY)
    theirs = Counter({intent.id: intent.capturable for intent in listed if intent.capturable})
    ours = _held()
    differing = [key for key in sorted(ours.keys() | theirs.keys()) if ours[key] != theirs[key]]
    for _again in range(_TRIES):
        if not differing:
            break
        for key in differing:
            theirs[key] = _capturable(key, now)
        ours = _held()
        differing = [key for key in differing if ours[key] != theirs[key]]
    return [f"{key}: hold:rider is {ours[key]}, the provider says {theirs[key]}" for key in differing]


def _held() -> Counter[str]:
    """What our memo says that banks hold, by intent; a row that is about no attempt stands by its own key."""
    memo = Account.HOLD_RIDER
    attempt = Func(F("event_key"), Value("^(un)?hold:"), Value(""), function="regexp_replace")
    held = [Sum("amount_minor", filter=Q(**{side: memo}), default=0) for side in ("debit", "credit")]
    rows = LedgerTransfer.objects.filter(Q(debit=memo) | Q(credit=memo)).order_by()
    sums: dict[str, int] = dict(rows.values_list(attempt).annotate(held=held[0] - held[1]).exclude(held=0))
    known = Attempt.objects.filter(id__in=[journal.id_in(key) for key in sums])
    intents = {str(each.id): each.intent for each in known}
    return Counter({intents.get(key, key): amount for key, amount in sums.items()})


def _capturable(intent: str, now: datetime) -> int:
    """What a bank holds for an attempt as it is now, which is taken over. Nothing where the provider knows no such thing."""
    try:
        seen = gateway.intent(intent)
    except words.Refused:
        return 0
    sightings.intent(seen, now=now)
    return seen.capturable


# ---- inside


def _mend(lines: list[words.BookLine], outcome: Outcome, now: datetime) -> list[tuple[words.BookLine, str]]:
    """The lines that differ from ours even after what they are about was looked at, each with what to say of it."""
    outcome.looked_at += len(lines)
    differing = _differing(lines)
    for line, _text in differing:
        with suppress(words.Refused):  # there is no such thing: it stays a difference
            _look(line, now)
    still = _differing([line for line, _text in differing])
    outcome.mended += len(differing) - len(still)
    return still


def _differing(lines: list[words.BookLine]) -> list[tuple[words.BookLine, str]]:
    ours: Counter[str] = Counter()
    known = LedgerTransfer.objects.filter(transaction__in=[line.id for line in lines])
    for key, debit, credit, amount in known.values_list("transaction", "debit", "credit", "amount_minor"):
        ours[key] += amount * ((debit == Account.STRIPE_BALANCE) - (credit == Account.STRIPE_BALANCE))
    wrong = []
    for line in lines:
        if line.id not in ours:
            wrong.append(
                (line, f"{line.id}: {line.kind} of {line.net} about {line.source}, not in our books")
            )
        elif ours[line.id] != line.net:
            wrong.append((line, f"{line.id}: ours {ours[line.id]}, theirs {line.net}"))
    return wrong


def _look(line: words.BookLine, now: datetime) -> None:
    """Take over what a line is about, fetched where it can be. Nothing for what is not ours."""
    prefix = line.source.partition("_")[0]
    if prefix in ("ch", "py"):
        intent = Attempt.objects.filter(charge=line.source).values_list("intent", flat=True).first()
        if intent:
            sightings.look("payment_intent", intent, now=now)
    elif prefix == "po":
        sightings.payout(gateway.payout(line.source), currency=line.currency, now=now)
    elif line.kind in _FROM_OUR_BANK:
        ledger.paid_out(
            amount=-line.amount, fee=line.fee, currency=line.currency, transaction=line.id, now=now
        )
    elif line.kind in _BILLED:
        ledger.billed(amount=-line.net, currency=line.currency, transaction=line.id, now=now)
    elif prefix in _KINDS:
        sightings.look(_KINDS[prefix], line.source, now=now)


#: Lines that say everything themselves: money that we sent to our balance, and what we are billed for by the month
#: (https://docs.stripe.com/reports/reporting-categories).
_FROM_OUR_BANK = ("topup", "topup_reversal")
_BILLED = ("fee", "network_cost", "tax")
#: What an id of the provider's is the id of, where that can be fetched by it.
_KINDS = {"re": "refund", "pyr": "refund", "tr": "transfer", "du": "dispute", "dp": "dispute"}


def _parts(things: Iterable[_Thing]) -> Iterator[list[_Thing]]:
    """In lists of a few hundred, so that neither memory nor a query grows with the books."""
    rest = iter(things)
    while part := list(islice(rest, _PART)):
        yield part
