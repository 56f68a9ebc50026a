"""Events: what happened, kept for 30 days, and told to our webhook with retries."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from hmac import new as hmac
from typing import Final

from payments.sandbox.call import Call, public, route
from payments.sandbox.errors import missing
from payments.sandbox.faults import Faults, WebhookFault
from payments.sandbox.lists import events
from payments.sandbox.store import Json, Store, encode

SECRET: Final = "whsec_sandbox"  # noqa: S105  it guards no money and is the same in every demo

# After each failed try, in seconds; then every twelve hours until three days have passed, as Stripe does when live.
_BACK_OFF: Final = (60, 300, 1800, 7200, 18000, 36000, 43200)
_GIVE_UP: Final = 3 * 24 * 3600
_LEASE: Final = 60.0


@route("GET", "events", "EventListParams")
def list_events(call: Call, params: Json) -> Json:
    """Give events of the last 30 days, newest first."""
    return events(call, params)


@route("GET", "events/{id}", "EventRetrieveParams")
def retrieve(call: Call, _params: Json) -> Json:
    """Give an event of the last 30 days."""
    event = call.find("event", call.path["id"])
    if event["created"] < call.now - 30 * 24 * 3600:
        raise missing("event", call.path["id"])
    return event


def signature(payload: bytes, secret: str, moment: int) -> str:
    """Give the `Stripe-Signature` header for a payload sent at this Unix time."""
    signed = hmac(secret.encode(), b"%d." % moment + payload, sha256)
    return f"t={moment},v1={signed.hexdigest()}"


@dataclass
class Pumped:
    """What one round of deliveries did. `waiting` counts those that are still to come, now or later."""

    delivered: int = 0
    failed: int = 0
    waiting: int = 0


def pump(
    store: Store,
    now: int,
    deliver: Callable[[bytes, str], int],
    *,
    faults: Faults | None,
    secret: str = SECRET,
    limit: int = 100,
) -> Pumped:
    """Send the deliveries that are due by calling `deliver(payload, signature)`, which answers an HTTP status.

    2xx is success. Anything else, or an `OSError`, is tried again later with growing pauses for three days. Nothing is
    locked while `deliver` runs. Two pumps at once do not send the same delivery: each holds a lease on its own.
    """
    done = Pumped()
    postponed: set[int] = set()
    for _ in range(limit):
        claimed = _claim(store, now, postponed)
        if claimed is None:
            break
        number, tries, first_due, event = claimed
        fault = faults.on_webhook(event["type"]) if faults is not None else None
        if fault is WebhookFault.LATER:
            _postpone(store, number)
            postponed.add(number)
            continue
        delivered = _send(event, deliver, secret, fault)
        _record(store, number, now, tries + 1, first_due, state=_state(delivered, fault))
        done.delivered += delivered
        done.failed += not delivered
    with store.reading() as rows:
        done.waiting = rows.sql("SELECT count(*) FROM delivery WHERE state = 'pending'").fetchone()[0]
    return done


def _claim(store: Store, now: int, postponed: set[int]) -> tuple[int, int, int, Json] | None:
    # Leases follow the real clock: they guard against a killed pump, whatever the virtual clock does.
    moment = time.time()
    with store.writing() as rows:
        found = rows.sql(
            "SELECT delivery.seq, tries, first_due, body FROM delivery JOIN object ON object.id = event"
            " WHERE state = 'pending' AND due <= ? AND leased_until < ? ORDER BY due, delivery.seq LIMIT ?",
            (now, moment, len(postponed) + 1),
        ).fetchall()
        # What was put off comes last, and then the youngest first.
        fresh = [row for row in found if row[0] not in postponed]
        chosen = (fresh or found[::-1] or [None])[0]
        if chosen is None:
            return None
        postponed.discard(chosen[0])
        rows.sql("UPDATE delivery SET leased_until = ? WHERE seq = ?", (moment + _LEASE, chosen[0]))
    return chosen[0], chosen[1], chosen[2], json.loads(chosen[3])


def _send(event: Json, deliver: Callable[[bytes, str], int], secret: str, fault: WebhookFault | None) -> bool:
    if fault is WebhookFault.LOST:
        return False
    payload = encode(public(event)).encode()
    answered = False
    for _ in range(2 if fault is WebhookFault.TWICE else 1):
        try:
            # Signed with the real time: the receiver compares it with its own.
            answered = 200 <= deliver(payload, signature(payload, secret, int(time.time()))) < 300
        except OSError:
            answered = False
    return answered


def _state(delivered: bool, fault: WebhookFault | None) -> str:
    if fault is WebhookFault.LOST:
        return "lost"
    return "delivered" if delivered else "pending"


def _postpone(store: Store, number: int) -> None:
    with store.writing() as rows:
        rows.sql("UPDATE delivery SET leased_until = 0 WHERE seq = ?", (number,))


def _record(store: Store, number: int, now: int, tries: int, first_due: int, *, state: str) -> None:
    again = now + _BACK_OFF[min(tries, len(_BACK_OFF)) - 1]
    if state == "pending" and again > first_due + _GIVE_UP:
        state = "failed"
    with store.writing() as rows:
        rows.sql(
            "UPDATE delivery SET tries = ?, due = ?, state = ?, leased_until = 0 WHERE seq = ?",
            (tries, again, state, number),
        )
