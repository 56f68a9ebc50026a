"""Six designs that are wrong on purpose. If the stories do not catch each of them, the stories are not worth much."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from payments import gateway
from payments.actions import calls, operations, payments
from payments.gateway import words
from payments.models import Operation
from payments.states import OperationState, PaymentState
from rally.proof.swaps import swapped
from trips.actions import backing
from trips.states import PledgeState, TripState

_MONEY = (Operation.Kind.AUTHORIZE, Operation.Kind.CHARGE, Operation.Kind.REFUND, Operation.Kind.TRANSFER)

Patch = tuple[Any, str, Any]


@dataclass(frozen=True)
class Design:
    """A wrong design: `caught` are the properties that must see it, `as_` what that is in words."""

    name: str
    as_: str
    caught: frozenset[str]
    patches: Callable[[], list[Patch]]


def _key_per_send() -> list[Patch]:
    """A fresh key for each send, as libraries do by default."""
    chance = random.Random(1)
    return [(calls, "_key", lambda _operation: f"send:{chance.getrandbits(96):x}")]


def _no_lookup() -> list[Patch]:
    """A new key after 24 hours or a stored 500, without looking whether the old one had its effect."""
    blind = {
        kind: replace(call, find=lambda _operation: None) if kind in _MONEY else call
        for kind, call in calls.KINDS.items()
    }
    return [(calls, "KINDS", blind)]


def _no_metadata() -> list[Patch]:
    """Nothing is written on holds, refunds and transfers, so that only their own answers tell whose they are."""

    def bare(real: Callable[..., Any]) -> Callable[..., Any]:
        def create(*args: Any, tags: dict[str, str], **more: Any) -> Any:
            seen = real(*args, tags={}, **more)
            return replace(seen, tags=words.Tags(**tags))

        return create

    makers = ("create_intent", "create_refund", "create_transfer")
    return [(gateway, name, bare(getattr(gateway, name))) for name in makers]


def _network_error_is_failure() -> list[Patch]:
    """A call that was not answered counts as one that was refused."""
    real = operations._postpone

    def postpone(
        operation: Operation,
        unknown: words.ProviderTrouble,
        now: datetime,
        *,
        pause: timedelta | None = None,
    ) -> OperationState:
        if unknown.code == "APIConnectionError":
            return operations._give_up(operation, unknown, now)
        return real(operation, unknown, now, pause=pause)

    return [(operations, "_postpone", postpone)]


def _no_rotation() -> list[Patch]:
    """The same key for ever, though what is stored under it is a failure."""
    return [(operations, "_renew_key", lambda _operation, _now: True)]


def _capture_as_you_go() -> list[Patch]:
    """Each hold is taken as soon as it is there, instead of after the decision."""
    real = backing.carry_on

    def carry_on(*, trip: Any, pledge: Any, payment: Any, now: datetime) -> None:
        real(trip=trip, pledge=pledge, payment=payment, now=now)
        if (
            trip.state == TripState.SETTLING
            and pledge.state == PledgeState.HELD
            and payment.state == PaymentState.HELD
        ):
            payments.capture(payment_id=payment.id, amount=pledge.amount, now=now)
            backing.move(pledge, PledgeState.CAPTURING, now=now, by=None, trip=trip)

    return [(backing, "carry_on", carry_on)]


_DOUBLE = frozenset({"P1", "P2"})
#: As in payments' table of wrong designs.
DESIGNS: dict[str, Design] = {
    design.name: design
    for design in (
        Design("key-per-send", "double hold", _DOUBLE, _key_per_send),
        Design("no-lookup", "double hold", _DOUBLE, _no_lookup),
        Design("no-metadata", "double hold", _DOUBLE, _no_metadata),
        Design(
            "network-error-is-failure",
            "leaked hold, stuck",
            frozenset({"P10", "P11"}),
            _network_error_is_failure,
        ),
        Design("no-key-rotation", "stuck", frozenset({"P10"}), _no_rotation),
        Design(
            "capture-as-you-go", "money taken for an unconfirmed trip", frozenset({"P3"}), _capture_as_you_go
        ),
    )
}


@contextmanager
def built_in(name: str) -> Iterator[None]:
    """Have the application built by this wrong design for a while; as it is, if the name is empty."""
    with ExitStack() as stack:
        for owner, attribute, value in DESIGNS[name].patches() if name else ():
            stack.enter_context(swapped(owner, attribute, value))
        yield
