"""The inbox: keeping what the provider tells us, and reading it. An event is a hint; the object itself is fetched."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from payments import gateway
from payments.actions import ledger, sightings
from payments.gateway import words
from payments.models import (
    Attempt,
    Checkout,
    FeedCursor,
    InboxEvent,
    Operation,
    Refund,
    Transfer,
)
from payments.states import (
    AttemptState,
    CheckoutState,
    InboxState,
    OperationState,
    RefundState,
    TransferState,
)
from rally import audit
from rally.errors import NotAllowed
from rally.later import later
from rally.models import User

logger = logging.getLogger(__name__)

#: Events may appear in the provider's list a little after they happened.
OVERLAP = timedelta(minutes=10)
#: So long the provider remembers events; a first look takes them all, for nobody knows how long pages were open before it.
_REMEMBERED = timedelta(days=30)
_FEED = "events"
_MAX_TRIES = 24
#: While a call of ours about the same payment is under way, its answer tells us more than the event.
_WAIT_FOR_ANSWER = timedelta(seconds=3)


# ---- keeping


@transaction.atomic
def keep(events: Iterable[words.EventSeen], *, source: str, now: datetime) -> int:
    """Store events by their ids, each once, whichever way and how often they come. Answers how many were new.

    `source` is `push` or `pull`.
    """
    told = {seen.id: seen for seen in events}
    known = set(InboxEvent.objects.filter(id__in=list(told)).values_list("id", flat=True))
    fresh = [seen for seen in told.values() if seen.id not in known]
    InboxEvent.objects.bulk_create(
        [
            InboxEvent(
                id=seen.id,
                type=seen.type[:80],
                object_id=seen.object_id,
                account=seen.account,
                api_version=seen.api_version,
                livemode=seen.livemode,
                payload=seen.payload,
                source=source,
                received_at=now,
                due_at=now,
            )
            for seen in fresh
        ],
        ignore_conflicts=True,  # somebody was told of it at the same moment
    )
    if source == "push":
        for seen in fresh:
            later("payments.read_event", event_id=seen.id)
    return len(fresh)


def poll(*, now: datetime) -> int:
    """Ask the provider what has happened since the last look. Answers how many events were new to us.

    Outside action. Trouble of the provider is left for the next look: nothing is skipped.
    """
    cursor = FeedCursor.objects.filter(feed=_FEED).first()
    since = cursor.read_to - OVERLAP if cursor else now - _REMEMBERED
    try:
        events = list(gateway.events_since(since))
    except words.ProviderTrouble as trouble:
        logger.warning("poll.failed error=%s", trouble)
        return 0
    fresh = keep(reversed(events), source="pull", now=now)
    FeedCursor.objects.update_or_create(feed=_FEED, defaults={"read_to": now})
    return fresh


# ---- reading


def read_due(*, now: datetime, limit: int = 200) -> int:
    """Read what waits, one look for each object however many events tell of it. Answers how many were read."""
    waiting = InboxEvent.objects.filter(state=InboxState.WAITING, due_at__lte=now)
    by_thing: dict[tuple[str, str], list[InboxEvent]] = {}
    for event in waiting.order_by("received_at", "id")[:limit]:
        by_thing.setdefault(thing_of(event), []).append(event)
    for thing, events in by_thing.items():
        _read(thing, events, now)
    return sum(len(events) for events in by_thing.values())


def read(event_id: str, *, now: datetime) -> None:
    """Read one event now. Nothing if it was read already. Outside action."""
    event = InboxEvent.objects.filter(id=event_id, state=InboxState.WAITING).first()
    if event is not None:
        _read(thing_of(event), [event], now)


@transaction.atomic
def read_again(*, event_id: str, now: datetime, by: User) -> InboxEvent:
    """Let an event that could not be read be read once more. Nothing for one that waits or was read.

    Raises `NotAllowed` for people who are not staff.
    """
    event = InboxEvent.objects.select_for_update().get(id=event_id)

    if not by.is_staff:
        raise NotAllowed

    if event.state == InboxState.FAILED:
        event.state, event.tries, event.due_at = InboxState.WAITING, 0, now
        event.save(update_fields=["state", "tries", "due_at"])
        audit.note(by=by, what="event.read_again", subject=f"event:{event.id}", now=now, type=event.type)

        later("payments.read_event", event_id=event.id)
    return event


def thing_of(event: InboxEvent) -> tuple[str, str]:
    """The kind and id of what an event makes us look at; ("", "") for what means nothing to us."""
    about: dict[str, Any] = event.payload
    kind = about.get("object", "")
    if kind == "charge" and isinstance(about.get("payment_intent"), str):
        return "payment_intent", about["payment_intent"]
    if kind == "payout" and not event.account:
        return kind, event.object_id
    if kind in ("payment_intent", "checkout.session", "refund", "transfer", "account", "dispute"):
        return kind, event.object_id
    return "", ""


def _read(thing: tuple[str, str], events: list[InboxEvent], now: datetime) -> None:
    kind, object_id = thing
    try:
        if kind and not all(_is_known(event) for event in events):
            if _answer_under_way(events[-1], now):
                _put_off(events, now + _WAIT_FOR_ANSWER)
                return
            _look(kind, object_id, events[-1], now)
    except words.ProviderTrouble as trouble:
        _failed(events, trouble, now)
        return
    _set(events, state=InboxState.DONE, error="")


def _look(kind: str, object_id: str, event: InboxEvent, now: datetime) -> None:
    if kind == "payout":
        currency = str(event.payload.get("currency", "")).upper()
        sightings.payout(gateway.payout(object_id), currency=currency, now=now)
    else:
        sightings.look(kind, object_id, now=now)


def _is_known(event: InboxEvent) -> bool:
    """Whether the event tells nothing that is not written down here already, ledger included: then nobody is asked."""
    about: dict[str, Any] = event.payload
    match about.get("object"):
        case "payment_intent" | "charge":
            intent = about.get("payment_intent") if about["object"] == "charge" else event.object_id
            return _attempt_known(str(intent), about)
        case "checkout.session":
            wanted = {"complete": CheckoutState.COMPLETE, "expired": CheckoutState.EXPIRED}.get(
                about["status"]
            )
            return Checkout.objects.filter(session=event.object_id, state=wanted).exists()
        case "refund":
            done = about["status"] == "succeeded"
            row = Refund.objects.filter(refund=event.object_id, state=RefundState.SUCCEEDED).first()
            return done and row is not None and ledger.posted(f"refund:{row.refund}")
        case "transfer":
            sent = Transfer.objects.filter(transfer=event.object_id, state=TransferState.PAID).first()
            return sent is not None and sent.reversed_minor == about["amount_reversed"]
    return False


def _attempt_known(intent: str, about: dict[str, Any]) -> bool:
    attempt = Attempt.of_intent(intent)
    if attempt is None:
        return False
    match attempt.state:
        case AttemptState.CAPTURED:
            return ledger.posted(f"capture:{attempt.id}")
        case AttemptState.CANCELED:
            return True
        case AttemptState.HELD:
            return about.get("status") == "requires_capture" or (
                about["object"] == "charge" and about["status"] == "succeeded" and not about["captured"]
            )
    return (
        attempt.state == AttemptState.FAILED and about["object"] == "charge" and about["status"] == "failed"
    )


def _answer_under_way(event: InboxEvent, now: datetime) -> bool:
    payment: str = (event.payload.get("metadata") or {}).get("payment", "")
    return (
        bool(payment)
        and event.tries == 0
        and Operation.objects.filter(
            payment_id=payment, state=OperationState.PENDING, leased_until__gt=now
        ).exists()
    )


def _put_off(events: list[InboxEvent], due_at: datetime) -> None:
    for event in events:
        event.due_at, event.tries = due_at, event.tries + 1
        event.save(update_fields=["due_at", "tries"])


def _failed(events: list[InboxEvent], trouble: words.ProviderTrouble, now: datetime) -> None:
    """Look again later, a little longer each time; after a day somebody should know."""
    for event in events:
        event.tries += 1
        event.error = str(trouble)[:200]
        if event.tries >= _MAX_TRIES:
            event.state = InboxState.FAILED
            logger.error("event.failed event=%s type=%s error=%s", event.id, event.type, event.error)
        event.due_at = now + timedelta(seconds=min(3600, 2**event.tries))
        event.save(update_fields=["tries", "error", "state", "due_at"])


def _set(events: list[InboxEvent], *, state: InboxState, error: str) -> None:
    InboxEvent.objects.filter(id__in=[event.id for event in events]).update(state=state, error=error)
