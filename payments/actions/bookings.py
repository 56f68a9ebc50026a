"""The provider's books line by line against ours (L2, L3, L8): what is missing here is fetched, what still differs is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from payments import gateway, queries
from payments.actions import ledger, sightings
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

    What differs is looked at once more, because payments go on meanwhile. Outside action. Raises `words.ProviderTrouble`.
    """
    outcome = Outcome()
    for _again in range(2):
        outcome.differences = _compare_all(outcome, now)
        if not outcome.differences:
            break
    return outcome


def _compare_all(outcome: Outcome, now: datetime) -> dict[str, list[str]]:
    since = now - _NIGHTLY
    open_ = [each for some in _parts(gateway.bookings_since(since)) for each in _mend(some, outcome, now)]
    books = gateway.books(since=since)
    lines = [text for line, text in open_ if line.created <= now - _YOUNG]
    # The balance holds the lines that are on their way to us as well.
    coming = sum(line.net for line, _text in open_ if line.created > now - _YOUNG)
    checks = {
        "L2": queries.l2_balance_agrees(replace(books, balance=books.balance - coming)),
        "L3": sorted(lines + _only_ours(books, since + _BACK, now - _YOUNG)),
        "L8": queries.l8_holds_agree(books),
    }
    return {name: differences for name, differences in checks.items() if differences}


def _only_ours(books: words.Books, after: datetime, until: datetime) -> list[str]:
    """Lines that we have written down and the provider does not know."""
    rows = LedgerTransfer.objects.exclude(transaction="").filter(
        occurred_at__gt=after, occurred_at__lte=until
    )
    ours = rows.order_by().values_list("transaction", flat=True).distinct()
    return [f"{key}: only in our books" for key in ours.iterator() if key not in books.bookings]


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
