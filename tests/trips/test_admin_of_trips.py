"""Staff screens of demand."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from rally.models import User
from tests.factories.events import event, partner, place
from tests.factories.trips import proposed
from trips.models import Event

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client: Client, sam: User) -> Client:
    client.force_login(sam)
    return client


@pytest.mark.parametrize("model", ["partner", "venue", "event", "place", "trip"])
def test_lists_open_and_search(staff: Client, model: str) -> None:
    proposed()
    partner()
    place()
    assert staff.get(reverse(f"admin:trips_{model}_changelist"), {"q": "green"}).status_code == 200


def test_an_edited_event_is_found_by_its_new_name(staff: Client) -> None:
    game = event()
    page = reverse("admin:trips_event_change", args=[game.pk])
    assert staff.get(page).status_code == 200
    answer = staff.post(
        page,
        {
            "name": "Winter Carnival", "category": "festival", "home": "", "away": "", "venue": game.venue_id, "state": "scheduled",
            "starts_at_0": "2026-12-13", "starts_at_1": "18:00", "ends_at_0": "2026-12-13", "ends_at_1": "22:00",
            "source": "rider", "source_id": "1",
        },
    )  # fmt: skip
    assert answer.status_code == 302
    changed = Event.objects.get()
    assert (changed.slug, changed.search_text) == (
        "winter-carnival",
        "winter carnival lambeau field green bay wisconsin",
    )


def test_a_trip_is_only_looked_at(staff: Client) -> None:
    trip = proposed()
    page = reverse("admin:trips_trip_change", args=[trip.pk])
    assert b"Milwaukee Intermodal Station" in staff.get(page).content
    assert staff.post(page, {"origin": "Elsewhere"}).status_code == 403
    assert staff.get(reverse("admin:trips_trip_add")).status_code == 403
    assert staff.get(reverse("admin:trips_trip_delete", args=[trip.pk])).status_code == 403
