"""News that is not about a run leaves runs alone."""

from __future__ import annotations

import pytest

from operators import receivers
from payments.models import Payee, Transfer
from payments.states import TransferState
from rally.ids import uuid7
from rally.models import User
from tests.factories.operators import confirmed_run
from tests.factories.payments import payment
from trips.states import TripState

pytestmark = pytest.mark.django_db


def transfer(ana: User, group: str, now: object) -> Transfer:
    payee = Payee.objects.create(name="P", email="p@test.example", provider="sandbox", created_at=now)
    return Transfer.objects.create(
        payee=payee,
        payment=payment(ana, now=now, group=group),  # type: ignore[arg-type]
        group=group,
        amount_minor=100,
        currency="USD",
        state=TransferState.PENDING,
        due_at=now,
        created_at=now,
    )


def test_transfers_of_other_things_and_of_trips_without_a_completed_run(ana: User, now: object) -> None:
    run = confirmed_run()
    receivers.close_paid_trip(sender=None, transfer_id=transfer(ana, "season:1", now).id)
    receivers.close_paid_trip(sender=None, transfer_id=transfer(ana, f"trip:{run.trip_id}", now).id)
    receivers.close_paid_trip(sender=None, transfer_id=uuid7())
    run.trip.refresh_from_db()
    assert run.trip.state == TripState.CONFIRMED
