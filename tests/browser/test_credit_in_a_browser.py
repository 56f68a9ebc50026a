"""A code and credit where seats are taken, and the credit page, on a phone and on a desk: nobody is shut out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from payments.queries import credit_of
from rally import clock
from tests.browser.conftest import Visit
from tests.factories.payments import usd
from tests.factories.people import person
from tests.factories.promotions import credited, promotion
from tests.factories.trips import proposed
from tests.journeys.world import World
from trips.models import Pledge, Trip
from trips.states import VehicleClass


@pytest.fixture
def van(world: World) -> Trip:
    """A van that gathers riders. The world is there: a schedule and towns."""
    assert world
    return proposed(vehicle_class=VehicleClass.VAN, now=clock.now())


def keep(guest: Visit, name: str) -> None:
    """A picture, if somebody wants to look."""
    if folder := os.environ.get("RALLY_PICTURES"):
        Path(folder).mkdir(exist_ok=True)
        guest.page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.mark.parametrize("desk", [False, True])
def test_code_and_credit_change_the_sum_at_once(van: Trip, visit: Callable[..., Visit], desk: bool) -> None:
    promotion()
    ana = credited(person("ana"), 1200)
    fare = van.stops.get().fare_minor
    guest, size = visit(desk=desk, dark=desk), "desk" if desk else "phone"
    guest.sign_in(ana.email)
    page = guest.open(f"/t/{van.code}/pledge/")
    page.get_by_text("From your credit").wait_for()
    page.get_by_label("Promotion code").fill("gameday")
    page.get_by_label("Promotion code").blur()
    by_card = usd(fare - fare * 20 // 100 - 1200)
    page.locator("#sum").get_by_text(str(by_card), exact=True).wait_for()
    guest.check()
    keep(guest, f"pledge-{size}")

    page.get_by_label("Use my $12 credit").uncheck()
    page.locator("#sum").get_by_text(str(usd(fare - fare * 20 // 100)), exact=True).wait_for()
    page.get_by_label("Use my $12 credit").check()
    page.locator("#sum").get_by_text(str(by_card), exact=True).wait_for()
    page.get_by_label("I agree").check()
    page.locator("button.btn-block[name=do]").click()
    guest.pay()
    page.wait_for_url("**/p/**")
    assert str(by_card) in page.locator("aside").inner_text()
    guest.check()
    keep(guest, f"ride-{size}")
    assert credit_of(ana) == usd(0)

    guest.open("/rides/credit/")
    guest.check()
    keep(guest, f"credit-{size}")
    assert "For your seats" in page.inner_text("main")
    assert guest.wrongs == []


def test_it_works_without_scripts(van: Trip, visit: Callable[..., Visit]) -> None:
    promotion()
    guest = visit(scripts=False)
    page = guest.open(f"/t/{van.code}/pledge/")
    page.get_by_label("Promotion code").fill("NOSUCH")
    page.get_by_role("button", name="Show the sum with it").click()
    page.get_by_text("We do not know this code").wait_for()
    keep(guest, "unknown")
    page.get_by_label("Promotion code").fill("GAMEDAY")
    page.get_by_role("button", name="Show the sum with it").click()
    page.get_by_text("By card, at most").wait_for()
    assert not Pledge.objects.exists()
