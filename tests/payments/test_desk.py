"""The desk: what staff see of money, the buttons, and that nobody else finds any of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from payments import signals
from payments.actions import disputes, payments, reconciling, requests
from payments.models import (
    Contribution,
    Dispute,
    InboxEvent,
    MoneyRequest,
    Operation,
    Payment,
    Reconciliation,
    Transfer,
)
from payments.queries import desk
from payments.queries.shortfalls import Shortfall, shortfalls
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Fault
from payments.states import InboxState, OperationState, RefundState, RequestState, TransferState
from rally import audit
from rally.models import StaffAction, User
from tests.factories.payments import REFUND_FAILS, payee, usd
from tests.factories.people import person
from tests.payments.conftest import Time, taken, work
from tests.seeing import signed_in

PAGES = ("home", "audit", "money", "payments", "disputes", "requests", "ask")


def complained(sandbox: Sandbox, paid: Payment, time: Time) -> Dispute:
    sandbox.open_dispute(paid.attempts.get().charge)
    work(time)
    row = Dispute.objects.get(payment=paid)
    return disputes.put_together(dispute_id=row.id, evidence={"customer_name": "Ana"}, advice="", now=time())


def stuck(time: Time, paid: Payment | None = None, **more: Any) -> Operation:
    """One that a long outage left behind: asked of nothing, so that it fails harmlessly when it is run."""
    return Operation.objects.create(
        **{
            "kind": Operation.Kind.EXPIRE_CHECKOUT, "subject": (paid or Payment()).id, "payment": paid, "params": {},
            "target": "cs_gone", "state": OperationState.STUCK, "tries": 48, "error": "timeout", "due_at": time(),
            "created_at": time(), **more,
        }
    )  # fmt: skip


@pytest.fixture
def odd(sandbox: Sandbox, ana: User, sam: User, time: Time) -> Iterator[dict[str, Any]]:
    """One of everything that can be odd."""
    paid = taken(ana, time, REFUND_FAILS)
    refund = payments.refund(payment_id=paid.id, amount=usd(1000), reason="left", now=time(), by=None)
    time.move(days=3)
    work(time)
    disputed = taken(ana, time)
    row = complained(sandbox, disputed, time)
    paid_out = payee(now=time())
    transfer = Transfer.objects.create(
        payee=paid_out, payment=disputed, amount_minor=1, currency="USD", state=TransferState.FAILED,
        due_at=time(), created_at=time(),
    )  # fmt: skip
    event = InboxEvent.objects.create(
        id="evt_lost", type="charge.updated", object_id="ch_1", livemode=False, payload={"object": "none"},
        source="pull", received_at=time(), due_at=time(), state=InboxState.FAILED, error="gone",
    )  # fmt: skip
    asked = requests.ask(what="credit", subject=ana.id, amount=usd(500), why="late bus", now=time(), by=sam)
    compared = Reconciliation.objects.create(
        kind="light",
        started_at=time(),
        ended_at=time(),
        differences={"L2": ["off by one"]},
        error="books: away",
    )
    yield {
        "paid": paid, "refund": refund, "disputed": disputed, "dispute": row, "transfer": transfer, "event": event,
        "request": asked, "compared": compared, "stuck": stuck(time, disputed),
    }  # fmt: skip
    Operation.objects.filter(target="cs_gone").delete()
    Transfer.objects.all().delete()
    if row.open and not Operation.objects.filter(kind="accept").exists():
        sandbox.decide_dispute(row.dispute, won=False)


def pages(odd: dict[str, Any]) -> list[str]:
    return [
        *(reverse(f"desk:{name}") for name in PAGES),
        reverse("desk:payment", args=[odd["paid"].id]),
        reverse("desk:payment", args=[odd["disputed"].id]),
        reverse("desk:dispute", args=[odd["dispute"].id]),
        reverse("desk:reconciliation", args=[odd["compared"].id]),
    ]


def posts(odd: dict[str, Any]) -> list[str]:
    return [
        reverse("desk:compare"),
        reverse("desk:run_all_again"),
        reverse("desk:run_again", args=[odd["stuck"].id]),
        reverse("desk:refund_again", args=[odd["refund"].id]),
        reverse("desk:transfer_again", args=[odd["transfer"].id]),
        reverse("desk:read_again", args=[odd["event"].id]),
        reverse("desk:look_again", args=[odd["paid"].id]),
        reverse("desk:submit", args=[odd["dispute"].id]),
        reverse("desk:accept", args=[odd["dispute"].id]),
        reverse("desk:charge", args=[odd["dispute"].id]),
        reverse("desk:agree", args=[odd["request"].id]),
        reverse("desk:refuse", args=[odd["request"].id]),
    ]


def test_every_page_opens_for_staff(
    odd: dict[str, Any], sam: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = signed_in(sam)
    for address in pages(odd):
        with django_assert_max_num_queries(25):
            assert client.get(address).status_code == 200, address


def test_the_pages_ask_no_more_for_more_rows(
    odd: dict[str, Any], sam: User, time: Time, ana: User, django_assert_max_num_queries: Any
) -> None:
    client = signed_in(sam)
    for n in range(30):
        stuck(time, target="cs_gone", n=n + 2, subject=odd["disputed"].id)
        audit.note(by=sam, what="x.y", subject=f"payment:{n}", now=time())
    for address in pages(odd):
        with django_assert_max_num_queries(25):
            client.get(address)
    assert "There are more" in client.get(reverse("desk:money")).content.decode()


def test_nobody_else_finds_any_of_it(odd: dict[str, Any], ana: User, max_: User) -> None:
    for address in pages(odd):
        assert signed_in(max_).get(address).status_code == 404, address
        assert Client().get(address).status_code == 302, address
    for address in posts(odd):
        assert signed_in(ana).post(address).status_code == 404, address
        assert Client().post(address).status_code == 302, address
    assert StaffAction.objects.count() == 1  # what the fixture asked for


def test_what_is_odd_stands_on_the_page(odd: dict[str, Any], sam: User) -> None:
    money = signed_in(sam).get(reverse("desk:money")).content.decode()
    for text in (
        "off by one",
        "fraudulent",
        "late bus",
        "Send again",
        "charge.updated",
        "expire_checkout",
        "rider:refund_due",
    ):
        assert text.replace("expire_checkout", "Expire Checkout") in money, text
    home = signed_in(sam).get(reverse("desk:home")).content.decode()
    assert "stuck operations" in home
    assert "differences to the payment service" in home


def test_a_quiet_day(sandbox: Sandbox, sam: User) -> None:
    client = signed_in(sam)
    assert "Nothing waits" in client.get(reverse("desk:home")).content.decode()
    assert "Nothing is odd" in client.get(reverse("desk:money")).content.decode()
    assert "No open disputes" in client.get(reverse("desk:disputes")).content.decode()


# ---- buttons


def test_what_is_stuck_is_run_again(odd: dict[str, Any], sam: User, time: Time) -> None:
    client = signed_in(sam)
    answer = client.post(reverse("desk:run_again", args=[odd["stuck"].id]), {"back": reverse("desk:money")})
    assert answer["Location"] == reverse("desk:money")
    odd["stuck"].refresh_from_db()
    assert odd["stuck"].tries < 48
    stuck(time, odd["paid"])
    said = client.post(reverse("desk:run_all_again"), follow=True).content.decode()
    assert "being tried again" in said
    assert StaffAction.objects.filter(what="operation.run_again").count() >= 2


def test_a_refund_and_an_event_are_tried_again(odd: dict[str, Any], sam: User) -> None:
    client = signed_in(sam)
    client.post(reverse("desk:refund_again", args=[odd["refund"].id]), {"back": "https://evil.example/desk/"})
    odd["refund"].refresh_from_db()
    assert odd["refund"].state == RefundState.SUCCEEDED
    client.post(reverse("desk:read_again", args=[odd["event"].id]))
    client.post(reverse("desk:read_again", args=[odd["event"].id]))
    odd["event"].refresh_from_db()
    assert odd["event"].state == InboxState.DONE
    assert StaffAction.objects.filter(what__in=["refund.send_again", "event.read_again"]).count() == 2


def test_a_transfer_is_tried_again(odd: dict[str, Any], sam: User) -> None:
    Transfer.objects.update(held=True)  # what is held back stays where it is
    address = reverse("desk:transfer_again", args=[odd["transfer"].id])
    assert signed_in(sam).post(address)["Location"] == reverse("desk:money")
    odd["transfer"].refresh_from_db()
    assert odd["transfer"].state == TransferState.FAILED


def test_back_leads_only_to_the_desk(odd: dict[str, Any], sam: User) -> None:
    for back in ("https://evil.example/desk/", "//evil.example/desk/", "/accounts/logout/"):
        answer = signed_in(sam).post(reverse("desk:compare"), {"back": back})
        assert answer["Location"] == reverse("desk:money")
    assert Reconciliation.objects.count() == 4


def test_a_payment_is_looked_at_again(odd: dict[str, Any], sam: User, sandbox: Sandbox) -> None:
    address = reverse("desk:look_again", args=[odd["paid"].id])
    assert "what the payment service says now" in signed_in(sam).post(address, follow=True).content.decode()
    assert sandbox.faults is not None
    sandbox.faults.script("GET", "payment_intents", Fault.DROP_BEFORE)
    assert "does not answer" in signed_in(sam).post(address, follow=True).content.decode()
    assert StaffAction.objects.filter(what="payment.look_again").count() == 2


def test_a_dispute_is_answered(odd: dict[str, Any], sam: User, time: Time) -> None:
    client, address = signed_in(sam), reverse("desk:dispute", args=[odd["dispute"].id])
    assert client.post(address, {"text": "We met her at the bus."}).status_code == 302
    assert client.post(address, {"text": "x" * 20_001}).status_code == 422
    assert "We met her" in client.get(address).content.decode()
    client.post(reverse("desk:submit", args=[odd["dispute"].id]))
    work(time)
    page = client.get(address).content.decode()
    assert "What the bank was sent" in page
    assert "Send the evidence" not in page
    assert client.post(address, {"text": "late"}).status_code == 422


def test_a_dispute_is_accepted_and_is_nobodys_fault(odd: dict[str, Any], sam: User, time: Time) -> None:
    client = signed_in(sam)
    Dispute.objects.update(advice="The trip did not run.")
    assert (
        "The trip did not run."
        in client.get(reverse("desk:dispute", args=[odd["dispute"].id])).content.decode()
    )
    client.post(reverse("desk:accept", args=[odd["dispute"].id]), {"why": "she is right"})
    work(time)
    assert "Who bears it" in client.get(reverse("desk:dispute", args=[odd["dispute"].id])).content.decode()
    said = client.post(reverse("desk:charge", args=[odd["dispute"].id]), follow=True).content.decode()
    assert "choose who" in said
    assert StaffAction.objects.get(what="dispute.accept").why == "she is right"
    assert "fraudulent" in client.get(reverse("desk:disputes")).content.decode()


def test_two_persons(odd: dict[str, Any], ana: User, sam: User) -> None:
    tess = person("tess", is_staff=True)
    own = signed_in(sam).get(reverse("desk:requests")).content.decode()
    assert "Take it back" in own
    assert "Agree and do it" not in own
    agree = reverse("desk:agree", args=[odd["request"].id])
    assert "Somebody else has to agree" in signed_in(sam).post(agree, follow=True).content.decode()
    assert "Agree and do it" in signed_in(tess).get(reverse("desk:requests")).content.decode()
    signed_in(tess).post(agree)
    odd["request"].refresh_from_db()
    assert odd["request"].state == RequestState.DONE
    assert (
        "decided already"
        in signed_in(tess)
        .post(reverse("desk:refuse", args=[odd["request"].id]), follow=True)
        .content.decode()
    )
    assert "Tess" in signed_in(sam).get(reverse("desk:requests")).content.decode()


def test_asking(odd: dict[str, Any], ana: User, sam: User) -> None:
    client, address = signed_in(sam), reverse("desk:ask")
    prefilled = client.get(address, {"what": "refund", "about": str(odd["paid"].id)}).content.decode()
    assert str(odd["paid"].id) in prefilled
    given = {
        "what": "refund",
        "about": str(odd["disputed"].id),
        "amount": "12.50",
        "why": "a seat was broken",
    }
    assert client.post(address, given).status_code == 302
    row = MoneyRequest.objects.get(what="refund")
    assert (row.subject, row.amount) == (odd["disputed"].id, usd(1250))
    colleague = signed_in(person("tess", is_staff=True)).post(address, given)
    assert (colleague.status_code, "you can agree to it" in colleague.content.decode()) == (422, True)
    for wrong, field in (
        ({"about": "nobody"}, "about"),
        ({"amount": "0"}, "amount"),
        ({"amount": "9999"}, "amount"),
        ({"why": ""}, "why"),
        ({"what": "theft"}, "what"),
    ):
        answer = client.post(address, {**given, **wrong})
        assert answer.status_code == 422, wrong
        assert field in answer.context["form"].errors, wrong


@pytest.mark.parametrize(
    ("what", "about"),
    [("credit", "ana@test.example"), ("pay", "Prairie Coaches"), ("pay", "otto@test.example")],
)
def test_whom_a_request_is_about(odd: dict[str, Any], sam: User, what: str, about: str) -> None:
    given = {"what": what, "about": about, "amount": "1", "why": "x"}
    assert signed_in(sam).post(reverse("desk:ask"), given).status_code == 302
    row = MoneyRequest.objects.get(what=what, why="x")
    assert desk.subjects_of([row])[row.subject] in ("ana@test.example", "Prairie Coaches")


# ---- finding


def test_a_payment_is_found(odd: dict[str, Any], ana: User, sam: User) -> None:
    client, address = signed_in(sam), reverse("desk:payments")
    paid = odd["disputed"]
    attempt = paid.attempts.get()
    here = reverse("desk:payment", args=[paid.id])
    for text in (
        paid.reference, paid.reference.partition(":")[2], paid.group, str(paid.id), attempt.intent, attempt.charge,
        odd["dispute"].dispute,
    ):  # fmt: skip
        assert client.get(address, {"q": f" {text} "})["Location"] == here, text
    both = client.get(address, {"q": "ANA@test.example"}).content.decode()
    assert both.count("2 seats to Arrowhead") == 2
    assert "Nothing goes by this" in client.get(address, {"q": "pi_nothing"}).content.decode()
    assert client.get(reverse("desk:payment", args=[sam.id])).status_code == 404


def test_everything_of_a_payment_stands_on_its_page(odd: dict[str, Any], sam: User, time: Time) -> None:
    Contribution.objects.create(
        payment=odd["paid"], source="rider:credit", amount_minor=300, currency="USD", state="returned",
        created_at=time(), at_most_minor=300,
    )  # fmt: skip
    page = signed_in(sam).get(reverse("desk:payment", args=[odd["paid"].id])).content.decode()
    Contribution.objects.all().delete()
    for text in ("rider:credit", "stripe:balance", "left", "refund: pending → ", "Charge"):
        assert text in page, text


def test_the_trail_is_narrowed(odd: dict[str, Any], sam: User, time: Time) -> None:
    tess = person("tess", is_staff=True)
    audit.note(by=tess, what="payment.look_again", subject="payment:1", now=time(), why="asked by phone")
    client, address = signed_in(sam), reverse("desk:audit")
    every = client.get(address).content.decode()
    assert "request.ask" in every
    assert "asked by phone" in every
    assert "request.ask" not in client.get(address, {"who": "tess@test.example"}).content.decode()
    assert "asked by phone" not in client.get(address, {"about": "request:"}).content.decode()
    assert "Nothing yet" in client.get(address, {"about": "nothing"}).content.decode()


# ---- what the apps above tell


def test_trips_that_go_short_stand_there(sandbox: Sandbox, sam: User) -> None:
    def tell(**_more: Any) -> list[Shortfall]:
        return [Shortfall("trip:1", "Wausau to Packers", "/t/1/", funded=18, needed=25)]

    def fail(**_more: Any) -> None:
        raise RuntimeError("no")

    listeners: list[Callable[..., Any]] = [tell, fail]
    for each in listeners:
        signals.shortfalls_asked.connect(each)
    try:
        assert [each.group for each in shortfalls()] == ["trip:1"]
        page = signed_in(sam).get(reverse("desk:money")).content.decode()
    finally:
        for each in listeners:
            signals.shortfalls_asked.disconnect(each)
    assert "18 of 25 seats paid or held" in page


def test_a_comparison_at_work(sandbox: Sandbox, sam: User, time: Time) -> None:
    row = Reconciliation.objects.create(kind="full", started_at=time())
    assert "at work" in signed_in(sam).get(reverse("desk:money")).content.decode()
    assert "at work" in signed_in(sam).get(reverse("desk:reconciliation", args=[row.id])).content.decode()
    Reconciliation.objects.update(ended_at=time() + timedelta(minutes=1))
    assert (
        "No differences" in signed_in(sam).get(reverse("desk:reconciliation", args=[row.id])).content.decode()
    )
    assert reconciling.reconcile(full=False, now=time()) is not None


# ---- what comparisons left


def ended(kind: str, time: Time, *, after: int = 15, error: str = "", **differences: list[str]) -> None:
    """A comparison, so many minutes after the last one."""
    time.move(minutes=after)
    Reconciliation.objects.create(
        kind=kind, started_at=time(), ended_at=time(), differences=differences, error=error
    )


def test_a_clean_light_one_hides_no_nightly_differences(sandbox: Sandbox, sam: User, time: Time) -> None:
    ended("full", time, L2=["off by one"], L7=["x"])
    for _ in range(6):
        ended("light", time)
    assert desk.today(now=time()).open["differences"] == "2"
    page = signed_in(sam).get(reverse("desk:money")).content.decode()
    assert ("off by one" in page, "</a> Full: differences are left" in page) == (True, True)
    ended("light", time, ageing=["a debt"], L2=["off by one"])
    assert desk.today(now=time()).open["differences"] == "3"
    ended("light", time)
    ended("full", time)
    assert "differences" not in desk.today(now=time()).open


def test_an_orphan_stands_until_a_full_one_has_looked_at_all(sandbox: Sandbox, time: Time) -> None:
    ended("full", time)
    ended("light", time, orphans=["pi_1 taken"], operations_late=["over by now"])
    ended("light", time, orphans=["pi_1 taken"])
    ended("light", time)
    [row] = desk.today(now=time()).differing
    assert row.differences == {"orphans": ["pi_1 taken"]}
    ended("full", time, error="orphans: away")
    assert desk.today(now=time()).open["differences"] == "1"
    ended("full", time)
    assert "differences" not in desk.today(now=time()).open


def test_staff_are_told_that_no_nightly_one_has_ended(sandbox: Sandbox, sam: User, time: Time) -> None:
    ended("light", time)
    Reconciliation.objects.create(kind="full", started_at=time())  # killed, or at work
    time.move(hours=26)
    assert "nightly" not in desk.today(now=time()).open
    time.move(minutes=1)
    assert desk.today(now=time()).open["nightly"] == "26"
    client = signed_in(sam)
    assert "has ended for 26 hours" in client.get(reverse("desk:money")).content.decode()
    assert "hours since the last nightly" in client.get(reverse("desk:home")).content.decode()
    ended("full", time, after=0)
    ended("light", time, after=26 * 60)
    assert "nightly" not in desk.today(now=time()).open
    ended("light", time)
    assert desk.today(now=time()).open["nightly"] == "26"
