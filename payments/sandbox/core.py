"""The sandbox's front door: who asks, how often, under which idempotency key, and what may go wrong on the way."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from typing import Final

from payments.sandbox import (
    accounts,
    authorizing,
    checkout,
    customers,
    disputes,
    events,
    intents,
    money,
    refunds,
    schema,
    setups,
    transfers,
)
from payments.sandbox.call import Call, Route, match, new_id
from payments.sandbox.errors import ApiError, Invalid, not_modelled
from payments.sandbox.faults import ConnectionDropped, Fault, Faults
from payments.sandbox.lists import expanded, shown
from payments.sandbox.request import Answer, Request, authenticate, decode
from payments.sandbox.store import Json, Rows, Store, encode

_KEPT: Final = 24 * 3600
_PER_SECOND: Final = 25
_OPERATIONS: Final = (
    accounts,
    checkout,
    customers,
    disputes,
    events,
    intents,
    money,
    refunds,
    setups,
    transfers,
)

_DUE: Final[dict[str, Callable[[Call, str], None]]] = {
    "hold": intents.expire_hold,
    "session": checkout.lapse,
    "refund_arrives": refunds.arrive,
    "refund_fails": refunds.bounce,
    "dispute": disputes.open_by_bank,
    "dispute_lapses": disputes.lapse,
    "payout": transfers.arrive,
    "automatic_payout": transfers.pay_out_automatically,
}


class Sandbox:
    """Stripe, as far as we use it. Safe to share between threads; several processes may open the same file.

    `now` gives the moment by which holds lapse, sessions expire and keys are pruned. `site` is where the hosted pages
    are; empty means the host of a session's success page. `enforce_rate_limit` refuses more than 25 calls a second
    (of real time) to one endpoint.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        now: Callable[[], datetime],
        faults: Faults | None = None,
        enforce_rate_limit: bool = False,
        site: str = "",
    ) -> None:
        self.store = Store(path)
        self.now = now
        self.faults = faults
        self.enforce_rate_limit = enforce_rate_limit
        self.site = site.rstrip("/")
        #: Told of every answer: method, address, status, body. For those who look whether it is Stripe's.
        self.witness: Callable[[str, str, int, bytes], None] | None = None

    # ---- the API

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes | str = b"") -> Answer:
        """Answer one HTTP request to the API.

        Raises `ConnectionDropped` when a fault cuts the line: before the work or after it, which the caller cannot tell.
        """
        fault = self.faults.on_call(method, path) if self.faults is not None else None
        request = Request.of(method, path, headers, body, fault)
        if self.faults is not None and self.faults.delay:
            time.sleep(self.faults.delay)
        if fault is Fault.DROP_BEFORE:
            raise ConnectionDropped(f"{method} {path}: dropped before it arrived")
        try:
            answer = self._answer(request)
        except ApiError as no:
            answer = request.answer(no.status, encode(no.body), **no.headers)
        if self.witness is not None:
            self.witness(method, request.address, answer[0], answer[2])
        if fault is Fault.DROP_AFTER:
            raise ConnectionDropped(f"{method} {path}: dropped after the work")
        return answer

    def _answer(self, request: Request) -> Answer:
        authenticate(request.headers)
        found, captured = match(request.method, request.address.removeprefix("/v1/").strip("/"))
        self._throttle(f"{request.method} {'/'.join(found.parts)}", request.fault)
        if request.fault is Fault.TRANSIENT:
            raise ApiError(503, "Stripe is briefly unavailable.", kind="api_error")
        raw = decode(request.form)
        self._run_due()
        if request.method == "GET":
            return self._read(request, found, captured, raw)
        return self._write(request, found, captured, raw)

    def _throttle(self, endpoint: str, fault: Fault | None) -> None:
        if fault is Fault.TOO_MANY or (self.enforce_rate_limit and not self._has_room(endpoint)):
            message = "Request rate limit exceeded. Learn more about rate limits at https://docs.stripe.com/rate-limits."
            raise ApiError(429, message, code="rate_limit")

    def _has_room(self, endpoint: str) -> bool:
        window = int(time.time())
        with self.store.writing() as rows:
            rows.sql(
                "INSERT INTO rate VALUES (?, ?, 1) ON CONFLICT (endpoint) DO UPDATE SET"
                " calls = iif(window = excluded.window, calls + 1, 1), window = excluded.window",
                (endpoint, window),
            )
            calls: int = rows.sql("SELECT calls FROM rate WHERE endpoint = ?", (endpoint,)).fetchone()[0]
        return calls <= _PER_SECOND

    def _read(self, request: Request, found: Route, captured: dict[str, str], raw: Json) -> Answer:
        params = _checked(found, raw)
        # A magic card name makes its object when it is looked at, so even a GET may write then.
        magic = "pm_card_" in request.address
        with self.store.writing() if magic else self.store.reading() as rows:
            call = self._call(rows, request.account, request.id)
            call.path = captured
            body = encode(_presented(call, found.operation(call, params), params))
        return request.answer(200, body)

    def _write(self, request: Request, found: Route, captured: dict[str, str], raw: Json) -> Answer:
        key = request.headers.get("idempotency-key")
        if key is not None and not 1 <= len(key) <= 255:
            raise Invalid("Idempotency keys can have 1 to 255 characters.")
        fingerprint = sha256(f"{request.address}{json.dumps(raw, sort_keys=True)}".encode()).hexdigest()
        with self.store.writing() as rows:
            call = self._call(rows, request.account, request.id)
            call.path, call.idempotency_key = captured, key
            if key is not None:
                replay = _replayed(rows, call, key, fingerprint, request.arrived)
                if replay is not None:
                    return request.answer(replay[0], replay[1], **replay[2])
            status, body = _worked(call, found, _checked(found, raw), request.fault)
            if key is not None:
                rows.sql(
                    "INSERT INTO answer VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        request.account,
                        key,
                        fingerprint,
                        call.now,
                        time.perf_counter_ns(),
                        request.id,
                        status,
                        body,
                    ),
                )
        return request.answer(status, body, **({"Stripe-Should-Retry": "false"} if status == 500 else {}))

    def _call(self, rows: Rows, account: str = "", request_id: str | None = None) -> Call:
        call = Call(rows, int(self.now().timestamp()), self.site, account, request_id)
        if account and rows.get(account, "account") is None:
            message = f"The provided key does not have access to account '{account}' (or that account does not exist)."
            raise ApiError(403, message, code="account_invalid")
        return call

    # ---- what happens by itself

    def _run_due(self) -> None:
        """Let happen what was to happen by now, each thing at its own moment and in its own transaction."""
        now = int(self.now().timestamp())
        with self.store.reading() as rows:
            waiting = rows.sql("SELECT 1 FROM due WHERE at <= ? LIMIT 1", (now,)).fetchone()
        while waiting is not None:
            with self.store.writing() as rows:
                waiting = rows.sql(
                    "SELECT seq, at, kind, subject FROM due WHERE at <= ? ORDER BY at, seq LIMIT 1", (now,)
                ).fetchone()
                if waiting is not None:
                    rows.sql("DELETE FROM due WHERE seq = ?", (waiting[0],))
                    _DUE[waiting[2]](Call(rows, waiting[1], self.site), waiting[3])

    def pump(
        self, deliver: Callable[[bytes, str], int], *, secret: str = events.SECRET, limit: int = 100
    ) -> events.Pumped:
        """Deliver due webhooks by `deliver(payload, signature) -> HTTP status`. See `events.pump`."""
        self._run_due()
        return events.pump(
            self.store, int(self.now().timestamp()), deliver, faults=self.faults, secret=secret, limit=limit
        )

    # ---- what people do on Stripe's own pages

    @contextmanager
    def acting(self) -> Iterator[Call]:
        """Open the call of someone at a hosted page or at the dashboard. A decline is kept although it is raised."""
        self._run_due()
        declined: ApiError | None = None
        with self.store.writing() as rows:
            try:
                yield self._call(rows)
            except ApiError as no:
                if not no.keeps:
                    raise
                declined = no
        if declined is not None:
            raise declined

    @contextmanager
    def looking(self) -> Iterator[Call]:
        """Open a call that only reads, for the sandbox's own pages."""
        self._run_due()
        with self.store.reading() as rows:
            yield self._call(rows)

    def see(self, object_id: str) -> Json | None:
        """Give an object as it is kept, for the hosted pages. None when there is none."""
        self._run_due()
        with self.store.reading() as rows:
            return rows.get(object_id)

    def pay(self, session_id: str, typed: checkout.Typed) -> Json:
        """Do what a customer does on the Checkout page. Raises `ApiError` when the card or the session is refused."""
        with self.acting() as call:
            return checkout.pay(call, checkout.find(call, session_id), typed)

    def authenticate(self, object_id: str, *, passed: bool) -> Json:
        """Do what a cardholder does on the 3-D Secure page of an intent. Gives the intent, or its session."""
        with self.acting() as call:
            intent = call.rows.get(object_id) or {}
            if intent.get("object") not in ("payment_intent", "setup_intent"):
                raise ApiError(404, f"No such intent: '{object_id}'", code="resource_missing")
            if intent.get("_session"):
                return checkout.answer_challenge(call, checkout.find(call, intent["_session"]), passed=passed)
            if intent["object"] == "setup_intent":
                return setups.answer_challenge(call, intent, passed=passed)
            return authorizing.answer_challenge(call, intent, passed=passed)

    def finish_onboarding(self, account_id: str) -> Json:
        """Do what an operator does on the onboarding page: the account can be paid from now on. Harmless twice."""
        with self.acting() as call:
            return accounts.finish_onboarding(call, account_id)

    def refund_in_dashboard(self, charge_id: str, amount: int | None = None) -> Json:
        """Refund as someone does in Stripe's dashboard, past our application. `amount` None means all that is left."""
        with self.acting() as call:
            return refunds.make(
                call, call.find("charge", charge_id), amount, reason="requested_by_customer", metadata={}
            )

    def top_up_in_dashboard(self, amount: int) -> Json:
        """Send money from our bank to our balance, as the owner does in Stripe's dashboard."""
        with self.acting() as call:
            return money.book(call, "topup", new_id("tu"), amount, "usd", available_on=call.now)

    def bill(self, amount: int) -> Json:
        """Charge us for what belongs to no payment, as Stripe does by the month; below zero it is given back."""
        with self.acting() as call:
            return money.book(call, "stripe_fee", None, -amount, "usd", available_on=call.now, category="fee")

    def open_dispute(self, charge_id: str, *, amount: int | None = None) -> Json:
        """Let a cardholder dispute a charge at the bank: what is left of it, or `amount` minor units of that."""
        with self.acting() as call:
            return disputes.open_dispute(call, call.find("charge", charge_id), amount)

    def decide_dispute(self, dispute_id: str, *, won: bool) -> Json:
        """Let the bank decide a dispute: for us only once it has our evidence. Raises `ApiError` when it cannot."""
        with self.acting() as call:
            return disputes.decide(call, call.find("dispute", dispute_id), won=won)

    def reconsider_dispute(self, dispute_id: str) -> Json:
        """Let the bank win a dispute for us that it had decided for the cardholder. Raises `ApiError` for another one."""
        with self.acting() as call:
            return disputes.reconsider(call, call.find("dispute", dispute_id))


# ---- one request, step by step


def _checked(found: Route, raw: Json) -> Json:
    """Give the typed parameters. Raises `Invalid`: nothing of this is stored under a key."""
    if "payment_method_types" in raw and found.parts[:2] != ("payment_methods",):
        raise Invalid(
            "The `payment_method_types` parameter is no longer supported from API version 2026-09-30.endive. "
            "Use `allowed_payment_method_types` instead.",
            param="payment_method_types",
            code="payment_method_types_no_longer_supported",
        )
    if found.parameters is None:
        return raw
    params = schema.read(found.parameters, raw)
    for name in found.refuses & params.keys():
        raise not_modelled(name)
    return params


def _replayed(
    rows: Rows, call: Call, key: str, fingerprint: str, arrived: int
) -> tuple[int, str, dict[str, str]] | None:
    """Give the stored answer of an earlier call under this key. Raises `ApiError` for a clash."""
    rows.sql("DELETE FROM answer WHERE created <= ?", (call.now - _KEPT,))
    row = rows.sql(
        "SELECT fingerprint, finished_ns, request_id, status, body FROM answer WHERE account = ? AND key = ?",
        (call.account, key),
    ).fetchone()
    if row is None:
        return None
    if row[0] != fingerprint:
        message = (
            "Keys for idempotent requests can only be used with the same parameters and for the same endpoint they were "
            f"first used with. Try using a key other than '{key}' if you meant to execute a different request."
        )
        raise ApiError(400, message, kind="idempotency_error")
    # The other call was still at work when this one came: what Stripe calls concurrent. A mark beyond the present is
    # from before a reboot and says nothing.
    if arrived < row[1] <= time.perf_counter_ns():
        message = (
            "There is currently another in-progress request using this Idempotent Key (that probably means you submitted "
            f"twice, and the other request is still going through): {key}."
        )
        raise ApiError(409, message, kind="idempotency_error", code="idempotency_key_in_use")
    return row[3], row[4], {"Idempotent-Replayed": "true", "Original-Request": row[2]}


def _worked(call: Call, found: Route, params: Json, fault: Fault | None) -> tuple[int, str]:
    """Do the work inside a savepoint and give what is answered and stored."""
    call.rows.sql("SAVEPOINT work")
    try:
        status, body = 200, encode(_presented(call, found.operation(call, params), params))
    except Invalid:
        raise
    except ApiError as no:
        if not no.keeps:
            call.rows.sql("ROLLBACK TO work")
        status, body = no.status, encode(no.body)
    if fault is Fault.STORED_WITHOUT_EFFECT:
        call.rows.sql("ROLLBACK TO work")
    if fault in (Fault.STORED_WITHOUT_EFFECT, Fault.STORED_WITH_EFFECT):
        status, body = 500, encode(ApiError(500, "An unknown error occurred.", kind="api_error").body)
    call.rows.sql("RELEASE work")
    return status, body


def _presented(call: Call, body: Json, params: Json) -> Json:
    answer = body if body["object"] == "list" else shown(call, body)
    return expanded(call, answer, params.get("expand", []))
