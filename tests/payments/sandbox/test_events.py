"""Events and webhooks: listed, signed, tried again, doubled, lost and reordered."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import stripe

from payments.sandbox.events import SECRET
from payments.sandbox.faults import WebhookFault
from tests.payments.sandbox.bench import Bench


class Receiver:
    """A webhook that keeps what it gets and answers as it is told."""

    def __init__(self, bench: Bench, status: int = 200) -> None:
        self.bench, self.status = bench, status
        self.got: list[stripe.Event] = []

    def __call__(self, payload: bytes, signature: str) -> int:
        self.got.append(self.bench.client.construct_event(payload, signature, SECRET))
        return self.status

    @property
    def kinds(self) -> list[str]:
        return [event.type for event in self.got]


def test_what_is_delivered_is_signed_and_says_what_happened(bench: Bench) -> None:
    bench.charge_saved(*bench.saved(), key="hold-1")
    webhook = Receiver(bench)
    done = bench.sandbox.pump(webhook)
    assert (done.delivered, done.failed, done.waiting) == (len(webhook.got), 0, 0)
    assert webhook.kinds == bench.events()
    assert webhook.kinds[-2:] == ["charge.succeeded", "payment_intent.amount_capturable_updated"]
    last = webhook.got[-1]
    assert (last.livemode, last.api_version, last.created) == (False, "2026-09-30.endive", bench.now)
    assert last.request is not None
    assert last.request.idempotency_key == "hold-1"
    assert last.data.object["status"] == "requires_capture"
    assert bench.sandbox.pump(webhook).delivered == 0


@pytest.mark.parametrize("change", ["body", "secret", "time"])
def test_a_forged_delivery_is_not_believed(bench: Bench, change: str) -> None:
    bench.customer()
    sent: list[tuple[bytes, str]] = []

    def keep(payload: bytes, signature: str) -> int:
        sent.append((payload, signature))
        return 200

    bench.sandbox.pump(keep)
    payload, signature = sent[0]
    if change == "body":
        payload = payload.replace(b"customer.created", b"customer.deleted")
    if change == "time":
        signature = signature.replace("t=", "t=1", 1)
    with pytest.raises(stripe.SignatureVerificationError):
        bench.client.construct_event(payload, signature, "whsec_other" if change == "secret" else SECRET)


def test_a_refused_delivery_is_tried_again_for_three_days(bench: Bench) -> None:
    bench.customer()
    webhook = Receiver(bench, status=500)
    assert bench.sandbox.pump(webhook).failed == 1
    assert bench.sandbox.pump(webhook).failed == 0
    bench.pass_time(seconds=60)
    assert bench.sandbox.pump(webhook).failed == 1
    event = bench.client.v1.events.list({"delivery_success": False}).data[0]
    assert event.pending_webhooks == 1
    for _ in range(200):
        bench.pass_time(hours=1)
        bench.sandbox.pump(webhook)
    assert {event.id for event in webhook.got} == {event.id}
    assert 8 <= len(webhook.got) <= 16
    assert bench.sandbox.pump(webhook).waiting == 0
    assert bench.client.v1.events.retrieve(event.id).pending_webhooks == 0
    assert [one.id for one in bench.client.v1.events.list({"delivery_success": False}).data] == [event.id]


def test_a_receiver_that_is_not_there_is_tried_again(bench: Bench) -> None:
    bench.customer()

    def unreachable(payload: bytes, signature: str) -> int:
        raise ConnectionRefusedError

    assert bench.sandbox.pump(unreachable).failed == 1
    bench.pass_time(minutes=1)
    webhook = Receiver(bench)
    assert bench.sandbox.pump(webhook).delivered == 1
    assert len(bench.client.v1.events.list({"delivery_success": True}).data) == 1


def test_deliveries_get_lost_doubled_and_reordered(bench: Bench) -> None:
    bench.faults.script_webhook("customer.created", WebhookFault.LOST, WebhookFault.TWICE, WebhookFault.LATER)
    customers = [bench.customer() for _ in range(4)]
    webhook = Receiver(bench)
    bench.sandbox.pump(webhook)
    lost, twice, later, plain = customers
    assert [event.data.object["id"] for event in webhook.got] == [twice, twice, plain, later]
    failed = bench.client.v1.events.list({"delivery_success": False}).data
    assert [event.data.object["id"] for event in failed] == [lost]


def test_a_delivery_under_way_is_not_sent_by_a_second_pump(bench: Bench) -> None:
    bench.customer()
    inner: list[int] = []

    def slow(payload: bytes, signature: str) -> int:
        inner.append(bench.sandbox.pump(Receiver(bench)).delivered)
        assert bench.client.v1.customers.list().data  # the receiver may call back: nothing is locked
        return 200

    assert bench.sandbox.pump(slow).delivered == 1
    assert inner == [0]


def test_trouble_by_chance_still_delivers_the_rest(bench: Bench) -> None:
    bench.faults.webhook_rates = {WebhookFault.LATER: 0.3, WebhookFault.TWICE: 0.2}
    made = {bench.customer() for _ in range(30)}
    webhook = Receiver(bench)
    for _ in range(5):
        bench.sandbox.pump(webhook)
    bench.faults.stop()
    bench.sandbox.pump(webhook)
    assert {event.data.object["id"] for event in webhook.got} == made
    assert webhook.got != sorted(webhook.got, key=lambda event: event.created) or len(webhook.got) > len(made)


# ---- the list


def _listed(bench: Bench, **params: Any) -> list[str]:
    return [event.data.object["id"] for event in bench.client.v1.events.list(params).data]  # type: ignore[arg-type]


def test_events_are_paged_both_ways(bench: Bench) -> None:
    made = []
    for _ in range(7):
        made.append(bench.customer())
        bench.pass_time(seconds=10)
    newest_first = made[::-1]
    page = bench.client.v1.events.list({"limit": 3})
    assert ([event.data.object["id"] for event in page.data], page.has_more) == (newest_first[:3], True)
    older = bench.client.v1.events.list({"limit": 3, "starting_after": page.data[-1].id})
    assert [event.data.object["id"] for event in older.data] == newest_first[3:6]
    newer = bench.client.v1.events.list({"limit": 2, "ending_before": older.data[-1].id})
    assert ([event.data.object["id"] for event in newer.data], newer.has_more) == (newest_first[3:5], True)
    assert [
        event.data.object["id"] for event in bench.client.v1.events.list({"limit": 2}).auto_paging_iter()
    ] == newest_first


def test_events_are_filtered_by_time_and_kind(bench: Bench) -> None:
    first = bench.customer()
    bench.pass_time(seconds=10)
    middle, moment = bench.customer(), bench.now
    bench.pass_time(seconds=10)
    last = bench.customer()
    bench.session()
    bench.client.v1.customers.delete(last)
    assert _listed(bench, created={"gte": moment}, type="customer.created") == [last, middle]
    assert _listed(bench, created={"gt": moment}, type="customer.created") == [last]
    assert _listed(bench, created={"lt": moment}) == [first]
    assert _listed(bench, created=moment) == [middle]
    assert _listed(bench, type="customer.deleted") == [last]
    assert _listed(bench, types=["customer.deleted", "customer.created"]) == [last, last, middle, first]
    assert _listed(bench, type="customer.*") == [last, last, middle, first]


def test_events_go_back_30_days(bench: Bench, day: timedelta) -> None:
    bench.customer()
    event = bench.client.v1.events.list().data[0]
    bench.clock.move(30 * day)
    assert bench.client.v1.events.retrieve(event.id).id == event.id
    bench.pass_time(seconds=1)
    assert bench.client.v1.events.list().data == []
    with pytest.raises(stripe.InvalidRequestError):
        bench.client.v1.events.retrieve(event.id)


@pytest.mark.parametrize("limit", [0, 101])
def test_a_page_has_1_to_100(bench: Bench, limit: int) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        bench.client.v1.events.list({"limit": limit})


def test_an_operators_events_are_listed_under_its_account(bench: Bench) -> None:
    operator = bench.operator()
    assert bench.events() == []
    theirs = bench.client.v1.events.list({}, {"stripe_account": operator}).data
    assert [event.type for event in theirs] == ["account.updated", "account.updated"]
    webhook = Receiver(bench)
    bench.sandbox.pump(webhook)
    assert [event.account for event in webhook.got] == [operator, operator]


def test_an_event_keeps_the_object_as_it_was(bench: Bench) -> None:
    held = bench.charge_saved(*bench.saved())
    bench.client.v1.payment_intents.cancel(held.id)
    seen = bench.client.v1.events.list({"type": "payment_intent.amount_capturable_updated"}).data[0]
    assert seen.data.object["status"] == "requires_capture"
    assert "_session" not in json.dumps(seen.to_dict())
