"""Evidence about a ride: what is on record, all of it, and nothing else; and when the payer is right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from operators.actions import boardings, evidence
from operators.models import Run
from operators.queries.evidence import ride_of
from operators.receivers import put_evidence_together
from operators.states import RunState
from payments.actions import disputes
from payments.models import Attempt, Dispute, Payment, Refund
from payments.states import AttemptState, PaymentState, RefundState
from rally import outbox
from rally.models import User
from tests.factories.operators import NOW
from tests.factories.people import person
from trips.models import Pledge, Seat, Trip
from trips.states import PledgeState, TripState

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture
def pledge(run: Run) -> Pledge:
    """Four seats, paid for."""
    found = Pledge.objects.get(trip=run.trip, seats=4)
    Pledge.objects.filter(id=found.id).update(policy=[[168, 100], [0, 0]])
    return Pledge.objects.get(id=found.id)


def disputed(payment: Payment) -> Dispute:
    attempt = Attempt.objects.create(
        payment=payment, n=1, state=AttemptState.CAPTURED, amount_minor=payment.amount_minor, intent="pi_1",
        captured_minor=payment.captured_minor, captures_at_once=True, created_at=NOW,
    )  # fmt: skip
    return Dispute.objects.create(
        payment=payment, attempt=attempt, dispute="du_1", reason="product_not_received", currency="USD",
        amount_minor=payment.amount_minor, opened_at=NOW,
    )  # fmt: skip


@pytest.fixture
def dispute(pledge: Pledge) -> Dispute:
    assert pledge.payment is not None
    return disputed(pledge.payment)


def board(run: Run, name: str, dee: User, leg: str, at: datetime, device: str = "phone 1") -> Seat:
    seat = Seat.objects.get(name=name)
    boardings.board(run_id=run.id, code=seat.code, leg=leg, at=at, device=device, now=at, by=dee)
    return seat


def assembled(dispute: Dispute, now: datetime = NOW) -> Dispute:
    return evidence.put_together(dispute_id=dispute.id, now=now)


def test_all_that_is_on_record_stands_there(
    run: Run,
    pledge: Pledge,
    dispute: Dispute,
    dee: User,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    leaving = run.trip.departs_at
    seat = board(run, "Ana Lund", dee, "outbound", leaving - MINUTE)
    boardings.undo(run_id=run.id, seat_id=seat.id, leg="outbound", now=leaving, by=dee)
    board(run, "Ana Lund", dee, "outbound", leaving + MINUTE)
    ben = Seat.objects.get(name="Ben Ito")
    boardings.board_seat(run_id=run.id, seat_id=ben.id, leg="outbound", at=leaving, now=leaving, by=dee)
    Run.objects.filter(id=run.id).update(started_at=leaving)
    for subject in (f"pledge:{pledge.id}", f"seat:{seat.code}", f"pledge:{pledge.id}:1"):
        outbox.put(to=pledge.rider, kind="trips.boarding_pass", subject=subject, facts={}, now=NOW)
    pledge.rider.notices.update(state="sent", sent_at=NOW)
    outbox.put(to=pledge.rider, kind="trips.run_changed", subject=f"pledge:{pledge.id}", facts={}, now=NOW)

    with django_assert_max_num_queries(18):
        row = assembled(dispute)

    told = row.evidence
    assert row.advice == ""
    assert told.keys() <= set(disputes.TEXTS)
    assert (told["customer_name"], told["customer_email_address"]) == (pledge.rider.name, pledge.rider.email)
    assert told["service_date"] == "December 13, 2026"
    assert "4 seat(s) on a bus from Milwaukee" in told["product_description"]
    assert "Ana Lund, Ben Ito, Cy Roe, Di Fox" in told["product_description"]
    assert f"Driven by {run.operator.name}" in told["product_description"]
    assert "the bus left the first stop" in told["product_description"]
    assert "was back" not in told["product_description"]
    log = told["access_activity_log"]
    assert log.count("We sent the mail 'boarding_pass'.") == 3
    assert "run_changed" not in log  # asked for, not sent
    assert "Ana Lund was checked in on the way there on the device phone 1, taken back at" in log
    assert (
        f"{leaving + MINUTE:%Y-%m-%d %H:%M} UTC: Ana Lund was checked in on the way there on the device phone 1."
        in log
    )
    assert "Ben Ito was checked in on the way there in the driver's list." in log
    assert "Cy Roe: no check-in on the way there on record." in log
    assert "Ana Lund: no check-in on the way back on record." in log
    assert "Ana Lund: no check-in on the way there" not in log
    assert "version 1" in told["refund_policy_disclosure"]
    assert told["refund_policy_disclosure"].endswith("I agree.")
    assert "all of it until 7 days before departure" in told["cancellation_policy_disclosure"]
    assert "Nothing was given back." in told["refund_refusal_explanation"]
    assert "The customer did not cancel" in told["refund_refusal_explanation"]


def test_an_evening_in_wisconsin_is_no_morning_after(run: Run, pledge: Pledge, dispute: Dispute) -> None:
    Trip.objects.filter(id=run.trip_id).update(departs_at=datetime(2026, 12, 13, 1, 30, tzinfo=UTC))
    assert assembled(dispute).evidence["service_date"] == "December 12, 2026"


def test_the_receiver_does_it_and_twice_is_as_things_stand_then(
    run: Run, dispute: Dispute, dee: User
) -> None:
    put_evidence_together(sender=None, dispute_id=dispute.id)
    log = Dispute.objects.get(id=dispute.id).evidence["access_activity_log"]
    assert "Nobody has told us yet that the bus has left." in log
    assert "check-in" not in log
    board(run, "Di Fox", dee, "outbound", run.trip.departs_at)
    assert (
        "Di Fox was checked in" in assembled(dispute).evidence["access_activity_log"]
    )  # and nobody presses "start"
    Run.objects.filter(id=run.id).update(started_at=run.trip.departs_at)
    log = assembled(dispute).evidence["access_activity_log"]
    assert "Di Fox was checked in" in log
    assert "Nobody has told us" not in log
    assert "Ben Ito: no check-in on the way there on record." in log


def test_a_payment_for_no_ride_says_who_paid_for_what(ana: User) -> None:
    payment = Payment.objects.create(
        payer=ana, reference="other:1", group="g", description="Something", provider="sandbox", amount_minor=500,
        captured_minor=500, currency="USD", state=PaymentState.PAID, created_at=NOW, changed_at=NOW,
    )  # fmt: skip
    row = assembled(disputed(payment))
    assert row.evidence == {
        "customer_name": "Ana",
        "customer_email_address": "ana@test.example",
        "product_description": "Something. Paid: $5.",
    }


def test_without_a_policy_none_is_claimed(pledge: Pledge, dispute: Dispute) -> None:
    Pledge.objects.filter(id=pledge.id).update(policy=[])
    told = assembled(dispute).evidence["cancellation_policy_disclosure"]
    assert told.startswith("Before the trip is confirmed leaving is free")


# ---- when the payer is right


def refund(dispute: Dispute, amount: int, state: str) -> None:
    Refund.objects.create(
        attempt=dispute.attempt, reason="x", amount_minor=amount, state=state, created_at=NOW
    )
    Payment.objects.filter(id=dispute.payment_id).update(refunded_minor=amount)


def test_a_refund_that_did_not_arrive(dispute: Dispute) -> None:
    refund(dispute, 100, RefundState.FAILED)
    row = assembled(dispute)
    assert row.advice == "A refund was promised for this payment and has not arrived."
    assert "$1 promised, not arrived." in row.evidence["refund_refusal_explanation"]


def test_all_is_back_already(dispute: Dispute, run: Run) -> None:
    refund(dispute, dispute.payment.captured_minor, RefundState.SUCCEEDED)
    Trip.objects.filter(id=run.trip_id).update(state=TripState.CANCELLED)
    row = assembled(dispute)
    assert row.advice == ""
    assert "given back." in row.evidence["refund_refusal_explanation"]


@pytest.mark.parametrize(("state", "why"), [("lapsed", "too_few"), ("cancelled", "")])
def test_a_trip_that_did_not_run(dispute: Dispute, run: Run, state: str, why: str) -> None:
    Trip.objects.filter(id=run.trip_id).update(state=state, why_ended=why)
    advice = assembled(dispute).advice
    assert advice.startswith(f"The trip did not run ({why or state})")
    assert str(dispute.payment.captured) in advice


def test_seats_that_were_given_up(dispute: Dispute, pledge: Pledge) -> None:
    from rally import journal
    from trips.states import PLEDGE

    journal.move(pledge, PLEDGE, PledgeState.WITHDRAWING, now=NOW, by=None, why="ill")
    row = assembled(dispute)
    assert row.advice.startswith("The seats were given up while")
    assert "the customer's seats were given up (ill)" in row.evidence["refund_refusal_explanation"]
    assert "did not cancel" not in row.evidence["refund_refusal_explanation"]


def test_no_bus_was_driven(dispute: Dispute, run: Run) -> None:
    assert assembled(dispute, run.trip.returns_at).advice == ""
    assert assembled(dispute, run.trip.returns_at + MINUTE).advice.startswith("No bus is on record")
    Run.objects.filter(id=run.id).update(started_at=run.trip.departs_at)
    assert assembled(dispute, run.trip.returns_at + MINUTE).advice == ""


@pytest.mark.parametrize("change", [{"state": RunState.FAILED}, {"legs_percent": 50}])
def test_a_bus_that_was_driven_in_part(dispute: Dispute, run: Run, change: dict[str, Any]) -> None:
    Run.objects.filter(id=run.id).update(started_at=run.trip.departs_at, **change)
    assert assembled(dispute).advice.startswith("The bus is on record as driven only in part")
    refund(dispute, 100, RefundState.SUCCEEDED)
    assert assembled(dispute).advice == ""


def test_a_ride_is_found_by_its_payment_alone(dispute: Dispute) -> None:
    ride = ride_of(dispute)
    assert ride is not None
    assert ride.standing == []
    assert len(ride.seats) == 4
    assert person("late").pledges.count() == 0
