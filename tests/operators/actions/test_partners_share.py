"""What a partner has of our fee for a trip: agreed when the trip is confirmed, whatever is agreed later."""

from __future__ import annotations

from datetime import datetime

import pytest
import time_machine

from operators.actions import driving
from payments import queries as money
from tests.factories import pledges as make
from tests.factories.events import event, partner
from tests.factories.operators import ready
from tests.factories.trips import proposed
from trips.models import Event, Partner, Trip
from trips.states import VehicleClass

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_later_agreement_changes_no_trip_that_is_certain(now: datetime) -> None:
    club = partner(share_percent=20)
    other = partner("another-club", share_percent=90)
    crew = ready()
    with time_machine.travel(now, tick=False) as clock:
        trip = proposed(to=event(partner=club), vehicle_class=VehicleClass.VAN, now=now)
        make.backed(trip, seats=10, now=now)
        assert (trip.partner, trip.partner_percent) == (None, 0)  # not agreed for good before it is certain
        run = crew.commits(trip, now=now)
        trip.refresh_from_db()
        assert (trip.state, trip.partner, trip.partner_percent) == ("confirmed", club, 20)

        Partner.objects.filter(id=club.id).update(share_percent=50)
        Event.objects.filter(id=trip.event_id).update(partner=other)
        clock.move_to(trip.departs_at)
        for step in (driving.start, driving.arrive, driving.head_back, driving.complete):
            step(run_id=run.id, now=trip.departs_at, by=crew.driver.user)

    taken = 10 * trip.stops.get(position=1).fare_minor
    fee = taken - taken * 100 // 112
    assert money.balance("partner:payable") == fee * 20 // 100
    club.refresh_from_db()
    assert club.payee is not None
    assert money.balance("partner:payable", payee=club.payee) == fee * 20 // 100
    other.refresh_from_db()
    assert other.payee is None
    assert money.check_ledger() == {}


def test_no_partner_no_share(now: datetime) -> None:
    crew = ready()
    with time_machine.travel(now, tick=False):
        trip = proposed(vehicle_class=VehicleClass.VAN, now=now)
        make.backed(trip, seats=10, now=now)
        crew.commits(trip, now=now)
        Event.objects.filter(id=trip.event_id).update(partner=partner(share_percent=90))
    kept = Trip.objects.get(id=trip.id)
    assert (kept.state, kept.partner, kept.partner_percent) == ("confirmed", None, 0)
