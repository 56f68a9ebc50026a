"""What has come to be at the provider since a moment: for the feed, the sweeps and the comparison of the books.

Newest first, page by page: each page is one call when it is reached, so none of these may be read inside a transaction.
They raise `words.ProviderTrouble`, also in the middle.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from payments.gateway import reading, words
from payments.gateway.line import ask, pages

Json = dict[str, Any]


def events_since(when: datetime) -> Iterator[words.EventSeen]:
    """What happened from then on; the provider remembers 30 days."""
    asked = _from(when)
    return map(reading.event, pages(lambda v1, page: v1.events.list({**page, **asked})))


def intents_since(when: datetime) -> Iterator[words.Intent]:
    """Every attempt made from then on, whoever made it, with its charge and card."""
    asked = _from(when, reading.INTENT)
    return map(reading.intent, pages(lambda v1, page: v1.payment_intents.list({**page, **asked})))


def refunds_since(when: datetime) -> Iterator[words.RefundSeen]:
    """Every refund made from then on, whoever made it."""
    asked = _from(when, reading.REFUND)
    return map(reading.refund, pages(lambda v1, page: v1.refunds.list({**page, **asked})))


def transfers_since(when: datetime) -> Iterator[words.TransferSeen]:
    """Every transfer made from then on, with what was taken back of it since."""
    asked = _from(when, reading.TRANSFER)
    return map(reading.transfer, pages(lambda v1, page: v1.transfers.list({**page, **asked})))


def bookings_since(when: datetime) -> Iterator[words.BookLine]:
    """Every line of the provider's books from then on."""
    asked = _from(when)
    return map(reading.book_line, pages(lambda v1, page: v1.balance_transactions.list({**page, **asked})))


def balance() -> int:
    """What the provider keeps for us now, available and pending."""
    parts = ask(lambda v1: v1.balance.retrieve())
    return sum(part["amount"] for name in ("available", "pending") for part in parts[name])


def books() -> words.Books:
    """The provider's own books, for the comparison with ours while nothing moves. Reads everything; not for a request."""
    kept = balance()
    lines = pages(lambda v1, page: v1.balance_transactions.list(page))
    held = pages(lambda v1, page: v1.payment_intents.list(page))
    return words.Books(
        balance=kept,
        bookings={line["id"]: line["net"] for line in lines},
        capturable=sum(each["amount_capturable"] for each in held),
    )


def _from(when: datetime, expand: list[str] | None = None) -> Json:
    asked: Json = {"created": {"gte": int(when.timestamp())}}
    if expand:
        asked["expand"] = [f"data.{path}" for path in expand]
    return asked
