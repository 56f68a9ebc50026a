"""What the provider tells us: forged, stale, doubled, reordered or lost, the end is the same."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from payments import gateway
from payments.actions import inbox, payments
from payments.gateway import words
from payments.models import Attempt, Checkout, FeedCursor, InboxEvent, LedgerTransfer, Operation, Payment
from payments.sandbox.core import Sandbox
from payments.sandbox.events import signature
from payments.sandbox.faults import Fault, WebhookFault
from payments.states import InboxState, PaymentState
from rally.models import User
from tests.factories.payments import go, payment, type_card, usd
from tests.payments.conftest import Time, work

HOLD, SAVE = Checkout.Mode.HOLD, Checkout.Mode.SAVE
ADDRESS = "/payments/webhook/"


def post(client: Client, body: bytes, signed: str) -> int:
    return client.post(
        ADDRESS, data=body, content_type="application/json", headers={"Stripe-Signature": signed}
    ).status_code


def an_event(**more: Any) -> bytes:
    event = {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "livemode": False,
        "created": 1,
        "api_version": settings.STRIPE_VERSION,
        "data": {"object": {"id": "pi_unknown", "object": "payment_intent", "metadata": {}}},
        **more,
    }
    return json.dumps(event).encode()


def stamp(time: Time) -> int:
    return int(time().timestamp())


# ---- the door


def test_a_signed_event_is_kept_once(sandbox: Sandbox, client: Client, time: Time) -> None:
    body = an_event()
    for _ in range(3):
        assert post(client, body, signature(body, "whsec_sandbox", stamp(time))) == 200
    event = InboxEvent.objects.get()
    assert (event.id, event.source, event.tries) == ("evt_1", "push", 1)  # nobody here: looked, not found
    InboxEvent.objects.update(state=InboxState.DONE)
    inbox.read("evt_1", now=time())
    assert InboxEvent.objects.get().tries == 1


@pytest.mark.parametrize("trouble", ["forged", "changed", "stale", "unsigned", "live", "broken"])
def test_what_is_not_ours_is_turned_away(sandbox: Sandbox, client: Client, time: Time, trouble: str) -> None:
    body = an_event(livemode=trouble == "live")
    secret = "whsec_guess" if trouble == "forged" else "whsec_sandbox"
    signed = signature(body, secret, stamp(time) - (301 if trouble == "stale" else 0))
    if trouble == "changed":
        body = body.replace(b"pi_unknown", b"pi_mine")
    if trouble == "broken":
        body = b"\xff{"
        signed = signature(body, secret, stamp(time))
    assert post(client, body, "" if trouble == "unsigned" else signed) == 400
    assert not InboxEvent.objects.exists()


def test_an_old_secret_is_good_until_it_is_taken_away(
    sandbox: Sandbox, client: Client, time: Time, settings: Any
) -> None:
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new", "whsec_old"]
    for number, secret in enumerate(settings.STRIPE_WEBHOOK_SECRETS):
        body = an_event(id=f"evt_{number}")
        assert post(client, body, signature(body, secret, stamp(time))) == 200
    assert InboxEvent.objects.count() == 2


def test_only_post(sandbox: Sandbox, client: Client) -> None:
    assert client.get(ADDRESS).status_code == 405


# ---- the end is the same, whatever way the news takes


def a_story(ana: User, time: Time) -> Payment:
    """Held on the page with the tab closed, captured by hand at the provider, partly refunded by hand."""
    from payments.sandbox import runtime

    paid = payment(ana, now=time())
    type_card(go(paid, HOLD, now=time()))
    intent = runtime.current().see(Checkout.objects.get().session)["payment_intent"]  # type: ignore[index]
    gateway.capture_intent(intent, amount=4200, key="by-hand")
    charge = gateway.intent(intent).charge
    runtime.current().refund_in_dashboard(charge, 1200)
    return paid


def the_end(paid: Payment) -> tuple[Any, ...]:
    paid.refresh_from_db()
    ledger = LedgerTransfer.objects.exclude(debit__startswith="hold").values_list(
        "debit", "credit", "amount_minor"
    )
    return paid.state, paid.captured_minor, paid.refunded_minor, sorted(ledger)


EXPECTED = (
    PaymentState.PAID,
    4200,
    1200,
    sorted(
        [
            ("stripe:balance", "rider:deposit", 4200),
            ("expense:stripe_fee", "stripe:balance", 152),
            ("rider:deposit", "rider:refund_due", 1200),
            ("rider:refund_due", "stripe:balance", 1200),
        ]
    ),
)


def pushed(sandbox: Sandbox, client: Client) -> None:
    for _ in range(6):
        sandbox.pump(lambda body, signed: post(client, body, signed))


def test_by_webhook_alone(sandbox: Sandbox, ana: User, client: Client, time: Time) -> None:
    paid = a_story(ana, time)
    pushed(sandbox, client)
    assert the_end(paid) == EXPECTED


def test_by_the_feed_alone(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = a_story(ana, time)
    work(time)
    assert the_end(paid) == EXPECTED


def test_a_first_look_hears_everything_that_the_provider_remembers(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = a_story(ana, time)
    time.move(days=15)
    work(time)
    assert the_end(paid) == EXPECTED


def test_by_both(sandbox: Sandbox, ana: User, client: Client, time: Time) -> None:
    paid = a_story(ana, time)
    pushed(sandbox, client)
    work(time)
    pushed(sandbox, client)
    assert the_end(paid) == EXPECTED
    assert not InboxEvent.objects.exclude(state=InboxState.DONE).exists()


@pytest.mark.parametrize("fault", list(WebhookFault))
def test_by_webhooks_in_trouble(
    sandbox: Sandbox, ana: User, client: Client, time: Time, fault: WebhookFault
) -> None:
    assert sandbox.faults is not None
    sandbox.faults.webhook_rates = {fault: 0.5}
    paid = a_story(ana, time)
    pushed(sandbox, client)
    sandbox.faults.stop()
    work(time)
    assert the_end(paid) == EXPECTED


@pytest.mark.parametrize("seed", range(3))
def test_in_any_order_and_number(sandbox: Sandbox, ana: User, time: Time, seed: int) -> None:
    paid = a_story(ana, time)
    chance = random.Random(seed)
    events = list(gateway.events_since(time()))
    events = chance.choices(events, k=len(events) * 2) + events
    chance.shuffle(events)
    for number, event in enumerate(events):
        inbox.keep([words.EventSeen(**{**event.__dict__, "id": f"evt_{number}"})], source="pull", now=time())
        if chance.random() < 0.5:
            inbox.read_due(now=time())
    inbox.read_due(now=time())
    assert the_end(paid) == EXPECTED


# ---- reading


def test_one_look_for_many_events_of_one_thing(sandbox: Sandbox, ana: User, time: Time) -> None:
    a_story(ana, time)
    inbox.poll(now=time())
    about_intent = [each for each in InboxEvent.objects.all() if inbox.thing_of(each)[0] == "payment_intent"]
    assert len(about_intent) >= 4
    # News of the page or the charge, read first, would bring the intent along; which is first is chance.
    others = InboxEvent.objects.exclude(id__in=[each.id for each in about_intent])
    others.update(state=InboxState.DONE)
    looks: list[str] = []
    real = sandbox.handle

    def counted(method: str, path: str, headers: Any, body: Any = b"") -> Any:
        looks.append(path.split("?", maxsplit=1)[0])
        return real(method, path, headers, body)

    sandbox.handle = counted  # type: ignore[method-assign]
    inbox.read_due(now=time())
    assert len([path for path in looks if path.startswith("/v1/payment_intents/")]) == 1
    others.update(state=InboxState.WAITING)


def test_what_we_did_ourselves_is_not_asked_for_again(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = payment(ana, now=time())
    type_card(go(paid, SAVE, now=time()))
    work(time)
    payments.authorize(payment_id=paid.id, amount=usd(4200), now=time())
    payments.capture(payment_id=paid.id, amount=usd(4200), now=time())
    payments.refund(payment_id=paid.id, amount=usd(200), reason="x", now=time(), by=None)
    inbox.poll(now=time())
    assert sandbox.faults is not None
    sandbox.faults.script("GET", "/v1/(payment_intents|refunds|checkout)", *[Fault.DROP_BEFORE] * 20)
    inbox.read_due(now=time())
    assert set(InboxEvent.objects.values_list("state", flat=True)) == {InboxState.DONE}


def test_an_event_about_what_is_under_way_waits_for_the_answer(
    sandbox: Sandbox, ana: User, time: Time
) -> None:
    paid = payment(ana, now=time())
    type_card(go(paid, SAVE, now=time()))
    work(time)
    assert sandbox.faults is not None
    sandbox.faults.script("POST", "payment_intents$", Fault.DROP_AFTER)
    payments.authorize(payment_id=paid.id, amount=usd(4200), now=time())
    from datetime import timedelta

    Operation.objects.filter(kind="authorize").update(leased_until=time() + timedelta(seconds=60))
    inbox.poll(now=time())
    inbox.read_due(now=time())
    assert not Attempt.objects.filter(state="held").exists()
    time.move(seconds=5)
    inbox.read_due(now=time())  # the answer does not come: the event is believed
    assert Attempt.objects.get().state == "held"


def test_a_silent_provider_is_asked_again_later(sandbox: Sandbox, ana: User, time: Time) -> None:
    a_story(ana, time)
    assert sandbox.faults is not None
    sandbox.faults.script("GET", "/v1/events", Fault.DROP_BEFORE)
    assert inbox.poll(now=time()) == 0
    assert not FeedCursor.objects.exists()
    assert inbox.poll(now=time()) > 0
    assert inbox.poll(now=time()) == 0
    # Whatever is looked at first: what it tells may answer the others.
    sandbox.faults.script("GET", r"/v1/(payment_intents|checkout/sessions|refunds)/", Fault.DROP_BEFORE)
    inbox.read_due(now=time())
    assert InboxEvent.objects.filter(state=InboxState.WAITING, tries=1).exists()


def test_an_event_that_cannot_be_read_is_shown_to_staff(sandbox: Sandbox, time: Time) -> None:
    from payments import queries

    event = json.loads(an_event())
    inbox.keep(
        [
            words.EventSeen(
                "evt_1", event["type"], "pi_unknown", "", "", False, time(), event["data"]["object"]
            )
        ],
        source="pull",
        now=time(),
    )
    for _ in range(30):
        time.move(hours=1)
        inbox.read_due(now=time())
    assert [each.id for each in queries.unread_events()] == ["evt_1"]


def test_an_orphan_of_a_lost_database_is_let_go(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = payment(ana, now=time())
    type_card(go(paid, HOLD, now=time()))
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE payments_payment CASCADE")
    assert gateway.books().capturable == 4200
    work(time)
    work(time)
    assert gateway.books().capturable == 0


def test_another_installation_s_holds_are_left_alone(
    sandbox: Sandbox, ana: User, time: Time, settings: Any
) -> None:
    paid = payment(ana, now=time())
    type_card(go(paid, HOLD, now=time()))
    settings.INSTALL = "another"
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE payments_payment CASCADE")
    work(time)
    work(time)
    assert gateway.books().capturable == 4200
    settings.INSTALL = "test"
    InboxEvent.objects.update(state=InboxState.WAITING)  # let the fixture find clean books
